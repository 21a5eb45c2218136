// Enters: calls that ask about the server and its models. Leaves: what is known. None of them runs a model.
import Batching
import GRPC
import HTTP2
import Health
import Memory
import Models
import OpenInference
import PredictionAPI
import Protobuf
import Reflection
import Synchronization
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
        case .feedback: return try feedback(message, in: &arena)
        case .modelReady:
            return try ready(try isReady(message), in: &arena)
        case .modelMetadata:
            return try metadata(message, in: &arena)
        case .modelConfig: return try modelConfig(message, in: &arena)
        case .modelStatistics: return try modelStatistics(message, in: &arena)
        case .serverLive, .serverReady:
            try checkEmpty(message)
            return try ready(method == .serverLive || shard.state.isReady, in: &arena)
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
            return try entry(message).standing.state.isServing && !shard.state.isDraining
        } catch {
            if case .lease = error { return false }
            throw error
        }
    }

    private func metadata(_ message: ByteView, in arena: inout Arena) throws(Refusal) -> WireWriter {
        let (entry, standing) = try entry(message)
        let lease: Lease<Servable>
        do throws(LeaseError) { lease = try entry.lease(.number(standing.number), epoch: 0) } catch {
            throw .lease(error)
        }
        return try encoding(in: &arena) { (arena) throws(ArenaFull) in
            try ModelMetadataResponse.encode(
                name: entry.nameView, versions: entry.standings.map(\.number).sorted(),
                platform: ByteView(lease.model.object.engine.platform), signature: lease.model.object.engine.signature,
                headroom: headroomBytes,
                in: &arena)
        }
    }

    private func list(_ message: ByteView, in arena: inout Arena) throws(Refusal) -> WireWriter {
        do throws(PredictionDecodeError) { try ListModelsRequest.decode(message) } catch { throw .prediction(error) }
        let models = shard.catalog.object.entries.map(ModelStatus.init)
        return try encoding(in: &arena) { (arena) throws(ArenaFull) in
            try ListModelsResponse.encode(models, headroom: headroomBytes, in: &arena)
        }
    }

    private func checkEmpty(_ message: ByteView) throws(Refusal) {
        do throws(OpenInferenceError) { try EmptyRequest.decode(message) } catch { throw .openInference(error) }
    }

    func entry(_ message: ByteView) throws(Refusal) -> (entry: Entry<Servable>, standing: Standing<Servable>) {
        let reference: ModelReference
        do throws(OpenInferenceError) { reference = try ModelReference.decode(message) } catch {
            throw .openInference(error)
        }
        do throws(LeaseError) {
            guard let entry = shard.catalog.object.entry(reference.model) else {
                throw .unknownModel(reference.model.clippedText)
            }
            return (entry, try entry.standing(reference.selector))
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
        // The names of Kubernetes' probes go before models of these names.
        if service.isEmpty || service == "readiness" { return shard.state.isReady ? .serving : .notServing }
        if service == "liveness" { return .serving }
        if service == "startup" {
            return shard.state.startIsOver.load(ordering: .acquiring) ? .serving : .notServing
        }
        if let entry = shard.catalog.object.entry(service) {
            return entry.live != nil && !shard.state.isDraining ? .serving : .notServing
        }
        let name = service.text
        guard Product.services.services.contains(name) else { return nil }
        return shard.state.isReady ? .serving : .notServing
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
        guard !shard.rpcs[exchange.seat].isOver else { return }
        // Its news come from the desk, but for this one.
        if shard.rpcs[exchange.seat].isFollowed, shard.state.isDraining { return refuse(exchange, .draining) }
        guard let watched = shard.rpcs[exchange.seat].watched else { return }
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
        self.init(name: entry.name, versions: entry.standings.map(VersionStatus.init))
    }
}

extension VersionStatus {
    fileprivate init(_ standing: Standing<Servable>) {
        self.init(version: standing.number, slot: standing.slot, state: .unspecified)
        switch standing.state {
        case .absent: break
        case .loading: state = .loading
        case .warming: state = .warming
        case .ready: state = .ready
        case .live: state = .live
        case .draining: state = .draining
        case .failed(let reason):
            state = .failed
            self.reason = reason
        case .quarantined(let reason):
            state = .quarantined
            self.reason = reason
        }
        guard let version = standing.version else { return }
        artifactDigest = version.digest.array
        inputs = version.model.engine.signature.inputs
        outputs = version.model.engine.signature.outputs
        platform = "\(version.model.engine.platform)"
        bitDependentNodes = version.model.equivalence.bitDependent
        switch version.model.equivalence.basis {
        case .proven: batching = .proven
        case .promised: batching = .promised
        case .off: batching = .off
        case .withdrawn: batching = .withdrawn
        case .unproven(let reason):
            batching = .notProven
            batchingReason = reason
        }
    }
}
