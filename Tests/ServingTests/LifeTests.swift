// Enters: a connection's clocks, at virtual times. Leaves: what is to be done about it, and when to look again.
import Memory
import TestSupport
import Testing

@testable import Serving

private let second: Int64 = 1_000_000_000

private func limits() -> ServerLimits {
    var limits = ServerLimits()
    limits.handshakeNanoseconds = 5 * second
    limits.headNanoseconds = 10 * second
    limits.progressNanoseconds = 30 * second
    limits.idleNanoseconds = 300 * second
    limits.ageGraceNanoseconds = 100 * second
    return limits
}

private func facts(
    greeted: Bool = true, head: Int64? = nil, earliest: Int64? = nil, calls: Int = 0, last: Int64 = 0,
    pong: Bool = false,
    flushed: Bool = true
) -> Life.Facts {
    Life.Facts(
        isGreeted: greeted, headBegan: head.map { $0 * second }, earliestCall: earliest.map { $0 * second } ?? .max,
        openCalls: calls, lastRequest: last * second, pingAnswered: pong, isFlushed: flushed)
}

/// Times in seconds. Every connection opens at 0 and is asked to leave at 1800.
struct LifeRow: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var facts: Life.Facts
    var blockedSince: Int64?
    var stage = Life.Stage.serving
    var now: Int64
    var verdict: Life.Verdict
    var next: Int64
    var after: Life.Stage?
}

