// Enters: fields. Leaves: messages, compared with bytes written by hand and read back.
import Memory
import Protobuf
import TestSupport
import Testing

/// What `body` writes, as one run of bytes; checks that the pieces are as long as the writer says.
private func written(
    headroom: Int = 0, referenceBytesMin: Int = Outbox.referenceBytesMin, expectedBytes: Int = 16,
    _ body: (inout WireWriter, inout Arena) throws -> Void
) throws -> [UInt8] {
    var arena = Arena(firstChunkBytes: 64, bytesMax: 1 << 25)
    var writer = try WireWriter(
        headroom: headroom, expectedBytes: expectedBytes, referenceBytesMin: referenceBytesMin, in: &arena)
    try body(&writer, &arena)
    let count = writer.count
    let joined = try writer.whole(headroom: headroom, in: &arena).array
    let pieces = try writer.finish(in: &arena) { buffer, bytes in
        #expect(bytes == count)
        for index in 0..<headroom { buffer[index] = 0xee }
    }
    let whole = pieces.array.flatMap(\.array)
    #expect(whole.count == count)
    #expect(whole.prefix(headroom).allSatisfy { $0 == 0xee })
    #expect(joined == Array(whole.dropFirst(headroom)))
    return joined
}

@Test func scalars() throws {
    let bytes = try written { writer, arena in
        try writer.number(1, 150 as UInt64, in: &arena)
        try writer.number(2, -1 as Int64, in: &arena)
        try writer.bool(3, true, in: &arena)
        try writer.number(16, UInt64.max, in: &arena)
        try writer.string(4, ByteView("hi"), in: &arena)
    }
    let ones = Array(repeating: UInt8(0xff), count: 9) + [1]
    #expect(bytes == [0x08, 0x96, 0x01, 0x10] + ones + [0x18, 1, 0x80, 0x01] + ones + [0x22, 2, 0x68, 0x69])
}

@Test func defaultsAreLeftOutElementsAreNot() throws {
    let bytes = try written { writer, arena in
        try writer.number(1, 0 as UInt64, in: &arena)
        try writer.bool(2, false, in: &arena)
        try writer.string(3, .empty, in: &arena)
        try writer.packed(4, List<Int64>(), in: &arena)
        try writer.element(5, .empty, in: &arena)
        let mark = try writer.begin(6, in: &arena)
        try writer.end(mark, in: &arena)
    }
    #expect(bytes == [0x2a, 0, 0x32, 0])
}

@Test func packedNumbers() throws {
    let bytes = try written { writer, arena in
        var values = List<Int64>()
        for value in [3, 270, 86942, -1] as [Int64] { try values.append(value, in: &arena) }
        try writer.packed(4, values, in: &arena)
    }
    #expect(
        bytes == [0x22, 16, 0x03, 0x8e, 0x02, 0x9e, 0xa7, 0x05] + Array(repeating: 0xff, count: 9) + [0x01])
}

private let lengths = [0, 2, 126, 127, 128, 129, 16382, 16383, 16384, 16385]

/// A nested message of exactly `bytes` bytes, whose content is copied or referenced, inside another one that ends at the
/// same place or has something behind it.
@Test(arguments: lengths, [1, 8192, Int.max])
func nestedLengths(bytes: Int, referenceBytesMin: Int) throws {
    // The field's tag and its length come off what the payload may have.
    var payload = max(0, bytes - 2)
    while payload > 0 && 1 + varint(payload).count + payload > bytes { payload -= 1 }
    // Where the length's own length jumps no single field fits exactly: a number makes up for it.
    let gap = bytes - (bytes == 0 ? 0 : 1 + varint(payload).count + payload)
    let content = (0..<payload).map { UInt8(truncatingIfNeeded: $0) }
    for headroom in [0, 5] {
        for more in [false, true] {
            let result = try written(headroom: headroom, referenceBytesMin: referenceBytesMin) { writer, arena in
                try writer.number(1, 7 as UInt64, in: &arena)
                let outer = try writer.begin(2, in: &arena)
                let inner = try writer.begin(3, in: &arena)
                if bytes > 0 { try writer.element(1, arena.copy(content), in: &arena) }
                for _ in 0..<gap { try writer.varint(0, in: &arena) }
                try writer.end(inner, in: &arena)
                if more { try writer.element(4, arena.copy(content), in: &arena) }
                try writer.end(outer, in: &arena)
                if more { try writer.number(5, 9 as UInt64, in: &arena) }
            }
            let field = bytes == 0 ? [] : [0x0a] + varint(payload) + content
            let inner = field + Array(repeating: 0, count: gap)
            #expect(inner.count == bytes)
            let outer = [0x1a] + varint(bytes) + inner + (more ? [0x22] + varint(payload) + content : [])
            let expected = [0x08, 7, 0x12] + varint(outer.count) + outer + (more ? [0x28, 9] : [])
            #expect(result == expected, "headroom \(headroom), more \(more)")
        }
    }
}

