// Enters: a page with a ring, and verdicts. Leaves: requests, counts and what is told of it.
import Foundation
import Memory
import ServerMetrics
import Spans
import Testing

@testable import Telemetry

private let second: Int64 = 1_000_000_000

/// A page whose ring a test writes.
private final class Written {
    let path = "/dev/shm/vencejo-test-\(UUID())"
    let ring: SpanRing
    let page: ServerPage
    let export: SpanExport
    private let written: ServerMetrics.Page
    private var calls: UInt64 = 0

    init(_ environment: [String: String] = [:], start: UInt64 = 0) throws {
        written = try ServerMetrics.Page(
            .server(rpcs: ["other"]),
            ServerMetrics.Page.Size(shards: 1, models: 1, versions: 1, spanWords: SpanRing.words(records: 16)),
            ServerMetrics.Page.Origin(unixNanoseconds: 1, monotonicNanoseconds: 1, bootID: (0, 0), processID: 1),
            path: path)
        ring = SpanRing(words: written.spans(shard: 0), identity: 1)
        page = ServerPage(path: path, createdTimestamps: false, version: "0")
        let settings = try ExportSettings.read(flags: .init(endpoint: "http://x"), environment: environment)
        export = SpanExport(page, try #require(settings), version: "0", seed: 1, startUnixNanoseconds: start)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// Calls that were refused at the door: one span each.
    func write(_ count: Int) {
        for _ in 0..<count {
            calls += 1
            ring.write(
                SpanRecord(
                    context: SpanContext(
                        traceID: TraceID(high: 1, low: calls), spanID: calls, parentID: 0, flags: 1),
                    startUnixNanoseconds: calls, stamps: SpanStamps(left: 1), method: ByteView("a.B/C"), status: 8))
        }
    }

    var counts: ExportCounts.Now { page.counts.now }
}

private func isSend(_ step: SpanExport.Step) -> Bool {
    if case .send = step { true } else { false }
}

@Test func fromTheRingToTheCounts() throws {
    let written = try Written()
    let export = written.export
    #expect(!export.read(now: 0) && export.step(now: 0) == .idle)
    written.write(10)
    #expect(export.read(now: 0) && !export.read(now: 0))
    #expect(export.step(now: 1) == .waitUntil(nanoseconds: 5 * second))
    #expect(isSend(export.step(now: 5 * second)) && export.step(now: 5 * second) == .idle)
    #expect(export.ended(.taken(rejectedSpans: 0, message: ""), now: 5 * second) == nil)
    #expect(written.counts == .init(exported: 10) && export.spansKept == 0)
    written.write(20)
    #expect(export.read(now: 6 * second))
    #expect(written.counts == .init(exported: 10, lost: 4) && export.spansKept == 16)
    #expect(!export.isEnding)
    export.end()
    #expect(export.isEnding && isSend(export.step(now: 6 * second)))
    export.ended(.refused(reason: "no"), now: 6 * second)
    #expect(written.counts == .init(exported: 10, dropped: 16, lost: 4))
    let text = String(
        decoding: written.page.reply(Question(method: "GET", path: "/metrics", accept: nil, acceptEncoding: nil)).body,
        as: UTF8.self)
    #expect(text.contains("vencejo_trace_spans_dropped_total 16"))
}

/// Half a minute before its own start an agent begins to export.
@Test func anAgentThatIsStartedAgain() throws {
    let written = try Written(start: UInt64(30 * second) + 9)
    // They end at 2 to 11 ns.
    written.write(10)
    #expect(written.export.read(now: 0) && written.export.spansKept == 3)
    #expect(written.counts == .init())
    written.write(1)
    #expect(written.export.read(now: 0) && written.export.spansKept == 4)
}

/// Trouble is told of once a minute, and its end once.
@Test func whatAnOperatorIsTold() throws {
    let written = try Written(["OTEL_BSP_SCHEDULE_DELAY": "1"])
    let export = written.export
    var told: [(Int64, SpanExport.Notice)] = []
    for tick in 0..<300 as Range<Int64> {
        written.write(1)
        export.read(now: tick * second)
        guard isSend(export.step(now: tick * second + second / 2)) else { continue }
        let verdict: Verdict =
            tick < 230
            ? .later(afterNanoseconds: nil, reason: "away") : .taken(rejectedSpans: 0, message: "")
        if let notice = export.ended(verdict, now: tick * second + second / 2) { told.append((tick, notice)) }
    }
    let warnings = told.filter(\.1.isWarning).map(\.0)
    // With pauses of up to 16 s between attempts.
    #expect((3...4).contains(warnings.count))
    #expect(zip(warnings, warnings.dropFirst()).allSatisfy { (60...77).contains($1 - $0) })
    #expect(told.first?.0 == 0 && told.first?.1.text == "the collector does not take spans now: away")
    #expect(told.last?.1.text == "the collector takes spans" && (told.last?.1.droppedSpans ?? 0) > 0)
    #expect(told.count == warnings.count + 1)
}

/// Nobody is there yet, or no more.
@Test func withoutAPage() throws {
    let page = ServerPage(path: "/dev/shm/nothing", createdTimestamps: false, version: "0")
    let settings = try #require(try ExportSettings.read(flags: .init(endpoint: "http://x"), environment: [:]))
    let export = SpanExport(page, settings, version: "0", seed: 1, startUnixNanoseconds: 0)
    #expect(!export.read(now: 0) && export.step(now: 0) == .idle)
    #expect(page.reply(Question(method: "GET", path: "/metrics", accept: nil, acceptEncoding: nil)).status == 200)
}
