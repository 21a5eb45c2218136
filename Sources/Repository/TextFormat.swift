// Enters: bytes of protobuf's text format. Leaves: fields with their lines, or the line at which it is none.

/// A message in protobuf's text format: its fields in order, a list's elements as fields of the same name.
///
/// Source: protobuf's text format specification. Extensions and `Any` are not read: Triton's configurations have none.
public struct TextMessage: Equatable, Sendable {
    public struct Field: Equatable, Sendable {
        let name: String
        let line: Int
        let value: TextValue

        init(name: String, line: Int, value: TextValue) { (self.name, self.line, self.value) = (name, line, value) }

        /// That stands in no file.
        public init(_ name: String, _ value: TextValue) { self.init(name: name, line: 0, value: value) }
    }

    /// Deeper than any configuration, and far from the stack's end.
    static let depthMax = 32
    static let fieldsMax = 100_000

    var fields: [Field] = []
    /// Where it begins.
    var line = 1

    init(line: Int = 1) { self.line = line }

    init(parsing bytes: [UInt8]) throws(TextFormatError) {
        var parser = TextParser(bytes: bytes)
        self = try parser.message(until: nil, depth: 0)
    }
}

public enum TextValue: Equatable, Sendable {
    /// A number, `true` or the name of an enumerator, as it was written.
    case word(String)
    case string(String)
    /// Of JSON, which writes words in quotes too.
    case either(String)
    case message(TextMessage)
}

struct TextFormatError: Error, Equatable {
    let line: Int
    let sentence: String
}

private struct TextParser {
    let bytes: [UInt8]
    private var index = 0
    private var line = 1
    private var fields = 0

    init(bytes: [UInt8]) { self.bytes = bytes }

    private func error(_ sentence: String) -> TextFormatError { TextFormatError(line: line, sentence: sentence) }

