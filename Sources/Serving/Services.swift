// Enters: calls that ask about the server and its models. Leaves: what is known. None of them runs a model.
import GRPC
import HTTP2
import Health
import Memory
import Models
import OpenInference
import PredictionAPI
import Protobuf
import Reflection
import Tensors

/// A Health.Watch that goes on: what it asked for, and what it was told last.
struct Watch: BitwiseCopyable {
    /// Lies in the exchange's arena.
    var service: ByteView
    var told: ServingStatus
}

extension Connection {
    /// The unary calls that ask about the server or a model.
    func inform(_ method: Method, _ message: ByteView, in arena: inout Arena) throws(Refusal) -> WireWriter {
        switch method {
        case .healthCheck:
            let service = try service(message)
            guard let status = status(of: service) else { throw .unknownService(service.clippedText) }
            return try encoding(in: &arena) { (arena) throws(ArenaFull) in
                try HealthCheckResponse(status: status).encode(headroom: headroomBytes, in: &arena)
            }
        case .listModels: return try list(message, in: &arena)
        case .modelReady:
            return try ready(try isReady(message), in: &arena)
        case .modelMetadata:
            return try metadata(message, in: &arena)
        case .serverLive, .serverReady:
            try checkEmpty(message)
            return try ready(method == .serverLive || shard.state.isReady(shard.models), in: &arena)
        default:
            try checkEmpty(message)
            return try encoding(in: &arena) { (arena) throws(ArenaFull) in
                try ServerMetadataResponse.encode(
                    name: ByteView("vencejo"), version: ByteView(Product.version), extensions: Product.extensions,
                    headroom: headroomBytes, in: &arena)
            }
        }
    }

    private func ready(_ isReady: Bool, in arena: inout Arena) throws(Refusal) -> WireWriter {
        try encoding(in: &arena) { (arena) throws(ArenaFull) in
            try ReadyResponse.encode(isReady, headroom: headroomBytes, in: &arena)
        }
    }

    /// What is not there is not ready: no error, as with Triton.
    private func isReady(_ message: ByteView) throws(Refusal) -> Bool {
        do throws(Refusal) {
            return try entry(message).version.state == .ready && !shard.state.isDraining
        } catch {
            if case .lease = error { return false }
            throw error
        }
    }

    private func metadata(_ message: ByteView, in arena: inout Arena) throws(Refusal) -> WireWriter {
        let (entry, version) = try entry(message)
        let lease: Lease<Servable>
        do throws(LeaseError) { lease = try entry.lease(.number(version.number)) } catch { throw .lease(error) }
        return try encoding(in: &arena) { (arena) throws(ArenaFull) in
            try ModelMetadataResponse.encode(
                name: entry.nameView, versions: entry.versions.map(\.number).sorted(),
                platform: ByteView(lease.model.object.engine.platform), signature: lease.model.object.engine.signature,
                headroom: headroomBytes,
                in: &arena)
        }
    }

    private func list(_ message: ByteView, in arena: inout Arena) throws(Refusal) -> WireWriter {
        do throws(PredictionDecodeError) { try ListModelsRequest.decode(message) } catch { throw .prediction(error) }
        let models = shard.models.entries.sorted { $0.name < $1.name }.map(ModelStatus.init)
        return try encoding(in: &arena) { (arena) throws(ArenaFull) in
            try ListModelsResponse.encode(models, headroom: headroomBytes, in: &arena)
        }
    }

    private func checkEmpty(_ message: ByteView) throws(Refusal) {
        do throws(OpenInferenceError) { try EmptyRequest.decode(message) } catch { throw .openInference(error) }
    }

    private func entry(_ message: ByteView) throws(Refusal) -> (entry: Entry<Servable>, version: Version<Servable>) {
        let reference: ModelReference
        do throws(OpenInferenceError) { reference = try ModelReference.decode(message) } catch {
            throw .openInference(error)
        }
        do throws(LeaseError) {
            guard let entry = shard.models.entry(reference.model) else {
                throw .unknownModel(reference.model.clippedText)
            }
            return (entry, try entry.version(reference.selector))
        } catch {
            throw .lease(error)
        }
    }

