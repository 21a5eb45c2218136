// Enters: a record's plaintext. Leaves: its fields by name, as JSON.
internal import Memory
internal import Protobuf

/// The messages of vencejo.audit.v1 (proto/vencejo/audit/v1/audit.proto), as far as names and kinds go.
indirect enum FieldKind: Sendable {
    case unsigned, signed, bool, fixed64, text, bytes
    case message([Int: (name: String, kind: FieldKind)])
    case texts
    case messages([Int: (name: String, kind: FieldKind)])
    /// From a string to a string.
    case map
}

typealias MessageFields = [Int: (name: String, kind: FieldKind)]

enum RecordSchema {
    static let record: MessageFields = [
        1: ("time", .fixed64), 2: ("source", .message(source)), 3: ("call", .message(call)),
        4: ("admin", .message(admin)), 5: ("refused", .message(refused)), 6: ("gap", .message(gap)),
        7: ("withheld", .message([1: ("sequence", .unsigned)])), 8: ("server", .message(server)),
        9: ("log", .message(log)), 10: ("clock", .message(clock)),
        11: ("keys", .message([1: ("purpose", .text), 2: ("kid", .text), 3: ("action", .text)])),
        12: ("erasure", .message(erasure)), 13: ("hold", .message(hold)), 14: ("retention", .message(retention)),
        15: ("alarm", .message([1: ("name", .text), 2: ("text", .text)])), 30: ("sealed", .message(sealed)),
        31: ("blind", .bytes),
    ]
    static let payload: MessageFields = [
        1: ("salt", .bytes), 2: ("request_id", .text), 3: ("labels", .map), 4: ("peer", .text),
        5: ("routing_key", .fixed64), 6: ("findings", .texts), 7: ("request", .bytes), 8: ("answer", .bytes),
    ]

    private static let source: MessageFields = [
        1: ("instance", .fixed64), 2: ("ring", .unsigned), 3: ("sequence", .unsigned),
    ]
    private static let sealed: MessageFields = [1: ("key", .bytes), 2: ("data", .bytes)]
    private static let call: MessageFields = [
        1: ("method", .text), 2: ("principal", .text), 3: ("auth", .unsigned), 4: ("credential", .text),
        5: ("verdict", .unsigned), 6: ("status", .unsigned), 7: ("reason", .text), 8: ("asked", .text),
        9: ("model", .text), 10: ("version", .signed), 11: ("slot", .unsigned), 12: ("artifact", .bytes),
        13: ("epoch", .unsigned), 14: ("read", .unsigned), 15: ("queue", .unsigned), 16: ("run", .unsigned),
        17: ("total", .unsigned), 18: ("request_bytes", .unsigned), 19: ("answer_bytes", .unsigned),
        20: ("request_digest", .bytes), 21: ("answer_digest", .bytes), 22: ("rows", .unsigned),
        23: ("batch", .fixed64), 24: ("batch_rows", .unsigned), 25: ("batch_first", .unsigned),
        26: ("imputed", .unsigned), 27: ("clipped", .unsigned), 28: ("outliers", .unsigned), 29: ("cache", .unsigned),
        30: ("fallback", .unsigned), 31: ("draw", .unsigned), 32: ("share_ppm", .unsigned),
        33: ("exposure", .unsigned), 34: ("message", .unsigned), 35: ("trace", .bytes),
        36: ("clock_error", .unsigned),
    ]
    private static let change: MessageFields = [
        1: ("model", .text), 2: ("from", .signed), 3: ("to", .signed), 4: ("artifact", .bytes), 5: ("maker", .text),
    ]
    private static let admin: MessageFields = [
        1: ("phase", .unsigned), 2: ("intent", .unsigned), 3: ("verb", .text), 4: ("principal", .text),
        5: ("auth", .unsigned), 6: ("credential", .text), 7: ("author", .text), 8: ("reason", .text),
        9: ("changes", .messages(change)), 10: ("steps", .texts), 11: ("epoch", .unsigned), 12: ("before", .bytes),
        13: ("after", .bytes), 14: ("error", .text), 15: ("automatic", .bool),
    ]
    private static let refused: MessageFields = [
        1: ("reason", .text), 2: ("network", .text), 3: ("listener", .text), 4: ("count", .unsigned),
        5: ("first", .fixed64), 6: ("last", .fixed64),
    ]
    private static let gap: MessageFields = [
        1: ("kind", .text), 2: ("reason", .text), 3: ("count", .unsigned), 4: ("first", .fixed64),
        5: ("last", .fixed64),
    ]
    private static let server: MessageFields = [
        1: ("phase", .unsigned), 2: ("instance", .bytes), 3: ("version", .text), 4: ("runtime", .text),
        5: ("options", .texts), 6: ("host", .text),
    ]
    private static let log: MessageFields = [
        1: ("reason", .unsigned), 2: ("agent", .text), 3: ("previous_log", .bytes), 4: ("previous_size", .unsigned),
        5: ("previous_root", .bytes), 6: ("anchor_size", .unsigned),
    ]
    private static let clock: MessageFields = [
        1: ("status", .unsigned), 2: ("max_error", .unsigned), 3: ("est_error", .unsigned), 4: ("step", .unsigned),
        5: ("stepped_back", .bool),
    ]
    private static let erasure: MessageFields = [
        1: ("phase", .unsigned), 2: ("subject", .bytes), 3: ("keys", .unsigned), 4: ("principal", .text),
        5: ("reason", .text),
    ]
    private static let hold: MessageFields = [
        1: ("lifted", .bool), 2: ("subject", .bytes), 3: ("principal", .text), 4: ("reason", .text),
    ]
    private static let retention: MessageFields = [
        1: ("oldest_seq", .unsigned), 2: ("oldest_entry", .unsigned), 3: ("oldest_period", .unsigned),
        4: ("principal", .text), 5: ("policy", .text), 6: ("oldest_log", .unsigned),
    ]
}
