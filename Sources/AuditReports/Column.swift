// Enters: a name and a field. Leaves: a column of a table, for every profile that wants it.

/// A column: its name in JSON, which Markdown shows with spaces, and its value for an item.
struct Column: Sendable {
    let name: String
    let value: @Sendable (EvidenceItem) -> Cell

    init(_ name: String, _ value: @escaping @Sendable (EvidenceItem) -> Cell) {
        (self.name, self.value) = (name, value)
    }

    static func text(_ name: String, _ field: some EventField) -> Column {
        Column(name) { .text($0.record.text(field)) }
    }

    static func number(_ name: String, _ field: some EventField) -> Column {
        Column(name) { .number($0.record.number(field)) }
    }

    static func signed(_ name: String, _ field: some EventField) -> Column {
        Column(name) { .signed(Int64(bitPattern: $0.record.number(field))) }
    }

    static func hexadecimal(_ name: String, _ field: some EventField) -> Column {
        Column(name) { .hexadecimal($0.record.bytes(field)) }
    }

    static func flag(_ name: String, _ field: some EventField) -> Column {
        Column(name) { .flag($0.record.flag(field)) }
    }

    static func texts(_ name: String, _ field: some EventField) -> Column {
        Column(name) { item in
            .texts(item.record.elements(field).map { String(decoding: $0, as: UTF8.self) })
        }
    }

    /// A number that stands for a word; the first word is that of 0.
    static func words(_ name: String, _ field: some EventField, _ words: [String]) -> Column {
        Column(name) { item in
            let number = item.record.number(field)
            return .text(number < UInt64(words.count) ? words[Int(number)] : "\(number)")
        }
    }
}

extension Column {
    static let time = Column("time") { .time($0.record.time) }
    static let from = Column("from") { .time($0.from) }
    static let until = Column("until") { $0.until.map { .time($0) } ?? .mark("lasts") }
    static let length = Column("length_nanoseconds") { item in
        guard let until = item.until else { return .none }
        return .nanoseconds(until > item.from ? until - item.from : 0)
    }
    static let clock = Column("clock") { item in
        switch item.clock {
        case .unknown: .text("unknown")
        case .within: .text("within")
        case .outside: .mark("outside")
        }
    }

    // MARK: Calls

    static let model = text("model", CallField.model)
    static let version = signed("version", CallField.version)
    static let artifact = hexadecimal("artifact", CallField.artifact)
    static let verdict = words(
        "verdict", CallField.verdict,
        ["unknown", "answered", "run failed", "access", "quota", "input", "limit", "expired", "cancelled"])
    static let callDetail = [
        time, text("method", CallField.method), text("principal", CallField.principal), text("asked", CallField.asked),
        model, version, artifact, verdict, hexadecimal("request_digest", CallField.requestDigest),
        hexadecimal("answer_digest", CallField.answerDigest),
    ]

    // MARK: Orders

    static let verb = text("verb", AdminField.verb)
    static let result = Column("result") { $0.isDone ? .text($0.result) : .mark($0.result) }
    static let principal = text("principal", AdminField.principal)
    static let author = text("author", AdminField.author)
    static let reason = text("reason", AdminField.reason)
    static let changes = Column("changes") { .changes($0.changes) }
    static let steps = texts("steps", AdminField.steps)
    static let error = text("error", AdminField.error)
    static let automatic = flag("automatic", AdminField.automatic)
    static let order = [time, verb, result, principal, author, reason, changes, steps, error]
}
