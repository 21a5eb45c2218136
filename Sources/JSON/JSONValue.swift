// Enters: the parts of a document. Leaves: a value to take apart, and its bytes.

/// A value of the JSON that Vencejo's own formats are written in: RFC 8259 with integers only, and no name twice.
public enum JSONValue: Equatable, Sendable {
    case null
    case bool(Bool)
    case integer(Int64)
    case string(String)
    case array([JSONValue])
    case object(JSONObject)

    /// What sentences call it.
    public var kind: String {
        switch self {
        case .null: "null"
        case .bool: "a truth value"
        case .integer: "an integer"
        case .string: "a string"
        case .array: "a list"
        case .object: "an object"
        }
    }

    /// UTF-8 without spaces, members in their order. The same value always gives the same bytes.
    public var encoded: [UInt8] {
        var bytes: [UInt8] = []
        write(to: &bytes)
        return bytes
    }

    private func write(to bytes: inout [UInt8]) {
        switch self {
        case .null: bytes += "null".utf8
        case .bool(let value): bytes += (value ? "true" : "false").utf8
        case .integer(let value): bytes += "\(value)".utf8
        case .string(let text): Self.write(text, to: &bytes)
        case .array(let values):
            bytes.append(UInt8(ascii: "["))
            for (index, value) in values.enumerated() {
                if index > 0 { bytes.append(UInt8(ascii: ",")) }
                value.write(to: &bytes)
            }
            bytes.append(UInt8(ascii: "]"))
        case .object(let object):
            bytes.append(UInt8(ascii: "{"))
            for (index, member) in object.members.enumerated() {
                if index > 0 { bytes.append(UInt8(ascii: ",")) }
                Self.write(member.name, to: &bytes)
                bytes.append(UInt8(ascii: ":"))
                member.value.write(to: &bytes)
            }
            bytes.append(UInt8(ascii: "}"))
        }
    }

    /// Escaped is only what has to be (RFC 8259, section 7).
    private static func write(_ text: String, to bytes: inout [UInt8]) {
        let digits = Array("0123456789abcdef".utf8)
        bytes.append(UInt8(ascii: "\""))
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): bytes += [UInt8(ascii: "\\"), byte]
            case 0..<0x20: bytes += Array("\\u00".utf8) + [digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            default: bytes.append(byte)
            }
        }
        bytes.append(UInt8(ascii: "\""))
    }
}

/// An object: members in the order in which they were written, no name twice.
public struct JSONObject: Equatable, Sendable {
    public struct Member: Equatable, Sendable {
        public let name: String
        public let value: JSONValue
    }

    public let members: [Member]

    /// Of the reader, which has looked for names that come twice.
    init(members: [Member]) { self.members = members }

    /// For writing. Traps when a name comes twice: the names are the program's own.
    public init(_ members: [(name: String, value: JSONValue)]) {
        self.members = members.map { Member(name: $0.name, value: $0.value) }
        precondition(Set(members.map { Array($0.name.utf8) }).count == members.count, "a name comes twice")
    }

    /// Names are equal when their bytes are; Swift's `==` would take some different ones for the same.
    public subscript(name: String) -> JSONValue? {
        members.first { $0.name.utf8.elementsEqual(name.utf8) }?.value
    }
}
