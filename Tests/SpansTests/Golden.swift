// Enters: Tests/Fixtures/spans.json. Leaves: what OpenTelemetry's own code says of headers, ids and spans.
import Foundation
import Memory
import TestSupport
import Testing

@testable import Spans

/// What make_spans.py wrote.
struct Golden: Decodable, Sendable {
    struct Context: Decodable {
        let high: String
        let low: String
        let span: String
        let flags: UInt8

        var value: TraceContext {
            TraceContext(traceID: TraceID(high: word(high), low: word(low)), spanID: word(span), flags: flags)
        }
    }

    struct Header: Decodable, CustomTestStringConvertible {
        let header: String
        let context: Context?
        var testDescription: String { header }
    }

    struct Sample: Decodable {
        let ratio: Double
        let high: String
        let low: String
        let sampled: Bool

        var traceID: TraceID { TraceID(high: word(high), low: word(low)) }
    }

    struct Answer: Decodable {
        let answer: Data
        let rejected: UInt64
        let message: String
    }

    let contexts: [Header]
    let samples: [Sample]
    let ring: Data
    let requests: [String: Data]
    let answers: [Answer]

    /// The ring as a reader copies it.
    var words: [UInt64] {
        stride(from: 0, to: ring.count, by: 8).map { start in
            (0..<8).reduce(0) { $0 | UInt64(ring[start + $1]) << (8 * UInt64($1)) }
        }
    }

    static let all: Golden = {
        guard let golden = try? JSONDecoder().decode(Golden.self, from: Fixtures.data("spans.json")) else {
            fatalError("no Fixtures/spans.json: run make_spans.py")
        }
        return golden
    }()
}

private func word(_ digits: String) -> UInt64 {
    guard let word = UInt64(digits, radix: 16) else { fatalError("\(digits) is no word") }
    return word
}

/// Words that a test owns, as memory that others would read.
@safe final class Words {
    let shared: SharedWords
    private let base: UnsafeMutableRawPointer

    init(_ count: Int) {
        unsafe base = .allocate(byteCount: 8 * count, alignment: 64)
        unsafe base.initializeMemory(as: UInt8.self, repeating: 0, count: 8 * count)
        shared = unsafe SharedWords(base, count: count)
    }

    deinit { unsafe base.deallocate() }

    var copy: [UInt64] { (0..<shared.count).map(shared.load) }
}

/// A ring of so many records, with its words.
struct Ring {
    let words: Words
    let ring: SpanRing

    init(records: Int, identity: UInt64 = 1) {
        words = Words(SpanRing.words(records: records))
        ring = SpanRing(words: words.shared, identity: identity)
    }

    func write(_ span: Span) {
        let texts = [span.method, span.model, span.peer, span.traceState].map(OwnedBytes.init)
        ring.write(
            SpanRecord(
                context: span.context, startUnixNanoseconds: span.startUnixNanoseconds, stamps: span.stamps,
                method: texts[0].view, status: span.status, model: texts[1].view, version: span.version,
                rows: span.rows,
                peer: texts[2].view, traceState: texts[3].view))
        withExtendedLifetime(texts) {}
    }
}

/// Spans that can be told apart.
func span(_ number: UInt64, method: String = "a.B/C") -> Span {
    Span(
        context: SpanContext(traceID: TraceID(high: 1, low: number), spanID: number, parentID: 0, flags: 1),
        startUnixNanoseconds: 1000 + number,
        stamps: SpanStamps(read: 1, gathered: 2, runBegan: 3, runEnded: 4, left: 5), method: method, status: 0,
        model: "iris", version: 3, rows: 4, peer: "127.0.0.1:5", traceState: "")
}
