// Enters: what an engine proved of a model, and what its owner says. Leaves: whether its calls may run together.
import Synchronization
public import Tensors

/// What the owner of a model says about running its calls together.
public enum BatchingMode: String, CaseIterable, Sendable {
    /// Where the graph proves that rows are independent of each other.
    case auto
    /// The owner promises that they are, or that it does not matter.
    case on
    case off
}

/// Whether calls of a model may run together, and on whose word.
///
/// Trials prove nothing: a graph that looks at the largest value of its whole input agrees until two callers' values differ enough.
/// So calls are batched by proof or by promise. What was proven is compared all the same, now and then, alone with together: a
/// difference is a fault of the rules that proved it. Then each call runs alone from that time on.
public final class BatchEquivalence: Sendable {
    public enum Basis: Sendable, Equatable {
        case proven, promised, off
        /// Why the proof ended.
        case unproven(String)
        /// It was proven, and a batch gave other answers.
        case withdrawn
    }

    public enum Verdict: Sendable, Equatable {
        /// Each call by itself.
        case alone
        /// Both ways; clients get what each call alone gave.
        case both
        case together
    }

    static let comparedEvery: UInt64 = 1024

    private let declared: Basis
    /// For each output of the model, what `Equivalence.bounds` says.
    public let bounds: [Double]
    /// Nodes that turn a difference in a last bit into another value.
    public let bitDependent: [String]
    private let isWithdrawn = Atomic<Bool>(false)
    private let batches = Atomic<UInt64>(0)

    /// `hasRows`: the signature lets the first dimension be any size. `rowsMax`: what the owner allows in one run.
    public init(_ mode: BatchingMode, rowsMax: Int, hasRows: Bool, proof: BatchProof) {
        var equivalence = Equivalence(bounds: [])
        switch (mode, proof) {
        case (.off, _): declared = .off
        case _ where rowsMax <= 1: declared = .off
        case (.on, _) where hasRows: declared = .promised
        case (_, .unproven(let reason)): declared = .unproven(reason)
        case (_, .proven) where !hasRows: declared = .unproven("the first dimension of an input or output is fixed")
        case (_, .proven(let proven)):
            declared = .proven
            equivalence = proven
        }
        bounds = equivalence.bounds
        bitDependent = equivalence.bitDependent
    }

    public var basis: Basis { isWithdrawn.load(ordering: .relaxed) ? .withdrawn : declared }

    public var canBatch: Bool { basis == .proven || basis == .promised }

    /// Must be asked once for each batch. The first batch is compared, and every 1024th after it.
    public func judge() -> Verdict {
        switch basis {
        case .proven:
            batches.add(1, ordering: .relaxed).oldValue % Self.comparedEvery == 0 ? .both : .together
        case .promised: .together
        case .off, .unproven, .withdrawn: .alone
        }
    }

    /// A batch gave other answers than its calls alone.
    /// - Returns: whether that is news.
    public func withdraw() -> Bool { !isWithdrawn.exchange(true, ordering: .relaxed) }
}
