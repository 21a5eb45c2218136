// Enters: a model, a protocol and rows. Leaves: requests as they go on the wire, made before the clock starts.
import GRPC
public import Memory
import OpenInference
import PredictionAPI
public import Protobuf
public import Tensors

/// A protocol in which a prediction is asked for.
public enum Dialect: String, Sendable, CaseIterable {
    /// vencejo.v1.PredictionService.
    case vencejo
    /// The Open Inference Protocol, version 2.
    case oip

    public var method: StaticString {
        switch self {
        case .vencejo: "/vencejo.v1.PredictionService/Predict"
        case .oip: "/inference.GRPCInferenceService/ModelInfer"
        }
    }

    /// The request's message, with room in front for the frame.
    public func encode(
        _ inputs: [NamedTensor], model: String, version: Int64?, in arena: inout Arena
    ) throws(ArenaFull) -> WireWriter {
        var call = Call()
        call.model = try arena.copy(model)
        if let version { call.selector = .number(version) }
        for input in inputs { try call.inputs.append(try input.tensor(in: &arena), in: &arena) }
        switch self {
        case .vencejo: return try PredictRequest.encode(call, headroom: headroomBytes, in: &arena)
        case .oip: return try ModelInferRequest.encode(call, headroom: headroomBytes, in: &arena)
        }
    }
}

/// All requests of a run, framed; several threads send them. They stay in place until the run has ended.
public struct Requests: Sendable {
    public let method: StaticString
    private let messages: [OwnedBytes]
    private let views: [ByteView]

    public init(_ rows: Rows, model: String, version: Int64?, in dialect: Dialect) throws(ArenaFull) {
        method = dialect.method
        var arena = Arena(firstChunkBytes: 1 << 16, bytesMax: 1 << 34)
        messages = try rows.requests.map { inputs throws(ArenaFull) in
            arena.reset()
            var writer = try dialect.encode(inputs, model: model, version: version, in: &arena)
            let pieces = try frame(&writer, in: &arena)
            return OwnedBytes(Array(pieces.array.map(\.array).joined()))
        }
        views = messages.map(\.view)
    }

    public var count: Int { messages.count }

    /// The frame of request `number`; after the last one the first comes again.
    subscript(number: Int) -> ByteView { views[number % views.count] }
}
