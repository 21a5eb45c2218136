// Enters: calls that end, and packets of the audit agent. Leaves: records in the shard's ring, and which of them are durable.
import HTTP2
import Memory
import Protobuf
import Reactor
import RecordRing

/// Why there can be no record of a call.
enum AuditFailure: Int, CaseIterable {
    /// No credit: the agent is behind, or away.
    case ringFull
    /// Under `disk`: no agent for two seconds.
    case agentGone
    /// Under `disk`: the record was not durable within two seconds.
    case notDurable

    var name: StaticString {
        switch self {
        case .ringFull: "ring_full"
        case .agentGone: "agent_gone"
        case .notDurable: "not_durable"
        }
    }
}

/// What may become of a call.
enum AuditAdmission {
    case credit(RecordCredit)
    /// It goes on without a record.
    case unrecorded
    case refused(AuditFailure)
}

/// A shard's part of the audit log. One thread uses it; while records are written nothing is allocated and no lock taken.
final class ShardAudit {
    /// How long an agent may be away, and how long an answer waits for it (TRUST 4.5).
    static let patience: Int64 = 2_000_000_000

    let settings: AuditSettings
    /// The field of the metadata, or the label, that names a call's subject; empty: neither does.
    let subjectName: OwnedBytes
    let listener: PacketListener
    var agent: PacketSocket?
    let ring: Int
    let rings: Int
    var writer: RecordRingWriter
    var receipts = ReceiptTable()
    var packet = ByteQueue()
    var isGreeted = false
    /// Since when there is none, on the shard's clock; `nil`: there is one.
    var agentGoneSince: Int64?
    private var gaps = AuditFailure.allCases.map { _ in Gap() }
    private var hasGaps = false
    /// Answers that were withheld, and of which the log does not say so yet.
    private var withheld: [UInt64] = []
    /// Texts of the record that is being written.
    var texts = Arena(firstChunkBytes: 4096, bytesMax: 64 << 10)
    /// What records need of streams' messages that are at work.
    var messages = MessagesAtWork()
    var waiting = WaitingAnswers()
    /// What the wall clock shows beyond the shard's, ns.
    var wallOffset: Int64 = 0
    /// Since when every call was refused; `nil`: the last one was not.
    private var closedSince: Int64?
    private var nextLookAtClosed: Int64 = 0

    private struct Gap {
        var count: UInt64 = 0
        var first: UInt64 = 0
        var last: UInt64 = 0
    }

    /// - Parameter now: on the shard's clock.
    init(_ audit: AuditRings, ring: Int, now: Int64) throws(SystemError) {
        settings = audit.settings
        switch settings.subject {
        case .metadata(let name), .label(let name): subjectName = OwnedBytes(name)
        case .none, .principal: subjectName = OwnedBytes("")
        }
        self.ring = ring
        rings = audit.rings.rings
        writer = audit.rings.writer(ring)
        listener = try PacketListener(path: audit.socketPath(of: ring), mode: settings.agentIsAnother ? 0o660 : 0o600)
        agentGoneSince = now
    }

    // MARK: - Records

    /// - Parameter bytes: what the record may take.
    func admit(_ policy: AuditPolicy, bytes: Int, now: Int64) -> AuditAdmission {
        var failure = AuditFailure.ringFull
        if policy.durability == .disk, let since = agentGoneSince, now - since > Self.patience {
            failure = .agentGone
        } else if let credit = writer.reserve(bytes: bytes) {
            closedSince = nil
            return .credit(credit)
        }
        guard policy.otherwise == .open else {
            if closedSince == nil { closedSince = now }
            return .refused(failure)
        }
        missed(failure, at: now)
        return .unrecorded
    }

    private static let closedForLong: Int64 = 5_000_000_000

    /// Whether calls were refused for five seconds, and still are. And when to look again: while it is closed no call may come that
    /// would show that there is room again.
    func hasBeenClosed(now: Int64) -> (Bool, look: Int64?) {
        let isAway = agentGoneSince.map { now - $0 > Self.patience } ?? false
        let mustWait = settings.predictions == AuditPolicy(.disk, .closed)
        if mustWait, isAway, closedSince == nil { closedSince = now }
        guard let since = closedSince else {
            return (false, mustWait && agentGoneSince != nil ? plan(now, Self.patience) : nil)
        }
        if !(mustWait && isAway),
            let credit = writer.reserve(bytes: RecordLayout.callBytes(request: 1024, answer: 1024))
        {
            writer.giveBack(credit)
            closedSince = nil
            return (false, nil)
        }
        return (now - since > Self.closedForLong, plan(now, 1_000_000_000))
    }

