// Enters: a log's records, in order. Leaves: from when until when no server ran.
internal import Memory

/// Pairs the end of a server with the start of the next one. The server that started last counts.
struct OutageTracker {
    private enum Phase {
        static let started: UInt64 = 1
        static let draining: UInt64 = 2
        static let ended: UInt64 = 3
        static let lost: UInt64 = 4
    }

    /// A foreign log may name any number of instances.
    private static let unendedMax = 1024

    private var current: [UInt8]?
    private var end: EventRecord?
    /// Starts before which the server of that instance had not ended. It is a handover if its end follows.
    private var unended: [[UInt8]: EvidenceItem] = [:]
    private var lastTime: UInt64 = 0

    /// - Returns: an outage that `record` ended.
    mutating func pass(_ record: EventRecord) -> EvidenceItem? {
        defer { lastTime = max(lastTime, record.time) }
        guard record.kind == .server else { return nil }
        let instance = record.bytes(ServerField.instance)
        switch record.number(ServerField.phase) {
        case Phase.started: return start(instance, record)
        case Phase.draining: unended[instance] = nil
        case Phase.ended, Phase.lost:
            if record.number(ServerField.phase) == Phase.ended { unended[instance] = nil }
            if instance == current { (end, current) = (record, nil) }
        default: break
        }
        return nil
    }

    /// What never ended, and what is known of starts without an end before.
    func finish() -> [EvidenceItem] {
        let lasting = end.map { EvidenceItem(outage: Self.cause($0), by: $0, until: nil, from: $0.time, until: nil) }
        return Array(unended.values) + (lasting.map { [$0] } ?? [])
    }

    private mutating func start(_ instance: [UInt8], _ record: EventRecord) -> EvidenceItem? {
        defer { (current, end) = (instance, nil) }
        if let end {
            return EvidenceItem(
                outage: Self.cause(end), by: end, until: record, from: end.time, until: max(end.time, record.time))
        }
        if let current, current != instance, unended.count < Self.unendedMax {
            unended[current] = EvidenceItem(
                outage: "no end was recorded", by: record, until: nil, from: min(lastTime, record.time),
                until: record.time)
        }
        return nil
    }

    private static func cause(_ end: EventRecord) -> String {
        end.number(ServerField.phase) == Phase.lost ? "the server was lost" : "the server ended"
    }
}
