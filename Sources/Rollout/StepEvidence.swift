// Enters: what two versions did in a step, little by little. Leaves: gates, each with its evidence and what was found.
import Glibc

/// What speaks, in one step of a rollout, against the two versions being alike.
struct StepEvidence: Sendable {
    private var errors = EventEvidence()
    private var refusals = EventEvidence()
    private var latency = EventEvidence()
    private(set) var answers = ShiftEvidence(bins: Bins.valueCount, isOrdered: true)
    private var shapes = ShiftEvidence(bins: Bins.shapeCount, isOrdered: false)

    /// From this evidence on, a natural logarithm, one waits and sees: 20 : 1.
    private static let suspicion = 2.995_732_273_553_991

    /// Counts since the last time. `before`: of the live version until then. `share`: what the canary was meant to get, 0 to 1.
    mutating func note(live: Counts, canary: Counts, before: Counts, share: Double, _ policy: RolloutPolicy) {
        errors.note(canary: canary.firstFailed, live: live.firstFailed, share: share)
        refusals.note(canary: canary.firstRefused, live: live.firstRefused, share: share)
        if let slow = Self.slowBin(before, policy) {
            latency.note(
                canary: canary.latency[(slow + 1)...].reduce(0, +), live: live.latency[(slow + 1)...].reduce(0, +),
                share: share)
        }
        answers.note(canary: canary.values, live: live.values, share: share)
        shapes.note(canary: canary.shapes, live: live.shapes, share: share)
    }

    /// The bin beyond which a call is slow, by what the live version did so far. `nil`: too little to say.
    private static func slowBin(_ live: Counts, _ policy: RolloutPolicy) -> Int? {
        guard live.timed >= 100, let limit = slowNanoseconds(live, policy) else { return nil }
        return Bins.latency(nanoseconds: limit)
    }

    private static func slowNanoseconds(_ live: Counts, _ policy: RolloutPolicy) -> Int64? {
        guard let tail = live.latencyNanoseconds(quantile: 0.99) else { return nil }
        return max(Int64(Double(tail) * policy.latencyFactor), tail + policy.latencyMarginNanoseconds)
    }

    /// All that the policy wants judged. `live`, `canary`: counts of the step.
    func gates(live: Counts, canary: Counts, _ policy: RolloutPolicy) -> [Gate] {
        Gate.Name.counted.filter(policy.gates.contains).map { gate($0, live, canary, policy) }
    }

    private func gate(_ name: Gate.Name, _ live: Counts, _ canary: Counts, _ policy: RolloutPolicy) -> Gate {
        func made(_ log: Double, _ isWorse: Bool, _ finding: String) -> Gate {
            // What is one in twenty by chance is not worth a word.
            Gate(name: name, evidence: exp(min(log, 700)), finding: finding, isWorse: isWorse && log >= Self.suspicion)
        }
        func rate(_ part: Int, _ whole: Int) -> Double { whole > 0 ? Double(part) / Double(whole) : 0 }
        func events(_ log: Double, _ what: String, _ canaryCount: Int, _ liveCount: Int) -> Gate {
            made(
                log, rate(canaryCount, canary.calls) - rate(liveCount, live.calls) > policy.errorMargin,
                "\(canaryCount) of \(canary.calls) calls \(what); of the live version \(liveCount) of \(live.calls)")
        }
        switch name {
        case .errors: return events(errors.log, "failed", canary.failed, live.failed)
        case .refusals: return events(refusals.log, "were refused", canary.refused, live.refused)
        case .latency:
            let slow = Self.slowBin(live, policy)
            func slower(_ counts: Counts) -> Int { slow.map { counts.latency[($0 + 1)...].reduce(0, +) } ?? 0 }
            let milliseconds = (Self.slowNanoseconds(live, policy) ?? 0) / 1_000_000
            return made(
                latency.log, rate(slower(canary), canary.timed) > max(0.01, rate(slower(live), live.timed)),
                "\(slower(canary)) of \(canary.timed) answers took longer than \(milliseconds) ms; of the live version "
                    + "\(slower(live)) of \(live.timed)")
        case .answers:
            return made(
                answers.log, answers.distance > policy.shiftMargin,
                "its answers are distributed otherwise than the live version's, by \(percentText(answers.distance))")
        case .shapes:
            return made(
                shapes.log, shapes.distance > policy.shiftMargin,
                "its answers have other types or shapes than the live version's, \(percentText(shapes.distance)) of them"
            )
        case .labels: preconditionFailure("labels are no counts")
        }
    }

    private func percentText(_ share: Double) -> String { "\(Int((share * 100).rounded())) %" }
}
