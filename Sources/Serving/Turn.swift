// Enters: the calls that one turn found. Leaves: their answers, in the order in which they came. Who runs what, and where.
import Experiments
import GRPC
import HTTP2
import Memory
import Models
import Reactor
import Rollout
import ServerMetrics
import Tensors

/// The calls of a turn: those for the same model run together.
struct Gathered {
    /// Where in the groups a call is; or among those that were refused before they had a model.
    enum Place {
        case job(group: Int, index: Int)
        case refused(Int)
    }

    struct Refused {
        let refusal: Refusal
        let id: ByteView
        let exchange: Exchange
        let connection: UInt64
        let record: CallRecord
        let requestBytes: Int32
        let audited: AuditedMessage
    }

    /// The first `groupCount` are in use; the others keep their memory for the next turn.
    private(set) var groups: [Group] = []
    private(set) var groupCount = 0
    private(set) var refused: [Refused] = []
    /// In the order in which they came.
    private(set) var order: [Place] = []

    var isEmpty: Bool { order.isEmpty }

    mutating func append(_ job: Job, isLong: Bool, isStream: Bool) {
        // Among the latest only: of calls that all differ nobody should look at all for each.
        var group = max(0, groupCount - 16)
        while group < groupCount, !(groups[group].isLong == isLong && groups[group].takes(job)) { group += 1 }
        if group == groupCount {
            if groupCount == groups.count { groups.append(Group()) }
            groups[group].isLong = isLong
            groupCount += 1
        }
        order.append(.job(group: group, index: groups[group].jobs.count))
        groups[group].jobs.append(job)
        groups[group].hasStreams = groups[group].hasStreams || isStream
        groups[group].rows += job.rows ?? 1
    }

    /// Of the job that was appended last.
    mutating func number(_ auditNumber: Int32) {
        guard case .job(let group, let index)? = order.last else { return }
        groups[group].jobs[index].auditNumber = auditNumber
    }

    mutating func append(_ refused: Refused) {
        order.append(.refused(self.refused.count))
        self.refused.append(refused)
    }

    mutating func run(_ group: Int, on runner: inout Runner, helpers: Int, budgetNanoseconds: Int64) {
        groups[group].share(helpers: helpers, budgetNanoseconds: budgetNanoseconds)
        runner.run(&groups[group].jobs, groups[group].kept)
    }

    mutating func removeAll() {
        for group in 0..<groupCount {
            groups[group].jobs.removeAll(keepingCapacity: true)
            groups[group].rows = 0
            groups[group].hasStreams = false
        }
        groupCount = 0
        refused.removeAll(keepingCapacity: true)
        order.removeAll(keepingCapacity: true)
    }
}

extension Group {
    /// How much of it the shard runs itself. What is long it does not run. Of what is short it keeps all, unless that is more
    /// than a turn should take: then other cores that have nothing to do get their part, so that one busy connection can use
    /// more than one core; and beyond four times that much the rest goes to executors in any case, so that nobody else's
    /// calls wait for it.
    mutating func share(helpers: Int, budgetNanoseconds: Int64) {
        kept = isLong ? 0 : jobs.count
        guard !isLong, !hasStreams, let first = jobs.first else { return }
        guard let expected = first.servable.runNanoseconds(rows: rows), expected > budgetNanoseconds else { return }
        if helpers > 0 && jobs.count > helpers {
            kept = jobs.count / (helpers + 1)
        } else if expected > 4 * budgetNanoseconds {
            kept = max(1, Int(Int64(jobs.count) * 4 * budgetNanoseconds / expected))
        }
    }
}

extension Shard {
    /// Takes a call that fits its model, unless it could not be answered in time.
    func gather(_ job: Job) throws(Refusal) {
        let servable = job.servable
        do throws(Refusal) { try admit(job, to: servable) } catch {
            if job.draw != .none { servable.seen.refused(key: rpcs[job.exchange.seat].routingKey) }
            throw error
        }
        let isLong =
            servable.isLong(job.work, budgetNanoseconds: limits.shardRunNanoseconds) || needsDigest(job, servable)
        if isLong {
            servable.submitted(job)
            rpcs[job.exchange.seat].isWithExecutor = true
        }
        job.mirror?.object.hold()
        job.exchange.hold()
        gathered.append(job, isLong: isLong, isStream: rpcs[job.exchange.seat].method.shape != .unary)
        // A stream's next message may come before this one is answered: what this one needs goes with its job.
        if let audit, job.method.isStreamed {
            gathered.number(audit.messages.keep(audits[job.exchange.seat].message))
            audits[job.exchange.seat].message = AuditedMessage()
        }
    }

