// Enters: elements. Leaves: lists in an arena, grown in place or moved.
import Memory
import Testing

@Test(arguments: [0, 1, 4, 5, 1000])
func appended(count: Int) throws {
    var arena = Arena(firstChunkBytes: 64, bytesMax: 1 << 20)
    var list = List<Int>()
    #expect(list.isEmpty)
    for element in 0..<count { try list.append(element, in: &arena) }
    #expect(list.count == count && list.array == Array(0..<count))
    #expect(list.bytes.count == count * 8)
}

@Test func twoListsThatGrowInTurn() throws {
    var arena = Arena(firstChunkBytes: 64, bytesMax: 1 << 20)
    var numbers = List<UInt32>()
    var bytes = List<UInt8>()
    for element in 0..<500 {
        try numbers.append(UInt32(element), in: &arena)
        try bytes.append(UInt8(element % 251), in: &arena)
        try bytes.append(contentsOf: ByteView("xyz"), in: &arena)
    }
    #expect(numbers.array == (0..<500).map(UInt32.init))
    #expect(bytes.array == (0..<500).flatMap { [UInt8($0 % 251)] + Array("xyz".utf8) })
}

@Test func theLastListGrowsWhereItIs() throws {
    var arena = Arena(firstChunkBytes: 4096, bytesMax: 4096)
    var list = List<UInt8>()
    // Moving at each growth would need twice the arena.
    for element in 0..<4096 { try list.append(UInt8(truncatingIfNeeded: element), in: &arena) }
    #expect(list.count == 4096)
    #expect(throws: ArenaFull(bytesMax: 4096)) { try list.append(0, in: &arena) }
    #expect(list.count == 4096 && list[4095] == 255)
}

@Test func appendingItsOwnBytes() throws {
    var arena = Arena(bytesMax: 1 << 16)
    var list = List<UInt8>()
    try list.append(contentsOf: ByteView("ab"), in: &arena)
    for _ in 0..<5 { try list.append(contentsOf: list.bytes, in: &arena) }
    #expect(list.bytes.text == String(repeating: "ab", count: 32))
}

@Test func movedUp() throws {
    var arena = Arena(bytesMax: 4096)
    var list = List<UInt8>()
    try list.append(contentsOf: ByteView("head-body"), in: &arena)
    for _ in 0..<3 { try list.append(UInt8(ascii: "."), in: &arena) }
    list.move(5, by: 3, count: 4)
    #expect(list.bytes.text == "head-bodbody")
    list.move(0, by: 0, count: 12)
    #expect(list.bytes.text == "head-bodbody")
}

@Test func copiesAreTheirOwn() throws {
    var arena = Arena(bytesMax: 4096)
    var list = List<Int16>()
    for element in [1, 2, 3] as [Int16] { try list.append(element, in: &arena) }
    var copy = try list.copy(in: &arena)
    #expect(copy == list)
    copy[1] = 9
    #expect(copy != list && list.array == [1, 2, 3])
    list.removeAll()
    #expect(list.isEmpty && copy.array == [1, 9, 3])
    #expect(try list.copy(in: &arena).isEmpty)
}