    /// Any message that can only fail for want of room.
    func encoding<Message>(
        in arena: inout Arena, _ body: (inout Arena) throws(ArenaFull) -> Message
    ) throws(Refusal) -> Message {
        do throws(ArenaFull) { return try body(&arena) } catch { throw .arena(error) }
    }

    // MARK: - Reflection

    func reflect(_ message: ByteView, in arena: inout Arena) throws(Refusal) -> WireWriter {
        do throws(ReflectionError) {
            return try Product.services.answer(message, headroom: headroomBytes, in: &arena)
        } catch {
            throw .reflection(error)
        }
    }

    // MARK: - Health

    /// `nil`: nothing of that name is known.
    private func status(of service: ByteView) -> ServingStatus? {
        if service.isEmpty { return shard.state.isReady(shard.models) ? .serving : .notServing }
        if let entry = shard.models.entry(service) {
            return entry.live.state == .ready && !shard.state.isDraining ? .serving : .notServing
        }
        let name = service.text
        guard Product.services.services.contains(name) else { return nil }
        return shard.state.isReady(shard.models) ? .serving : .notServing
    }

    private func service(_ message: ByteView) throws(Refusal) -> ByteView {
        do throws(HealthError) { return try HealthCheckRequest(decoding: message).service } catch {
            throw .health(error)
        }
    }

    /// Health.Watch: the state now, and then each change, until the caller ends it or the server drains.
    func watch(_ exchange: Exchange) throws(Refusal) {
        guard shard.rpcs[exchange.seat].watched == nil, let message = try message(of: exchange) else { return }
        var service = try service(message)
        do throws(ArenaFull) { service = try exchange.arena.copy(service) } catch { throw .arena(error) }
        let status = status(of: service) ?? .serviceUnknown
        shard.rpcs[exchange.seat].watched = Watch(service: service, told: status)
        shard.watchers.append(Shard.Watcher(connection: key, seat: exchange.seat))
        begin(exchange)
        try tell(exchange, status)
        if shard.state.isDraining { throw .draining }
    }

    private func tell(_ exchange: Exchange, _ status: ServingStatus) throws(Refusal) {
        send(
            exchange,
            try encoding(in: &exchange.arena) { (arena) throws(ArenaFull) in
                try HealthCheckResponse(status: status).encode(headroom: headroomBytes, in: &arena)
            })
    }

    /// Something changed: tells a watcher what is new for it.
    func tellWatcher(_ exchange: Exchange) {
        guard let watched = shard.rpcs[exchange.seat].watched, !shard.rpcs[exchange.seat].isOver else { return }
        let status = status(of: watched.service) ?? .serviceUnknown
        do throws(Refusal) {
            if status != watched.told {
                shard.rpcs[exchange.seat].watched?.told = status
                try tell(exchange, status)
            }
            if shard.state.isDraining { throw .draining }
        } catch {
            refuse(exchange, error)
        }
    }
}

extension ModelStatus {
    fileprivate init(_ entry: Entry<Servable>) {
        self.init(name: entry.name, versions: entry.versions.map(VersionStatus.init))
    }
}

extension VersionStatus {
    fileprivate init(_ version: Version<Servable>) {
        self.init(version: version.number, slot: version.slot, state: .loading)
        switch version.state {
        case .loading: break
        case .failed(let reason):
            state = .failed
            self.reason = reason
        case .ready:
            state = .ready
            artifactDigest = version.digest.array
            guard let model = version.model?.object else { return }
            inputs = model.engine.signature.inputs
            outputs = model.engine.signature.outputs
            platform = "\(model.engine.platform)"
        }
    }
}
