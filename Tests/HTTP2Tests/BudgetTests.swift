// Enters: floods, each of one kind, and virtual time. Leaves: a connection that ends calmly, and never a trap.
import Memory
import Testing

@testable import HTTP2

/// A step: at a time in milliseconds, spend or refund, and what must come of it.
struct BudgetStep: Sendable {
    var at: Int64
    var spends: Int
    var granted: Int
    var refund: Int64 = 0
}

struct BudgetRow: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var burst: Int64
    var perSecond: Int64
    var steps: [BudgetStep]
}

@Test(arguments: [
    BudgetRow(
        testDescription: "a burst, no more", burst: 3, perSecond: 1,
        steps: [
            BudgetStep(at: 0, spends: 5, granted: 3), BudgetStep(at: 999, spends: 1, granted: 0),
            BudgetStep(at: 1000, spends: 2, granted: 1),
        ]),
    BudgetRow(
        testDescription: "refills to the burst and not above", burst: 4, perSecond: 100,
        steps: [
            BudgetStep(at: 0, spends: 4, granted: 4), BudgetStep(at: 20, spends: 3, granted: 2),
            BudgetStep(at: 1_000_000, spends: 10, granted: 4),
        ]),
    BudgetRow(
        testDescription: "without a refill", burst: 2, perSecond: 0,
        steps: [
            BudgetStep(at: 0, spends: 3, granted: 2), BudgetStep(at: 1_000_000_000, spends: 1, granted: 0),
        ]),
    BudgetRow(
        testDescription: "nothing at all", burst: 0, perSecond: 10,
        steps: [
            BudgetStep(at: 0, spends: 1, granted: 0), BudgetStep(at: 1000, spends: 1, granted: 0),
        ]),
    BudgetRow(
        testDescription: "refunds", burst: 2, perSecond: 1,
        steps: [
            BudgetStep(at: 0, spends: 2, granted: 2, refund: 1), BudgetStep(at: 0, spends: 2, granted: 1, refund: 100),
            BudgetStep(at: 0, spends: 5, granted: 2),
        ]),
    BudgetRow(
        testDescription: "a late start refills nothing that was not spent", burst: 2, perSecond: 1,
        steps: [
            BudgetStep(at: 5_000_000, spends: 2, granted: 2), BudgetStep(at: 5_000_500, spends: 1, granted: 0),
            BudgetStep(at: 5_001_000, spends: 2, granted: 1),
        ]),
    BudgetRow(
        testDescription: "quicker than a nanosecond", burst: 1, perSecond: 4_000_000_000,
        steps: [
            BudgetStep(at: 0, spends: 1, granted: 1), BudgetStep(at: 1, spends: 2, granted: 1),
        ]),
])
func budgets(row: BudgetRow) {
    var budget = Budget(Budget.Size(burst: row.burst, perSecond: row.perSecond))
    for (index, step) in row.steps.enumerated() {
        var granted = 0
        for _ in 0..<step.spends where budget.spend(now: step.at * 1_000_000) { granted += 1 }
        #expect(granted == step.granted, "step \(index)")
        budget.refund(step.refund)
    }
}

struct FloodRow: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var frame: [UInt8]
    /// Frames that cost nothing before the flood, besides the preface.
    var before: [UInt8] = []
}

private let small = Budget.Size(burst: 20, perSecond: 10)

private func calm() -> Limits {
    var limits = Limits()
    limits.idleFrames = small
    limits.peerResets = small
    limits.serverResets = small
    return limits
}

@Test(arguments: [
    FloodRow(testDescription: "PING", frame: RawFrame.ping()),
    FloodRow(testDescription: "answers to no PING", frame: RawFrame.ping(isAnswer: true)),
    FloodRow(testDescription: "SETTINGS", frame: RawFrame.settings),
    FloodRow(testDescription: "PRIORITY", frame: RawFrame.bytes(2, 0, 1, [0, 0, 0, 0, 1])),
    FloodRow(testDescription: "an unknown type", frame: RawFrame.bytes(0xab, 0, 0, [1, 2, 3])),
    FloodRow(testDescription: "an unknown type on a stream", frame: RawFrame.bytes(0x42, 0xff, 1)),
    FloodRow(testDescription: "WINDOW_UPDATE", frame: RawFrame.bytes(8, 0, 0, [0, 0, 0, 1])),
    FloodRow(
        testDescription: "empty DATA", frame: RawFrame.data(1, []), before: RawFrame.headers(1, RawFrame.head)),
])
func floodsOfIdleFramesEndCalmly(row: FloodRow) throws {
    let server = try RawServer(calm())
    try server.give(row.before)
    // The preface's SETTINGS was one.
    for _ in 0..<19 { try server.give(row.frame) }
    #expect(server.farewell == nil && !server.side.session.isTerminating)
    try server.give(row.frame)
    #expect(server.farewell == .enhanceYourCalm && server.side.session.isFinished)
    // What still comes is dropped.
    try server.give(row.frame + RawFrame.headers(99, RawFrame.head, end: true))
    #expect(server.side.seen[99] == nil)
    server.close()
    #expect(server.side.pool.inUse == 0)

    // The same number is no flood when it takes its time.
    let patient = try RawServer(calm())
    try patient.give(row.before)
    for number in 0..<200 as Range<Int64> {
        patient.side.session.now = number * 100_000_000
        try patient.give(row.frame)
    }
    #expect(patient.farewell == nil)
    patient.close()
}