    private func admit(_ job: Job, to servable: Servable) throws(Refusal) {
        if servable.isFull {
            server.tally.count(.refusedAtDoor)
            throw .queueFull(model: servable.name, callsMax: servable.settings.queueMax)
        }
        if job.deadline < .max { try checkDeadline(job) }
    }

    private func checkDeadline(_ job: Job) throws(Refusal) {
        let left = job.deadline - now
        guard left > 0 else {
            server.tally.count(.expired)
            throw .deadlinePassed
        }
        let expected = job.servable.expectedNanoseconds(job.work, executors: limits.executors)
        // A fourth more, for what an estimate misses: an answer that comes just too late was work for nobody.
        guard let expected, expected + expected / 4 > left else { return }
        server.tally.count(.refusedAtDoor)
        throw .tooLate(
            model: job.servable.name, milliseconds: (expected + 999_999) / 1_000_000, leftMilliseconds: left / 1_000_000
        )
    }

    /// A stream's message that was refused before it had a model.
    func gather(_ refusal: Refusal, id: ByteView, of exchange: Exchange, connection: UInt64) {
        exchange.hold()
        var record = records[exchange.seat].call
        record.note(refusal)
        var audited = AuditedMessage()
        if audit != nil { swap(&audited, &audits[exchange.seat].message) }
        gathered.append(
            Gathered.Refused(
                refusal: refusal, id: id, exchange: exchange, connection: connection, record: record,
                requestBytes: Int32(truncatingIfNeeded: records[exchange.seat].requestBytes), audited: audited))
    }

    /// Runs what was gathered, and answers in the order in which it came. What is long goes to the executors.
    func runGathered() {
        while !gathered.isEmpty {
            // To answer a stream may gather its next messages: those are the next round's.
            swap(&gathered, &round)
            let gatheredAt = Clock.now()
            for group in 0..<round.groupCount {
                round.run(
                    group, on: &runner, helpers: server.idleCores, budgetNanoseconds: limits.shardRunNanoseconds)
                if round.groups[group].kept > 0 { ranAt = now }
            }
            for place in round.order {
                switch place {
                case .refused(let index):
                    let refused = round.refused[index]
                    if audit != nil { audits[refused.exchange.seat].note(refused.audited) }
                    deliver(
                        refused.exchange, refused.connection, .failure(refused.refusal), id: refused.id, refused.record,
                        requestBytes: refused.requestBytes)
                case .job(let group, let index):
                    if index < round.groups[group].kept {
                        pinnedAudit?.with {
                            noteRun(round.groups[group].jobs[index], $0, LargeDigests(), runner: UInt32(number))
                        }
                        deliver(round.groups[group].jobs[index], gathered: gatheredAt)
                    }
                }
            }
            for group in 0..<round.groupCount {
                for job in round.groups[group].jobs[round.groups[group].kept...] {
                    if !round.groups[group].isLong { job.servable.submitted(job) }
                    server.executors.submit(
                        Ticket(job, from: door, now: now, gathered: gatheredAt, message: auditedMessage(of: job)))
                    ticketsOut += 1
                }
            }
            runner.forgetRefusals()
            round.removeAll()
        }
    }

    /// What executors have brought, and the desk.
    func takeMail() {
        door.mailbox.take { parcel in
            if let errand = parcel as? Errand { return deliver(errand) }
            guard let ticket = parcel as? Ticket else { preconditionFailure("a parcel of no kind that is known") }
            ticketsOut -= 1
            rpcs[ticket.job.exchange.seat].isWithExecutor = false
            if let audit { noteRun(ticket.job, audit, ticket.digests, runner: ticket.runner) }
            deliver(ticket.job, gathered: ticket.gatheredNanoseconds, ticket.refusal)
            ticket.job.servable.delivered()
        }
    }

