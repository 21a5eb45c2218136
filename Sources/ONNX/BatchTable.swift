// Enters: an operator's name. Leaves: its rule. The one table of what batching is proven by; tested operator by operator.

/// What is known of an operator.
struct BatchOperation: Sendable {
    typealias Rule = @Sendable (inout BatchAnalysis, Operands) throws(BatchEnd) -> [BatchValue]

    let rule: Rule
    /// How far a float32 of its result may be off between alone and together, against the largest number of its tensor. The bounds
    /// are for an alarm: wide enough that what follows may make a difference in a last bit larger.
    var bound = BatchTable.exact
    /// A difference in a last bit of an input may become another value.
    var isJump = false
    /// Outputs that jump at the operator's own sums.
    var jumps: Set<Int> = []
    /// Its inputs may be made of the number of rows: it is one of those that work out shapes.
    var takesSizes = false
    /// Its input may have fillers behind its shorter rows.
    var takesFiller = false
    /// Numbers stay as coarse as they were.
    var keepsUnit = true

    func sized() -> BatchOperation { changed { $0.takesSizes = true } }
    func jumping() -> BatchOperation { changed { $0.isJump = true } }

    func changed(_ change: (inout BatchOperation) -> Void) -> BatchOperation {
        var copy = self
        change(&copy)
        return copy
    }
}

enum BatchTable {
    /// Moves elements, or computes each by the same machine instruction wherever it stands.
    static let exact = 0.0
    /// Each element by itself, but a vector unit's function may differ in its last bits from that for what is left over.
    static let rounded = 1e-5
    /// Adds up in an order that may depend on the number of rows.
    static let sum = 1e-3

    static func operation(_ id: OperatorName) -> BatchOperation? {
        guard id.overload.isEmpty else { return nil }
        switch id.domain {
        case "": return elementwise[id.name] ?? shapes[id.name] ?? whole[id.name]
        case "ai.onnx.ml": return learning[id.name]
        case "com.microsoft": return microsoft[id.name]
        default: return nil
        }
    }

    /// Why an operator that has no rule ends the proof.
    static func reason(_ id: OperatorName) -> String {
        if id.domain == "" || id.domain == "com.microsoft", let reason = ending[id.name] { return reason }
        return "there is no rule for this operator"
            + (id.domain.isEmpty ? "" : " of '\(id.domain)'")
    }

    static func all(
        _ names: [String], _ bound: Double = exact, _ rule: @escaping BatchOperation.Rule
    ) -> [(String, BatchOperation)] {
        names.map { ($0, BatchOperation(rule: rule, bound: bound)) }
    }

    static func table(_ rows: [(String, BatchOperation)]...) -> [String: BatchOperation] {
        Dictionary(uniqueKeysWithValues: rows.joined())
    }

    static func words(_ text: String) -> [String] { text.split(separator: " ").map(String.init) }
}
