// Enters: bytes. Leaves: what a view reads of them.
import Memory
import Testing

@Test func slices() {
    let view = ByteView("hello")
    #expect(view.count == 5 && view[0] == UInt8(ascii: "h") && view[4] == UInt8(ascii: "o"))
    #expect(view[1..<3] == "el")
    #expect(view[5..<5].isEmpty)
    #expect(view.prefix(2) == "he" && view.prefix(9) == "hello" && view.prefix(0).isEmpty)
    #expect(view.dropFirst(2) == "llo" && view.dropFirst(9).isEmpty)
    #expect(ByteView.empty.prefix(1).isEmpty && ByteView.empty[0..<0].isEmpty && ByteView.empty.text == "")
    #expect(ByteView.empty == "" && ByteView.empty != view)
    #expect(view.array == Array("hello".utf8) && view.text == "hello")
}

@Test func integersAtAnyOffset() throws {
    var arena = Arena(bytesMax: 4096)
    let view = try arena.copy([9, 1, 2, 3, 4, 5, 6, 7, 0x88] as [UInt8])
    #expect(view.littleEndian(at: 1, as: UInt64.self) == 0x8807_0605_0403_0201)
    #expect(view.bigEndian(at: 1, as: UInt64.self) == 0x0102_0304_0506_0788)
    #expect(view.littleEndian(at: 1, as: UInt32.self) == 0x0403_0201)
    #expect(view.bigEndian(at: 1, as: UInt16.self) == 0x0102)
    #expect(view.littleEndian(at: 8, as: Int8.self) == -120)
}

@Test func equalityAndHash() throws {
    var arena = Arena(bytesMax: 4096)
    let rows = ["", "a", "b", "ab", "ba", "abc"]
    for left in rows {
        for right in rows {
            let (one, other) = (try arena.copy(left), try arena.copy(right))
            #expect((one == other) == (left == right))
            #expect((one.fnv1a == other.fnv1a) == (left == right))
        }
    }
    // Published values of FNV-1a, 64 bits.
    #expect(ByteView("").fnv1a == 0xcbf2_9ce4_8422_2325)
    #expect(ByteView("a").fnv1a == 0xaf63_dc4c_8601_ec8c)
    #expect(ByteView("foobar").fnv1a == 0x8594_4171_f739_67e8)
}

@Test(
    arguments: [
        ([], true), (Array("plain".utf8), true), (Array("é🕊".utf8), true), ([0], true), ([0x80], false),
        ([0xc3], false), ([0xc0, 0x80], false), ([0xed, 0xa0, 0x80], false), ([0xf4, 0x90, 0x80, 0x80], false),
        ([0xe2, 0x82, 0xac], true), ([0xe2, 0x82], false), ([0x61, 0xff], false),
    ] as [([UInt8], Bool)])
func utf8(bytes: [UInt8], expected: Bool) throws {
    var arena = Arena(bytesMax: 4096)
    #expect(try arena.copy(bytes).isUTF8 == expected)
}

@Test func lentAsASpan() {
    #expect(ByteView("abc").withBytes { $0.byteCount } == 3)
    #expect(ByteView.empty.withBytes { $0.byteCount } == 0)
}

@Test func ownedBytes() {
    let owner = OwnedBytes("kept")
    #expect(owner.view == "kept" && OwnedBytes("").view.isEmpty)
}
