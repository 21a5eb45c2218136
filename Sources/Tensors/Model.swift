// Enters: a call. Leaves: its answer's tensors. What every engine's models can do.
public import Memory

/// A call that was checked against a model, ready to run.
public struct Work: BitwiseCopyable, Sendable {
    /// In the model's order.
    public var inputs: List<Tensor>
    /// Positions of the outputs wanted, in the order wanted.
    public var outputs: List<Int>

    public init(inputs: List<Tensor>, outputs: List<Int>) {
        self.inputs = inputs
        self.outputs = outputs
    }
}

/// A model that did not answer.
public enum RunError: Error, Equatable {
    /// The runtime refused or failed. Its own text is for the log and never for the caller: it may name paths.
    case failed(log: String)
    /// The answer is larger than the arena of one exchange.
    case arena(ArenaFull)
    /// An output of a type that the protocols have no name for.
    case unsupportedOutput(name: String)
}

/// A model in memory, ready to answer. Immutable: shards run it at the same time.
///
/// A second engine is a second type that says this, in a folder of its own, and one case more in `Serving/Engine.swift`.
public protocol Model: AnyObject, Sendable {
    var signature: Signature { get }

    /// Whether its rows are independent of each other, as far as the engine can prove it.
    var batchProof: BatchProof { get }

    /// The call as this model wants it, checked against names, types, shapes and lengths; nothing has run yet.
    func check(_ call: Call, in arena: inout Arena) throws(SignatureRefusal) -> Work

    /// Runs the model on the calling thread. The outputs lie in the arena, or in the inputs' own bytes.
    func run(_ work: Work, in arena: inout Arena) throws(RunError) -> List<Tensor>

    /// The same, for who wants the outputs piece by piece: they are lent to `take` where the runtime left them, and good
    /// until it returns.
    func run(_ work: Work, in arena: inout Arena, lending take: (List<Tensor>, inout Arena) -> Void) throws(RunError)
}

extension Model {
    public func run(
        _ work: Work, in arena: inout Arena, lending take: (List<Tensor>, inout Arena) -> Void
    ) throws(RunError) {
        take(try run(work, in: &arena), &arena)
    }

    public func check(_ call: Call, in arena: inout Arena) throws(SignatureRefusal) -> Work {
        Work(inputs: try signature.arrange(call, in: &arena), outputs: try signature.outputPositions(call, in: &arena))
    }
}

/// A model that did not load.
public struct LoadError: Error, Equatable {
    /// Our own sentence, fit for callers.
    public let sentence: String
    /// What the runtime said, for the log only; may be the same.
    public let log: String
    /// Our own too, for who ordered the load: it may name what lies in the repository, which is nothing for who calls a model.
    public let detail: String

    /// `detail` `nil`: there is no more to say than `sentence`.
    public init(sentence: String, log: String, detail: String? = nil) {
        self.sentence = sentence
        self.log = log
        self.detail = detail ?? sentence
    }
}
