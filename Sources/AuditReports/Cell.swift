// Enters: a value of a record. Leaves: it as Markdown and as JSON.
internal import JSON
internal import Memory

/// One value of a row.
enum Cell: Hashable, Sendable {
    case none
    case text(String)
    /// Text that an auditor must not pass over.
    case mark(String)
    case number(UInt64)
    case signed(Int64)
    case hexadecimal([UInt8])
    case flag(Bool)
    /// Nanoseconds since 1970.
    case time(UInt64)
    case nanoseconds(UInt64)
    case texts([String])
    case changes([ModelChange])
    case payload(OpenedPayload)

    var markdown: String {
        switch self {
        case .none: ""
        case .text(let text): Self.escaped(text)
        case .mark(let text): "**\(Self.escaped(text))**"
        case .number(let number): "\(number)"
        case .signed(let number): "\(number)"
        case .hexadecimal(let bytes): bytes.isEmpty ? "" : "`\(bytes.hex)`"
        case .flag(let flag): flag ? "yes" : "no"
        case .time(let time): Timestamp.text(time)
        case .nanoseconds(let duration):
            "\(duration / 1_000_000_000).\(Timestamp.padded(duration % 1_000_000_000, 9)) s"
        case .texts(let texts): texts.map(Self.escaped).joined(separator: "; ")
        case .changes(let changes): changes.map(Self.markdown).joined(separator: "; ")
        case .payload(let payload): Self.escaped("open, request \(payload.requestID)")
        }
    }

    var json: JSONValue {
        switch self {
        case .none: .null
        case .text(let text), .mark(let text): .string(text)
        case .number(let number), .nanoseconds(let number): Self.number(number)
        case .signed(let number): .integer(number)
        case .hexadecimal(let bytes): .string(bytes.hex)
        case .flag(let flag): .bool(flag)
        case .time(let time): .string(Timestamp.text(time))
        case .texts(let texts): .array(texts.map { .string($0) })
        case .changes(let changes): .array(changes.map(Self.json))
        case .payload(let payload): Self.json(payload)
        }
    }

    /// The JSON of our formats has integers up to 2^63 - 1; what is larger is text.
    static func number(_ number: UInt64) -> JSONValue {
        Int64(exactly: number).map { .integer($0) } ?? .string("\(number)")
    }

    /// Text of a foreign hand stays text: no cell, line, link or tag can be made of it.
    static func escaped(_ text: String) -> String {
        var out = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\", "|", "`", "*", "_", "[", "]", "<", ">", "&", "~", "#":
                out += "\\"
                out.unicodeScalars.append(scalar)
            case _ where scalar.value < 0x20 || (0x7f..<0xa0).contains(scalar.value) || isDirection(scalar): out += " "
            default: out.unicodeScalars.append(scalar)
            }
        }
        return out
    }

    /// Line ends of Unicode, and marks that turn the direction in which text is shown.
    private static func isDirection(_ scalar: Unicode.Scalar) -> Bool {
        (0x2028...0x202e).contains(scalar.value) || (0x2066...0x2069).contains(scalar.value)
    }

    private static func markdown(_ change: ModelChange) -> String {
        let artifact = change.artifact.isEmpty ? "" : ", artifact `\(change.artifact.hex)`"
        let maker = change.maker.isEmpty ? "" : ", made by \(escaped(change.maker))"
        return "\(escaped(change.model)) \(change.from) → \(change.to)\(artifact)\(maker)"
    }

    private static func json(_ change: ModelChange) -> JSONValue {
        .object(
            JSONObject([
                ("model", .string(change.model)), ("from", .integer(change.from)), ("to", .integer(change.to)),
                ("artifact", .string(change.artifact.hex)), ("maker", .string(change.maker)),
            ]))
    }

    private static func json(_ payload: OpenedPayload) -> JSONValue {
        let labels = payload.labels.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
        return .object(
            JSONObject([
                ("request_id", .string(payload.requestID)), ("peer", .string(payload.peer)),
                (
                    "labels",
                    .array(
                        labels.map {
                            .object(JSONObject([("name", .string($0.key)), ("value", .string($0.value))]))
                        })
                ),
                ("findings", .array(payload.findings.map { .string($0) })),
                ("request", .string(payload.request.hex)), ("answer", .string(payload.answer.hex)),
            ]))
    }
}
