// Enters: calls, verdicts, and a time that only the test moves. Leaves: what is sent when, and what is dropped.
import Memory
import Spans
import Testing

@testable import Telemetry

private let second: Int64 = 1_000_000_000

/// A call of five spans.
private func call(_ number: UInt64) -> Span {
    Span(
        context: SpanContext(traceID: TraceID(high: 1, low: number), spanID: number, parentID: 0, flags: 1),
        startUnixNanoseconds: number, stamps: SpanStamps(read: 1, gathered: 2, runBegan: 3, runEnded: 4, left: 5),
        method: "a.B/C", status: 0)
}

private func calls(_ numbers: ClosedRange<UInt64>) -> [Span] { numbers.map(call) }

private func queue(_ queueSpans: Int = 2048, batch: Int = 512, seed: UInt64 = 1) -> ExportQueue {
    var limits = ExportLimits()
    limits.queueSpansMax = queueSpans
    limits.batchSpansMax = batch
    return ExportQueue(limits, seed: seed)
}

private let taken = Verdict.taken(rejectedSpans: 0, message: "")

private func later(_ after: Int64? = nil) -> Verdict { .later(afterNanoseconds: after, reason: "") }

@Test func aBatchWaitsForCompanyOrForItsTime() {
    var queue = queue(batch: 15)
    #expect(queue.step(now: 0) == .idle)
    queue.add(calls(1...2), now: 7)
    #expect(queue.step(now: 8) == .waitUntil(nanoseconds: 7 + 5 * second))
    queue.add(calls(3...4), now: 9)
    #expect(queue.step(now: 10) == .send(calls(1...3)))
    // One at a time.
    #expect(queue.step(now: 11) == .idle)
    queue.ended(taken, now: 20)
    #expect(queue.step(now: 21) == .waitUntil(nanoseconds: 10 + 5 * second))
    #expect(queue.step(now: 10 + 5 * second) == .send([call(4)]))
    queue.ended(taken, now: 10 + 5 * second)
    #expect(queue.isEmpty && queue.counts == .init(exported: 20))
}

@Test func theOldestAreDropped() {
    var queue = queue(50, batch: 10)
    queue.add(calls(1...2), now: 0)
    #expect(queue.step(now: 0) == .send(calls(1...2)))
    queue.add(calls(3...100), now: 1)
    #expect(queue.counts == .init(overflowed: 5 * 88))
    queue.ended(taken, now: 2)
    #expect(queue.step(now: 2) == .send(calls(91...92)))
}

/// A burst that is read at once, from eight shards, drops nothing.
@Test func fullRingsHaveRoom() {
    var queue = ExportQueue(ExportLimits(), seed: 1)
    queue.add(calls(1...8 * 512), now: 0)
    #expect(queue.counts.overflowed == 0)
    queue.add([call(5000)], now: 0)
    #expect(queue.counts.overflowed == 5)
}

/// Nobody takes anything for an hour: what is kept does not grow, and all of it is accounted for.
@Test func boundedWhileTheCollectorIsAway() {
    var queue = queue()
    var now: Int64 = 0
    var added: UInt64 = 0
    while now < 3600 * second {
        let number = added + 1
        queue.add(calls(number...number + 99), now: now)
        added += 100
        if case .send(let spans) = queue.step(now: now) {
            #expect(spans.count * 5 <= 512)
            queue.ended(later(), now: now + second / 2)
        }
        now += second
    }
    let kept = 5 * added - queue.counts.dropped
    #expect(queue.counts.exported == 0 && kept <= 2048 + 512)
    #expect(queue.counts.refused > 0 && queue.counts.overflowed > 0)
}