/// Lengths of three and of four bytes, around a payload that is too large to copy.
@Test(arguments: [2_097_147, 2_097_148])
func nestedLengthsOfMegabytes(payload: Int) throws {
    let content = [UInt8](repeating: 7, count: payload)
    let result = try written { writer, arena in
        let mark = try writer.begin(2, in: &arena)
        try writer.element(1, arena.copy(content), in: &arena)
        try writer.end(mark, in: &arena)
    }
    let inner = [0x0a] + varint(payload) + content
    #expect(result == [0x12] + varint(inner.count) + inner)
    #expect(varint(inner.count).count == (payload == 2_097_147 ? 3 : 4))
}

/// References inside, before and behind a nested message move with what stands around them.
@Test func referencesBetweenMarks() throws {
    let payload = (0..<200).map { UInt8($0) }
    for referenceBytesMin in [1, 200, 201] {
        let result = try written(referenceBytesMin: referenceBytesMin) { writer, arena in
            let view = try arena.copy(payload)
            try writer.element(1, view, in: &arena)
            let one = try writer.begin(2, in: &arena)
            try writer.element(3, view, in: &arena)
            let two = try writer.begin(4, in: &arena)
            try writer.element(5, view, in: &arena)
            try writer.element(5, view, in: &arena)
            try writer.end(two, in: &arena)
            try writer.element(6, view, in: &arena)
            try writer.end(one, in: &arena)
            let three = try writer.begin(7, in: &arena)
            try writer.number(1, 1 as UInt64, in: &arena)
            try writer.end(three, in: &arena)
            try writer.element(8, view, in: &arena)
        }
        let field = { (number: UInt8) in [number << 3 | 2] + varint(200) + payload }
        let two = field(5) + field(5)
        let one = field(3) + [0x22] + varint(two.count) + two + field(6)
        #expect(result == field(1) + [0x12] + varint(one.count) + one + [0x3a, 2, 8, 1] + field(8))
    }
}

@Test func largePayloadsAreNotCopied() throws {
    var arena = Arena(bytesMax: 1 << 20)
    let large = try arena.copy(Array(repeating: 1, count: Outbox.referenceBytesMin))
    let small = large.dropFirst(1)
    var writer = try WireWriter(headroom: 5, in: &arena)
    try writer.element(1, small, in: &arena)
    try writer.element(2, large, in: &arena)
    try writer.element(3, large, in: &arena)
    let pieces = try writer.finish(in: &arena) { _, _ in }
    #expect(pieces.array.map(\.count) == [5 + 3 + 8191 + 3, 8192, 3, 8192])
}

/// Nested four deep, ten of each: read back to what was written.
@Test func roundTrip() throws {
    func write(_ depth: UInt64, _ writer: inout WireWriter, _ arena: inout Arena) throws {
        for number in 1...(10 as UInt64) { try writer.number(1, number * 100 + depth, in: &arena) }
        guard depth < 4 else { return }
        for _ in 0..<10 {
            let mark = try writer.begin(2, in: &arena)
            try write(depth + 1, &writer, &arena)
            try writer.end(mark, in: &arena)
        }
    }
    func check(_ depth: UInt64, _ reader: WireReader) throws -> Int {
        var reader = reader
        var numbers: [UInt64] = []
        var messages = 0
        while let field = try reader.next() {
            if field.number == 1 {
                numbers.append(try field.unsigned())
            } else {
                messages += 1 + (try check(depth + 1, field.message()))
            }
        }
        #expect(numbers == (1...10).map { $0 * 100 + depth })
        return messages
    }
    let bytes = try written { writer, arena in try write(1, &writer, &arena) }
    var arena = Arena(bytesMax: 1 << 20)
    #expect(try check(1, WireReader(arena.copy(bytes))) == 1110)
}

@Test func anArenaAtItsBound() throws {
    var arena = Arena(bytesMax: 4096)
    var source = Arena(bytesMax: 1 << 16)
    let content = try source.copy(Array(repeating: 1, count: 4000))
    var writer = try WireWriter(headroom: 5, in: &arena)
    #expect(throws: ArenaFull(bytesMax: 4096)) {
        for _ in 0..<2 { try writer.element(1, content, in: &arena) }
    }
}