@Test(arguments: [
    LifeRow(testDescription: "just opened", facts: facts(greeted: false), now: 0, verdict: .nothing, next: 5),
    LifeRow(testDescription: "greets in time", facts: facts(greeted: false), now: 4, verdict: .nothing, next: 5),
    LifeRow(testDescription: "never greets", facts: facts(greeted: false), now: 5, verdict: .drop, next: 5),
    LifeRow(testDescription: "greeted", facts: facts(), now: 5, verdict: .nothing, next: 300),
    LifeRow(testDescription: "a head has begun", facts: facts(head: 7), now: 16, verdict: .nothing, next: 17),
    LifeRow(testDescription: "a head without end", facts: facts(head: 7), now: 17, verdict: .drop, next: 17),
    LifeRow(
        testDescription: "a head without end, other calls at work", facts: facts(head: 7, earliest: 400, calls: 3),
        now: 17,
        verdict: .drop, next: 17),
    LifeRow(testDescription: "not idle yet", facts: facts(last: 50), now: 349, verdict: .nothing, next: 350),
    LifeRow(
        testDescription: "idle", facts: facts(last: 50), now: 350, verdict: .notice, next: 351,
        after: .noticed(at: 350 * second)),
    LifeRow(
        testDescription: "a call at work is not idle", facts: facts(calls: 1, last: 50), now: 1000, verdict: .nothing,
        next: 1800),
    LifeRow(
        testDescription: "a call's own time is nearer", facts: facts(earliest: 1010, calls: 1), now: 1000,
        verdict: .nothing, next: 1010),
    LifeRow(
        testDescription: "of age", facts: facts(calls: 5, last: 1799), now: 1800, verdict: .notice, next: 1801,
        after: .noticed(at: 1800 * second)),
    LifeRow(
        testDescription: "the writer is blocked", facts: facts(calls: 1, last: 1, flushed: false), blockedSince: 10,
        now: 39,
        verdict: .nothing, next: 40),
    LifeRow(
        testDescription: "the writer is blocked too long", facts: facts(calls: 1, last: 1, flushed: false),
        blockedSince: 10, now: 40, verdict: .drop, next: 40),
    LifeRow(
        testDescription: "noticed", facts: facts(calls: 1), stage: .noticed(at: 500 * second), now: 500,
        verdict: .nothing,
        next: 501),
    LifeRow(
        testDescription: "noticed, and the peer has answered", facts: facts(calls: 1, pong: true),
        stage: .noticed(at: 500 * second), now: 500, verdict: .leave, next: 500, after: .leaving(since: 500 * second)),
    LifeRow(
        testDescription: "noticed, and the peer is silent", facts: facts(calls: 1), stage: .noticed(at: 500 * second),
        now: 501, verdict: .leave, next: 501, after: .leaving(since: 501 * second)),
    LifeRow(
        testDescription: "noticed, blocked too long", facts: facts(pong: true), blockedSince: 471,
        stage: .noticed(at: 500 * second), now: 501, verdict: .drop, next: 501),
    LifeRow(
        testDescription: "leaving, a call at work", facts: facts(earliest: 520, calls: 1),
        stage: .leaving(since: 501 * second), now: 510, verdict: .nothing, next: 520),
    LifeRow(
        testDescription: "leaving, a call without a time", facts: facts(calls: 1), stage: .leaving(since: 501 * second),
        now: 600, verdict: .nothing, next: 601),
    LifeRow(
        testDescription: "leaving, bytes wait", facts: facts(flushed: false), stage: .leaving(since: 501 * second),
        now: 510,
        verdict: .nothing, next: 601),
    LifeRow(
        testDescription: "leaving, all has ended", facts: facts(), stage: .leaving(since: 501 * second), now: 510,
        verdict: .close, next: 511, after: .lingering(until: 511 * second)),
    LifeRow(
        testDescription: "leaving, no patience left: what is open is refused", facts: facts(calls: 1, flushed: false),
        stage: .leaving(since: 501 * second), now: 601, verdict: .refuse, next: 602),
    LifeRow(
        testDescription: "leaving, and the refusals had their second", facts: facts(calls: 1, flushed: false),
        stage: .leaving(since: 501 * second), now: 602, verdict: .close, next: 603,
        after: .lingering(until: 603 * second)),
    LifeRow(
        testDescription: "lingering", facts: facts(), stage: .lingering(until: 511 * second), now: 510,
        verdict: .nothing,
        next: 511),
    LifeRow(
        testDescription: "lingered", facts: facts(), stage: .lingering(until: 511 * second), now: 511, verdict: .drop,
        next: 511),
    LifeRow(
        testDescription: "noticed, and never greeted", facts: facts(greeted: false), stage: .noticed(at: 2 * second),
        now: 2, verdict: .drop, next: 2),
    LifeRow(
        testDescription: "leaving, and never greeted", facts: facts(greeted: false), stage: .leaving(since: 2 * second),
        now: 3, verdict: .drop, next: 3),
    LifeRow(
        testDescription: "never greeted, the writer is blocked", facts: facts(greeted: false), blockedSince: 1, now: 4,
        verdict: .nothing, next: 5),
    LifeRow(
        testDescription: "its last call ended long after the last request", facts: facts(last: 50), now: 1000,
        verdict: .notice, next: 1001, after: .noticed(at: 1000 * second)),
    LifeRow(
        testDescription: "lingering, and never greeted", facts: facts(greeted: false, head: 1),
        stage: .lingering(until: 511 * second), now: 510, verdict: .nothing, next: 511),
])
func judgements(row: LifeRow) {
    var life = Life(opened: 0, age: 1800 * second)
    life.stage = row.stage
    life.blockedSince = row.blockedSince.map { $0 * second }
    let (verdict, next) = life.judge(row.facts, now: row.now * second, limits: limits())
    #expect(verdict == row.verdict)
    #expect(next == row.next * second)
    #expect(life.stage == row.after ?? row.stage)
}

/// The whole way out, by the times that `judge` asks for.
@Test func fromIdleToGone() {
    var life = Life(opened: 100, age: 1_800 * second)
    var now: Int64 = 100
    var verdicts: [Life.Verdict] = []
    for _ in 0..<10 {
        let (verdict, next) = life.judge(facts(last: 0), now: now, limits: limits())
        if verdict != .nothing { verdicts.append(verdict) }
        if verdict == .drop { break }
        #expect(next >= now)
        now = max(now, next)
    }
    #expect(verdicts == [.notice, .leave, .close, .drop])
    // Idle for 300 s; a second for the answer to our ping; a second for the peer to close.
    #expect(now == 302 * second)
}

