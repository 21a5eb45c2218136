// Enters: questions about the server and its models. Leaves: who is asked for, and the answers' messages.
public import Memory
public import Protobuf
public import Tensors

/// The requests without fields, `ServerLiveRequest`, `ServerReadyRequest` and `ServerMetadataRequest`.
public enum EmptyRequest {
    /// Whatever fields there are belong to a later version of the protocol; they must be a message, though.
    public static func decode(_ message: ByteView) throws(OpenInferenceError) {
        var reader = WireReader(message)
        while try reading({ () throws(WireError) in try reader.next() }) != nil {}
    }
}

/// `ModelReadyRequest` and `ModelMetadataRequest`: a model and, if it is named, a version of it.
public struct ModelReference: BitwiseCopyable, Sendable {
    public var model = ByteView.empty
    public var selector = VersionSelector.live

    /// Views into `message`.
    public static func decode(_ message: ByteView) throws(OpenInferenceError) -> ModelReference {
        let reference = try read(message)
        guard !reference.model.isEmpty else { throw .noModel }
        return reference
    }

    static func read(_ message: ByteView) throws(OpenInferenceError) -> ModelReference {
        var reference = ModelReference()
        var reader = WireReader(message)
        while let field = try reading({ () throws(WireError) in try reader.next() }) {
            switch field.number {
            case 1: reference.model = try reading { () throws(WireError) in try field.string() }
            case 2:
                let version = try reading { () throws(WireError) in try field.string() }
                reference.selector = VersionSelector(modelVersion: version)
            default: break
            }
        }
        return reference
    }
}

/// `ServerLiveResponse`, `ServerReadyResponse` and `ModelReadyResponse`, which are the same on the wire.
public enum ReadyResponse {
    public static func encode(
        _ isReady: Bool, headroom: Int, in arena: inout Arena
    ) throws(ArenaFull) -> WireWriter {
        var writer = try WireWriter(headroom: headroom, expectedBytes: 2, in: &arena)
        try writer.bool(1, isReady, in: &arena)
        return writer
    }
}

public enum ServerMetadataResponse {
    /// `extensions`: what of the protocol's extensions the server offers.
    public static func encode(
        name: ByteView, version: ByteView, extensions: [StaticString], headroom: Int, in arena: inout Arena
    ) throws(ArenaFull) -> WireWriter {
        var writer = try WireWriter(headroom: headroom, in: &arena)
        try writer.string(1, name, in: &arena)
        try writer.string(2, version, in: &arena)
        for name in extensions { try writer.element(3, ByteView(name), in: &arena) }
        return writer
    }
}

public enum ModelMetadataResponse {
    /// `platform`: `onnxruntime_onnx` or `identity`. An input of any rank is written with the shape [-1].
    public static func encode(
        name: ByteView, versions: [Int64], platform: ByteView, signature: Signature, headroom: Int,
        in arena: inout Arena
    ) throws(ArenaFull) -> WireWriter {
        var writer = try WireWriter(headroom: headroom, expectedBytes: 1024, in: &arena)
        try writer.string(1, name, in: &arena)
        for version in versions { try writer.element(2, decimal(version, in: &arena), in: &arena) }
        try writer.string(3, platform, in: &arena)
        try write(signature.inputs, field: 4, to: &writer, in: &arena)
        try write(signature.outputs, field: 5, to: &writer, in: &arena)
        return writer
    }

    private static func write(
        _ specifications: [TensorSpecification], field: Int, to writer: inout WireWriter, in arena: inout Arena
    ) throws(ArenaFull) {
        for specification in specifications {
            let mark = try writer.begin(field, in: &arena)
            try writer.string(1, arena.copy(specification.name), in: &arena)
            try writer.string(2, ByteView(specification.type.name), in: &arena)
            var shape = List<Int64>()
            for dimension in specification.shape ?? [-1] { try shape.append(dimension, in: &arena) }
            try writer.packed(3, shape, in: &arena)
            try writer.end(mark, in: &arena)
        }
    }
}
