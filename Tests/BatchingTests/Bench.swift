// Enters: arrays. Leaves: tensors and work of them that live as long as the bench.
import Memory
import Tensors
import TestSupport

extension Value {
    init(_ shape: [Int64]) { self.init("x", .float32, shape, []) }
}

final class Bench {
    var arena: Arena

    init(bytesMax: Int = 16 << 20) { arena = Arena(bytesMax: bytesMax) }

    func tensors(_ values: [Value]) throws -> List<Tensor> {
        var tensors = List<Tensor>()
        for value in values { try tensors.append(value.tensor(in: &arena), in: &arena) }
        return tensors
    }

    /// `outputs`: `nil`: as many as inputs.
    func work(_ values: [Value], outputs: [Int]? = nil) throws -> Work {
        var positions = List<Int>()
        for position in outputs ?? Array(values.indices) { try positions.append(position, in: &arena) }
        return Work(inputs: try tensors(values), outputs: positions)
    }
}
