// Enters: what models a server has. Leaves: a `ListModelsResponse`; and the way back. Control plane: values that own.
public import Memory
public import Protobuf
public import Tensors

/// `vencejo.v1.ListModelsRequest`, which has no fields yet.
public enum ListModelsRequest {
    /// Whatever fields there are belong to a later version of the protocol; they must be a message, though.
    public static func decode(_ message: ByteView) throws(PredictionDecodeError) {
        var reader = WireReader(message)
        while try reading({ () throws(WireError) in try reader.next() }) != nil {}
    }

    public static func encode(headroom: Int, in arena: inout Arena) throws(ArenaFull) -> WireWriter {
        try WireWriter(headroom: headroom, expectedBytes: 0, in: &arena)
    }
}

/// `vencejo.v1.ModelStatus`: one model of the repository.
public struct ModelStatus: Equatable, Sendable {
    public var name: String
    /// The live one first.
    public var versions: [VersionStatus]

    public init(name: String, versions: [VersionStatus]) {
        self.name = name
        self.versions = versions
    }
}

/// `vencejo.v1.VersionStatus`.
public struct VersionStatus: Equatable, Sendable {
    /// `vencejo.v1.State`; a number that we do not know is `unspecified`.
    public enum State: UInt8, Sendable {
        case unspecified, loading, ready, failed, warming, live, draining, quarantined
    }

    public var version: Int64
    /// `nil`: it stands in none.
    public var slot: Slot?
    public var state: State
    /// SHA-256 of the model file, once it is ready; empty where there is no file.
    public var artifactDigest: [UInt8]
    /// Why it failed; our own sentence.
    public var reason: String
    public var inputs: [TensorSpecification]
    public var outputs: [TensorSpecification]
    public var platform: String
    public var batching = Batching.unspecified
    /// Why it is not proven.
    public var batchingReason = ""
    public var bitDependentNodes: [String] = []

    /// `vencejo.v1.Batching`; a number that we do not know is `unspecified`.
    public enum Batching: UInt8, Sendable { case unspecified, proven, promised, off, notProven, withdrawn }

    public init(
        version: Int64, slot: Slot?, state: State, artifactDigest: [UInt8] = [], reason: String = "",
        inputs: [TensorSpecification] = [], outputs: [TensorSpecification] = [], platform: String = ""
    ) {
        self.version = version
        self.slot = slot
        self.state = state
        self.artifactDigest = artifactDigest
        self.reason = reason
        self.inputs = inputs
        self.outputs = outputs
        self.platform = platform
    }
}

/// `vencejo.v1.ListModelsResponse`. Source: proto/vencejo/v1/prediction.proto.
public enum ListModelsResponse {
    /// `headroom`: bytes to leave free in front, for the frame. Texts are copied into the arena.
    public static func encode(
        _ models: [ModelStatus], headroom: Int, in arena: inout Arena
    ) throws(ArenaFull) -> WireWriter {
        var writer = try WireWriter(headroom: headroom, expectedBytes: 512 * models.count, in: &arena)
        for model in models {
            let mark = try writer.begin(1, in: &arena)
            try writer.string(1, arena.copy(model.name), in: &arena)
            for version in model.versions { try write(version, to: &writer, in: &arena) }
            try writer.end(mark, in: &arena)
        }
        return writer
    }

    private static func write(
        _ status: VersionStatus, to writer: inout WireWriter, in arena: inout Arena
    ) throws(ArenaFull) {
        let mark = try writer.begin(2, in: &arena)
        try writer.number(1, status.version, in: &arena)
        try writer.number(2, UInt64(status.slot?.rawValue ?? 0), in: &arena)
        try writer.number(3, UInt64(status.state.rawValue), in: &arena)
        try writer.string(4, arena.copy(status.artifactDigest), in: &arena)
        try writer.string(5, arena.copy(status.reason), in: &arena)
        for input in status.inputs { try write(input, field: 6, to: &writer, in: &arena) }
        for output in status.outputs { try write(output, field: 7, to: &writer, in: &arena) }
        try writer.string(8, arena.copy(status.platform), in: &arena)
        try writer.number(9, UInt64(status.batching.rawValue), in: &arena)
        try writer.string(10, arena.copy(status.batchingReason), in: &arena)
        for node in status.bitDependentNodes { try writer.string(11, arena.copy(node), in: &arena) }
        try writer.end(mark, in: &arena)
    }

