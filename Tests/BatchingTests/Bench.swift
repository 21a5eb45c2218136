// Enters: arrays. Leaves: tensors and work of them that live as long as the bench.
import Memory
import Tensors

/// Numerical Recipes' generator: the same numbers at each run.
struct Linear: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return state >> 33
    }

    mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(max(1, bound))) }
}

func raw<Element: BitwiseCopyable>(_ elements: [Element]) -> [UInt8] {
    unsafe elements.withUnsafeBytes { unsafe Array($0) }
}

/// BYTES elements as on the wire.
func raw(_ texts: [String]) -> [UInt8] { texts.flatMap { raw([UInt32($0.utf8.count)]) + Array($0.utf8) } }

/// A tensor as arrays.
struct Value: Equatable {
    var name = "x"
    var type = ElementType.float32
    var shape: [Int64]
    var bytes: [UInt8] = []

    init(_ tensor: Tensor) {
        (name, type) = (tensor.name.text, tensor.type)
        (shape, bytes) = (tensor.shape.array, tensor.content.array)
    }

    init(_ shape: [Int64]) { self.shape = shape }

    init(_ name: String, _ type: ElementType, _ shape: [Int64], _ bytes: [UInt8]) {
        (self.name, self.type, self.shape, self.bytes) = (name, type, shape, bytes)
    }
}

final class Bench {
    var arena: Arena

    init(bytesMax: Int = 16 << 20) { arena = Arena(bytesMax: bytesMax) }

    func tensor(_ value: Value) throws -> Tensor {
        var shape = List<Int64>()
        for dimension in value.shape { try shape.append(dimension, in: &arena) }
        return Tensor(
            name: try arena.copy(value.name), type: value.type, shape: shape, content: try arena.copy(value.bytes))
    }

    func tensors(_ values: [Value]) throws -> List<Tensor> {
        var tensors = List<Tensor>()
        for value in values { try tensors.append(tensor(value), in: &arena) }
        return tensors
    }

    /// `outputs`: `nil`: as many as inputs.
    func work(_ values: [Value], outputs: [Int]? = nil) throws -> Work {
        var positions = List<Int>()
        for position in outputs ?? Array(values.indices) { try positions.append(position, in: &arena) }
        return Work(inputs: try tensors(values), outputs: positions)
    }
}
