// Enters: an answer, or a refusal. Leaves: the same when its record is as safe as the policy asks; else a refusal.
import GRPC
import HTTP2
import Memory
import PredictionAPI
import Protobuf
import RecordRing
import ServerMetrics
import Synchronization
import Tensors

extension Connection {
    /// The whole reply of a unary call, or of PredictMany.
    func auditReply(_ exchange: Exchange, _ message: WireWriter, _ audit: ShardAudit) {
        let method = shard.rpcs[exchange.seat].method
        guard let policy = audit.settings.policy(of: method) else {
            return leave(exchange, with: message)
        }
        let bytes = message.count - headroomBytes
        do throws(Refusal) {
            let mayLeave = try record(exchange, policy, audit, answerBytes: bytes, .reply(message)) {
                (arena) throws(ArenaFull) in .answered(try message.copied(in: &arena), bytes: bytes)
            }
            if mayLeave { leave(exchange, with: message) }
        } catch {
            refuse(exchange, error)
        }
    }

    /// One message of a stream. - Parameter message: `nil`: it is told of with all others, at the end.
    /// - Returns: whether it may leave now.
    func auditMessage(
        _ exchange: Exchange, _ result: Result<Answer, Refusal>, _ message: WireWriter?
    ) throws(Refusal) -> Bool {
        let method = shard.rpcs[exchange.seat].method
        guard let audit = shard.audit, let policy = audit.settings.policy(of: method) else { return true }
        let bytes = message.map { $0.count - headroomBytes } ?? 0
        return try record(exchange, policy, audit, answerBytes: bytes, message.map { .message($0) }) {
            (arena) throws(ArenaFull) in
            let answer = try message?.copied(in: &arena)
            switch result {
            case .success: return .answered(answer, bytes: bytes)
            case .failure(let refusal):
                var ending = CallEnding.refused(refusal)
                (ending.answer, ending.answerBytes) = (answer, bytes)
                return ending
            }
        }
    }

    /// The answer to an order, which has records of its own.
    func leaveRecorded(_ exchange: Exchange, _ result: Result<WireWriter, Refusal>) {
        shard.giveBackCredit(exchange)
        shard.audits[exchange.seat].isRecorded = true
        switch result {
        case .success(let message): leave(exchange, with: message)
        case .failure(let refusal): leave(exchange, refusing: refusal)
        }
    }

    /// A refusal that ends the call.
    func auditRefusal(_ exchange: Exchange, _ refusal: Refusal, _ audit: ShardAudit) {
        let seat = exchange.seat
        let method = shard.rpcs[seat].method
        var policy = audit.settings.policy(of: method)
        switch refusal {
        case .unaudited:
            audit.withholdAll(of: Pinned(exchange))
            policy = nil
        // Not a call.
        case .http: policy = nil
        default: break
        }
        if shard.audits[seat].isEnding {
            // Its end waits for its record already, and can wait no longer.
            audit.withholdAll(of: Pinned(exchange))
            return leave(exchange, refusing: .unaudited(.notDurable))
        }
        guard let policy else {
            shard.giveBackCredit(exchange)
            shard.audits[seat].isRecorded = true
            return leave(exchange, refusing: refusal)
        }
        do throws(Refusal) {
            let mayLeave = try record(exchange, policy, audit, answerBytes: 0, .refusal(refusal)) {
                (_) throws(ArenaFull) in .refused(refusal)
            }
            if mayLeave { leave(exchange, refusing: refusal) }
        } catch {
            shard.audits[seat].isRecorded = true
            leave(exchange, refusing: error)
        }
    }

    /// - Parameters:
    ///   - part: what is to leave; `nil`: nothing of it is.
    ///   - ending: made when there is room for a record.
    /// - Returns: whether it may leave now; else it waits. Throws: there can be no record.
    private func record(
        _ exchange: Exchange, _ policy: AuditPolicy, _ audit: ShardAudit, answerBytes: Int,
        _ part: WaitingAnswer.Part?, _ ending: (inout Arena) throws(ArenaFull) -> CallEnding
    ) throws(Refusal) -> Bool {
        let seat = exchange.seat
        let isEnd: Bool
        if case .message = part { isEnd = false } else { isEnd = part != nil }
        try shard.takeCredit(exchange, answerBytes: answerBytes, audit)
        if isEnd { shard.audits[seat].isRecorded = true }
        if shard.audits[seat].message.isUnrecorded { return true }
        let end: CallEnding
        do throws(ArenaFull) {
            // The arena of an exchange that is held belongs to its holder.
            end = exchange.isHeld ? try ending(&exchange.headArena) : try ending(&exchange.arena)
        } catch {
            shard.audits[seat].isRecorded = false
            throw .arena(error)
        }
        var call = shard.records[seat].call
        if call.began == 0 { call.began = exchange.openedNanoseconds }
        let method = shard.rpcs[seat].method
        let name = method == .none ? exchange.head.path.dropFirst(1) : ByteView(method.path).dropFirst(1)
        let sequence = shard.writeRecord(exchange, caller, call, method: name, end)
        guard policy.durability == .disk, let sequence, let part, audit.durable < sequence else { return true }
        wait(exchange, part, sequence, isEnd: isEnd, audit)
        return false
    }

