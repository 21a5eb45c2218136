// Enters: calls of one model. Leaves: one piece of work for all of them; and of its outputs each call's own rows.
public import Memory
public import Tensors

/// Why the outputs of a batch cannot be dealt out.
public enum ScatterError: Error, Equatable {
    /// An output's first dimension is not the batch's number of rows.
    case notByRow(output: String)
    case arena(ArenaFull)
}

extension Work {
    /// Rows of the call: the first dimension, if all inputs have the same. `nil`: the call can only run by itself.
    public var rows: Int? {
        guard !inputs.isEmpty, !inputs[0].shape.isEmpty else { return nil }
        let rows = inputs[0].shape[0]
        guard rows > 0, rows <= CostTable.rowsMax else { return nil }
        for index in inputs.indices.dropFirst() {
            guard !inputs[index].shape.isEmpty, inputs[index].shape[0] == rows else { return nil }
        }
        return Int(rows)
    }

    /// Whether both can be rows of one batch: the same dimensions but for the first, the same outputs wanted.
    public func fits(_ other: Work) -> Bool {
        guard outputs == other.outputs, inputs.count == other.inputs.count else { return false }
        for index in inputs.indices {
            let (left, right) = (inputs[index].shape, other.inputs[index].shape)
            guard left.count == right.count else { return false }
            for dimension in left.indices.dropFirst() where left[dimension] != right[dimension] { return false }
        }
        return true
    }
}

/// The calls of a batch, put one behind another.
public enum Gathering {
    /// What a vector unit reads at once.
    private static let alignment = 64

    /// One piece of work for `count` calls that fit each other: rows in the order of the calls.
    public static func gather(
        _ count: Int, _ work: (Int) -> Work, in arena: inout Arena
    ) throws(ArenaFull) -> Work {
        let first = work(0)
        var inputs = List<Tensor>()
        try inputs.reserve(first.inputs.count, in: &arena)
        for input in first.inputs.indices {
            var (bytes, rows) = (0, Int64(0))
            for index in 0..<count {
                let tensor = work(index).inputs[input]
                bytes += tensor.content.count
                rows += tensor.shape[0]
            }
            var tensor = first.inputs[input]
            tensor.shape = try tensor.shape.copy(in: &arena)
            tensor.shape[0] = rows
            tensor.content = try arena.join(bytes, alignment: alignment, count) { work($0).inputs[input].content }
            try inputs.append(tensor, in: &arena)
        }
        return Work(inputs: inputs, outputs: first.outputs)
    }
}

/// Deals a batch's outputs out to its calls, front to back.
public struct Scattering {
    private let outputs: List<Tensor>
    private let rows: Int
    /// How far each output's bytes are dealt out.
    private var offsets: List<Int>

    /// `rows`: of the whole batch.
    public init(_ outputs: List<Tensor>, rows: Int, in arena: inout Arena) throws(ScatterError) {
        for index in outputs.indices {
            guard !outputs[index].shape.isEmpty, outputs[index].shape[0] == Int64(rows) else {
                throw .notByRow(output: outputs[index].name.text)
            }
        }
        var offsets = List<Int>()
        do throws(ArenaFull) {
            try offsets.reserve(outputs.count, in: &arena)
            for _ in outputs.indices { try offsets.append(0, in: &arena) }
        } catch {
            throw .arena(error)
        }
        self.outputs = outputs
        self.rows = rows
        self.offsets = offsets
    }

    /// The next `count` rows of each output, copied into `arena`.
    public mutating func next(_ count: Int, in arena: inout Arena) throws(ArenaFull) -> List<Tensor> {
        var own = List<Tensor>()
        try own.reserve(outputs.count, in: &arena)
        for index in outputs.indices {
            var tensor = outputs[index]
            let bytes = bytes(of: count, in: tensor, from: offsets[index])
            tensor.shape = try tensor.shape.copy(in: &arena)
            tensor.shape[0] = Int64(count)
            tensor.content = try arena.copy(tensor.content[offsets[index]..<offsets[index] + bytes], alignment: 8)
            offsets[index] += bytes
            try own.append(tensor, in: &arena)
        }
        return own
    }

    private func bytes(of count: Int, in tensor: Tensor, from offset: Int) -> Int {
        guard tensor.type == .bytes else { return tensor.content.count / rows * count }
        var elements = count
        for dimension in tensor.shape.indices.dropFirst() { elements *= Int(tensor.shape[dimension]) }
        var end = offset
        for _ in 0..<elements { end += 4 + Int(tensor.content.littleEndian(at: end, as: UInt32.self)) }
        return end - offset
    }
}
