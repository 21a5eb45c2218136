// Enters: what the agent itself has to tell. Leaves: a record of it, readable with the segment's key alone.
internal import Audit

/// Records of the agent's own: no source, no payload, 32 random bytes.
enum OrderRecord {
    /// One case of the record's `event`.
    struct Event {
        let field: Int
        let body: (inout RecordWriter) -> Void
    }

    static func alarm(_ name: String, _ text: String) -> Event {
        Event(field: 15) { alarm in
            alarm.text(1, name)
            alarm.text(2, text)
        }
    }

    /// Urgent: a checkpoint follows at once.
    static func draft(_ event: Event, now: UInt64, _ random: (Int) -> [UInt8]) -> Draft {
        var record = RecordWriter()
        record.fixed64(1, now)
        record.message(event.field, event.body)
        record.data(31, random(32))
        let bytes = record.bytes
        return Draft(isUrgent: true, plaintext: bytes)
    }
}
