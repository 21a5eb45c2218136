// Enters: what an operator wants of the models. Leaves: what was done, or why not. Values; nothing happens here.
import Tensors

/// One thing to be done to the models that a server has.
public enum Order: Sendable, Equatable {
    /// Into memory, beside what is there. `version` `nil`: the highest of the repository. Its slot is the one that is not
    /// live; what stood there goes when the new one is ready. Of a model that has no live version it becomes that.
    /// `isShadow`: its slot is the shadow; so only where a version is live. A version that is loaded already, from another file
    /// or by another configuration, is loaded anew, and takes its own place; `isForced`: whatever its gates say.
    case load(model: String, version: Int64?, isShadow: Bool = false, isForced: Bool = false)
    /// Out of memory. `version` `nil`: the whole model, and if it has a live version only where that is forced.
    case unload(model: String, version: Int64?, isForced: Bool)
    /// Makes versions live, all of them in one commit.
    case swap([Change], isForced: Bool)
    /// Makes the version live that was live before.
    case rollback(model: String)
    /// Divides the calls that name no version.
    case weights(model: String, [Share], isForced: Bool)
    /// A version repeats so many percent of the live one's calls, and its answers go nowhere; 0 ends that.
    case shadow(model: String, version: Int64?, percent: Int)
    /// What is rolled out becomes live.
    case promote(model: String)
    /// The live version gets all calls again.
    case abort(model: String)
    /// Points a label to a version; `nil`: takes it away.
    case label(model: String, label: String, version: Int64?)

    /// One model of a swap. `version` `nil`: the one that stands beside the live one.
    public struct Change: Sendable, Equatable {
        public var model: String
        public var version: Int64?

        public init(model: String, version: Int64? = nil) {
            self.model = model
            self.version = version
        }
    }

    /// Gates and differences do not matter.
    public var isForced: Bool {
        switch self {
        case .load(_, _, _, let isForced), .unload(_, _, let isForced), .swap(_, let isForced),
            .weights(_, _, let isForced):
            isForced
        case .rollback, .shadow, .promote, .abort, .label: false
        }
    }

    public var action: OrderAction {
        switch self {
        case .load: .load
        case .unload: .unload
        case .swap: .swap
        case .rollback: .rollback
        case .label: .label
        case .weights: .weights
        case .shadow: .shadow
        case .promote: .promote
        case .abort: .abort
        }
    }
}

/// What is done to models, by the word for it in histories and logs.
public enum OrderAction: String, Codable, CaseIterable, Sendable {
    case load, unload, swap, rollback, label, weights, shadow, promote, abort, rollout, experiment
}

/// What an order comes to, once it was decided.
public struct Decision: Sendable, Equatable {
    public struct Change: Sendable, Equatable {
        public var model: String
        /// Which version was live before, and which is then; `nil`: none.
        public var from: Int64?
        public var to: Int64?

        public init(model: String, from: Int64?, to: Int64?) {
            self.model = model
            self.from = from
            self.to = to
        }
    }

    /// The models that it touches.
    public var changes: [Change]
    /// One sentence each.
    public var steps: [String]
    /// The version that it is about, where it is about one: what was loaded, unloaded, labelled, shadowed or rolled out.
    public var version: Int64?

    public init(changes: [Change], steps: [String], version: Int64? = nil) {
        self.changes = changes
        self.steps = steps
        self.version = version
    }
}

/// Why an order was not carried out. Nothing has changed then.
public enum OrderError: Error, Sendable, Equatable {
    case unknownModel(String)
    case notLoaded(model: String, known: [String])
    case unknownVersion(model: String, version: Int64, available: [Int64])
    case noVersion(model: String)
    case versionNotLoaded(model: String, version: Int64, loaded: [Int64])
    case busy(model: String, version: Int64)
    /// Our own sentence.
    case loadFailed(model: String, version: Int64, reason: String)
    case incompatible(model: String, version: Int64, differences: [String])
    /// It did not pass its gates; one phrase each.
    case unfit(model: String, version: Int64, faults: [String])
    case isLive(model: String, version: Int64)
    /// The whole model was to go.
    case isServed(model: String, live: Int64)
    case nothingBeside(model: String)
    case nothingBefore(model: String)
    case badLabel(String)
    case twice(model: String)
    case noModel
    case noLive(model: String)
    case alreadyLive(model: String, version: Int64)
    case rolloutIsOn(model: String, version: Int64)
    case noRollout(model: String)
    case experimentIsOn(model: String)
    case tooManyExperiments(max: Int)
    /// Our own sentence.
    case badShares(String)
    case badPolicy(String)
    case notKept(reason: String)
    case repository(reason: String)
    /// The server was started so that this does not happen.
    case fixed(OrderAction)

