// Enters: requests as messages, and what came of orders. Leaves: orders, answers, and which kind of refusal an error is.
import Models
import PredictionAPI
import Serving

extension Order {
    /// `nil`: it is a question.
    init?(_ purpose: Errand.Purpose, _ request: ControlRequest) {
        let version = request.version == 0 ? nil : request.version
        switch purpose {
        case .load:
            self = .load(
                model: request.model, version: version, isShadow: request.slot == "shadow", isForced: request.isForced)
        case .unload: self = .unload(model: request.model, version: version, isForced: request.isForced)
        case .swap:
            var changes = request.swaps.map { Change(model: $0.model, version: $0.version == 0 ? nil : $0.version) }
            if !request.model.isEmpty { changes.append(Change(model: request.model, version: version)) }
            self = .swap(changes, isForced: request.isForced)
        case .rollback: self = .rollback(model: request.model)
        case .setLabel: self = .label(model: request.model, label: request.label, version: version)
        case .setWeights:
            self = .weights(
                model: request.model,
                request.shares.map { Share(version: $0.version, percent: Int(clamping: $0.percent)) },
                isForced: request.isForced)
        case .promote: self = .promote(model: request.model)
        case .shadow:
            self = .shadow(model: request.model, version: version, percent: Int(clamping: request.percent))
        case .abort: self = .abort(model: request.model)
        case .history, .status, .watch, .rollout, .experiment, .repositoryIndex, .repositoryModelLoad,
            .repositoryModelUnload:
            return nil
        }
    }
}

extension ControlResponse {
    init(_ outcome: Outcome) {
        self.init()
        epoch = outcome.epoch
        spreadNanoseconds = outcome.spreadNanoseconds
        changes = outcome.decision.changes.map { Change(model: $0.model, from: $0.from ?? 0, to: $0.to ?? 0) }
        steps = outcome.decision.steps
    }
}

extension OrderError {
    var kind: ErrandRefusal.Kind {
        switch self {
        case .unknownModel, .unknownVersion, .noVersion, .notLoaded, .versionNotLoaded: .notFound
        case .badLabel, .twice, .noModel, .badShares, .badPolicy: .badRequest
        case .experimentIsOn, .tooManyExperiments: .wrongState
        case .busy, .loadFailed, .incompatible, .unfit, .isLive, .isServed, .nothingBeside, .nothingBefore, .noLive,
            .alreadyLive,
            .rolloutIsOn, .noRollout, .fixed:
            .wrongState
        case .notKept, .repository: .unavailable
        }
    }
}
