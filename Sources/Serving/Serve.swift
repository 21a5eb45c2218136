// Enters: an exchange to which something happened. Leaves: a reply, a refusal, or nothing yet.
import GRPC
import HTTP2
import Memory
import OpenInference
import PredictionAPI
import Protobuf
import ServerMetrics
import Tensors

extension Connection {
    /// What comes next for an exchange, given what happened to it.
    func serve(_ exchange: Exchange, _ news: News) {
        if news.contains(.closed) { return ended(exchange) }
        do throws(Refusal) {
            if news.contains(.head) {
                shard.rpcs[exchange.seat] = RPC()
                if shard.audit != nil { shard.audits[exchange.seat] = AuditedCall() }
                try shard.rpcs[exchange.seat].read(exchange.head, now: shard.now)
            }
            let rpc = shard.rpcs[exchange.seat]
            if rpc.isOver || shard.audit != nil && shard.audits[exchange.seat].isEnding {
                return session.discard(exchange)
            }
            // What is whole is answered; nothing more is begun, and nothing grows.
            if shard.memory == .full, !exchange.hasEnded || news.contains(.head) {
                throw Refusal.memoryFull(bytesMax: shard.limits.memoryBytesMax)
            }
            if session.bodyBytes > shard.limits.connectionBodyBytesMax {
                throw Refusal.connectionBodies(bytesMax: shard.limits.connectionBodyBytesMax)
            }
            switch rpc.method.shape {
            case .unary: try unary(exchange, rpc.method)
            case .serverStreaming where rpc.method == .watch:
                try follow(exchange, wasSent: news.contains(.sent))
            case .serverStreaming: try watch(exchange)
            case .bidirectional, .clientStreaming: try stream(exchange, rpc.method, wasSent: news.contains(.sent))
            }
        } catch {
            refuse(exchange, error)
        }
    }

    private func unary(_ exchange: Exchange, _ method: Method) throws(Refusal) {
        switch method {
        case .modelInfer: try ask(exchange, in: .openInference)
        case .predict: try ask(exchange, in: .prediction)
        default:
            if let errand = method.errand { return try send(errand, exchange) }
            guard let message = try message(of: exchange) else { return }
            shard.beginAudit(message, of: exchange, isStreamed: false)
            reply(exchange, with: try inform(method, message, in: &exchange.arena))
        }
    }

    /// The one message of a unary call, once it and the end of the stream are here.
    func message(of exchange: Exchange) throws(Refusal) -> ByteView? {
        let body = exchange.body.view
        guard let frame = try nextFrame(of: exchange) else {
            guard exchange.hasEnded else { return nil }
            if body.isEmpty { throw .messageCount(0) }
            do throws(FrameError) { try Frame.end(body) } catch { throw .frame(error) }
            return nil
        }
        guard body.count == frame.frameBytes else { throw .messageCount(2) }
        guard exchange.hasEnded else { return nil }
        return try open(frame, of: exchange)
    }

    func nextFrame(of exchange: Exchange) throws(Refusal) -> Frame? {
        do throws(FrameError) {
            return try Frame.next(in: exchange.body.view, messageBytesMax: shard.limits.messageBytesMax)
        } catch {
            throw .frame(error)
        }
    }

    func open(_ frame: Frame, of exchange: Exchange) throws(Refusal) -> ByteView {
        do throws(FrameError) {
            return try frame.message(
                encoding: shard.rpcs[exchange.seat].encoding, messageBytesMax: shard.limits.messageBytesMax,
                in: &exchange.arena)
        } catch {
            throw .frame(error)
        }
    }

    /// Counts what the exchange's arena holds now. Not to be called for one that an executor has.
    func count(_ exchange: Exchange) throws(Refusal) {
        let bytes = exchange.arena.bytesUsed
        arenaBytes += bytes - shard.rpcs[exchange.seat].arenaBytes
        shard.rpcs[exchange.seat].arenaBytes = bytes
        if arenaBytes > shard.limits.connectionBodyBytesMax {
            throw .connectionBodies(bytesMax: shard.limits.connectionBodyBytesMax)
        }
    }

    // MARK: - Out

    /// The whole reply of a unary call, or of PredictMany, as soon as its record is safe.
    func reply(_ exchange: Exchange, with message: WireWriter) {
        guard let audit = shard.pinnedAudit else { return leave(exchange, with: message) }
        audit.with { auditReply(exchange, message, $0) }
    }

    func leave(_ exchange: Exchange, with message: WireWriter) {
        begin(exchange)
        send(exchange, message)
        finish(exchange)
    }

    func begin(_ exchange: Exchange) {
        guard !exchange.hasReplied else { return }
        session.respond(exchange, shard.rpcs[exchange.seat].replyEncoding == .gzip ? ReplyHead.gzip : ReplyHead.plain)
    }

    /// The reply's head with metadata for callers whose protocol has no field for them: `vencejo-slot`, and
    /// `vencejo-artifact-digest-bin`, the SHA-256 of the model file.
    func begin(_ exchange: Exchange, naming provenance: Provenance) throws(Refusal) {
        var fields = shard.rpcs[exchange.seat].replyEncoding == .gzip ? ReplyHead.gzip : ReplyHead.plain
        if let slot = provenance.slot { fields.append(Field("vencejo-slot", slot.name)) }
        let epoch = try encoding(in: &exchange.arena) { (arena) throws(ArenaFull) in
            try arena.copy("\(provenance.epoch)")
        }
        fields.append(Field(name: ByteView("vencejo-epoch"), value: epoch))
        if !provenance.artifactDigest.isEmpty {
            let digest = try encoding(in: &exchange.arena) { (arena) throws(ArenaFull) in
                try BinaryMetadata.encode(provenance.artifactDigest, in: &arena)
            }
            fields.append(Field(name: ByteView("vencejo-artifact-digest-bin"), value: digest))
        }
        session.respond(exchange, fields)
    }