/// Between two looks nothing is missed: who looks at `next` finds what is due then, and not before.
@Test func whatIsDueIsDueAtNext() {
    var generator = SplitMix(seed: 7)
    func random(_ bound: Int64) -> Int64 { generator.below(bound) }
    for round in 0..<5000 {
        var life = Life(opened: 0, age: (1 + random(50)) * second)
        let now = random(40)
        switch random(4) {
        case 0: life.stage = .noticed(at: random(40) * second)
        case 1: life.stage = .leaving(since: random(40) * second)
        default: break
        }
        if random(3) == 0 { life.blockedSince = random(40) * second }
        let facts = facts(
            greeted: random(2) == 0, head: random(2) == 0 ? random(40) : nil, calls: Int(random(2)), last: random(40),
            flushed: random(2) == 0)
        var limits = limits()
        limits.idleNanoseconds = 20 * second
        limits.ageGraceNanoseconds = 20 * second
        let (verdict, next) = life.judge(facts, now: now * second, limits: limits)
        guard verdict == .nothing, next < .max else { continue }
        #expect(next > now * second, "round \(round)")
        var early = life
        #expect(early.judge(facts, now: next - 1, limits: limits).0 == .nothing, "round \(round)")
        #expect(life.judge(facts, now: next, limits: limits).0 != .nothing, "round \(round)")
    }
}

// MARK: - Looks

@Test func aLookIsAskedForOnce() {
    var life = Life(opened: 0, age: 1_800 * second)
    // Of those that ask for the same time or a later one none is told to the wheel.
    #expect(life.ask(for: 100) && !life.ask(for: 100) && !life.ask(for: 200) && !life.ask(for: .max))
    #expect(life.ask(for: 50) && !life.ask(for: 60))
    #expect(!life.isTime(49) && life.isTime(50))
    // The one behind it is asked for already.
    #expect(!life.ask(for: 100) && !life.ask(for: 300) && life.ask(for: 99))
    #expect(life.isTime(99) && life.isTime(100))
    // What the wheel tells for nothing is not time.
    #expect(!life.isTime(200) && life.ask(for: 300))
}

/// Both were due when somebody looked: one look is enough, and the next is asked for anew.
@Test func aLookThatIsLateSeesBoth() {
    var life = Life(opened: 0, age: 1_800 * second)
    #expect(life.ask(for: 100) && life.ask(for: 50))
    #expect(life.isTime(120) && !life.isTime(120) && life.ask(for: 400))
}

/// A connection as the shard has it, under a wheel: whatever times are asked for, and however often they move, none is missed,
/// and what lies on the wheel for it does not multiply.
@Test func looksDoNotMultiply() {
    for seed in 1...20 as ClosedRange<UInt64> {
        var random = SplitMix(seed: seed)
        var life = Life(opened: 0, age: 1_800 * second)
        var wheel: [Int64] = []
        var wanted: [Int64] = []
        var (now, most, looks) = (Int64(0), 0, 0)
        func ask(_ time: Int64) { if life.ask(for: time) { wheel.append(time) } }
        for step in 0..<4000 {
            // Deadlines, progress, idleness; seldom one that moves forward by much.
            let spans = [300, 30, 30, 1 + random.below(10)]
            let time = now + Int64(spans[random.below(4)]) * second
            wanted.append(time)
            ask(time)
            // As a turn does: what is open is asked for again, at the earliest.
            ask(wanted.min() ?? .max)
            if random.below(3) == 0 { wanted.remove(at: random.below(wanted.count)) }
            now += Int64(random.below(2000)) * second / 1000
            for due in wheel.filter({ $0 <= now }) {
                wheel.remove(at: wheel.firstIndex(of: due) ?? 0)
                guard life.isTime(now) else { continue }
                looks += 1
                wanted.removeAll { $0 <= now }
                ask(wanted.min() ?? now + 300 * second)
            }
            #expect(wanted.allSatisfy { $0 > now }, "seed \(seed), step \(step)")
            most = max(most, wheel.count)
        }
        #expect(most <= 8 && looks <= 4000, "seed \(seed): \(most) on the wheel, \(looks) looks")
    }
}

/// A stream on which something happens in every turn, on a connection that is past its age: each turn asks for the same looks.
@Test func turnsOfAConnectionThatLeaves() {
    var life = Life(opened: 0, age: second)
    life.stage = .leaving(since: second)
    var wheel: [Int64] = []
    func ask(_ time: Int64) { if life.ask(for: time) { wheel.append(time) } }
    for turn in 0..<10_000 as Range<Int64> {
        let now = second + turn * second / 1000
        for _ in wheel.filter({ $0 <= now }) { _ = life.isTime(now) }
        wheel.removeAll { $0 <= now }
        let (verdict, next) = life.judge(facts(calls: 1), now: now, limits: limits())
        #expect(verdict == .nothing)
        ask(next)
        // A call's own clocks: the progress that it made just now.
        ask(now + 30 * second)
    }
    #expect(wheel.count <= 2)
}
