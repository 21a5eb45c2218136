// Enters: the end of a turn. Leaves: answers whose records are durable by now; gaps, refusals and readiness as they are.
import HTTP2
import Memory
import Reactor
import RecordRing
import ServerMetrics
import Synchronization

extension Shard {
    /// The call makes no record.
    func giveBackCredit(_ exchange: Exchange) {
        guard let credit = audits[exchange.seat].message.credit else { return }
        audits[exchange.seat].message.credit = nil
        audit?.giveBack(credit)
    }

    /// A stream's message has no client any more, whether it ran or not.
    func auditAbandoned(_ exchange: Exchange, _ connection: Connection?, _ record: CallRecord) {
        guard audit != nil, record.method.isStreamed else { return }
        let caller = connection?.caller ?? audits[exchange.seat].caller ?? CallerViews()
        _ = writeRecord(exchange, caller, record, method: ByteView(record.method.path).dropFirst(1), .cancelled)
        giveBackCredit(exchange)
    }

    /// What the audit log has to do at the end of a turn.
    func endAuditTurn(_ audit: ShardAudit) {
        leaveWaiting()
        audit.settleDebts(now: now)
        if let journal = server.configuration.journal {
            let next = journal.tellRefused(now: now)
            if next < .max, next != refusedLook {
                refusedLook = next
                lookAtAudit(at: next)
            }
        }
        let (isClosed, look) = audit.hasBeenClosed(now: now)
        if let look { lookAtAudit(at: look) }
        guard isClosed != isClosedForLong else { return }
        isClosedForLong = isClosed
        state.closedShards.add(isClosed ? 1 : -1, ordering: .relaxed)
        log(
            isClosed
                ? "audit: calls are refused since 5 s, because they cannot be recorded: the server is not ready until they can; "
                    + "see that vencejo-audit runs and that its disk is not full"
                : "audit: calls can be recorded again")
        server.wake()
    }

    /// Answers whose records are durable by now, and those that can wait no longer.
    func leaveWaiting() {
        guard let audit, !audit.waiting.isEmpty else { return }
        while let answer = audit.nextToLeave(now: now) {
            let exchange = answer.exchange.object
            guard let connection = connection(answer.connection) else {
                exchanges.release(orphan: exchange)
                continue
            }
            connection.session.release(exchange)
            touch(connection)
            connection.leave(exchange, answer, audit)
        }
        if !audit.waiting.isEmpty { lookAtAudit(at: now + ShardAudit.patience / 4) }
    }
}
