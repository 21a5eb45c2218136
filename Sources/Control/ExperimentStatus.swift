// Enters: experiments. Leaves: the same, as messages; and what operators say of them, as values.
import Experiments
import PredictionAPI

extension ModelControl {
    /// `nil`: the model has none.
    func experiment(of model: String) -> StatusResponse.Experiment? {
        runningExperiment(of: model).map { running in
            var status = StatusResponse.Experiment(running.experiment)
            status.note(exposures.losses(running.number))
            status.startedMilliseconds = running.startedMilliseconds
            return status
        }
    }
}

extension StatusResponse.Experiment {
    fileprivate init(_ experiment: Experiment) {
        self.init()
        assignment = AssignmentMessage(experiment.policy.assignment)
        baseline = experiment.policy.baseline
        seed = experiment.policy.seed
        ratioEvidence = experiment.ratioEvidence
        ratioEvidenceMax = Experiment.ratioEvidenceMax
        arms = experiment.armResults.map { result in
            var arm = StatusResponse.Arm()
            arm.version = result.version
            arm.percent = Int64(result.percent)
            arm.rewards = Int64(result.rewarded)
            arm.mean = result.mean
            return arm
        }
        comparisons = experiment.comparisons.map { result in
            var comparison = StatusResponse.Comparison()
            comparison.version = result.version
            comparison.difference = result.difference
            comparison.low = result.low
            comparison.high = result.high
            comparison.pValue = result.pValue
            switch result.verdict {
            case .better: comparison.verdict = .better
            case .worse: comparison.verdict = .worse
            case .alike: comparison.verdict = .alike
            case .needs(let needed): comparison.needed = Int64(needed ?? 0)
            }
            return comparison
        }
    }

    fileprivate mutating func note(_ losses: Losses) {
        calls = Int64(losses.calls)
        callsWithoutId = Int64(losses.withoutId)
        callsRepeatedId = Int64(losses.repeatedIds)
        callsForgotten = Int64(losses.forgotten)
        unknownRewards = Int64(losses.unknownRewards)
    }
}

extension AssignmentMessage {
    fileprivate init(_ assignment: ExperimentPolicy.Assignment) {
        switch assignment {
        case .random: self = .random
        case .sticky: self = .sticky
        case .epsilonGreedy: self = .epsilonGreedy
        case .thompson: self = .thompson
        }
    }
}

extension ExperimentPolicy {
    /// What is not given is as our own. `nil`: an assignment that we do not know.
    init?(_ message: ExperimentPolicyMessage, _ shares: [ControlRequest.Share]) {
        self.init()
        switch message.assignment {
        case .random: assignment = .random
        case .sticky: assignment = .sticky
        case .epsilonGreedy: assignment = .epsilonGreedy
        case .thompson: assignment = .thompson
        case nil: return nil
        }
        arms = shares.map(\.version)
        self.shares = shares.map { Int(clamping: $0.percent) }
        baseline = message.baseline
        seed = message.seed
        if message.epsilonPercent != 0 { epsilonPercent = Int(clamping: message.epsilonPercent) }
        if message.floorPercent != 0 { floorPercent = Int(clamping: message.floorPercent) }
        if message.rewardMin != 0 || message.rewardMax != 0 {
            (rewardMin, rewardMax) = (message.rewardMin, message.rewardMax)
        }
        smallestEffect = message.smallestEffect != 0 ? message.smallestEffect : (rewardMax - rewardMin) / 100
        if message.joinSeconds != 0 { joinSeconds = Int(clamping: message.joinSeconds) }
        isZeroUnlessReported = message.isZeroUnlessReported
    }
}
