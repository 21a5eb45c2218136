// Enters: questions about the server and its models. Leaves: the answers, as values. The client's half of the dialects.
import GRPC
import Health
import Memory
import PredictionAPI
import Protobuf
import Tensors

/// What a server says of itself.
struct ServerFacts {
    var name = ""
    var version = ""
    var extensions: [String] = []
}

extension Client {
    /// grpc.health.v1.Health.Check of the whole server.
    func health() throws(ClientError) -> ServingStatus {
        try ask("/grpc.health.v1.Health/Check") { (reader) throws(WireError) in
            var status = ServingStatus.unknown
            while let field = try reader.next() {
                if field.number == 1 {
                    status = UInt8(exactly: try field.unsigned()).flatMap(ServingStatus.init(rawValue:)) ?? .unknown
                }
            }
            return status
        }
    }

    /// The Open Inference Protocol's ServerMetadata.
    func facts() throws(ClientError) -> ServerFacts {
        try ask("/inference.GRPCInferenceService/ServerMetadata") {
            (reader) throws(WireError) in
            var facts = ServerFacts()
            while let field = try reader.next() {
                switch field.number {
                case 1: facts.name = try field.string().text
                case 2: facts.version = try field.string().text
                case 3: facts.extensions.append(try field.string().text)
                default: break
                }
            }
            return facts
        }
    }

    /// The Open Inference Protocol's ModelMetadata: what the model takes. `version`: a number or a label; empty: the live
    /// one.
    func inputs(of model: String, version: String) throws(ClientError) -> [TensorSpecification] {
        try ask("/inference.GRPCInferenceService/ModelMetadata", [model, version]) { (reader) throws(WireError) in
            var inputs: [TensorSpecification] = []
            while let field = try reader.next() {
                if field.number == 4, let input = try specification(field.message()) { inputs.append(input) }
            }
            return inputs
        }
    }

    /// vencejo.v1.PredictionService.ListModels.
    func models() throws(ClientError) -> [ModelStatus] {
        var arena = Arena(bytesMax: 1 << 32)
        let request: WireWriter
        do throws(ArenaFull) { request = try ListModelsRequest.encode(headroom: headroomBytes, in: &arena) } catch {
            preconditionFailure("an empty message of more than 4 GiB")
        }
        let answer = try call("/vencejo.v1.PredictionService/ListModels", request, in: &arena)
        do throws(PredictionDecodeError) { return try ListModelsResponse.decode(answer) } catch {
            throw .status(.internal, "the server's answer is not a ListModelsResponse: \(error.sentence)")
        }
    }

    /// One of vencejo.v1.ModelControlService that changes something.
    func control(_ method: StaticString, _ request: ControlRequest) throws(ClientError) -> ControlResponse {
        try ask(method, request, ControlResponse.decode)
    }

    /// vencejo.v1.ModelControlService.History.
    func history(_ request: ControlRequest) throws(ClientError) -> HistoryResponse {
        try ask("/vencejo.v1.ModelControlService/History", request, HistoryResponse.decode)
    }

    /// vencejo.v1.ModelControlService.Status.
    func status(_ request: ControlRequest) throws(ClientError) -> StatusResponse {
        try ask("/vencejo.v1.ModelControlService/Status", request, StatusResponse.decode)
    }

    /// vencejo.v1.PredictionService.Feedback.
    func feedback(_ rewards: [(id: String, value: Double)], of model: String) throws(ClientError) -> Feedback {
        try ask(
            "/vencejo.v1.PredictionService/Feedback",
            { (arena) throws(ArenaFull) in
                try Feedback.encode(rewards, of: model, headroom: headroomBytes, in: &arena)
            }, Feedback.decode(response:))
    }

    /// vencejo.v1.ModelControlService.Watch: the status as it changes, until `take` has enough.
    func watch(_ request: ControlRequest, _ take: (StatusResponse) -> Bool) throws(ClientError) {
        let method: StaticString = "/vencejo.v1.ModelControlService/Watch"
        var arena = Arena(bytesMax: 1 << 32)
        let message = try encoded(
            { (arena) throws(ArenaFull) in try request.encode(headroom: headroomBytes, in: &arena) }, in: &arena)
        try follow(method, message, in: &arena) { (answer) throws(ClientError) in
            take(try decoded(method, answer, StatusResponse.decode))
        }
    }

    private func ask<Answer>(
        _ method: StaticString, _ request: ControlRequest, _ decode: (ByteView) throws(PredictionDecodeError) -> Answer
    ) throws(ClientError) -> Answer {
        try ask(
            method, { (arena) throws(ArenaFull) in try request.encode(headroom: headroomBytes, in: &arena) }, decode)
    }

    private func ask<Answer>(
        _ method: StaticString, _ encode: (inout Arena) throws(ArenaFull) -> WireWriter,
        _ decode: (ByteView) throws(PredictionDecodeError) -> Answer
    ) throws(ClientError) -> Answer {
        var arena = Arena(bytesMax: 1 << 32)
        return try decoded(method, try call(method, try encoded(encode, in: &arena), in: &arena), decode)
    }

    private func encoded(
        _ encode: (inout Arena) throws(ArenaFull) -> WireWriter, in arena: inout Arena
    ) throws(ClientError) -> WireWriter {
        do throws(ArenaFull) { return try encode(&arena) } catch {
            throw .status(.resourceExhausted, "the request needs more than \(error.bytesMax) bytes")
        }
    }

    private func decoded<Answer>(
        _ method: StaticString, _ answer: ByteView, _ decode: (ByteView) throws(PredictionDecodeError) -> Answer
    ) throws(ClientError) -> Answer {
        do throws(PredictionDecodeError) { return try decode(answer) } catch {
            throw .status(.internal, "the server's answer to \(method) does not decode: \(error.sentence)")
        }
    }

    /// `texts`: the request's fields, from 1 on.
    private func ask<Answer>(
        _ method: StaticString, _ texts: [String] = [], _ decode: (inout WireReader) throws(WireError) -> Answer
    ) throws(ClientError) -> Answer {
        var arena = Arena(bytesMax: 1 << 32)
        let request: WireWriter
        do throws(ArenaFull) {
            var writer = try WireWriter(headroom: headroomBytes, in: &arena)
            for (index, text) in texts.enumerated() { try writer.string(index + 1, arena.copy(text), in: &arena) }
            request = writer
        } catch {
            throw .status(.resourceExhausted, "the request needs more than \(error.bytesMax) bytes")
        }
        var reader = WireReader(try call(method, request, in: &arena))
        do throws(WireError) { return try decode(&reader) } catch {
            throw .status(.internal, "the server's answer to \(method) does not decode: \(error.sentence)")
        }
    }
}

/// A `TensorMetadata`; `nil`: of a datatype that we do not know.
private func specification(_ message: WireReader) throws(WireError) -> TensorSpecification? {
    var reader = message
    var name = ""
    var type: ElementType?
    var shape: [Int64] = []
    while let field = try reader.next() {
        switch field.number {
        case 1: name = try field.string().text
        case 2: type = ElementType(name: try field.string())
        case 3:
            do throws(WireOrBody<Never>) {
                try field.eachVarint { shape.append(Int64(bitPattern: $0)) }
            } catch {
                if case .wire(let error) = error { throw error }
            }
        default: break
        }
    }
    return type.map { TensorSpecification(name: name, type: $0, shape: shape) }
}
