// Enters: what is counted of versions. Leaves: the same, as messages.
import Memory
import Models
import PredictionAPI
import Rollout
import Serving
import Tensors

extension StatusResponse.Model {
    init(_ entry: Entry<Servable>, _ rollout: RunningRollout?, _ experiment: StatusResponse.Experiment?) {
        self.init()
        name = entry.name
        versions = entry.standings.map { standing in
            var version = StatusResponse.Version(standing)
            let whole = entry.split == nil && standing.state == .live ? 100 : 0
            version.percent = Int64(entry.split?.shares[standing.number] ?? whole)
            return version
        }
        self.experiment = experiment
        self.rollout = rollout.map { StatusResponse.Rollout($0) }
        if let standing = entry.standing(in: .shadow), let servable = standing.version?.model {
            shadow = StatusResponse.Shadow(standing.number, entry.mirrorPercent, servable.compared.withLock { $0 })
        }
    }
}

extension StatusResponse.Version {
    fileprivate init(_ standing: Standing<Servable>) {
        self.init()
        number = standing.number
        switch standing.state {
        case .failed: state = "failed"
        case .quarantined: state = "quarantined"
        default: state = "\(standing.state)"
        }
        slot = standing.slot.map { "\($0.name)" } ?? ""
        failedGates = standing.version?.faults ?? []
        guard let counts = standing.version?.model.seen.counts else { return }
        calls = Int64(counts.calls)
        failed = Int64(counts.failed)
        refused = Int64(counts.refused)
        p50Nanoseconds = counts.latencyNanoseconds(quantile: 0.5) ?? 0
        p99Nanoseconds = counts.latencyNanoseconds(quantile: 0.99) ?? 0
    }
}

extension StatusResponse.Shadow {
    fileprivate init(_ number: Int64, _ percent: Int, _ compared: Comparison) {
        self.init()
        version = number
        self.percent = Int64(percent)
        calls = Int64(compared.calls)
        differing = Int64(compared.differing)
        disagreeing = Int64(compared.disagreeing)
        failed = Int64(compared.failed)
        meanNanoseconds = compared.calls > 0 ? compared.nanoseconds / Int64(compared.calls) : 0
        meanDifference = compared.numbers > 0 ? compared.differenceSum / Double(compared.numbers) : 0
        largestDifference = compared.differenceMax
    }
}

extension StatusResponse.Rollout {
    init(_ running: RunningRollout) {
        self.init()
        let judge = running.judge
        version = running.version
        step = Int64(judge.step + 1)
        steps = Int64(judge.policy.percents.count)
        evidenceMax = Int64(judge.evidenceMax)
        isWaiting = running.waitingMilliseconds != nil
        decideUntilMilliseconds = running.decideUntilMilliseconds ?? 0
        accepted = judge.isAccepted ? [Rollout.Gate.Name.answers.rawValue] : []
        switch judge.verdict {
        case .hold(let reason), .fail(let reason): verdict = reason
        case .wait(let reason): verdict = "waits for a decision: \(reason)"
        case .advance(let percent): verdict = "goes on with \(percent) %"
        case .succeed: verdict = "becomes live"
        }
        gates = judge.gates.map { gate in
            var message = StatusResponse.Gate()
            message.name = gate.name.rawValue
            message.evidence = Int64(min(gate.evidence, 1e15))
            message.finding = gate.finding
            message.isWorse = gate.isWorse
            return message
        }
    }
}

extension RolloutPolicy {
    /// What is not given is as our own.
    init(_ message: RolloutPolicyMessage) throws(OrderError) {
        self.init()
        do throws(GateNameError) {
            gates = try Rollout.Gate.Name.judged(message.gates)
            accepted = try Rollout.Gate.Name.accepted(message.accepted)
        } catch {
            throw .badPolicy(error.sentence)
        }
        if message.decideSeconds != 0 { decideSeconds = Int(clamping: message.decideSeconds) }
        if !message.percents.isEmpty { percents = message.percents.map { Int(clamping: $0) } }
        if message.stepSeconds != 0 { stepSeconds = Int(clamping: message.stepSeconds) }
        if message.stepCalls != 0 { stepCalls = Int(clamping: message.stepCalls) }
        if message.holdSeconds != 0 { holdSeconds = Int(clamping: message.holdSeconds) }
    }
}
