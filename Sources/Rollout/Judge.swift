// Enters: counts of the live version and of the one that is rolled out, now and then. Leaves: go on, wait, or back.
import Glibc

/// Judges one rollout. Looks are cheap, and may be as frequent as one likes; each step is judged afresh.
///
/// What the live version does meanwhile is all that it is compared with. The same calls that fail with the live version too do
/// not count against the new one. That answers are distributed otherwise is evidence of change, not of harm: such a version is
/// not taken back but waits, until an operator decides or until there is evidence of harm or of its absence.
public struct Judge: Sendable {
    public let policy: RolloutPolicy
    /// The step that it is in, from 0 on.
    public private(set) var step = 0
    public private(set) var gates: [Gate] = []
    /// What the last look came to.
    public private(set) var verdict = Verdict.hold("it has just begun")
    /// An operator accepts that the answers differ.
    public private(set) var isAccepted: Bool
    /// Why a difference of the answers holds up nothing; `nil`: in this step they do not differ.
    public private(set) var excuse: String?
    /// The evidence at which a gate fails: all gates of all steps together seldom do so wrongly, nor do labels, which are judged
    /// once for the whole rollout.
    public var evidenceMax: Double {
        let counted = policy.gates.count { $0 != .labels }
        return Double(counted * policy.percents.count + (isLabelled ? 1 : 0)) / policy.falseAlarms
    }
    private var isLabelled: Bool { policy.gates.contains(.labels) }
    /// It waits for a decision.
    public var isWaiting: Bool { waiting != nil }

    private var evidence = StepEvidence()
    private var stepBegan: Int64
    private var begin: (live: Counts, canary: Counts)?
    private var last = (live: Counts(), canary: Counts())
    /// Counts of the canary of late, each some calls after the one before: for what needs no statistics.
    private var late: [(canary: Pair, live: Pair)] = []
    private var waiting: Waiting?
    /// When it waited first in this step. That labels are fine for a while in between does not start the time for a decision anew.
    private var waitBegan: Int64?
    /// What the step spent waiting, as far as that is over.
    private var waitedNanoseconds: Int64 = 0

    private struct Pair {
        var calls = 0
        var failed = 0
    }

    private struct Waiting {
        let since: Int64
        /// As it was found then: numbers that change every moment are in the gates.
        let reason: String
    }

    /// `now`: any clock that goes on, nanoseconds.
    public init(_ policy: RolloutPolicy, now: Int64) {
        self.policy = policy
        isAccepted = policy.accepted.contains(.answers)
        stepBegan = now
    }

    /// The share that the version is to have now, in percent.
    public var percent: Int { policy.percents[min(step, policy.percents.count - 1)] }

    /// `live`, `canary`: all that was ever counted. `memoryBytes`: what the process gained since the rollout began. `harm`: what is
    /// known beside the counts.
    public mutating func look(
        now: Int64, live: Counts, canary: Counts, memoryBytes: Int = 0, harm: Harm = Harm()
    ) -> Verdict {
        var harm = harm
        if !isLabelled { harm.labels = nil }
        verdict = judge(now, live, canary, memoryBytes, harm)
        if case .advance = verdict { nextStep(now) }
        return verdict
    }

    /// An operator accepts that the answers differ; in all steps.
    public mutating func accept(now: Int64) {
        isAccepted = true
        endWait(now)
        verdict = .hold("that its answers differ is accepted")
    }

    /// The live version was loaded anew, and its counts begin at 0: so does the step. What waits for a decision waits on.
    public mutating func beginAnew(now: Int64) { beginStep(now) }

    private mutating func nextStep(_ now: Int64) {
        step += 1
        waitBegan = nil
        beginStep(now)
    }

    private mutating func beginStep(_ now: Int64) {
        stepBegan = now
        begin = nil
        late.removeAll()
        evidence = StepEvidence()
        waitedNanoseconds = 0
    }

    private mutating func endWait(_ now: Int64) {
        guard let waiting else { return }
        // The step may have begun anew meanwhile.
        waitedNanoseconds += now - max(waiting.since, stepBegan)
        self.waiting = nil
    }

    private var place: String { "step \(step + 1) of \(policy.percents.count), \(percent) %" }

