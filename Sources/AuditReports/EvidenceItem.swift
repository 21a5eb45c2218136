// Enters: a record, and what the log says around it. Leaves: what sections choose from and columns show.

/// What an item is about: the event of a record, or what records say together.
enum Topic: Hashable, Sendable {
    case call, admin, refused, gap, withheld, server, log, clock, keys, erasure, hold, retention, alarm
    /// From the record of a server's end to that of the next one's start.
    case outage

    init(_ kind: EventKind) {
        self =
            switch kind {
            case .call: .call
            case .admin: .admin
            case .refused: .refused
            case .gap: .gap
            case .withheld: .withheld
            case .server: .server
            case .log: .log
            case .clock: .clock
            case .keys: .keys
            case .erasure: .erasure
            case .hold: .hold
            case .retention: .retention
            case .alarm: .alarm
            }
    }
}

/// How well the clock was known when a record was made.
enum ClockState: Sendable {
    case unknown
    case within
    case outside
}

/// Whether a record belongs to the subject of the report.
enum SubjectMatch: Sendable {
    /// No subject is asked for, or it is another's.
    case none
    /// Its payload does not open.
    case closed
    case open(OpenedPayload)
}

struct EvidenceItem: Sendable {
    let topic: Topic
    /// The record that the row rests on; of an order its outcome.
    let record: EventRecord
    /// The other one: of an order its intent, of an outage the start behind it.
    var related: EventRecord?
    /// Nanoseconds since 1970. `nil` at the end: it lasts.
    let from: UInt64
    let until: UInt64?
    /// Of an outage.
    var cause = ""
    var clock = ClockState.unknown
    var subject = SubjectMatch.none

    /// A record by itself.
    init(_ record: EventRecord) {
        (topic, self.record) = (Topic(record.kind), record)
        switch record.kind {
        case .gap: (from, until) = Self.span(record, GapField.first, GapField.last)
        case .refused: (from, until) = Self.span(record, RefusedField.first, RefusedField.last)
        default: (from, until) = (record.time, record.time)
        }
    }

    /// An order of which the outcome is known.
    init(outcome: EventRecord, intent: EventRecord) {
        (topic, record, related) = (.admin, outcome.completed(by: intent), intent)
        (from, until) = (intent.time, outcome.time)
    }

    init(outage cause: String, by record: EventRecord, until start: EventRecord?, from: UInt64, until: UInt64?) {
        (topic, self.record, related, self.cause) = (.outage, record, start, cause)
        (self.from, self.until) = (from, until)
    }

    private static func span(
        _ record: EventRecord, _ first: some EventField, _ last: some EventField
    ) -> (UInt64, UInt64?) {
        let (first, last) = (record.number(first), record.number(last))
        return (first == 0 ? record.time : first, last == 0 ? record.time : last)
    }
}

extension EvidenceItem {
    /// A verb of orders on models, as the control plane spells them.
    enum Verb {
        static let changes: Set<String> = ["load", "swap", "rollback", "label", "weights", "promote"]
        static let tests: Set<String> = ["shadow", "rollout", "experiment"]
        static let killSwitches: Set<String> = ["unload", "abort"]
        static let interventions: Set<String> = ["promote", "abort", "rollback"]
        static let returns: Set<String> = ["abort", "rollback"]
        static let models = changes.union(tests).union(killSwitches)
    }

    var verb: String { record.text(AdminField.verb) }
    var isDone: Bool { record.number(AdminField.phase) == 2 }
    var isAutomatic: Bool { record.flag(AdminField.automatic) }
    var changes: [ModelChange] { record.elements(AdminField.changes).map(ModelChange.init) }
    var isAnswered: Bool { record.number(CallField.verdict) == 1 }
    var isSubject: Bool { if case .none = subject { false } else { true } }

    var result: String {
        switch record.number(AdminField.phase) {
        case 2: "done"
        case 3: "failed"
        default: "no outcome"
        }
    }

    /// Made in a hurry, or by its reason said to be: a way back, a forced stop, a rollout's own verdict.
    var isEmergency: Bool {
        isAutomatic || Verb.returns.contains(verb) || record.text(AdminField.reason).lowercased().contains("emergency")
    }

    /// Whether the maker of what changed is another than the operator that put it live.
    var separation: Cell {
        let makers = changes.map(\.maker)
        let principal = record.text(AdminField.principal)
        if makers.contains(where: { !$0.isEmpty && $0 == principal }) { return .mark("the same") }
        return makers.isEmpty || makers.contains("") ? .text("unknown") : .text("two")
    }
}
