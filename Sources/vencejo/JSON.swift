// Enters: JSON text (RFC 8259). Leaves: a value, its numbers as they were written; and the way back.

struct JSONError: Error {
    /// Where it is, and what is expected there.
    let sentence: String
}

/// A JSON value. Numbers stay text: who knows the type that is wanted reads them without loss.
enum JSON {
    case null
    case bool(Bool)
    /// A number; or, on the way out, any JSON text as it stands.
    case literal(String)
    case string(String)
    case array([JSON])
    /// In the order written.
    case object([(key: String, value: JSON)])

    init(parsing bytes: [UInt8]) throws(JSONError) {
        var parser = Parser(bytes: bytes)
        self = try parser.value(depth: 0)
        parser.skipSpace()
        guard parser.index == bytes.count else { throw parser.error("the end is expected") }
    }

    static func number(_ value: some BinaryInteger) -> JSON { .literal("\(value)") }
    static func numbers(_ values: [Int64]) -> JSON { .array(values.map { .literal("\($0)") }) }
    static func strings(_ values: [String]) -> JSON { .array(values.map { .string($0) }) }
}

extension JSON {
    private struct Parser {
        let bytes: [UInt8]
        var index = 0
        /// Deeper than any tensor, and far from the stack's end.
        static let depthMax = 64

        func error(_ expected: String) -> JSONError {
            let found = index < bytes.count ? "byte \(index + 1)" : "its end"
            return JSONError(sentence: "at \(found), \(expected)")
        }

        var next: UInt8? { index < bytes.count ? bytes[index] : nil }

        mutating func skipSpace() {
            while let byte = next, byte == 32 || byte == 9 || byte == 10 || byte == 13 { index += 1 }
        }

        mutating func take(_ character: Unicode.Scalar) -> Bool {
            skipSpace()
            guard next == UInt8(ascii: character) else { return false }
            index += 1
            return true
        }

        mutating func value(depth: Int) throws(JSONError) -> JSON {
            guard depth <= Self.depthMax else { throw error("less than \(Self.depthMax) levels are expected") }
            if take("[") { return .array(try elements(depth)) }
            if take("{") { return .object(try members(depth)) }
            if next == UInt8(ascii: "\"") { return .string(try string()) }
            if let word = word() { return word }
            return .literal(try number())
        }

        /// NaN and its kin are no JSON, but what Python's json writes.
        private mutating func word() -> JSON? {
            func isLetter(_ byte: UInt8) -> Bool { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20) }
            let first = index + (next == UInt8(ascii: "-") ? 1 : 0)
            guard first < bytes.count, isLetter(bytes[first]) else { return nil }
            let end = bytes[first...].firstIndex { !isLetter($0) } ?? bytes.count
            let text = String(decoding: bytes[index..<end], as: UTF8.self)
            let value: JSON
            switch text {
            case "null": value = .null
            case "true": value = .bool(true)
            case "false": value = .bool(false)
            case "NaN", "Infinity", "-Infinity": value = .string(text)
            default: return nil
            }
            index = end
            return value
        }

        private mutating func elements(_ depth: Int) throws(JSONError) -> [JSON] {
            var elements: [JSON] = []
            if take("]") { return elements }
            while true {
                elements.append(try value(depth: depth + 1))
                if take("]") { return elements }
                guard take(",") else { throw error("a comma or ] is expected") }
            }
        }

        private mutating func members(_ depth: Int) throws(JSONError) -> [(key: String, value: JSON)] {
            var members: [(key: String, value: JSON)] = []
            if take("}") { return members }
            while true {
                skipSpace()
                let key = try string()
                guard take(":") else { throw error("a colon is expected") }
                members.append((key, try value(depth: depth + 1)))
                if take("}") { return members }
                guard take(",") else { throw error("a comma or } is expected") }
            }
        }

        private mutating func number() throws(JSONError) -> String {
            let start = index
            func digits(_ index: inout Int) -> Int {
                let start = index
                while index < bytes.count, bytes[index] >= 48, bytes[index] <= 57 { index += 1 }
                return index - start
            }
            if next == UInt8(ascii: "-") { index += 1 }
            guard digits(&index) > 0 else {
                index = start
                throw error("a value is expected (text stands in double quotes)")
            }
            if next == UInt8(ascii: ".") {
                index += 1
                guard digits(&index) > 0 else { throw error("a digit is expected") }
            }
            if next == UInt8(ascii: "e") || next == UInt8(ascii: "E") {
                index += 1
                if next == UInt8(ascii: "+") || next == UInt8(ascii: "-") { index += 1 }
                guard digits(&index) > 0 else { throw error("a digit is expected") }
            }
            return String(decoding: bytes[start..<index], as: UTF8.self)
        }

