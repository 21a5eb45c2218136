// Enters: bodies as bytes. Leaves: which frames they are, or why not; replies framed and read back.
import GRPC
import Memory
import Protobuf
import TestSupport
import Testing

private struct Seen: Equatable {
    var isCompressed: Bool
    var payload: [UInt8]
    var frameBytes: Int
}

private func next(_ body: [UInt8], max: Int = 8) -> Result<Seen?, FrameError> {
    var arena = Arena(bytesMax: 1 << 20)
    do throws(FrameError) {
        let body = (try? arena.copy(body)) ?? .empty
        guard let frame = try Frame.next(in: body, messageBytesMax: max) else { return .success(nil) }
        return .success(
            Seen(isCompressed: frame.isCompressed, payload: frame.payload.array, frameBytes: frame.frameBytes))
    } catch {
        return .failure(error)
    }
}

private let frameRows: [(body: [UInt8], expected: Result<Seen?, FrameError>)] = [
    ([], .success(nil)),
    ([0], .success(nil)),
    ([1, 0, 0, 0], .success(nil)),
    ([0, 0, 0, 0, 0], .success(Seen(isCompressed: false, payload: [], frameBytes: 5))),
    ([0, 0, 0, 0, 2, 7], .success(nil)),
    ([0, 0, 0, 0, 2, 7, 8], .success(Seen(isCompressed: false, payload: [7, 8], frameBytes: 7))),
    ([1, 0, 0, 0, 2, 7, 8, 9], .success(Seen(isCompressed: true, payload: [7, 8], frameBytes: 7))),
    // The flag is refused by the first byte, the length by the fifth, before the message is there.
    ([2], .failure(.badFlag(2))),
    ([255, 0, 0, 0, 0], .failure(.badFlag(255))),
    ([0, 0, 0, 0, 8, 1, 2, 3, 4, 5, 6, 7], .success(nil)),
    ([0, 0, 0, 0, 9], .failure(.tooLarge(bytes: 9, max: 8))),
    ([0, 255, 255, 255, 255], .failure(.tooLarge(bytes: 4_294_967_295, max: 8))),
]

@Test(arguments: frameRows.indices)
func frames(row: Int) {
    #expect(next(frameRows[row].body) == frameRows[row].expected)
}

@Test(
    arguments: [
        ([], nil), ([0, 0, 0, 1], nil), ([0, 0, 0, 1, 2], 258), ([9, 255, 255, 255, 255, 1], 4_294_967_295),
    ] as [([UInt8], Int?)])
func declaredLengths(body: [UInt8], expected: Int?) throws {
    var arena = Arena(bytesMax: 4096)
    #expect(Frame.declaredBytes(in: try arena.copy(body)) == expected)
}

@Test(
    arguments: [
        ([], nil), ([0], .truncated(bytes: 1, frameBytes: nil)),
        ([0, 0, 0, 0, 9, 1], .truncated(bytes: 6, frameBytes: 14)),
    ] as [([UInt8], FrameError?)])
func ends(rest: [UInt8], expected: FrameError?) throws {
    var arena = Arena(bytesMax: 4096)
    let rest = try arena.copy(rest)
    var error: FrameError?
    do throws(FrameError) { try Frame.end(rest) } catch let thrown { error = thrown }
    #expect(error == expected)
}

@Test func framesOfAQueueOneByOne() throws {
    var queue = ByteQueue()
    for message in 0..<3 { queue.append([0, 0, 0, 0, UInt8(message)] + Array(repeating: 7, count: message)) }
    var lengths: [Int] = []
    while let frame = try Frame.next(in: queue.view, messageBytesMax: 100) {
        lengths.append(frame.payload.count)
        queue.consume(frame.frameBytes)
    }
    #expect(lengths == [0, 1, 2])
    try Frame.end(queue.view)
}

/// A message whose field 1 has `bytes` bytes: copied into the writer below 8 KiB, referenced from there on.
private func message(_ bytes: Int, noise: Bool, in arena: inout Arena) throws -> WireWriter {
    var random = SplitMix(seed: UInt64(bytes))
    let content = random.bytes(bytes).map { noise ? $0 : $0 & 1 }
    var writer = try WireWriter(headroom: headroomBytes, in: &arena)
    try writer.string(1, arena.copy(content), in: &arena)
    return writer
}

private func joined(_ pieces: List<ByteView>) -> [UInt8] { pieces.indices.flatMap { pieces[$0].array } }

@Test(arguments: [0, 1, 250, 251, 252, 8191, 8192, 100_000, 1_000_000], [Encoding.identity, .gzip])
func roundTrip(bytes: Int, encoding: Encoding) throws {
    for noise in [false, true] {
        var arena = Arena(bytesMax: 8 << 20)
        var writer = try message(bytes, noise: noise, in: &arena)
        let plain = joined(try frame(&writer, in: &arena))
        let whole = joined(try frame(&writer, encoding: encoding, in: &arena))
        let body = try arena.copy(whole)
        let parsed = try #require(try Frame.next(in: body, messageBytesMax: 2_000_000))
        #expect(parsed.frameBytes == whole.count, "noise: \(noise)")
        let isCompressed = encoding == .gzip && !noise && plain.count - 5 >= compressBytesMin
        #expect(parsed.isCompressed == isCompressed, "noise: \(noise)")
        let content = try parsed.message(encoding: encoding, messageBytesMax: 2_000_000, in: &arena)
        #expect(content.array == Array(plain.dropFirst(5)), "noise: \(noise)")
        if parsed.isCompressed { #expect(whole.count < plain.count / 2 + 40) }
    }
}

@Test func compressedWithoutEncoding() throws {
    var arena = Arena(bytesMax: 4096)
    let body = try arena.copy([1, 0, 0, 0, 1, 7])
    let frame = try #require(try Frame.next(in: body, messageBytesMax: 8))
    #expect(throws: FrameError.compressedWithoutEncoding) {
        _ = try frame.message(encoding: .identity, messageBytesMax: 8, in: &arena)
    }
    #expect(throws: FrameError.gzip(.damaged(payloadBytes: 1))) {
        _ = try frame.message(encoding: .gzip, messageBytesMax: 8, in: &arena)
    }
}

@Test func anArenaTooSmallForTheReply() throws {
    var arena = Arena(bytesMax: 4096)
    var writer = try message(1500, noise: true, in: &arena)
    #expect(throws: ArenaFull.self) { _ = try frame(&writer, encoding: .gzip, in: &arena) }
}
