// Enters: versions whose answers are distributed otherwise. Leaves: that they wait, and what ends that.
import Memory
import Testing

@testable import Rollout

private let second: Int64 = 1_000_000_000

/// A judge and what it is told of, by hand: a look is a second later than the one before.
private struct Bench {
    var judge: Judge
    var live = Counts()
    var canary = Counts()
    var harm = Harm()
    var now: Int64 = 0
    private var dice = SplitMix(seed: 7)

    init(_ change: (inout RolloutPolicy) -> Void = { _ in }) {
        var policy = policy(100)
        policy.percents = [50]
        change(&policy)
        judge = Judge(policy, now: 0)
        look()
    }

    var verdict: Verdict { judge.verdict }

    mutating func look(after nanoseconds: Int64 = second) {
        now += nanoseconds
        _ = judge.look(now: now, live: live, canary: canary, harm: harm)
    }

    /// Looks while each version gives so many answers more, ten at a time.
    mutating func answer(_ count: Int, live way: Behaviour = Behaviour(), canary other: Behaviour) {
        for _ in 0..<count / 10 {
            for _ in 0..<10 {
                _ = way.call(&dice, &live)
                _ = other.call(&dice, &canary)
            }
            look()
        }
    }
}

private func behaviour(_ change: (inout Behaviour) -> Void) -> Behaviour {
    var behaviour = Behaviour()
    change(&behaviour)
    return behaviour
}

/// As a retrained model's: none of its answers is a fault by itself.
private let retrained = behaviour { ($0.mean, $0.deviation) = (0.6, 0.1) }

private func labels(_ evidence: Double, isWorse: Bool = false, isFine: Bool = false) -> Harm.Labels {
    Harm.Labels(evidence: evidence, isWorse: isWorse, isFine: isFine, finding: "labels say so")
}

@Test func aDifferenceAloneWaitsAndKeepsItsShare() {
    var bench = Bench()
    bench.answer(200, canary: retrained)
    #expect(bench.verdict.isWait && bench.judge.isWaiting && bench.judge.percent == 50)
    #expect(bench.verdict.reason.hasPrefix("its answers are distributed otherwise than the live version's"))
    // Neither its calls nor its time end that, nor the time that a step may take.
    let reason = bench.verdict
    bench.look(after: 20_000 * second)
    #expect(bench.verdict == reason)
    bench.answer(200, canary: retrained)
    #expect(bench.verdict == reason)
}

@Test func whatWaitsIsTakenBackWithoutADecision() {
    var bench = Bench { $0.decideSeconds = 7200 }
    bench.answer(200, canary: retrained)
    let reason = bench.verdict.reason
    bench.look(after: 7150 * second)
    #expect(bench.verdict.isWait)
    bench.look(after: 50 * second)
    #expect(bench.verdict == .fail("no decision came within 2 h: \(reason)"))
}

@Test func whatIsAcceptedGoesOnWhereItStood() {
    var bench = Bench { $0.percents = [50, 60] }
    bench.answer(200, canary: retrained)
    // It waited for longer than a step may take.
    bench.look(after: 5000 * second)
    bench.judge.accept(now: bench.now)
    #expect(!bench.judge.isWaiting)
    bench.look()
    #expect(bench.verdict == .advance(percent: 60))
    #expect(bench.judge.excuse == "that was accepted")
    // It holds for the next step, too.
    bench.look()
    bench.answer(200, canary: retrained)
    #expect(bench.verdict == .succeed)
}

@Test func whatWaitedHasItsTimeStill() {
    var bench = Bench { $0.stepCalls = 1000 }
    bench.answer(100, canary: retrained)
    bench.look(after: 5000 * second)
    bench.judge.accept(now: bench.now)
    bench.look(after: 1000 * second)
    #expect(bench.verdict == .hold("step 1 of 1, 50 %: 100 of 1000 calls"))
    bench.look(after: 1000 * second)
    #expect(bench.verdict.isFailure && bench.verdict.reason.hasPrefix("nothing could be said within 1800 s"))
}