    private static func write(
        _ tensor: TensorSpecification, field: Int, to writer: inout WireWriter, in arena: inout Arena
    ) throws(ArenaFull) {
        let mark = try writer.begin(field, in: &arena)
        try writer.string(1, arena.copy(tensor.name), in: &arena)
        try writer.number(2, UInt64(tensor.type.rawValue), in: &arena)
        var shape = List<Int64>()
        for dimension in tensor.shape ?? [] { try shape.append(dimension, in: &arena) }
        try writer.packed(3, shape, in: &arena)
        try writer.bool(4, tensor.shape == nil, in: &arena)
        try writer.end(mark, in: &arena)
    }

    /// The models that `message` lists, for our own command line.
    public static func decode(_ message: ByteView) throws(PredictionDecodeError) -> [ModelStatus] {
        var models: [ModelStatus] = []
        var reader = WireReader(message)
        while let field = try reading({ () throws(WireError) in try reader.next() }) {
            if field.number == 1 {
                models.append(try model(try reading { () throws(WireError) in try field.message() }))
            }
        }
        return models
    }

    private static func model(_ message: WireReader) throws(PredictionDecodeError) -> ModelStatus {
        var status = ModelStatus(name: "", versions: [])
        var reader = message
        while let field = try reading({ () throws(WireError) in try reader.next() }) {
            switch field.number {
            case 1: status.name = try text(field)
            case 2: status.versions.append(try version(try reading { () throws(WireError) in try field.message() }))
            default: break
            }
        }
        return status
    }

    private static func version(_ message: WireReader) throws(PredictionDecodeError) -> VersionStatus {
        var status = VersionStatus(version: 0, slot: nil, state: .unspecified)
        var reader = message
        while let field = try reading({ () throws(WireError) in try reader.next() }) {
            switch field.number {
            case 1: status.version = try reading { () throws(WireError) in try field.signed() }
            case 2: status.slot = try number(field).flatMap(Slot.init(rawValue:))
            case 3: status.state = try number(field).flatMap(VersionStatus.State.init(rawValue:)) ?? .unspecified
            case 4: status.artifactDigest = try reading { () throws(WireError) in try field.bytes().array }
            case 5: status.reason = try text(field)
            case 6: status.inputs.append(try tensor(try reading { () throws(WireError) in try field.message() }))
            case 7: status.outputs.append(try tensor(try reading { () throws(WireError) in try field.message() }))
            case 8: status.platform = try text(field)
            case 9: status.batching = try number(field).flatMap(VersionStatus.Batching.init(rawValue:)) ?? .unspecified
            case 10: status.batchingReason = try text(field)
            case 11: status.bitDependentNodes.append(try text(field))
            default: break
            }
        }
        return status
    }

    private static func tensor(_ message: WireReader) throws(PredictionDecodeError) -> TensorSpecification {
        var name = ""
        var type: UInt64 = 0
        var shape: [Int64] = []
        var hasAnyRank = false
        var reader = message
        while let field = try reading({ () throws(WireError) in try reader.next() }) {
            switch field.number {
            case 1: name = try text(field)
            case 2: type = try reading { () throws(WireError) in try field.unsigned() }
            case 3: shape += try dimensions(field)
            case 4: hasAnyRank = try reading { () throws(WireError) in try field.bool() }
            default: break
            }
        }
        guard let type = UInt8(exactly: type).flatMap(ElementType.init(rawValue:)) else {
            throw .unknownElementType(Int32(truncatingIfNeeded: type), tensor: name)
        }
        return TensorSpecification(name: name, type: type, shape: hasAnyRank ? nil : shape)
    }

    private static func text(_ field: WireField) throws(PredictionDecodeError) -> String {
        try reading { () throws(WireError) in try field.string().text }
    }

    /// `nil`: above what our enumerations count to.
    private static func number(_ field: WireField) throws(PredictionDecodeError) -> UInt8? {
        UInt8(exactly: try reading { () throws(WireError) in try field.unsigned() })
    }

    private static func dimensions(_ field: WireField) throws(PredictionDecodeError) -> [Int64] {
        var dimensions: [Int64] = []
        do throws(WireOrBody<Never>) {
            try field.eachVarint { dimensions.append(Int64(bitPattern: $0)) }
        } catch {
            switch error {
            case .wire(let error): throw .wire(error)
            }
        }
        return dimensions
    }
}
