// Enters: counts of the live version and of the one that is rolled out, now and then. Leaves: go on, wait, or back.
import Glibc

/// One thing that is compared.
public struct Gate: Sendable, Equatable {
    public enum Name: String, Sendable, CaseIterable { case errors, refusals, latency, answers, shapes }

    public var name: Name
    /// 1 : so much against that the two are alike; from `Judge.evidenceMax` on that is settled.
    public var evidence: Double
    /// What was found, with its numbers.
    public var finding: String
    /// The difference is one that matters.
    public var isWorse: Bool
}

/// What is to be done with the version that is rolled out.
public enum Verdict: Sendable, Equatable {
    /// Why it goes on as it is.
    case hold(String)
    /// From now on it gets this share, in percent.
    case advance(percent: Int)
    /// It becomes live.
    case succeed
    /// It gets nothing any more; why.
    case fail(String)
}

/// Judges one rollout. Looks are cheap, and may be as frequent as one likes; each step is judged afresh.
///
/// What the live version does meanwhile is all that it is compared with. The same calls that fail with the live version too do
/// not count against the new one.
public struct Judge: Sendable {
    public let policy: RolloutPolicy
    /// The step that it is in, from 0 on.
    public private(set) var step = 0
    public private(set) var gates: [Gate] = []
    /// What the last look came to.
    public private(set) var verdict = Verdict.hold("it has just begun")
    /// The evidence at which a gate fails: all gates of all steps together seldom do so wrongly.
    public var evidenceMax: Double { Double(Gate.Name.allCases.count * policy.percents.count) / policy.falseAlarms }

    /// From this evidence on, a natural logarithm, one waits and sees: 20 : 1.
    private static let suspicion = 2.995_732_273_553_991

    private var evidence = StepEvidence()
    private var stepBegan: Int64
    private var begin: (live: Counts, canary: Counts)?
    private var last = (live: Counts(), canary: Counts())
    /// Counts of the canary of late, each some calls after the one before: for what needs no statistics.
    private var late: [(canary: Pair, live: Pair)] = []

    private struct Pair {
        var calls = 0
        var failed = 0
    }

    private struct StepEvidence {
        var errors = EventEvidence()
        var refusals = EventEvidence()
        var latency = EventEvidence()
        var answers = ShiftEvidence(bins: Bins.valueCount, isOrdered: true)
        var shapes = ShiftEvidence(bins: Bins.shapeCount, isOrdered: false)
    }

    /// `now`: any clock that goes on, nanoseconds.
    public init(_ policy: RolloutPolicy, now: Int64) {
        self.policy = policy
        stepBegan = now
    }

    /// The share that the version is to have now, in percent.
    public var percent: Int { policy.percents[min(step, policy.percents.count - 1)] }

    /// `live`, `canary`: all that was ever counted. `memoryBytes`: what the process gained since the rollout began.
    public mutating func look(now: Int64, live: Counts, canary: Counts, memoryBytes: Int = 0) -> Verdict {
        verdict = judge(now, live, canary, memoryBytes)
        if case .advance = verdict { nextStep(now) }
        return verdict
    }

    private mutating func nextStep(_ now: Int64) {
        step += 1
        stepBegan = now
        begin = nil
        late.removeAll()
        evidence = StepEvidence()
    }

    private mutating func judge(_ now: Int64, _ live: Counts, _ canary: Counts, _ memoryBytes: Int) -> Verdict {
        guard let begin else {
            begin = (live, canary)
            last = (live, canary)
            return .hold("step \(step + 1) of \(policy.percents.count), \(percent) %, has just begun")
        }
        let (allLive, allCanary) = (live - begin.live, canary - begin.canary)
        bet(live: live - last.live, canary: canary - last.canary, slow: slowBin(last.live - begin.live))
        last = (live, canary)
        if let reason = hardStop(allLive, allCanary, memoryBytes) { return .fail(reason) }
        gates = weigh(allLive, allCanary)
        if let gate = gates.first(where: { $0.isWorse && $0.evidence >= evidenceMax }) {
            return .fail("\(gate.finding) (evidence \(Int(min(gate.evidence, 1e9))) : 1)")
        }
        let seconds = (now - stepBegan) / 1_000_000_000
        let place = "step \(step + 1) of \(policy.percents.count), \(percent) %"
        if let gate = gates.first(where: \.isWorse) {
            return hold(seconds, "\(place): \(gate.finding); that may be chance still")
        }
        if allCanary.calls < policy.stepCalls {
            return hold(seconds, "\(place): \(allCanary.calls) of \(policy.stepCalls) calls")
        }
        if allLive.calls == 0 { return hold(seconds, "\(place): the live version has no calls to compare with") }
        if seconds < policy.stepSeconds { return .hold("\(place): \(seconds) of \(policy.stepSeconds) s") }
        return step + 1 < policy.percents.count ? .advance(percent: policy.percents[step + 1]) : .succeed
    }

    private func hold(_ seconds: Int64, _ reason: String) -> Verdict {
        guard seconds >= policy.holdSeconds else { return .hold(reason) }
        return .fail("nothing could be said within \(policy.holdSeconds) s: \(reason)")
    }