    private func deliver(_ job: Job, gathered: Int64, _ refusal: Refusal? = nil) {
        let record = CallRecord(job, gathered: gathered)
        if job.draw != .none { count(job, refusal) }
        if job.mirror != nil { mirror(job) }
        switch job.result.outcome {
        case .outputs(let outputs):
            let answer = Answer(provenance: job.provenance, id: job.id, outputs: outputs, form: job.form)
            deliver(job.exchange, job.connection, .success(answer), id: job.id, record, requestBytes: job.requestBytes)
        case .refused(let number):
            deliver(
                job.exchange, job.connection, .failure(refusal ?? runner.refusals[number]), id: job.id, record,
                requestBytes: job.requestBytes)
        case .abandoned, .waiting:
            deliver(job.exchange, job.connection, nil, id: job.id, record, requestBytes: job.requestBytes)
        }
    }

    /// Where traffic is divided it is counted what came of it.
    private func count(_ job: Job, _ refusal: Refusal?) {
        let seen = job.servable.seen
        let key = job.draw == .byKey ? rpcs[job.exchange.seat].routingKey : nil
        if let arm = job.arm, case .outputs = job.result.outcome {
            server.configuration.exposures.answered(job.id, Exposure(arm), key: key)
        }
        guard seen.counts(job.provenance.epoch) else { return }
        switch job.result.outcome {
        case .outputs(let outputs):
            // What holds up one call of a turn holds up the others: they are one event, and it is the first one's.
            let isTimed = !hasTimed
            hasTimed = true
            seen.answered(outputs, nanoseconds: isTimed ? Clock.now() - job.arrived : nil, key: key)
        case .refused(let number):
            if case .run = refusal ?? runner.refusals[number] { seen.failed(key: key) } else { seen.refused(key: key) }
        case .abandoned:
            // Its caller has given up: at its deadline that is the version's fault, before that the caller's will.
            if Clock.now() >= job.deadline { seen.refused(key: key) }
        case .waiting: break
        }
    }

    /// A copy for the version that repeats it; if that has enough to do it is left out.
    private func mirror(_ job: Job) {
        guard let servable = job.mirror?.object else { return }
        guard case .outputs(let outputs) = job.result.outcome, server.mirrors.hasRoom, memory == .low else {
            return servable.delivered()
        }
        do throws(ArenaFull) {
            server.mirrors.submit(try MirrorTicket(job.work, outputs, of: job.servable.serial, for: servable))
        } catch {
            servable.delivered()
        }
    }

    /// `nil`: nobody waits for it any more.
    private func deliver(
        _ exchange: Exchange, _ key: UInt64, _ result: Result<Answer, Refusal>?, id: ByteView, _ record: CallRecord,
        requestBytes: Int32
    ) {
        defer { if record.method.isStreamed { countStreamed(exchange, record, result, requestBytes: requestBytes) } }
        guard let connection = connection(key) else {
            auditAbandoned(exchange, nil, record)
            return exchanges.release(orphan: exchange)
        }
        guard let result, !rpcs[exchange.seat].isOver, !exchange.isClosed else {
            auditAbandoned(exchange, connection, record)
            connection.session.release(exchange)
            return touch(connection)
        }
        connection.session.release(exchange)
        touch(connection)
        // Of a unary call it is the stream's first byte.
        let began = record.method.isStreamed ? record.began : records[exchange.seat].call.began
        records[exchange.seat].call.ran(record, began: began)
        connection.deliver(exchange, result, id: id)
    }
}

extension Connection {
    func deliver(_ exchange: Exchange, _ result: Result<Answer, Refusal>, id: ByteView) {
        let method = shard.rpcs[exchange.seat].method
        do throws(Refusal) {
            switch method.shape {
            case .unary:
                try count(exchange)
                switch result {
                case .success(let answer):
                    try self.answer(exchange, answer, in: method == .modelInfer ? .openInference : .prediction)
                case .failure(let refusal): throw refusal
                }
            default:
                try answer(exchange, result, id: id, method)
                if !exchange.isHeld { try stream(exchange, method, wasSent: false) }
            }
        } catch {
            refuse(exchange, error)
        }
    }
}