@Test func answersToOurPingsAreFree() throws {
    let server = try RawServer(calm())
    for _ in 0..<100 {
        server.side.session.ping()
        #expect(!server.side.session.isPingAnswered)
        try server.give(RawFrame.ping(isAnswer: true))
        #expect(server.side.session.isPingAnswered)
    }
    #expect(server.farewell == nil)
    server.close()
}

@Test func rapidResetEndsCalmly() throws {
    let server = try RawServer(calm())
    var streams: UInt32 = 0
    while server.farewell == nil {
        try server.give(
            RawFrame.headers(2 * streams + 1, RawFrame.head, end: true) + RawFrame.reset(2 * streams + 1))
        streams += 1
        try #require(streams < 100)
    }
    #expect(streams == 21 && server.farewell == .enhanceYourCalm)
    #expect(server.side.pool.inUse == 0)
}

/// Frames that make the server reset streams (CVE-2025-8671), each counted once or twice.
@Test(
    arguments: [
        ("a head without a path", [RawFrame.headers(0, [0x83, 0x86], end: true)]),
        ("an upper-case name", [RawFrame.headers(0, RawFrame.head + RawFrame.field("X", "1"), end: true)]),
        (
            "a lying content-length",
            [
                RawFrame.headers(0, RawFrame.head + RawFrame.field("content-length", "5")),
                RawFrame.data(0, [1], end: true),
            ]
        ),
        ("a window update of 0", [RawFrame.headers(0, RawFrame.head), RawFrame.bytes(8, 0, 0, [0, 0, 0, 0])]),
        (
            "a window that overflows",
            [RawFrame.headers(0, RawFrame.head), RawFrame.bytes(8, 0, 0, [0x7f, 255, 255, 255])]
        ),
        ("a priority of the wrong size", [RawFrame.headers(0, RawFrame.head), RawFrame.bytes(2, 0, 0, [0, 0, 0, 0])]),
    ] as [(String, [[UInt8]])])
func madeToResetEndsCalmly(name: String, frames: [[UInt8]]) throws {
    var limits = calm()
    limits.idleFrames = Budget.Size(burst: 100_000, perSecond: 1)
    let server = try RawServer(limits)
    var streams: UInt32 = 0
    while server.farewell == nil {
        for frame in frames {
            let bytes = Array(frame[..<5]) + RawFrame.number(2 * streams + 1) + Array(frame[9...])
            try server.give(bytes)
        }
        streams += 1
        try #require(streams < 100)
    }
    #expect(server.farewell == .enhanceYourCalm || streams == 1)
    if streams > 1 { #expect(streams >= 10 && streams <= 21) }
    server.close()
    #expect(server.side.pool.inUse == 0)
}

@Test func aFloodInOneReadEndsToo() throws {
    for frame in [RawFrame.ping(), RawFrame.settings] {
        let server = Side(.server, Limits(), now: 0)
        var bytes = RawFrame.preface
        for _ in 0..<5000 { bytes += frame }
        // nghttp2 gives up at 1000 answers that wait, we at 2000 frames.
        #expect(throws: HTTP2Error.self) { try server.session.receive(bytes) }
        server.session.connectionClosed()
        server.session.outboxIsEmpty()
    }
}

@Test func workThatIsDoneRefunds() throws {
    let server = try RawServer(calm())
    server.side.handler = { side, exchange, news in
        if news.contains(.end) { side.reply(exchange, [side.own([1])]) }
    }
    // Four pings with each call: a busy client's, and no flood.
    for number in 0..<100 as Range<UInt32> {
        try server.give(RawFrame.headers(2 * number + 1, RawFrame.head, end: true))
        for _ in 0..<4 { try server.give(RawFrame.ping()) }
    }
    #expect(server.farewell == nil && server.side.seen.count == 100)
    server.close()
    #expect(server.side.pool.inUse == 0)
}