    private mutating func bet(live: Counts, canary: Counts, slow: Int?) {
        let share = Double(percent) / 100
        evidence.errors.note(canary: canary.firstFailed, live: live.firstFailed, share: share)
        evidence.refusals.note(canary: canary.firstRefused, live: live.firstRefused, share: share)
        if let slow {
            evidence.latency.note(
                canary: canary.latency[(slow + 1)...].reduce(0, +), live: live.latency[(slow + 1)...].reduce(0, +),
                share: share)
        }
        evidence.answers.note(canary: canary.values, live: live.values, share: share)
        evidence.shapes.note(canary: canary.shapes, live: live.shapes, share: share)
    }

    /// The bin beyond which a call is slow, by what the live version did so far. `nil`: too little to say.
    private func slowBin(_ live: Counts) -> Int? {
        guard live.timed >= 100, let limit = slowNanoseconds(live) else { return nil }
        return Bins.latency(nanoseconds: limit)
    }

    private func slowNanoseconds(_ live: Counts) -> Int64? {
        guard let tail = live.latencyNanoseconds(quantile: 0.99) else { return nil }
        return max(Int64(Double(tail) * policy.latencyFactor), tail + policy.latencyMarginNanoseconds)
    }

    /// What needs no statistics.
    private mutating func hardStop(_ live: Counts, _ canary: Counts, _ memoryBytes: Int) -> String? {
        if canary.notFinite > 0 && last.live.notFinite == 0 {
            return "an answer with a number that is none (NaN or infinity); the live version gave none"
        }
        if memoryBytes > policy.memoryBytesMax {
            return "memory grew by \(memoryBytes >> 20) MiB; allowed are \(policy.memoryBytesMax >> 20) MiB"
        }
        let window = 30
        while late.count > 1, canary.calls - late[1].canary.calls >= window { late.removeFirst() }
        var before = (canary: Pair(), live: Pair())
        if let first = late.first, canary.calls - first.canary.calls >= window { before = first }
        if late.last?.canary.calls != canary.calls {
            late.append(
                (Pair(calls: canary.calls, failed: canary.failed), Pair(calls: live.calls, failed: live.failed)))
        }
        let (calls, failed) = (canary.calls - before.canary.calls, canary.failed - before.canary.failed)
        let (liveCalls, liveFailed) = (live.calls - before.live.calls, live.failed - before.live.failed)
        // Where the live version's calls fail as well in the same time it is a matter of how often: that is for the gates.
        if failed >= 5 && failed * 6 >= calls && liveFailed * 100 <= liveCalls {
            return "\(failed) of its last \(calls) calls failed; of the live version's \(liveCalls) \(liveFailed) did"
        }
        return nil
    }

    private func weigh(_ live: Counts, _ canary: Counts) -> [Gate] {
        func gate(_ name: Gate.Name, _ log: Double, _ isWorse: Bool, _ finding: String) -> Gate {
            // What is one in twenty by chance is not worth a word.
            Gate(name: name, evidence: exp(min(log, 700)), finding: finding, isWorse: isWorse && log >= Self.suspicion)
        }
        func rate(_ part: Int, _ whole: Int) -> Double { whole > 0 ? Double(part) / Double(whole) : 0 }
        func events(_ what: String, _ canaryCount: Int, _ liveCount: Int) -> String {
            "\(canaryCount) of \(canary.calls) calls \(what); of the live version \(liveCount) of \(live.calls)"
        }
        var slowCanary = 0
        var slowLive = 0
        if let slow = slowBin(live) {
            slowCanary = canary.latency[(slow + 1)...].reduce(0, +)
            slowLive = live.latency[(slow + 1)...].reduce(0, +)
        }
        let milliseconds = (slowNanoseconds(live) ?? 0) / 1_000_000
        return [
            gate(
                .errors, evidence.errors.log,
                rate(canary.failed, canary.calls) - rate(live.failed, live.calls) > policy.errorMargin,
                events("failed", canary.failed, live.failed)),
            gate(
                .refusals, evidence.refusals.log,
                rate(canary.refused, canary.calls) - rate(live.refused, live.calls) > policy.errorMargin,
                events("were refused", canary.refused, live.refused)),
            gate(
                .latency, evidence.latency.log,
                rate(slowCanary, canary.timed) > max(0.01, rate(slowLive, live.timed)),
                "\(slowCanary) of \(canary.timed) answers took longer than \(milliseconds) ms; of the live version "
                    + "\(slowLive) of \(live.timed)"),
            gate(
                .answers, evidence.answers.log, evidence.answers.distance > policy.shiftMargin,
                "its answers are distributed otherwise than the live version's, by \(percentText(evidence.answers.distance))"
            ),
            gate(
                .shapes, evidence.shapes.log, evidence.shapes.distance > policy.shiftMargin,
                "its answers have other types or shapes than the live version's, \(percentText(evidence.shapes.distance)) of them"
            ),
        ]
    }

    private func percentText(_ share: Double) -> String { "\(Int((share * 100).rounded())) %" }
}
