// Enters: base64 as -bin metadata carries it. Leaves: the bytes, or why not.
import GRPC
import Memory
import TestSupport
import Testing

private func decode(_ value: String) -> Result<[[UInt8]], BinaryMetadataError> {
    var arena = Arena(bytesMax: 1 << 16)
    do throws(BinaryMetadataError) {
        let value = (try? arena.copy(value)) ?? .empty
        return .success(try BinaryMetadata.decode(value, in: &arena).array.map(\.array))
    } catch {
        return .failure(error)
    }
}

private let rows: [(value: String, expected: Result<[[UInt8]], BinaryMetadataError>)] = [
    ("", .success([[]])),
    ("Zg", .success([[0x66]])),
    ("Zg==", .success([[0x66]])),
    ("Zm8", .success([[0x66, 0x6f]])),
    ("Zm8=", .success([[0x66, 0x6f]])),
    ("Zm9v", .success([[0x66, 0x6f, 0x6f]])),
    ("+/+/", .success([[0xfb, 0xff, 0xbf]])),
    ("Zg, Zm8=,Zm9v", .success([[0x66], [0x66, 0x6f], [0x66, 0x6f, 0x6f]])),
    ("Zg,", .success([[0x66], []])),
    ("Z", .failure(.length(1))),
    ("Zm9vZ", .failure(.length(5))),
    ("Zm9v====", .failure(.character(UInt8(ascii: "="), at: 4))),
    ("Zg=", .failure(.character(UInt8(ascii: "="), at: 2))),
    ("Z===", .failure(.character(UInt8(ascii: "="), at: 1))),
    ("Zm 9", .failure(.character(UInt8(ascii: " "), at: 2))),
    // The URL alphabet is another one.
    ("-_-_", .failure(.character(UInt8(ascii: "-"), at: 0))),
    ("Zh", .failure(.tail(UInt8(ascii: "h")))),
    ("Zm9=", .failure(.tail(UInt8(ascii: "9")))),
]

@Test(arguments: rows.indices)
func decodes(row: Int) {
    #expect(decode(rows[row].value) == rows[row].expected, "\(rows[row].value)")
}

@Test func roundTripOfEveryLength() throws {
    var random = SplitMix(seed: 1)
    for count in 0..<70 {
        var arena = Arena(bytesMax: 1 << 16)
        let content = random.bytes(count)
        let encoded = try BinaryMetadata.encode(arena.copy(content), in: &arena)
        #expect(!encoded.array.contains(UInt8(ascii: "=")), "\(content)")
        #expect(try BinaryMetadata.decode(encoded, in: &arena).array.map(\.array) == [content], "\(content)")
    }
}

@Test func anArenaTooSmall() throws {
    var source = Arena(bytesMax: 4096)
    var arena = Arena(firstChunkBytes: 8, bytesMax: 8)
    let value = try source.copy("AAAAAAAAAAAAAAAA")
    #expect(throws: BinaryMetadataError.arena(ArenaFull(bytesMax: 8))) {
        _ = try BinaryMetadata.decode(value, in: &arena)
    }
}

@Test(arguments: [("trace-bin", true), ("-bin", false), ("bin", false), ("trace-bin2", false), ("x-bin", true)])
func binaryKeys(key: String, expected: Bool) throws {
    var arena = Arena(bytesMax: 4096)
    #expect(BinaryMetadata.isBinary(key: try arena.copy(key)) == expected)
}