    /// At most one look is planned at a time.
    private func plan(_ now: Int64, _ nanoseconds: Int64) -> Int64? {
        guard now >= nextLookAtClosed else { return nil }
        nextLookAtClosed = now + nanoseconds
        return nextLookAtClosed
    }

    func giveBack(_ credit: RecordCredit) { writer.giveBack(credit) }

    /// - Returns: the record's sequence.
    func write(_ call: borrowing RingCall, using credit: RecordCredit) -> UInt64 { writer.write(call, using: credit) }

    /// A call goes unrecorded, by the policy `open`.
    func missed(_ failure: AuditFailure, at now: Int64) {
        let time = UInt64(max(0, now + wallOffset))
        if gaps[failure.rawValue].count == 0 { gaps[failure.rawValue].first = time }
        gaps[failure.rawValue].count += 1
        gaps[failure.rawValue].last = time
        hasGaps = true
    }

    /// Its answer did not leave.
    func withhold(_ sequence: UInt64) { withheld.append(sequence) }

    /// What the log is owed: gaps, and answers that were withheld. As soon as there is room.
    func settleDebts(now: Int64) {
        if !withheld.isEmpty {
            var told = 0
            while told < withheld.count, tell(.withheld, now: now, number: withheld[told]) { told += 1 }
            withheld.removeFirst(told)
        }
        guard hasGaps else { return }
        hasGaps = false
        for failure in AuditFailure.allCases where gaps[failure.rawValue].count > 0 {
            if tell(.gap, now: now, number: 0, failure) {
                gaps[failure.rawValue] = Gap()
            } else {
                hasGaps = true
            }
        }
    }

    /// Message Gap or Withheld of vencejo.audit.v1. - Returns: whether there was room.
    private func tell(_ kind: RecordKind, now: Int64, number: UInt64, _ failure: AuditFailure = .ringFull) -> Bool {
        defer { texts.reset() }
        do throws(ArenaFull) {
            var message = try WireWriter(headroom: 0, expectedBytes: 64, in: &texts)
            if kind == .withheld {
                try message.number(1, number, in: &texts)
            } else {
                let gap = gaps[failure.rawValue]
                try message.string(1, ByteView("call"), in: &texts)
                try message.string(2, ByteView(failure.name), in: &texts)
                try message.number(3, gap.count, in: &texts)
                try message.fixed64(4, gap.first, in: &texts)
                try message.fixed64(5, gap.last, in: &texts)
            }
            let payload = try message.whole(headroom: 0, in: &texts)
            return record(kind, now: now, payload) != nil
        } catch {
            return false
        }
    }

    /// Writes what is no call. - Parameter payload: the event's protobuf message.
    /// - Returns: its sequence; `nil`: there is no room for it, or it is larger than a record may be.
    func record(_ kind: RecordKind, now: Int64, _ payload: ByteView) -> UInt64? {
        guard payload.count <= RecordLayout.eventBytesMax,
            let credit = writer.reserve(bytes: RecordLayout.eventBytes(payload: payload.count))
        else { return nil }
        let time = UInt64(max(0, now + wallOffset))
        return writer.write(kind, startUnixNanoseconds: time, payload: payload, using: credit)
    }

    /// All records up to this one are durable.
    var durable: UInt64 { receipts.sequence }

    /// The record's entry in the log; `nil`: it is not durable, or too old.
    func index(of sequence: UInt64) -> UInt64? { receipts.index(of: sequence) }

    /// `nil`: as `index`.
    func receipt(of sequence: UInt64, in arena: inout Arena) throws(ArenaFull) -> ByteView? {
        try receipts.receipt(of: sequence, in: &arena)
    }

    // MARK: - Answers that wait

    /// The next one that may leave: its record is durable, or its time is over.
    func nextToLeave(now: Int64) -> WaitingAnswer? { waiting.next(durable: durable, now: now) }

    /// Those of an exchange will not leave: the log is told.
    func withholdAll(of exchange: Pinned<Exchange>) { waiting.withhold(exchange) { withhold($0) } }
}
