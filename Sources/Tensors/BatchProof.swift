// Enters: what an engine found out about a model's graph. Leaves: whether rows of a batch are independent of each other.

/// Whether a model's rows are independent of each other, by its graph: not by what some runs of it gave.
public enum BatchProof: Sendable, Equatable {
    /// Each output's row depends on its own row of the inputs only, whatever the number of rows.
    case proven(Equivalence)
    /// Why the proof ended: a sentence that names the node, the operator and the reason.
    case unproven(String)

    public var isProven: Bool {
        if case .proven = self { return true }
        return false
    }
}

/// How equal the rows of a batch are to what each gives alone.
public struct Equivalence: Sendable, Equatable {
    /// For each output, in the model's order: how far a floating-point number may be off, measured against the largest number
    /// of its row's tensor. 0: equal bits. Infinity: nothing is said, because the output lies behind a bit-dependent node.
    public var bounds: [Double]
    /// Nodes that turn a difference in a last bit into another value (ArgMax, Greater, a tree) behind floating-point sums.
    public var bitDependent: [String]

    public init(bounds: [Double], bitDependent: [String] = []) {
        self.bounds = bounds
        self.bitDependent = bitDependent
    }

    /// Every output has equal bits.
    public static func exact(outputs: Int) -> Equivalence { Equivalence(bounds: Array(repeating: 0, count: outputs)) }
}
