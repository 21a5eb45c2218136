// Enters: what answers brought, by the callers' own ids. Leaves: which of them were known; experiments and rollouts count the rest.
import Experiments
import GRPC
import Memory
import Models
import PredictionAPI
import Protobuf
import Tensors

/// A reward that is no number, or one that its experiment does not allow.
struct FeedbackError: Error, Equatable {
    let position: Int
    let id: String
    let value: Double
    let allowed: ClosedRange<Double>

    var sentence: String {
        "reward \(position) (request id '\(escaped(id))') is \(value); the experiment takes \(allowed.lowerBound) to "
            + "\(allowed.upperBound): none of this message was counted"
    }
}

extension Connection {
    /// All of a message's rewards are looked at before the first is counted.
    func feedback(_ message: ByteView, in arena: inout Arena) throws(Refusal) -> WireWriter {
        let rewards: List<Feedback.Reward>
        do throws(PredictionDecodeError) { rewards = try Feedback.decode(message, in: &arena) } catch {
            throw .prediction(error)
        }
        for index in rewards.indices {
            guard let allowed = try experiment(of: rewards[index]).flatMap(exposures.rewards) else { continue }
            let reward = rewards[index]
            guard allowed.contains(reward.value) else {
                throw .feedback(
                    FeedbackError(position: index, id: reward.id.clippedText, value: reward.value, allowed: allowed))
            }
        }
        var outcome = Feedback()
        for index in rewards.indices {
            guard let experiment = try experiment(of: rewards[index]) else {
                outcome.unknown += 1
                continue
            }
            switch exposures.reward(rewards[index].id, experiment, rewards[index].value) {
            case .joined: outcome.joined += 1
            case .unknown: outcome.unknown += 1
            case .repeated: outcome.repeated += 1
            }
        }
        let answer = outcome
        return try encoding(in: &arena) { (arena) throws(ArenaFull) in
            try answer.encode(headroom: headroomBytes, in: &arena)
        }
    }

    private var exposures: Exposures { shard.server.configuration.exposures }

    /// Of an experiment, or of a rollout. `nil`: the model has none now.
    private func experiment(of reward: Feedback.Reward) throws(Refusal) -> UInt16? {
        guard let entry = shard.catalog.object.entry(reward.model) else {
            throw .lease(.unknownModel(reward.model.clippedText))
        }
        return entry.experiment
    }
}

extension Exposure {
    init(_ arm: Lease<Servable>.Arm) {
        self.init(experiment: arm.experiment, period: arm.period, arm: arm.number)
    }
}
