// Enters: what a call got by itself, and what it got in a batch. Leaves: whether that is the same answer.
public import Memory
public import Tensors

/// The same answer: the same names, types, shapes, texts and whole numbers; floating-point numbers may differ in their last
/// bits, because a runtime adds up a batch in another order.
public enum Agreement {
    /// Whether each tensor is within its own bound: of `bounds`, at the place that `positions` says. See `Equivalence.bounds`.
    public static func holds(
        _ left: List<Tensor>, _ right: List<Tensor>, _ bounds: [Double], _ positions: List<Int>
    ) -> Bool {
        guard left.count == right.count, left.count == positions.count else { return false }
        for index in left.indices where !holds(left[index], right[index], within: bounds[positions[index]]) {
            return false
        }
        return true
    }

    /// The same, within the bound that is usual for each tensor's type.
    public static func holds(_ left: List<Tensor>, _ right: List<Tensor>) -> Bool {
        guard left.count == right.count else { return false }
        for index in left.indices
        where !holds(left[index], right[index], within: usualBound(of: left[index].type)) {
            return false
        }
        return true
    }

    private static func holds(_ left: Tensor, _ right: Tensor, within bound: Double) -> Bool {
        guard left.name == right.name, left.type == right.type, left.shape == right.shape else { return false }
        if bound == .infinity || left.content == right.content { return true }
        guard bound > 0, usualBound(of: left.type) > 0, left.content.count == right.content.count else { return false }
        return all(left, right, relative: bound)
    }

    /// 0: numbers of this type are exact.
    private static func usualBound(of type: ElementType) -> Double {
        switch type {
        case .float32: 1e-3
        case .float64: 1e-6
        case .float16: 2e-2
        case .bfloat16: 5e-2
        default: 0
        }
    }

    /// Differences are measured against the tensor's largest number: what is almost nothing beside it may differ by more.
    private static func all(_ left: Tensor, _ right: Tensor, relative: Double) -> Bool {
        let elements = 0..<left.content.count / (left.type.byteCount ?? 1)
        var largest = 0.0
        for element in elements {
            let magnitude = abs(left.number(at: element))
            if magnitude.isFinite && magnitude > largest { largest = magnitude }
        }
        for element in elements {
            let (one, other) = (left.number(at: element), right.number(at: element))
            if one == other || one.isNaN && other.isNaN { continue }
            guard abs(one - other) <= largest * relative else { return false }
        }
        return true
    }
}