        private mutating func string() throws(JSONError) -> String {
            guard next == UInt8(ascii: "\"") else { throw error("a text in double quotes is expected") }
            index += 1
            var text: [UInt8] = []
            while let byte = next, byte != UInt8(ascii: "\"") {
                index += 1
                if byte == UInt8(ascii: "\\") { text += Array(String(try escaped()).utf8) } else { text.append(byte) }
            }
            guard next != nil else { throw error("a closing double quote is expected") }
            index += 1
            guard let text = String(validating: text, as: UTF8.self) else { throw error("UTF-8 is expected") }
            return text
        }

        private mutating func escaped() throws(JSONError) -> Unicode.Scalar {
            defer { index += 1 }
            switch next {
            case UInt8(ascii: "n"): return "\n"
            case UInt8(ascii: "t"): return "\t"
            case UInt8(ascii: "r"): return "\r"
            case UInt8(ascii: "b"): return "\u{8}"
            case UInt8(ascii: "f"): return "\u{c}"
            case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(bytes[index])
            case UInt8(ascii: "u"):
                var unit = try hexadecimal()
                // A pair of surrogates is one character.
                if unit >= 0xd800, unit < 0xdc00, index + 2 < bytes.count, bytes[index + 1] == UInt8(ascii: "\\"),
                    bytes[index + 2] == UInt8(ascii: "u")
                {
                    index += 2
                    unit = 0x10000 + (unit - 0xd800) << 10 + (try hexadecimal() &- 0xdc00)
                }
                guard let scalar = Unicode.Scalar(unit) else { throw error("a character is expected, not half of one") }
                return scalar
            default: throw error("one of \\n \\t \\r \\b \\f \\\" \\\\ \\/ \\uXXXX is expected")
            }
        }

        /// The four digits behind the `u` at `index`, which moves to the last of them.
        private mutating func hexadecimal() throws(JSONError) -> UInt32 {
            guard index + 4 < bytes.count,
                let value = UInt32(String(decoding: bytes[index + 1...index + 4], as: UTF8.self), radix: 16)
            else { throw error("four hexadecimal digits are expected") }
            index += 4
            return value
        }
    }
}

extension JSON {
    /// On several lines, keys sorted, a list of plain values on one.
    var pretty: String {
        var text = ""
        write(to: &text, indent: 0)
        return text
    }

    /// The same on one line: one of many.
    var compact: String {
        var text = ""
        write(to: &text, indent: nil)
        return text
    }

    private var isPlain: Bool {
        switch self {
        case .null, .bool, .literal, .string: true
        case .array(let elements): elements.isEmpty
        case .object(let members): members.isEmpty
        }
    }

    /// `indent`: `nil`: all on one line.
    private func write(to text: inout String, indent: Int?) {
        switch self {
        case .null: text += "null"
        case .bool(let value): text += value ? "true" : "false"
        case .literal(let value): text += value
        case .string(let value): text += Self.text(value)
        case .array(let elements):
            let isOneLine = elements.allSatisfy(\.isPlain)
            list(elements, "[", "]", isOneLine, to: &text, indent) { $0.write(to: &$1, indent: indent.map { $0 + 1 }) }
        case .object(let members):
            list(members.sorted { $0.key < $1.key }, "{", "}", members.isEmpty, to: &text, indent) {
                $1 += Self.text($0.key) + " : "
                $0.value.write(to: &$1, indent: indent.map { $0 + 1 })
            }
        }
    }

    private func list<Element>(
        _ elements: [Element], _ open: String, _ close: String, _ isOneLine: Bool, to text: inout String,
        _ indent: Int?, _ write: (Element, inout String) -> Void
    ) {
        let isOneLine = isOneLine || indent == nil
        let newLine = isOneLine ? "" : "\n" + String(repeating: "  ", count: indent ?? 0)
        text += open
        for (index, element) in elements.enumerated() {
            if index > 0 { text += isOneLine ? ", " : "," }
            if !isOneLine { text += newLine + "  " }
            write(element, &text)
        }
        text += newLine + close
    }

    static func text(_ value: String) -> String {
        var text = "\""
        for scalar in value.unicodeScalars {
            switch scalar {
            case "\"": text += "\\\""
            case "\\": text += "\\\\"
            case "\n": text += "\\n"
            case "\r": text += "\\r"
            case "\t": text += "\\t"
            case "\0"..<" ", "\u{7f}"..."\u{9f}":
                let digits = String(scalar.value, radix: 16)
                text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: text.unicodeScalars.append(scalar)
            }
        }
        return text + "\""
    }
}