    /// What is wrong, and what to do.
    public var sentence: String {
        switch self {
        case .unknownModel(let name):
            "model '\(escaped(name))' is not in the repository: check its name, or put it there"
        case .unknownVersion(let model, let version, let available):
            "model '\(escaped(model))' has no version \(version) in the repository\(Self.list(available.map(String.init), "it has")): name one that is there, or add it"
        case .noVersion(let model): "model '\(escaped(model))' has no version in the repository: add one"
        case .notLoaded(let name, let known):
            "model '\(escaped(name))' is not loaded\(Self.list(known, "loaded are")): load it first"
        case .versionNotLoaded(let model, let version, let loaded):
            "version \(version) of model '\(escaped(model))' is not loaded\(Self.list(loaded.map(String.init), "loaded are")): load it first"
        case .busy(let model, let version):
            "version \(version) of model '\(escaped(model))' is being loaded: wait until it is ready"
        case .loadFailed(let model, let version, let reason):
            "version \(version) of model '\(escaped(model))' was not loaded: \(reason)"
        case .incompatible(let model, let version, let differences):
            "version \(version) of model '\(escaped(model))' does not fit who calls the live one: \(Self.first(differences)); "
                + "say force to make it live all the same"
        case .unfit(let model, let version, let faults):
            "version \(version) of model '\(escaped(model))' did not pass its gates: \(Self.first(faults)); "
                + "say force to make it live all the same"
        case .isLive(let model, let version):
            "version \(version) of model '\(escaped(model))' is live: swap to another first, or say force"
        case .isServed(let model, let live):
            "version \(live) of model '\(escaped(model))' is live, and all versions would go: say force to unload them, or name one"
        case .nothingBeside(let model):
            "model '\(escaped(model))' has no version beside the live one that is ready: load one, or name the version"
        case .nothingBefore(let model):
            "model '\(escaped(model))' has no version in memory that was live before: load one and swap to it"
        case .badLabel(let label):
            "label '\(escaped(label))': allowed are 1 to 64 letters, digits, '.', '_' and '-', and not only digits"
        case .noLive(let model): "model '\(escaped(model))' has no live version: swap to one first"
        case .alreadyLive(let model, let version):
            "version \(version) of model '\(escaped(model))' is live already: name another"
        case .rolloutIsOn(let model, let version):
            "version \(version) of model '\(escaped(model))' is being rolled out: promote or abort it first"
        case .noRollout(let model):
            "model '\(escaped(model))' has no rollout, and its calls are not divided: there is nothing to end"
        case .experimentIsOn(let model):
            "model '\(escaped(model))' has an experiment: end it with abort, or by a swap to one of its versions, first"
        case .tooManyExperiments(let max): "\(max) experiments go on, which is as many as can be: end one of them first"
        case .badShares(let reason), .badPolicy(let reason): reason
        case .noModel: "no model is named: name one"
        case .twice(let model): "model '\(escaped(model))' is named twice in one swap"
        case .notKept(let reason):
            "nothing was changed, because it could not be kept for the next start: \(reason)"
        case .repository(let reason): "the repository cannot be read: \(reason)"
        case .fixed(let action):
            "the server does not \(action.rawValue) models: it runs with --repository-mode none; start it with explicit or watch"
        }
    }

    private static func first(_ differences: [String]) -> String {
        differences.prefix(8).joined(separator: "; ")
            + (differences.count > 8 ? "; and \(differences.count - 8) more" : "")
    }

    private static func list(_ names: [String], _ verb: String) -> String {
        names.isEmpty ? "" : "; \(verb) \(names.prefix(10).joined(separator: ", "))\(names.count > 10 ? ", …" : "")"
    }
}