    /// One message of the reply.
    func send(_ exchange: Exchange, _ message: WireWriter) {
        var message = message
        shard.records[exchange.seat].responseBytes += Int64(message.count - headroomBytes)
        do throws(ArenaFull) {
            let pieces = try frame(&message, encoding: shard.rpcs[exchange.seat].replyEncoding, in: &exchange.arena)
            try session.send(exchange, pieces)
        } catch {
            refuse(exchange, .arena(error))
        }
    }

    func finish(_ exchange: Exchange) {
        guard !shard.rpcs[exchange.seat].isOver else { return }
        shard.rpcs[exchange.seat].isOver = true
        shard.records[exchange.seat].call.code = StatusCode.ok.rawValue
        let timing = shard.rpcs[exchange.seat].wantsTiming ? timing(exchange) : nil
        session.finish(exchange, trailers: timing ?? receipt(of: exchange) ?? shard.okTrailers)
    }

    /// The call ends with a status other than OK, as soon as its record is safe. The only way there.
    func refuse(_ exchange: Exchange, _ refusal: Refusal) {
        guard !shard.rpcs[exchange.seat].isOver else { return }
        guard let audit = shard.audit else { return leave(exchange, refusing: refusal) }
        auditRefusal(exchange, refusal, audit)
    }

    func leave(_ exchange: Exchange, refusing refusal: Refusal) {
        shard.rpcs[exchange.seat].isOver = true
        shard.records[exchange.seat].call.note(refusal)
        // Who works on it need not begin.
        exchange.abandon()
        if let log = refusal.log { shard.log(log, shard.trace(of: exchange)) }
        if case .http(let status, _) = refusal {
            session.respond(exchange, ReplyHead.http(status), endsAtOnce: true)
        } else if exchange.hasReplied {
            session.finish(exchange, trailers: statusFields(refusal, of: exchange))
        } else {
            // Nothing of the call is needed any more; a full arena has room for the sentence.
            if !exchange.isHeld { exchange.arena.reset() }
            let status = statusFields(refusal, of: exchange)
            var fields = ReplyHead.plain
            for index in status.indices { fields.append(status[index]) }
            if case .encoding = refusal { fields.append(ReplyHead.acceptEncoding) }
            session.respond(exchange, fields, endsAtOnce: true)
        }
    }

    private func statusFields(_ refusal: Refusal, of exchange: Exchange) -> List<Field> {
        // The arena of an exchange that is held belongs to who holds it.
        let fields =
            exchange.isHeld ? Self.fields(refusal, in: &exchange.headArena) : Self.fields(refusal, in: &exchange.arena)
        return fields ?? shard.internalTrailers
    }

    /// `nil`: no room for anything.
    private static func fields(_ refusal: Refusal, in arena: inout Arena) -> List<Field>? {
        var fields = List<Field>()
        do throws(ArenaFull) {
            try fields.append(Field("grpc-status", refusal.status.headerValue), in: &arena)
            let sentence = try percentEncoded(refusal.sentence, in: &arena)
            try fields.append(Field(name: ByteView("grpc-message"), value: sentence), in: &arena)
            if let milliseconds = refusal.retryMilliseconds {
                let value = try arena.copy("\(milliseconds)")
                try fields.append(Field(name: ByteView("grpc-retry-pushback-ms"), value: value), in: &arena)
            }
        } catch {
            // A stream whose arena is full to the last byte gets no sentence.
            if fields.isEmpty { return nil }
        }
        return fields
    }

    /// The stream is gone, for whatever reason: nobody works for it any more.
    private func ended(_ exchange: Exchange) {
        shard.count(exchange, shard.rpcs[exchange.seat].method, of: self)
        shard.pinnedAudit?.with { auditEnd(exchange, $0) }
        arenaBytes -= shard.rpcs[exchange.seat].arenaBytes
        if shard.rpcs[exchange.seat].watched != nil { shard.watchers.removeAll { $0.seat == exchange.seat } }
        if shard.rpcs[exchange.seat].isFollowed { unfollow(exchange) }
        shard.rpcs[exchange.seat] = RPC()
        shard.rpcs[exchange.seat].isOver = true
        shard.records[exchange.seat] = CallInProgress()
    }
}

/// Heads of replies, made once.
enum ReplyHead {
    private static let status = Field(":status", "200")
    private static let contentType = Field("content-type", ContentType.reply)
    static let acceptEncoding = Field("grpc-accept-encoding", Encoding.supported)
    static let plain = [status, contentType]
    static let gzip = [status, contentType, Field("grpc-encoding", "gzip"), acceptEncoding]

    /// To those who do not speak gRPC.
    static func http(_ status: Int) -> [Field] {
        switch status {
        case 405: [Field(":status", "405"), Field("allow", "POST")]
        default: [Field(":status", "415"), Field("accept-post", "application/grpc")]
        }
    }
}
