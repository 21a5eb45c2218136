// Enters: how a model is served. Leaves: `inference.ModelConfigResponse`, in Triton's words. Values that own: written at a load.
public import Memory
public import Protobuf
public import Tensors

/// `inference.ModelConfig`, as far as there is something to say. Source: proto/inference/inference.proto.
public struct ModelConfig: Sendable {
    public enum Versions: Sendable {
        case latest(Int)
        case specific([Int64])
        case all
    }

    public struct DynamicBatching: Sendable {
        public var preferredRows: Int?
        public var delayMicroseconds = 0
        public var queueMax = 0

        public init() {}
    }

    public var name = ""
    public var platform: StaticString = ""
    public var backend: StaticString = ""
    public var versions = Versions.latest(2)
    /// 0: there is no batch dimension, and `dims` are whole shapes. Above 0 they leave the first dimension out.
    public var rowsMax = 0
    public var inputs: [TensorSpecification] = []
    public var outputs: [TensorSpecification] = []
    public var batching: DynamicBatching?
    /// Runs at the same time; `nil`: the server's choice.
    public var instances: Int?
    public var modelFile = ""

    public init() {}

    /// The response that holds it.
    public func encode(headroom: Int, in arena: inout Arena) throws(ArenaFull) -> WireWriter {
        var writer = try WireWriter(headroom: headroom, expectedBytes: 1024, in: &arena)
        let config = try writer.begin(1, in: &arena)
        try writer.string(1, arena.copy(name), in: &arena)
        try writer.string(2, ByteView(platform), in: &arena)
        try writeVersions(to: &writer, in: &arena)
        try writer.number(4, Int64(rowsMax), in: &arena)
        try write(inputs, field: 5, dims: 4, to: &writer, in: &arena)
        try write(outputs, field: 6, dims: 3, to: &writer, in: &arena)
        if let instances {
            let group = try writer.begin(7, in: &arena)
            try writer.string(1, arena.copy(name), in: &arena)
            try writer.number(2, Int64(instances), in: &arena)
            // KIND_CPU
            try writer.number(4, Int64(2), in: &arena)
            try writer.end(group, in: &arena)
        }
        try writer.string(8, arena.copy(modelFile), in: &arena)
        if let batching {
            let mark = try writer.begin(11, in: &arena)
            if let rows = batching.preferredRows { try pack(1, [Int64(rows)], to: &writer, in: &arena) }
            try writer.number(2, Int64(batching.delayMicroseconds), in: &arena)
            let policy = try writer.begin(6, in: &arena)
            try writer.number(4, Int64(batching.queueMax), in: &arena)
            try writer.end(policy, in: &arena)
            try writer.end(mark, in: &arena)
        }
        try writer.string(17, ByteView(backend), in: &arena)
        try writer.end(config, in: &arena)
        return writer
    }

    private func writeVersions(to writer: inout WireWriter, in arena: inout Arena) throws(ArenaFull) {
        let policy = try writer.begin(3, in: &arena)
        switch versions {
        case .latest(let count):
            let mark = try writer.begin(1, in: &arena)
            try writer.number(1, Int64(count), in: &arena)
            try writer.end(mark, in: &arena)
        case .all: try writer.end(try writer.begin(2, in: &arena), in: &arena)
        case .specific(let numbers):
            let mark = try writer.begin(3, in: &arena)
            try pack(1, numbers, to: &writer, in: &arena)
            try writer.end(mark, in: &arena)
        }
        try writer.end(policy, in: &arena)
    }

    private func write(
        _ tensors: [TensorSpecification], field: Int, dims: Int, to writer: inout WireWriter, in arena: inout Arena
    ) throws(ArenaFull) {
        for tensor in tensors {
            let mark = try writer.begin(field, in: &arena)
            try writer.string(1, arena.copy(tensor.name), in: &arena)
            try writer.number(2, tensor.type.tritonNumber, in: &arena)
            try pack(
                dims, rowsMax > 0 ? Array(tensor.shape?.dropFirst() ?? [-1]) : tensor.shape ?? [-1], to: &writer,
                in: &arena)
            try writer.end(mark, in: &arena)
        }
    }

    private func pack(
        _ field: Int, _ numbers: [Int64], to writer: inout WireWriter, in arena: inout Arena
    ) throws(ArenaFull) {
        var list = List<Int64>()
        for number in numbers { try list.append(number, in: &arena) }
        try writer.packed(field, list, in: &arena)
    }
}

extension ElementType {
    /// In `inference.DataType`.
    fileprivate var tritonNumber: Int64 {
        switch self {
        case .bool: 1
        case .uint8: 2
        case .uint16: 3
        case .uint32: 4
        case .uint64: 5
        case .int8: 6
        case .int16: 7
        case .int32: 8
        case .int64: 9
        case .float16: 10
        case .float32: 11
        case .float64: 12
        case .bytes: 13
        case .bfloat16: 14
        }
    }
}