    /// The next byte that is neither space nor comment; `nil`: the end.
    private mutating func next() -> UInt8? {
        while index < bytes.count {
            switch bytes[index] {
            case UInt8(ascii: "\n"):
                line += 1
                index += 1
            case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\r"): index += 1
            case UInt8(ascii: "#"):
                while index < bytes.count, bytes[index] != UInt8(ascii: "\n") { index += 1 }
            default: return bytes[index]
            }
        }
        return nil
    }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard next() == UInt8(ascii: character) else { return false }
        index += 1
        return true
    }

    /// What stands there, for a sentence.
    private mutating func found() -> String {
        guard let byte = next() else { return "the file's end" }
        return (0x21..<0x7f).contains(byte) ? "'\(Unicode.Scalar(byte))'" : "byte \(byte)"
    }

    /// The fields up to `close`; `nil`: the file's end.
    mutating func message(until close: Unicode.Scalar?, depth: Int) throws(TextFormatError) -> TextMessage {
        guard depth <= TextMessage.depthMax else { throw error("messages are nested more than 32 deep") }
        var message = TextMessage(line: line)
        while true {
            if let close {
                if take(close) { return message }
                if next() == nil { throw error("the message of line \(message.line) is not closed by '\(close)'") }
            } else if next() == nil {
                return message
            }
            try field(into: &message, depth)
            if !take(",") { _ = take(";") }
        }
    }

    private mutating func field(into message: inout TextMessage, _ depth: Int) throws(TextFormatError) {
        let name = word()
        guard let first = name.utf8.first, Self.isLetter(first) else {
            throw error(
                "the name of a field is expected, not \(name.isEmpty ? found() : "'\(Layout.printable(name))'")")
        }
        let begin = line
        let hasColon = take(":")
        let opening = next()
        // Only messages and lists of them may go without.
        guard hasColon || opening.map("{<[".utf8.contains) ?? false else {
            throw error("':' or '{' is expected after '\(Layout.printable(name))', not \(found())")
        }
        guard take("[") else { return try add(name, begin, try value(depth), to: &message) }
        if take("]") { return }
        while true {
            let element = try value(depth)
            if !hasColon, case .message = element {
            } else if !hasColon {
                throw error("':' is expected after '\(Layout.printable(name))', before a list of values")
            }
            try add(name, begin, element, to: &message)
            if take("]") { return }
            guard take(",") else { throw error("a comma or ']' is expected in the list, not \(found())") }
        }
    }

    private mutating func add(
        _ name: String, _ line: Int, _ value: TextValue, to message: inout TextMessage
    ) throws(TextFormatError) {
        fields += 1
        guard fields <= TextMessage.fieldsMax else { throw error("more than \(TextMessage.fieldsMax) fields") }
        message.fields.append(TextMessage.Field(name: name, line: line, value: value))
    }

    private mutating func value(_ depth: Int) throws(TextFormatError) -> TextValue {
        if take("{") { return .message(try message(until: "}", depth: depth + 1)) }
        if take("<") { return .message(try message(until: ">", depth: depth + 1)) }
        if let quote = next(), quote == UInt8(ascii: "\"") || quote == UInt8(ascii: "'") {
            var content: [UInt8] = []
            // Strings side by side are one.
            while let quote = next(), quote == UInt8(ascii: "\"") || quote == UInt8(ascii: "'") {
                index += 1
                try string(until: quote, into: &content)
            }
            guard let text = String(validating: content, as: UTF8.self) else { throw error("a string is not UTF-8") }
            return .string(text)
        }
        let text = word()
        guard !text.isEmpty else { throw error("a value is expected, not \(found())") }
        return .word(text)
    }

    private mutating func word() -> String {
        guard next() != nil else { return "" }
        let start = index
        while index < bytes.count, Self.isWord(bytes[index]) { index += 1 }
        return String(decoding: bytes[start..<index], as: UTF8.self)
    }

    private static func isLetter(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20) || byte == UInt8(ascii: "_")
    }

    private static func isWord(_ byte: UInt8) -> Bool {
        isLetter(byte) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || byte == UInt8(ascii: ".")
            || byte == UInt8(ascii: "-") || byte == UInt8(ascii: "+")
    }

    // MARK: - Strings

    private mutating func string(until quote: UInt8, into content: inout [UInt8]) throws(TextFormatError) {
        while index < bytes.count, bytes[index] != UInt8(ascii: "\n") {
            let byte = bytes[index]
            index += 1
            if byte == quote { return }
            if byte == UInt8(ascii: "\\") { try escape(into: &content) } else { content.append(byte) }
        }
        throw error("a string does not end on its line")
    }

    private mutating func escape(into content: inout [UInt8]) throws(TextFormatError) {
        guard index < bytes.count else { throw error("a string does not end on its line") }
        let byte = bytes[index]
        index += 1
        switch byte {
        case UInt8(ascii: "n"): content.append(10)
        case UInt8(ascii: "t"): content.append(9)
        case UInt8(ascii: "r"): content.append(13)
        case UInt8(ascii: "\\"), UInt8(ascii: "\""), UInt8(ascii: "'"), UInt8(ascii: "?"): content.append(byte)
        case UInt8(ascii: "0")...UInt8(ascii: "7"):
            index -= 1
            content.append(UInt8(truncatingIfNeeded: digits(base: 8, max: 3) ?? 0))
        case UInt8(ascii: "x"):
            guard let value = digits(base: 16, max: 2) else { throw error("digits are expected after '\\x'") }
            content.append(UInt8(truncatingIfNeeded: value))
        default: throw error("a string has an escape that is not known, '\\' and byte \(byte)")
        }
    }

    private mutating func digits(base: Int, max: Int) -> Int? {
        var value: Int?
        for _ in 0..<max {
            guard index < bytes.count, let digit = Character(Unicode.Scalar(bytes[index])).hexDigitValue, digit < base
            else { break }
            value = (value ?? 0) * base + digit
            index += 1
        }
        return value
    }
}
