// Enters: what the server does and is told to do. Leaves: records in the last ring, and where they stand in the log.
import Memory
import Protobuf
public import Reactor
public import RecordRing
import Synchronization

/// A record that is not known to be durable.
public struct AuditJournalError: Error, Sendable {
    public let sentence: String
}

/// The server's own records: orders, its life, and what came to nothing before it was a call. Any thread may use it.
public final class AuditJournal: Sendable {
    /// Behind the lock.
    private struct Ring: @unchecked Sendable {
        let audit: ShardAudit
    }

    private let ring: Lock<Ring>
    private let refused = Lock(RefusedTable())
    /// When what is refused is to be told next, on the shards' clock.
    private let nextRefused = Atomic<Int64>(.max)
    private let warn: @Sendable (String) -> Void
    /// Of the server's life, 16 bytes.
    public let instance: RecordInstance

    public init(_ audit: AuditRings, warn: @escaping @Sendable (String) -> Void) throws(SystemError) {
        self.warn = warn
        instance = audit.rings.instance
        ring = Lock(Ring(audit: try ShardAudit(audit, ring: audit.rings.rings - 1, now: Clock.now())))
    }

    /// Writes a record, and returns at once. If there is no room for it the log is told how many there were.
    /// - Parameter message: the event's protobuf message.
    public func tell(_ kind: RecordKind, _ message: [UInt8]) { _ = write(kind, message) }

    /// Writes a record, and returns when it is durable.
    /// - Returns: its entry in the log; `nil`: it is not known any more.
    public func keep(_ kind: RecordKind, _ message: [UInt8]) throws(AuditJournalError) -> UInt64? {
        guard let sequence = write(kind, message) else {
            throw AuditJournalError(
                sentence:
                    "it cannot be recorded: the audit ring of orders is full: see that vencejo-audit runs, then try again"
            )
        }
        let end = Clock.now() + ShardAudit.patience
        while true {
            let (isDurable, index) = ring.withLock { ring in
                listen(ring.audit)
                return (ring.audit.durable >= sequence, ring.audit.index(of: sequence))
            }
            if isDurable { return index }
            guard Clock.now() < end else {
                throw AuditJournalError(
                    sentence:
                        "it could not be recorded within 2 s: see that vencejo-audit runs and that its disk is not full, then try again"
                )
            }
            Thread.rest(nanoseconds: 500_000)
        }
    }

    private func write(_ kind: RecordKind, _ message: [UInt8]) -> UInt64? {
        ring.withLock { ring in
            let now = Clock.now()
            ring.audit.wallOffset = Clock.wallNanoseconds() - now
            listen(ring.audit)
            ring.audit.settleDebts(now: now)
            return ByteView.lending(message) { view in
                let sequence = ring.audit.record(kind, now: now, view)
                if sequence == nil { ring.audit.missed(.ringFull, at: now) }
                return sequence
            }
        }
    }

    /// Takes the agent's connection and its packets, as far as they are there.
    private func listen(_ audit: ShardAudit) {
        do throws(SystemError) {
            while try audit.accept(warn) != nil {}
        } catch {
            warn("audit: accept: \(error)")
        }
        if audit.agent != nil { _ = audit.receive(now: Clock.now(), warn) }
    }

    // MARK: - What is refused

    /// A connection came to nothing. - Returns: when `tellRefused` is due, on the shards' clock.
    func refused(_ key: RefusedTable.Key) -> Int64 {
        refused.withLock { table in
            let (now, wall) = (Clock.now(), Clock.wallNanoseconds())
            table.count(key, now: UInt64(max(0, wall)))
            return plan(table, now, wall)
        }
    }

    /// Writes what is due. - Returns: when it is to be called again; `.max`: when something was refused.
    func tellRefused(now: Int64) -> Int64 {
        guard now >= nextRefused.load(ordering: .relaxed) else { return nextRefused.load(ordering: .relaxed) }
        let (entries, next) = refused.withLock { table in
            let (now, wall) = (Clock.now(), Clock.wallNanoseconds())
            let entries = table.ended(now: UInt64(max(0, wall)))
            return (entries, plan(table, now, wall))
        }
        for entry in entries { tell(.refused, entry.message) }
        return next
    }

    /// The server ends: what was refused and not told yet is told.
    public func end() {
        let entries = refused.withLock { $0.ended(now: .max) }
        for entry in entries { tell(.refused, entry.message) }
    }

    private func plan(_ table: RefusedTable, _ now: Int64, _ wall: Int64) -> Int64 {
        let next = table.nextEnd.map { now + max(0, Int64($0) - wall) } ?? .max
        nextRefused.store(next, ordering: .relaxed)
        return next
    }
}

extension RefusedTable.Entry {
    /// Message Refused of vencejo.audit.v1.
    fileprivate var message: [UInt8] {
        var arena = Arena(firstChunkBytes: 512, bytesMax: 64 << 10)
        do throws(ArenaFull) {
            var writer = try WireWriter(headroom: 0, in: &arena)
            try writer.string(1, try arena.copy(key.reason.rawValue), in: &arena)
            try writer.string(2, try arena.copy(key.network), in: &arena)
            try writer.string(3, try arena.copy(key.listener), in: &arena)
            try writer.number(4, count, in: &arena)
            try writer.fixed64(5, first, in: &arena)
            try writer.fixed64(6, last, in: &arena)
            return try writer.whole(headroom: 0, in: &arena).array
        } catch {
            return []
        }
    }
}
