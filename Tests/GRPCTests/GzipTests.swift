// Enters: gzip's bytes, sound and spoilt. Leaves: what they inflate to, or which bound or check refuses them.
import GRPC
import Memory
import TestSupport
import Testing

private func bytes(_ hexadecimal: String) -> [UInt8] {
    var bytes: [UInt8] = []
    var rest = Substring(hexadecimal)
    while rest.count >= 2 {
        bytes.append(UInt8(rest.prefix(2), radix: 16) ?? 0)
        rest = rest.dropFirst(2)
    }
    return bytes
}

private func inflate(
    _ payload: [UInt8], bytesMax: Int = 1 << 24, ratioMax: Int = 100, arenaBytesMax: Int = 1 << 25
) -> Result<[UInt8], GzipError> {
    var outer = Arena(bytesMax: 1 << 25)
    var arena = Arena(firstChunkBytes: 64, bytesMax: arenaBytesMax)
    do throws(GzipError) {
        let payload = (try? outer.copy(payload)) ?? .empty
        return .success(try Gzip.inflate(payload, bytesMax: bytesMax, ratioMax: ratioMax, in: &arena).array)
    } catch {
        return .failure(error)
    }
}

private func deflate(_ content: [UInt8]) throws -> [UInt8] {
    var arena = Arena(bytesMax: 1 << 26)
    var pieces = List<ByteView>()
    try pieces.append(arena.copy(content), in: &arena)
    let compressed = try #require(try Gzip.deflate(pieces, bytesMax: content.count + 1000, in: &arena))
    return compressed.indices.flatMap { compressed[$0].array }
}

/// Made by Python's gzip module, not by us.
private let hello = bytes("1f8b0800000000000203cb48cdc9c957c84090008088f9e511000000")
private let named = bytes("1f8b08080000000002ff6e616d652e74787400cb4bcc4d4d010087cce07105000000")
private let empty = bytes("1f8b080000000000020303000000000000000000")
/// zlib's own wrapping ("deflate" to HTTP), not gzip's.
private let zlib = bytes("789ccb48cdc9c957c8c04e0200a3100ae5")

@Test func inflatesWhatOthersMade() {
    #expect(inflate(hello) == .success(Array("hello hello hello".utf8)))
    #expect(inflate(named) == .success(Array("named".utf8)))
    #expect(inflate(empty) == .success([]))
    #expect(inflate(zlib) == .failure(.damaged(payloadBytes: zlib.count)) || inflate(zlib).isTooLarge)
}

@Test func everyCutIsRefused() {
    for count in hello.indices {
        let result = inflate(Array(hello.prefix(count)))
        if case .success = result { Issue.record("inflated \(count) of \(hello.count) bytes") }
    }
}

@Test func everySpoiltByteIsRefusedOrHarmless() {
    // Harmless: the header's time and system, the bits behind the last block's end.
    for index in hello.indices {
        for bit in 0..<8 {
            var spoilt = hello
            spoilt[index] ^= 1 << UInt8(bit)
            guard case .success(let content) = inflate(spoilt) else { continue }
            #expect(content == Array("hello hello hello".utf8), "bit \(bit) of byte \(index)")
        }
    }
}

@Test func whatStandsBehindIsRefused() {
    #expect(inflate(hello + hello) == .failure(.trailing(bytes: hello.count)))
    #expect(inflate(hello + [17, 0, 0, 0]) == .failure(.trailing(bytes: 4)))
    // Seen as a trailer, the garbage declares too much: refused before anything is inflated.
    #expect(inflate(hello + [255, 255, 255, 255]) == .failure(.tooLarge(bytes: 4_294_967_295, max: 1 << 24)))
}

@Test func bounds() throws {
    let flat = try deflate(Array(repeating: 0, count: Gzip.ratioFreeBytes))
    #expect(inflate(flat) == .success(Array(repeating: 0, count: Gzip.ratioFreeBytes)))
    let less = Gzip.ratioFreeBytes - 1
    #expect(inflate(flat, bytesMax: less) == .failure(.tooLarge(bytes: less + 1, max: less)))
    #expect(inflate(flat, arenaBytesMax: less) == .failure(.arena(ArenaFull(bytesMax: less))))
    let bomb = try deflate(Array(repeating: 0, count: 1 << 21))
    #expect(inflate(bomb) == .failure(.ratio(bytes: 1 << 21, payloadBytes: bomb.count, max: 100)))
    #expect(inflate(bomb, ratioMax: 1100) == .success(Array(repeating: 0, count: 1 << 21)))
}

@Test func aTrailerThatLiesIsRefused() throws {
    let sound = try deflate(Array(repeating: 5, count: 1000))
    for lie in [0, 1, 999, 1001, 60000] as [UInt32] {
        var lying = Array(sound.dropLast(4))
        for shift in 0..<4 { lying.append(UInt8(truncatingIfNeeded: lie >> (8 * UInt32(shift)))) }
        #expect(inflate(lying) == .failure(.damaged(payloadBytes: lying.count)), "declares \(lie)")
    }
}

@Test func deflateStopsAtItsBound() throws {
    var random = SplitMix(seed: 1)
    var arena = Arena(bytesMax: 1 << 22)
    var pieces = List<ByteView>()
    for count in [1, 0, 20000, 3, 50000] { try pieces.append(arena.copy(random.bytes(count)), in: &arena) }
    #expect(try Gzip.deflate(pieces, bytesMax: 70003, in: &arena) == nil)
    let compressed = try #require(try Gzip.deflate(pieces, bytesMax: 71000, in: &arena))
    let whole = compressed.indices.flatMap { compressed[$0].array }
    #expect(inflate(whole) == .success(pieces.indices.flatMap { pieces[$0].array }))
}

extension Result where Failure == GzipError {
    fileprivate var isTooLarge: Bool {
        if case .failure(.tooLarge) = self { true } else { false }
    }
}