@Test func whatIsAcceptedBeforehandNeverWaits() {
    var bench = Bench { $0.accepted = [.answers] }
    bench.answer(110, canary: retrained)
    #expect(bench.verdict == .succeed)
}

@Test func gatesThatAreNotJudgedStopNothing() {
    var bench = Bench { $0.gates = [.errors, .latency] }
    bench.answer(110, canary: retrained)
    #expect(bench.verdict == .succeed && bench.judge.gates.map(\.name) == [.errors, .latency])
    #expect(bench.judge.evidenceMax == 200)
    // What is a fault by itself stops it all the same.
    var faulty = Bench { $0.gates = [.errors] }
    faulty.answer(100, canary: behaviour { $0.constant = 0.3 })
    #expect(faulty.verdict.isFailure && faulty.verdict.reason.contains("are alike, and the live version's are not"))
}

/// While it waits all else is judged as before.
@Test(arguments: [
    (behaviour { $0.failures = 1 }, "calls failed"), (behaviour { $0.notFinite = 1 }, "NaN"),
    (behaviour { $0.latencyMilliseconds = 500 }, "took longer"), (behaviour { $0.otherShape = 1 }, "types or shapes"),
    (behaviour { ($0.mean, $0.deviation) = (90, 1) }, "ten times as large"),
])
func whatWaitsIsTakenBackForHarm(fault: Behaviour, words: String) {
    var bench = Bench()
    bench.answer(200, canary: retrained)
    #expect(bench.verdict.isWait)
    bench.answer(300, canary: fault)
    var looks = 0
    while !bench.verdict.isFailure, looks < 50 {
        bench.answer(10, canary: fault)
        looks += 1
    }
    #expect(bench.verdict.isFailure && bench.verdict.reason.contains(words), "\(bench.verdict)")
}

struct HarmRow: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let harm: Harm
    let verdict: Verdict?

    init(_ name: String, _ verdict: Verdict?, _ change: (inout Harm) -> Void) {
        testDescription = name
        self.verdict = verdict
        var harm = Harm()
        change(&harm)
        self.harm = harm
    }
}

