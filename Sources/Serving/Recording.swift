// Enters: a call that ends, and how. Leaves: its record in the shard's ring. The only place that says what a record holds.
import GRPC
import HTTP2
import Memory
import Models
import OpenInference
import PredictionAPI
import RecordRing
import ServerMetrics
import Spans
import Tensors

/// How a call, or a message of a stream, ended (TRUST 4.1, Call.verdict).
enum AuditVerdict: UInt8 {
    case answered = 1
    case runFailed, access, quota, input, limit, expired, cancelled
}

/// What a record says of a call's end.
struct CallEnding {
    var verdict: AuditVerdict
    var status: StatusCode
    var reason = ByteView.empty
    /// The answer's message; `nil`: there was none, or it stands in another record.
    var answer: ByteView?
    var answerBytes = 0

    static let cancelled = CallEnding(verdict: .cancelled, status: .cancelled)

    static func answered(_ answer: ByteView?, bytes: Int) -> CallEnding {
        CallEnding(verdict: .answered, status: .ok, answer: answer, answerBytes: bytes)
    }

    static func refused(_ refusal: Refusal) -> CallEnding {
        CallEnding(
            verdict: refusal.verdict, status: refusal.status, reason: refusal.rejection?.view ?? .empty, answer: nil)
    }
}

extension Shard {
    /// A message is here; of a stream, another one.
    func beginAudit(_ message: ByteView, of exchange: Exchange, isStreamed: Bool) {
        guard audit != nil else { return }
        audits[exchange.seat].begin(message, isStreamed: isStreamed)
    }

    func noteAsked(_ call: Call, of exchange: Exchange) {
        guard audit != nil else { return }
        audits[exchange.seat].message.note(call)
    }

    /// Takes room for the record of a call that is to run.
    func takeCredit(_ exchange: Exchange, _ call: Call, _ work: Work, _ lease: Lease<Servable>) throws(Refusal) {
        guard let audit = pinnedAudit else { return }
        audits[exchange.seat].message.shareMillionths = lease.shareMillionths
        let requestBytes = audits[exchange.seat].message.request.count
        let answerBytes = lease.model.with { $0.answerBytes(work, call.form, requestBytes: requestBytes) }
        try audit.with { (audit) throws(Refusal) in try takeCredit(exchange, answerBytes: answerBytes, audit) }
    }

    /// - Parameter answerBytes: `nil`: it is not known how many they will be.
    func takeCredit(_ exchange: Exchange, answerBytes: Int?, _ audit: ShardAudit) throws(Refusal) {
        let seat = exchange.seat
        guard audits[seat].message.credit == nil, !audits[seat].message.isUnrecorded else { return }
        guard let policy = audit.settings.policy(of: rpcs[seat].method) else { return }
        let bytes = RecordLayout.callBytes(
            labels: audits[seat].message.labels.recordBytes, request: audits[seat].message.request.count,
            answer: answerBytes)
        switch audit.admit(policy, bytes: bytes, now: now) {
        case .credit(let credit): audits[seat].message.credit = credit
        case .unrecorded: audits[seat].message.isUnrecorded = true
        case .refused(let failure): throw .unaudited(failure)
        }
    }

    /// Writes the record of the exchange's call, or of the message that is answered. `nil`: it has no credit.
    ///
    /// - Parameter call: what was measured of it.
    func writeRecord(
        _ exchange: Exchange, _ caller: CallerViews, _ call: CallRecord, method: ByteView, _ ending: CallEnding
    ) -> UInt64? {
        guard let audit = pinnedAudit, let credit = audits[exchange.seat].message.credit else { return nil }
        audits[exchange.seat].message.credit = nil
        return audit.with { write(exchange, caller, call, method: method, ending, $0, using: credit) }
    }

