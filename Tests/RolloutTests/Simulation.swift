import Glibc
import Memory
import TestSupport

@testable import Rollout

/// How a version behaves.
struct Behaviour {
    var failures = 0.001
    var refusals = 0.0
    var notFinite = 0.0
    /// Median, and the spread of its logarithm.
    var latencyMilliseconds = 2.0
    var latencySpread = 0.4
    var slowShare = 0.0
    var slowMilliseconds = 0.0
    var mean = 0.3
    var deviation = 0.2
    /// Instead of what is drawn.
    var constant: Double?
    /// This part of its answers has another shape.
    var otherShape = 0.0
    /// Memory that a call leaves behind.
    var leakBytes = 0
    /// It is well until so many calls.
    var after = 0

    func call(_ dice: inout SplitMix, _ counts: inout Counts) -> Bool {
        counts.calls += 1
        let isWell = counts.calls <= after
        let plain = Behaviour()
        let way = isWell ? plain : self
        if dice.fraction() < way.failures {
            counts.failed += 1
            counts.firstFailed += 1
            return !isWell
        }
        if dice.fraction() < way.refusals {
            counts.refused += 1
            counts.firstRefused += 1
            return !isWell
        }
        var milliseconds = way.latencyMilliseconds * exp(way.latencySpread * dice.normal())
        if dice.fraction() < way.slowShare { milliseconds += way.slowMilliseconds }
        counts.latency[Bins.latency(nanoseconds: Int64(milliseconds * 1e6))] += 1
        counts.shapes[dice.fraction() < way.otherShape ? 3 : 1] += 1
        if dice.fraction() < way.notFinite {
            counts.notFinite += 1
        } else {
            counts.values[Bins.value(way.constant ?? way.mean + way.deviation * dice.normal())] += 1
        }
        return !isWell
    }
}

/// A rollout under a virtual clock: `perSecond` calls, looked at every 10 ms, until it is over or waits for a decision.
struct Simulation {
    var verdict: Verdict
    var seconds: Double
    /// Calls of the new version before it was taken back or waited, from when it was not well any more.
    var badAnswers: Int
    var step: Int

    init(_ canary: Behaviour, live: Behaviour = Behaviour(), policy: RolloutPolicy, perSecond: Int, seed: UInt64) {
        var dice = SplitMix(seed: seed)
        var judge = Judge(policy, now: 0)
        var (liveCounts, canaryCounts) = (Counts(), Counts())
        var bad = 0
        var tick: Int64 = 0
        let callsPerLook = max(1, perSecond / 100)
        while true {
            tick += 1
            for _ in 0..<callsPerLook {
                if dice.fraction() * 100 < Double(judge.percent) {
                    if canary.call(&dice, &canaryCounts) { bad += 1 }
                } else {
                    _ = live.call(&dice, &liveCounts)
                }
            }
            let verdict = judge.look(
                now: tick * 10_000_000, live: liveCounts, canary: canaryCounts,
                memoryBytes: canary.leakBytes * canaryCounts.calls)
            switch verdict {
            case .hold, .advance: continue
            case .succeed, .fail, .wait:
                self.verdict = verdict
                seconds = Double(tick) / 100
                badAnswers = bad
                step = judge.step
                return
            }
        }
    }
}

extension Verdict {
    var isFailure: Bool { if case .fail = self { true } else { false } }
    var isWait: Bool { if case .wait = self { true } else { false } }
    var reason: String {
        switch self {
        case .fail(let reason), .hold(let reason), .wait(let reason): reason
        case .advance, .succeed: ""
        }
    }
}
