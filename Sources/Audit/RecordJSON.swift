// Enters: a message's bytes and what its fields are called. Leaves: a JSON object, fields in ascending order; unknown ones left out.
internal import Memory
internal import Protobuf

/// A record or a payload as JSON: bytes in hexadecimal, 64-bit integers as integers, fields by their names in the proto.
public enum RecordJSON {
    /// The record without `sealed`; `nil`: these bytes are no record.
    public static func record(_ plaintext: [UInt8]) -> String? {
        var fields = RecordSchema.record
        fields[30] = nil
        return object(plaintext, fields)
    }

    /// What `sealed` holds, opened.
    public static func payload(_ plaintext: [UInt8]) -> String? { object(plaintext, RecordSchema.payload) }

    private static func object(_ bytes: [UInt8], _ fields: MessageFields) -> String? {
        ByteView.lending(bytes) { view in
            do throws(WireError) { return try object(WireReader(view), fields) } catch { return nil }
        }
    }

    private static func object(_ message: WireReader, _ fields: MessageFields) throws(WireError) -> String {
        var reader = message
        // By number: repeated fields collect, of others the last one counts.
        var found: [Int: [String]] = [:]
        while let field = try reader.next() {
            guard let kind = fields[field.number]?.kind else { continue }
            let text = try value(field, kind)
            if kind.isRepeated { found[field.number, default: []].append(text) } else { found[field.number] = [text] }
        }
        let members = found.keys.sorted().map { number in
            let (name, kind) = fields[number] ?? ("", .bytes)
            let texts = (found[number] ?? []).joined(separator: ",")
            return "\"\(name)\":" + (kind.isMap ? "{\(texts)}" : kind.isRepeated ? "[\(texts)]" : texts)
        }
        return "{\(members.joined(separator: ","))}"
    }

    private static func value(_ field: WireField, _ kind: FieldKind) throws(WireError) -> String {
        switch kind {
        case .unsigned: return String(try field.unsigned())
        case .signed: return String(try field.signed())
        case .bool: return String(try field.bool())
        case .fixed64:
            let bytes = try field.fixedElements(8)
            return bytes.count == 8 ? String(bytes.littleEndian(at: 0, as: UInt64.self)) : "0"
        case .text, .texts: return quoted(try field.string().text)
        case .bytes: return quoted(try field.bytes().array.hex)
        case .message(let fields), .messages(let fields): return try object(field.message(), fields)
        case .map:
            var (entry, key, text) = (try field.message(), "", "")
            while let part = try entry.next() {
                if part.number == 1 { key = try part.string().text }
                if part.number == 2 { text = try part.string().text }
            }
            return "\(quoted(key)):\(quoted(text))"
        }
    }

    /// RFC 8259, section 7: what must be escaped, and nothing else.
    static func quoted(_ text: String) -> String {
        var out = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": out += "\\\""
            case "\\": out += "\\\\"
            case "\n": out += "\\n"
            case "\t": out += "\\t"
            case "\r": out += "\\r"
            case _ where scalar.value < 0x20:
                out += "\\u00" + [UInt8(truncatingIfNeeded: scalar.value)].hex
            default: out.unicodeScalars.append(scalar)
            }
        }
        return out + "\""
    }
}

extension FieldKind {
    fileprivate var isMap: Bool { if case .map = self { true } else { false } }
    fileprivate var isRepeated: Bool {
        switch self {
        case .texts, .messages, .map: true
        default: false
        }
    }
}