@Test(arguments: [
    HarmRow("labels that are fine", .succeed) { $0.labels = labels(1, isFine: true) },
    HarmRow("golden cases", .succeed) { $0.absences = ["golden"] },
    HarmRow("labels that are open, and golden cases", .succeed) {
        ($0.labels, $0.absences) = (labels(2), ["golden"])
    },
    HarmRow("labels that are worse", .fail("labels say so (evidence 700 : 1)")) {
        $0.labels = labels(700, isWorse: true)
    },
    HarmRow("labels that are worse outweigh golden cases", .fail("labels say so (evidence 700 : 1)")) {
        ($0.labels, $0.absences) = (labels(700, isWorse: true), ["golden"])
    },
    HarmRow("labels that may be worse", nil) { ($0.labels, $0.absences) = (labels(100, isWorse: true), ["golden"]) },
    HarmRow("labels that are open", nil) { $0.labels = labels(3) },
    HarmRow("what settles nothing", nil) { $0.hints = ["a shadow"] },
])
func evidenceOfHarmOrItsAbsenceDecides(row: HarmRow) {
    var bench = Bench()
    bench.answer(200, canary: retrained)
    #expect(bench.verdict.isWait && bench.judge.evidenceMax == 600)
    bench.harm = row.harm
    bench.look()
    if let verdict = row.verdict { #expect(bench.verdict == verdict) } else { #expect(bench.verdict.isWait) }
}

@Test func whatWasFoundStandsInTheReason() {
    var bench = Bench()
    bench.harm.hints = ["in the shadow it decided otherwise on 12 of 400 calls"]
    bench.answer(200, canary: retrained)
    #expect(bench.verdict.reason.hasSuffix("; in the shadow it decided otherwise on 12 of 400 calls"))
}

/// Labels that are worse need no difference of the answers, and what is accepted is not that.
@Test func labelsAreJudgedUnlessOtherGatesAre() {
    var bench = Bench { ($0.accepted, $0.gates) = ([.answers], [.errors, .labels]) }
    bench.harm.labels = labels(1e6, isWorse: true)
    bench.look()
    #expect(bench.verdict == .fail("labels say so (evidence 1000000 : 1)") && bench.judge.evidenceMax == 200)
    // Smaller may be better: then labels are not to be judged, for good nor for bad.
    for told in [labels(1e6, isWorse: true), labels(1, isFine: true)] {
        var without = Bench { $0.gates.removeAll { $0 == .labels } }
        without.harm.labels = told
        without.answer(200, canary: retrained)
        #expect(without.verdict.isWait && without.judge.evidenceMax == 500)
        #expect(!without.judge.gates.contains { $0.name == .labels })
    }
}

/// Labels around the bound: the history and the time for a decision know one wait of a step.
@Test func aWaitThatIsInterruptedIsOneWait() {
    var bench = Bench { ($0.decideSeconds, $0.stepCalls) = (1000, 100_000) }
    bench.answer(200, canary: retrained)
    #expect(bench.verdict.isWait)
    for _ in 0..<4 {
        bench.harm.labels = labels(1, isFine: true)
        bench.look(after: 100 * second)
        #expect(!bench.judge.isWaiting && !bench.verdict.isWait)
        bench.harm.labels = labels(1)
        bench.look(after: 100 * second)
        #expect(bench.verdict.isWait)
    }
    bench.look(after: 220 * second)
    #expect(bench.verdict.isFailure && bench.verdict.reason.hasPrefix("no decision came within 1000 s"))
}

/// What a wait is about may be any difference; that it is a fault takes the evidence of now.
@Test func aWaitIsNoEvidence() {
    var bench = Bench()
    bench.answer(200, canary: retrained)
    bench.live = Counts()
    bench.judge.beginAnew(now: bench.now)
    bench.look()
    // The first answers of the live version that was loaded anew happen to be small.
    bench.answer(10, live: behaviour { $0.constant = 0.001 }, canary: retrained)
    #expect(bench.verdict.isWait, "\(bench.verdict)")
}

/// The time before the step began anew is not counted as waiting twice.
@Test func whatWaitedAndBeganAnewHasItsTimeOnce() {
    var bench = Bench { $0.stepCalls = 100_000 }
    bench.answer(200, canary: retrained)
    bench.look(after: 50_000 * second)
    bench.live = Counts()
    bench.judge.beginAnew(now: bench.now)
    bench.look()
    bench.judge.accept(now: bench.now)
    bench.look(after: 1700 * second)
    #expect(!bench.verdict.isFailure)
    bench.look(after: 100 * second)
    #expect(bench.verdict.isFailure && bench.verdict.reason.hasPrefix("nothing could be said within 1800 s"))
}

@Test func whatWaitsWaitsOnWhenTheLiveVersionIsLoadedAnew() {
    var bench = Bench()
    bench.answer(200, canary: retrained)
    let waits = bench.verdict
    bench.live = Counts()
    bench.judge.beginAnew(now: bench.now)
    bench.look()
    bench.look()
    #expect(waits.isWait && bench.verdict == waits)
    // What was counted before is not held against the counts of now.
    var fresh = Bench { $0.stepCalls = 200 }
    fresh.answer(150, canary: Behaviour())
    fresh.live = Counts()
    fresh.judge.beginAnew(now: fresh.now)
    fresh.look()
    fresh.answer(250, canary: Behaviour())
    #expect(fresh.verdict == .succeed, "\(fresh.verdict)")
}

/// Nearly enough evidence of another distribution, and no more calls: no reason to take it back either.
@Test func whatStaysOpenWaits() {
    var bench = Bench { $0.percents = [1, 2, 3] }
    let slightly = behaviour { $0.mean = 0.4 }
    var looks = 0
    while !bench.verdict.reason.contains("may be chance still"), looks < 200 {
        bench.answer(10, canary: slightly)
        looks += 1
    }
    #expect(bench.verdict.reason.contains("may be chance still"), "\(bench.verdict)")
    bench.look(after: 1800 * second)
    #expect(bench.verdict.isWait)
}