    private func write(
        _ exchange: Exchange, _ caller: CallerViews, _ call: CallRecord, method: ByteView, _ ending: CallEnding,
        _ audit: ShardAudit, using credit: RecordCredit
    ) -> UInt64 {
        let seat = exchange.seat
        defer { audit.texts.reset() }
        var record = RingCall()
        record.startUnixNanoseconds = UInt64(max(0, call.began + audit.wallOffset))
        record.method = method
        record.auth = caller.auth
        record.principal = caller.principal
        record.credential = caller.credential
        record.peer = caller.peer
        record.verdict = ending.verdict.rawValue
        record.status = ending.status.rawValue
        record.reason = ending.reason
        record.totalNanoseconds = UInt64(max(0, max(now, call.ranUntil) - call.began))
        if call.ranUntil > 0 {
            record.readNanoseconds = UInt64(max(0, call.gathered - call.began))
            record.queueNanoseconds = UInt64(max(0, call.ranFrom - call.gathered))
            record.runNanoseconds = UInt64(max(0, call.ranUntil - call.ranFrom))
        }
        record.routingKey = rpcs[seat].routingKey ?? 0
        if rpcs[seat].hasTraceparent, let trace = trace(of: exchange) {
            (record.traceHigh, record.traceLow) = (trace.traceID.high, trace.traceID.low)
        }
        let (request, digests) = (audits[seat].message.request, audits[seat].digests)
        record.requestBytes = UInt64(request.count)
        record.request = .of(request, digests.request)
        record.answerBytes = UInt64(max(0, ending.answerBytes))
        record.answer =
            ending.answerBytes > RecordLayout.bodyBytesMax
            ? .of(digest: digests.answer) : .of(ending.answer ?? .empty, .empty)
        audit.fill(&record, audits[seat], exchange)
        let sequence = audit.write(record, using: credit)
        audits[seat].sequence = sequence
        return sequence
    }
}

extension ShardAudit {
    /// What was asked for, which version answered, and for which subject.
    fileprivate func fill(_ record: inout RingCall, _ audited: AuditedCall, _ exchange: Exchange) {
        record.message = audited.message.number
        record.requestID = audited.message.id
        record.asked = asked(audited.message)
        if let provenance = audited.provenance {
            record.model = provenance.model
            record.version = provenance.version
            record.slot = provenance.slot?.rawValue ?? 0
            record.artifact = provenance.artifactDigest
            record.epoch = provenance.epoch
            record.rows = audited.rows
            record.batch = audited.batch
            record.batchRows = audited.batchRows
            record.batchFirst = audited.batchFirst
            record.draw = audited.draw
            record.sharePPM = audited.message.shareMillionths
            record.exposure = audited.exposure
        }
        let labels = audited.message.labels
        if !labels.isEmpty {
            // They have their room: the arena is larger than all that the API takes.
            record.labels =
                (try? RecordLabels(labels.count, in: &texts) {
                    RecordLabel(name: labels[$0].key, value: labels[$0].value)
                }) ?? .empty
        }
        switch settings.subject {
        case .none: break
        case .principal: record.subject = record.principal
        case .metadata: record.subject = exchange.head.fields.first(named: subjectName.view)
        case .label:
            for index in labels.indices where labels[index].key == subjectName.view {
                record.subject = labels[index].value
            }
        }
    }

    /// As a client writes it: `iris`, `iris@7`, `iris:stable`, `iris/green`.
    private func asked(_ message: AuditedMessage) -> ByteView {
        let name: ByteView
        let mark: StaticString
        do throws(ArenaFull) {
            switch message.selector {
            case .live: return message.model
            case .number(let number): (mark, name) = ("@", try texts.copy("\(number)"))
            case .label(let label): (mark, name) = (":", label)
            case .slot(let slot): (mark, name) = ("/", ByteView(slot.name))
            }
            let bytes = message.model.count + 1 + name.count
            return try texts.join(bytes, alignment: 1, 3) { $0 == 0 ? message.model : $0 == 1 ? ByteView(mark) : name }
        } catch {
            return message.model
        }
    }
}

extension RecordBody {
    fileprivate static func of(_ message: ByteView, _ digest: ByteView) -> RecordBody {
        if message.count <= RecordLayout.bodyBytesMax { return message.isEmpty ? .none : .copy(message) }
        return of(digest: digest)
    }

    fileprivate static func of(digest: ByteView) -> RecordBody { digest.isEmpty ? .none : .digest(digest) }
}

extension List<Label> {
    /// Encoded, in a record.
    fileprivate var recordBytes: Int {
        var bytes = 0
        for index in indices { bytes += 4 + self[index].key.count + self[index].value.count }
        return bytes
    }
}

extension List<Field> {
    fileprivate func first(named name: ByteView) -> ByteView {
        for index in indices where self[index].name == name { return self[index].value }
        return .empty
    }
}

extension RejectReason {
    /// The metrics' name.
    fileprivate var view: ByteView { ByteView(literal) }
}

extension Refusal {
    var verdict: AuditVerdict {
        switch self {
        case .run: .runFailed
        case .notHere: .access
        case .queueFull, .tooManyErrands, .memoryFull: .quota
        case .headTooLarge, .connectionBodies, .arena, .frame(.tooLarge), .prediction(.arena), .openInference(.arena),
            .signature(.arena), .draining, .lease(.loading), .lease(.failed), .unaudited:
            .limit
        case .deadlinePassed, .tooLate, .noProgress: .expired
        default: .input
        }
    }
}