    private func wait(
        _ exchange: Exchange, _ part: WaitingAnswer.Part, _ sequence: UInt64, isEnd: Bool, _ audit: ShardAudit
    ) {
        if case .refusal = part { exchange.abandon() }
        shard.audits[exchange.seat].isEnding = isEnd
        exchange.hold()
        let until = shard.now + ShardAudit.patience
        if audit.waiting.isEmpty { shard.lookAtAudit(at: until) }
        audit.waiting.append(
            WaitingAnswer(exchange: Pinned(exchange), connection: key, sequence: sequence, until: until, part: part))
    }

    /// Its record is durable, or its time is over.
    func leave(_ exchange: Exchange, _ answer: WaitingAnswer, _ audit: ShardAudit) {
        let seat = exchange.seat
        guard !shard.rpcs[seat].isOver, !exchange.isClosed, !answer.isWithheld else { return }
        if answer.sequence > audit.durable {
            guard audit.settings.policy(of: shard.rpcs[seat].method)?.otherwise == .open else {
                audit.withhold(answer.sequence)
                return refuse(exchange, .unaudited(.notDurable))
            }
            audit.missed(.notDurable, at: shard.now)
        }
        switch answer.part {
        case .reply(let message): leave(exchange, with: message)
        case .refusal(let refusal): leave(exchange, refusing: refusal)
        case .message(let message):
            send(exchange, message)
            guard !exchange.isHeld else { return }
            do throws(Refusal) { try stream(exchange, shard.rpcs[seat].method, wasSent: false) } catch {
                refuse(exchange, error)
            }
        }
    }

    /// The trailer of a call whose record is durable: its entry in the log.
    func receipt(of exchange: Exchange) -> List<Field>? {
        guard let audit = shard.pinnedAudit else { return nil }
        return audit.with { receipt(of: exchange, $0) }
    }

    private func receipt(of exchange: Exchange, _ audit: ShardAudit) -> List<Field>? {
        let sequence = shard.audits[exchange.seat].sequence
        guard sequence > 0, audit.settings.policy(of: shard.rpcs[exchange.seat].method)?.durability == .disk else {
            return nil
        }
        do throws(ArenaFull) {
            guard let value = try audit.receipt(of: sequence, in: &exchange.headArena) else { return nil }
            var fields = List<Field>()
            try fields.append(Field("grpc-status", "0"), in: &exchange.headArena)
            try fields.append(Field(name: ByteView("vencejo-audit"), value: value), in: &exchange.headArena)
            return fields
        } catch {
            return nil
        }
    }

    /// The stream is gone: a unary call that got no answer is recorded as cancelled.
    func auditEnd(_ exchange: Exchange, _ audit: ShardAudit) {
        let seat = exchange.seat
        let method = shard.rpcs[seat].method
        guard exchange.headIsComplete, method.shape == .unary, !method.isOrder,
            let policy = audit.settings.policy(of: method), !shard.audits[seat].isRecorded
        else {
            if method.shape != .unary {
                shard.giveBackCredit(exchange)
                if exchange.isHeld { shard.audits[seat].caller = caller.copied(in: &exchange.headArena) }
            }
            return
        }
        shard.audits[seat].isRecorded = true
        do throws(Refusal) {
            try shard.takeCredit(exchange, answerBytes: 0, audit)
            var call = shard.records[seat].call
            if call.began == 0 { call.began = exchange.openedNanoseconds }
            _ = shard.writeRecord(
                exchange, caller, call, method: ByteView(method.path).dropFirst(1), .cancelled)
        } catch {
            // It was never answered: that nothing is known of it is told all the same.
            if policy.otherwise == .closed { audit.missed(.ringFull, at: shard.now) }
        }
    }
}

extension WireWriter {
    /// The message, if it is one that a record has a copy of.
    fileprivate func copied(in arena: inout Arena) throws(ArenaFull) -> ByteView? {
        guard count - headroomBytes <= RecordLayout.bodyBytesMax else { return nil }
        return try whole(headroom: headroomBytes, in: &arena)
    }
}

extension CallerViews {
    /// Whatever has no room is left out.
    fileprivate func copied(in arena: inout Arena) -> CallerViews {
        var copy = CallerViews(auth: auth)
        copy.principal = (try? arena.copy(principal)) ?? .empty
        copy.credential = (try? arena.copy(credential)) ?? .empty
        copy.peer = (try? arena.copy(peer)) ?? .empty
        return copy
    }
}

extension PredictionMethod {
    var path: StaticString {
        switch self {
        case .predict: Method.predict.path
        case .modelInfer: Method.modelInfer.path
        case .predictStream: Method.predictStream.path
        case .predictMany: Method.predictMany.path
        case .modelStreamInfer: Method.modelStreamInfer.path
        }
    }
}
