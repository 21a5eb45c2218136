// Enters: a thread that writes as fast as it can. Leaves: what a reader of the file gets meanwhile: whole spans, and a count of
// those that it missed.
import Foundation
import Memory
import Testing

@testable import Spans

private final class Writer: Sendable {
    let file: SharedFile
    let written: UInt64

    init(_ path: String, written: UInt64) throws {
        file = try SharedFile(path, words: SpanRing.words(records: 64))
        self.written = written
    }

    /// Each record says its number in all its parts.
    func run() {
        let ring = SpanRing(words: file.words, identity: 7)
        let text = OwnedBytes([UInt8](repeating: UInt8(ascii: "x"), count: 512))
        for number in 1...written {
            let length = Int(number % 64)
            ring.write(
                SpanRecord(
                    context: SpanContext(
                        traceID: TraceID(high: number, low: number), spanID: number, parentID: number, flags: 1),
                    startUnixNanoseconds: number, stamps: SpanStamps(left: Int64(number)),
                    method: text.view.prefix(length), status: UInt8(number % 17), model: text.view.prefix(length),
                    version: Int64(number), rows: Int(number), peer: text.view.prefix(length),
                    traceState: text.view.prefix(8 * length)))
        }
    }
}

@Test func readWhileItIsWritten() throws {
    let path = "/dev/shm/vencejo-test-\(UUID())"
    let writer = try Writer(path, written: 30_000)
    try writer.file.publish()
    defer { try? FileManager.default.removeItem(atPath: path) }
    let file = try SharedFileReader(path)
    let thread = Thread { writer.run() }
    thread.start()

    var reader = SpanRingReader()
    var words = [UInt64](repeating: 0, count: file.count)
    var last: UInt64 = 0
    var first: UInt64?
    var found: UInt64 = 0
    var missed: UInt64 = 0
    while last < writer.written {
        try #require(file.read(from: 0, into: &words, words.indices))
        let part = reader.read(words)
        for span in part.spans {
            let number = span.context.spanID
            try #require(number > last)
            first = first ?? number
            last = number
            let length = Int(number % 64)
            try #require(
                span.context.traceID == TraceID(high: number, low: number) && span.context.parentID == number
                    && span.startUnixNanoseconds == number && span.stamps.left == Int64(number)
                    && span.status == UInt8(number % 17) && span.version == Int64(number) && span.rows == Int(number)
                    && span.method.count == length && span.model.count == length && span.peer.count == length
                    && span.traceState.count == 8 * length)
        }
        found += UInt64(part.spans.count)
        missed += part.missed
    }
    // All that came after the first are accounted for; of those before it at most a ring.
    let begin = try #require(first)
    #expect(found + missed >= last - begin + 1 && found + missed < last - begin + 65)
    #expect(reader.read(words) == .init())
}
