// Enters: the entries of one log, in order. Leaves: the sections of a report.
internal import Audit
internal import Cryptography
internal import Memory

/// What records of the period say of the clock.
struct ClockSummary: Sendable {
    var records: UInt64 = 0
    var errorMicrosecondsMax: UInt64 = 0
    var unsynchronised: UInt64 = 0
    var steps: UInt64 = 0
    /// Calls of the period beyond the regime's bound.
    var callsOutside: UInt64 = 0

    mutating func add(_ record: EventRecord) {
        records += 1
        errorMicrosecondsMax = max(errorMicrosecondsMax, record.number(ClockField.maxError))
        if !record.isSynchronised { unsynchronised += 1 }
        if record.hasStep { steps += 1 }
    }
}

/// Reads a log once. What it keeps is bounded by its sections' rows, and by the orders that have no outcome yet.
final class LogCollector {
    private static let pendingMax = 100_000

    private let request: ReportRequest
    private let subject: SubjectKeys?
    private var sections: [SectionCollector]
    private var outages = OutageTracker()
    /// Intents of orders, by index.
    private var pending: [UInt64: EventRecord] = [:]
    private var lastClock: EventRecord?
    private(set) var clock = ClockSummary()
    private(set) var lastRetention: EventRecord?
    /// Of the oldest segment that is here.
    private(set) var firstHeader: SegmentHeader?
    /// Records whose segment's key is not there, and those that cannot be read.
    private(set) var closed: UInt64 = 0
    private(set) var unreadable: UInt64 = 0

    init(_ request: ReportRequest, _ subject: SubjectKeys?) {
        (self.request, self.subject) = (request, subject)
        let rowsMax = request.rows == .all ? Int.max : ReportRequest.rowsMax
        let descriptions =
            request.profile.description.sections
            + SectionDescription.common(clockMicrosecondsMax: request.clockMicrosecondsMax)
        sections = descriptions.filter { request.rows == .all || !$0.isDetail }.map {
            SectionCollector($0, rowsMax: rowsMax)
        }
    }

    func visit(_ entry: LogEntry, _ header: SegmentHeader) {
        firstHeader = firstHeader ?? header
        guard entry.kind == .record else { return }
        guard let plaintext = entry.plaintext else {
            closed += 1
            return
        }
        guard let record = EventRecord(plaintext, EntryReference(index: entry.index, leafHash: entry.leafHash)) else {
            unreadable += 1
            return
        }
        if let outage = outages.pass(record) { offer(outage) }
        switch record.kind {
        case .admin: order(record)
        case .clock:
            lastClock = record
            if request.contains(record.time) { clock.add(record) }
            offer(EvidenceItem(record))
        case .retention:
            lastRetention = record
            offer(EvidenceItem(record))
        case .call: call(record, plaintext, header)
        default: offer(EvidenceItem(record))
        }
    }

    func finish() -> [ReportSection] {
        for outage in outages.finish() { offer(outage) }
        for intent in pending.values.sorted(by: { $0.entry.index < $1.entry.index }) { offer(EvidenceItem(intent)) }
        return sections.map { $0.finish() }
    }

    /// An outcome names its intent; one whose intent is not here stands alone.
    private func order(_ record: EventRecord) {
        let intentPhase: UInt64 = 1
        guard record.number(AdminField.phase) != intentPhase else {
            if pending.count < Self.pendingMax {
                pending[record.entry.index] = record
            } else {
                offer(EvidenceItem(record))
            }
            return
        }
        let intent = pending.removeValue(forKey: record.number(AdminField.intent))
        offer(intent.map { EvidenceItem(outcome: record, intent: $0) } ?? EvidenceItem(record))
    }

    private func call(_ record: EventRecord, _ plaintext: [UInt8], _ header: SegmentHeader) {
        guard request.contains(record.time) else { return }
        var item = EvidenceItem(record)
        if let subject {
            item.subject = subject.match(plaintext, index: record.entry.index, header)
            // A report of one subject shows no other's calls.
            guard item.isSubject else { return }
        }
        offer(item)
    }

    private func offer(_ item: EvidenceItem) {
        guard request.contains(item), isOfSubject(item) else { return }
        var item = item
        item.clock = clockState(item)
        if item.topic == .call, item.clock == .outside { clock.callsOutside += 1 }
        for index in sections.indices { sections[index].offer(item) }
    }

    private func isOfSubject(_ item: EvidenceItem) -> Bool {
        guard let subject else { return true }
        return switch item.topic {
        case .erasure: subject.pseudonyms.contains(item.record.bytes(ErasureField.subject))
        case .hold: subject.pseudonyms.contains(item.record.bytes(HoldField.subject))
        default: true
        }
    }

    /// By the call's own error, else by the clock's last record.
    private func clockState(_ item: EvidenceItem) -> ClockState {
        guard let bound = request.clockMicrosecondsMax else { return .unknown }
        let own = item.record.number(CallField.clockError)
        if own > 0 { return own > bound ? .outside : .within }
        guard let lastClock else { return .unknown }
        return lastClock.isSynchronised && lastClock.number(ClockField.maxError) <= bound ? .within : .outside
    }
}
