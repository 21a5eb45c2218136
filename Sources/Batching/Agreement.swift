// Enters: what a call got by itself, and what it got in a batch. Leaves: whether that is the same answer.
public import Memory
public import Tensors

/// The same answer: the same names, types, shapes, texts and whole numbers; floating-point numbers may differ in their last
/// bits, because a runtime adds up a batch in another order.
public enum Agreement {
    public static func holds(_ left: List<Tensor>, _ right: List<Tensor>) -> Bool {
        guard left.count == right.count else { return false }
        for index in left.indices where !holds(left[index], right[index]) { return false }
        return true
    }

    static func holds(_ left: Tensor, _ right: Tensor) -> Bool {
        guard left.name == right.name, left.type == right.type, left.shape == right.shape else { return false }
        if left.content == right.content { return true }
        guard left.content.count == right.content.count else { return false }
        switch left.type {
        case .float32:
            return all(left, right, size: 4, relative: 1e-3) { Double(Float(bitPattern: $0.littleEndian(at: $1))) }
        case .float64:
            return all(left, right, size: 8, relative: 1e-6) { Double(bitPattern: $0.littleEndian(at: $1)) }
        case .float16:
            return all(left, right, size: 2, relative: 2e-2) { Double(Float16(bitPattern: $0.littleEndian(at: $1))) }
        case .bfloat16:
            return all(left, right, size: 2, relative: 5e-2) {
                Double(Float(bitPattern: UInt32($0.littleEndian(at: $1, as: UInt16.self)) << 16))
            }
        default: return false
        }
    }

    /// Differences are measured against the tensor's largest number: what is almost nothing beside it may differ by more.
    private static func all(
        _ left: Tensor, _ right: Tensor, size: Int, relative: Double, _ value: (ByteView, Int) -> Double
    ) -> Bool {
        var largest = 0.0
        for offset in stride(from: 0, to: left.content.count, by: size) {
            let magnitude = abs(value(left.content, offset))
            if magnitude.isFinite && magnitude > largest { largest = magnitude }
        }
        for offset in stride(from: 0, to: left.content.count, by: size) {
            let (one, other) = (value(left.content, offset), value(right.content, offset))
            if one == other || one.isNaN && other.isNaN { continue }
            guard abs(one - other) <= largest * relative else { return false }
        }
        return true
    }
}