@Test(arguments: 1...50 as ClosedRange<UInt64>) func pausesGrowAndVary(seed: UInt64) {
    var queue = queue(batch: 5, seed: seed)
    queue.add([call(1)], now: 0)
    var now: Int64 = 0
    var pauses: [Double] = []
    while case .send = queue.step(now: now) {
        if queue.ended(later(), now: now) { break }
        guard case .waitUntil(let next) = queue.step(now: now) else { return #expect(Bool(false)) }
        pauses.append(Double(next - now) / Double(second))
        #expect(queue.step(now: next - 1) == .waitUntil(nanoseconds: next))
        now = next
    }
    // Half of 1, 2, 4, 8, 16 s at least, all of it at most; and no attempt later than 30 s after the first.
    for (pause, whole) in zip(pauses, [1.0, 2, 4, 8, 16, 16]) { #expect(pause > whole / 2 && pause <= whole) }
    #expect((4...6).contains(pauses.count) && now < 30 * second)
    #expect(queue.isEmpty && queue.counts == .init(refused: 5))
}

@Test func pausesDiffer() {
    let pauses = (1...20 as ClosedRange<UInt64>).map { seed -> Int64 in
        var queue = queue(batch: 5, seed: seed)
        queue.add([call(1)], now: 0)
        _ = queue.step(now: 0)
        queue.ended(later(), now: 0)
        guard case .waitUntil(let next) = queue.step(now: 0) else { return 0 }
        return next
    }
    #expect(Set(pauses).count == 20)
}

@Test func whoAsksToWaitIsLeftAlone() {
    var queue = queue(batch: 5)
    queue.add(calls(1...2), now: 0)
    _ = queue.step(now: 0)
    queue.ended(later(12 * second), now: 0)
    #expect(queue.step(now: 0) == .waitUntil(nanoseconds: 12 * second))
    #expect(queue.step(now: 12 * second) == .send([call(1)]))
    // Longer than the batch may take: it is dropped, and the next one waits all the same; but not for ever.
    queue.ended(later(.max), now: 12 * second)
    #expect(queue.counts == .init(refused: 5))
    #expect(queue.step(now: 12 * second) == .waitUntil(nanoseconds: 312 * second))
    #expect(queue.step(now: 312 * second) == .send([call(2)]))
    queue.ended(taken, now: 313 * second)
    queue.add([call(3)], now: 313 * second)
    #expect(queue.step(now: 313 * second) == .send([call(3)]))
}

@Test func whatIsRefusedIsNotSentAgain() {
    var queue = queue(batch: 10)
    queue.add(calls(1...4), now: 0)
    #expect(queue.step(now: 0) == .send(calls(1...2)))
    let isGone = queue.ended(.refused(reason: ""), now: 0)
    #expect(isGone)
    #expect(queue.step(now: 0) == .send(calls(3...4)))
    // Of what is taken in part the rest is not sent again either.
    queue.ended(.taken(rejectedSpans: 3, message: ""), now: 0)
    #expect(queue.isEmpty && queue.counts == .init(exported: 7, refused: 13))
    queue.add([call(5)], now: 0)
    queue.end()
    _ = queue.step(now: 0)
    queue.ended(.taken(rejectedSpans: .max, message: ""), now: 0)
    #expect(queue.counts == .init(exported: 7, refused: 18))
}

@Test func theEndDoesNotWait() {
    var queue = queue(batch: 5)
    queue.add(calls(1...2), now: 0)
    _ = queue.step(now: 0)
    queue.ended(later(20 * second), now: 0)
    queue.end()
    #expect(queue.step(now: 1) == .send([call(1)]))
    queue.ended(taken, now: 1)
    #expect(queue.step(now: 1) == .send([call(2)]))
    queue.ended(taken, now: 1)
    #expect(queue.isEmpty && queue.step(now: 1) == .idle)
}

/// Whatever happens in whatever order: nothing is sent twice but after `later`, and every span has one fate.
@Test(arguments: 1...100 as ClosedRange<UInt64>) func everySpanHasOneFate(seed: UInt64) {
    var random = SplitMix(seed: seed)
    var queue = queue(Int(25 + random.next() % 200), batch: Int(5 + random.next() % 20), seed: seed)
    var now: Int64 = 0
    var added: UInt64 = 0
    var sent: Set<UInt64> = []
    var last: [Span] = []
    var isAgain = false
    for _ in 0..<2000 {
        now += Int64(random.next() % UInt64(3 * second))
        let more = random.next() % 3 == 0 ? 0 : random.next() % 8
        if more > 0 { queue.add(calls(added + 1...added + more), now: now) }
        added += more
        if random.next() % 50 == 0 { queue.end() }
        guard case .send(let spans) = queue.step(now: now) else { continue }
        let ids = spans.map(\.context.spanID)
        if sent.isDisjoint(with: ids) { sent.formUnion(ids) } else { #expect(isAgain && spans == last) }
        last = spans
        let verdicts = [taken, taken, later(), later(Int64(random.next() % UInt64(40 * second))), .refused(reason: "")]
        isAgain = !queue.ended(verdicts[Int(random.next() % 5)], now: now)
    }
    queue.end()
    while case .send = queue.step(now: now) { queue.ended(taken, now: now) }
    #expect(queue.isEmpty && queue.counts.exported + queue.counts.dropped == 5 * added)
}