    private mutating func judge(
        _ now: Int64, _ live: Counts, _ canary: Counts, _ memoryBytes: Int, _ harm: Harm
    ) -> Verdict {
        guard let begin else {
            begin = (live, canary)
            last = (live, canary)
            return .hold("\(place), has just begun")
        }
        let (allLive, allCanary) = (live - begin.live, canary - begin.canary)
        evidence.note(
            live: live - last.live, canary: canary - last.canary, before: last.live - begin.live,
            share: Double(percent) / 100, policy)
        last = (live, canary)
        if let reason = hardStop(allLive, allCanary, memoryBytes) { return .fail(reason) }
        gates = evidence.gates(live: allLive, canary: allCanary, policy) + [harm.gate].compactMap(\.self)
        if let gate = gates.first(where: { $0.name != .answers && isSettled($0) }) {
            return .fail("\(gate.finding) (\(evidenceText(gate)))")
        }
        let seconds = (now - stepBegan) / 1_000_000_000
        if let verdict = judgeAnswers(now, allCanary, harm) { return verdict }
        if let gate = gates.first(where: { $0.isWorse && $0.name != .answers }) {
            return hold(now, "\(place): \(gate.finding); that may be chance still")
        }
        if allCanary.calls < policy.stepCalls {
            return hold(now, "\(place): \(allCanary.calls) of \(policy.stepCalls) calls")
        }
        if allLive.calls == 0 { return hold(now, "\(place): the live version has no calls to compare with") }
        if seconds < policy.stepSeconds { return .hold("\(place): \(seconds) of \(policy.stepSeconds) s") }
        return step + 1 < policy.percents.count ? .advance(percent: policy.percents[step + 1]) : .succeed
    }

    private func isSettled(_ gate: Gate) -> Bool { gate.isWorse && gate.evidence >= evidenceMax }

    private func evidenceText(_ gate: Gate) -> String { "evidence \(Int(min(gate.evidence, 1e9))) : 1" }

    private func isLate(_ now: Int64) -> Bool {
        (now - stepBegan - waitedNanoseconds) / 1_000_000_000 >= policy.holdSeconds
    }

    private func hold(_ now: Int64, _ reason: String) -> Verdict {
        guard isLate(now) else { return .hold(reason) }
        return .fail("nothing could be said within \(policy.holdSeconds) s: \(reason)")
    }

    /// `nil`: the answers hold up nothing.
    private mutating func judgeAnswers(_ now: Int64, _ canary: Counts, _ harm: Harm) -> Verdict? {
        guard let gate = gates.first(where: { $0.name == .answers }), gate.isWorse || isWaiting else {
            excuse = nil
            return nil
        }
        excuse = isAccepted ? "that was accepted" : harm.absence
        if excuse != nil {
            endWait(now)
            return nil
        }
        if waiting == nil {
            if !isLate(now) {
                guard isSettled(gate) else { return .hold("\(place): \(gate.finding); that may be chance still") }
                let answers = canary.values.reduce(0, +)
                if answers < GrossChange.answersMin {
                    return .hold(
                        "\(place): \(gate.finding); after \(answers) of \(GrossChange.answersMin) answers it cannot be "
                            + "said what kind of change that is")
                }
            }
            let found = "\(gate.finding) (\(evidenceText(gate)))"
            waiting = Waiting(since: now, reason: ([found] + harm.hints).joined(separator: "; "))
            waitBegan = waitBegan ?? now
        }
        guard let waiting, let waitBegan else { return nil }
        if now - waitBegan >= Int64(policy.decideSeconds) * 1_000_000_000 {
            return .fail("no decision came within \(policy.decideText): \(waiting.reason)")
        }
        return .wait(waiting.reason)
    }

    /// What needs no statistics, or is no other opinion but a fault.
    private mutating func hardStop(_ live: Counts, _ canary: Counts, _ memoryBytes: Int) -> String? {
        if canary.notFinite > 0 && last.live.notFinite == 0 {
            return "an answer with a number that is none (NaN or infinity); the live version gave none"
        }
        if memoryBytes > policy.memoryBytesMax {
            return "memory grew by \(memoryBytes >> 20) MiB; allowed are \(policy.memoryBytesMax >> 20) MiB"
        }
        // Also while it waits: the wait may have begun with less, or the evidence may have begun anew.
        if evidence.answers.log >= log(evidenceMax),
            let change = GrossChange.found(live: live.values, canary: canary.values, evidenceMax: evidenceMax)
        {
            return change
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
}
