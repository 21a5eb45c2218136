// Enters: bytes that others wrote. Leaves: the value that they are, or where they stop being one.

extension JSONValue {
    /// Reads `bytes`, which must be one value in UTF-8 (RFC 8259): integers of 64 bits only, no name twice in an object, no
    /// surrogate by itself, no byte order mark, nothing behind the value but spaces. Strict in what RFC 8259 leaves open, so
    /// that two readers cannot see two documents.
    ///
    /// Total: takes time and memory in proportion to `bytes`, and stack in proportion to `depthMax`. The caller bounds
    /// `bytes`. Errors: all but `missing`, `unknown` and `kind`.
    public init(reading bytes: [UInt8], depthMax: Int = 8) throws(JSONError) {
        do throws(UTF8.ValidationError) { _ = try UTF8Span(validating: bytes.span) } catch {
            throw .notUTF8(at: error.byteOffsets.lowerBound)
        }
        var reader = JSONReader(bytes: bytes, depthMax: depthMax)
        self = try reader.document()
    }
}

private struct JSONReader {
    let bytes: [UInt8]
    let depthMax: Int
    private var place = 0

    init(bytes: [UInt8], depthMax: Int) {
        self.bytes = bytes
        self.depthMax = depthMax
    }

    mutating func document() throws(JSONError) -> JSONValue {
        let value = try value(depth: 0)
        skipSpaces()
        guard place == bytes.count else { throw .trailing(at: place) }
        return value
    }

    private var next: UInt8? { place < bytes.count ? bytes[place] : nil }

    private mutating func skipSpaces() {
        while let byte = next, [0x20, 0x09, 0x0a, 0x0d].contains(byte) { place += 1 }
    }

    /// The byte if it comes next, spaces passed over.
    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        skipSpaces()
        guard next == UInt8(ascii: character) else { return false }
        place += 1
        return true
    }

    /// `depth`: lists and objects around it.
    private mutating func value(depth: Int) throws(JSONError) -> JSONValue {
        skipSpaces()
        guard let byte = next else { throw .syntax(at: place, wanted: "a value") }
        switch byte {
        case UInt8(ascii: "{"): return .object(try object(depth: depth))
        case UInt8(ascii: "["): return .array(try array(depth: depth))
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return .integer(try integer())
        case UInt8(ascii: "t"): return try word("true", .bool(true))
        case UInt8(ascii: "f"): return try word("false", .bool(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        default: throw .syntax(at: place, wanted: "a value")
        }
    }

    private mutating func word(_ word: String, _ value: JSONValue) throws(JSONError) -> JSONValue {
        guard bytes[place...].starts(with: word.utf8) else { throw .syntax(at: place, wanted: "a value") }
        place += word.utf8.count
        return value
    }

    private mutating func open(depth: Int) throws(JSONError) {
        guard depth < depthMax else { throw .tooDeep(at: place, depthMax: depthMax) }
        place += 1
    }

    private mutating func array(depth: Int) throws(JSONError) -> [JSONValue] {
        try open(depth: depth)
        var values: [JSONValue] = []
        if take("]") { return values }
        repeat { values.append(try value(depth: depth + 1)) } while take(",")
        guard take("]") else { throw .syntax(at: place, wanted: "',' or ']'") }
        return values
    }

    private mutating func object(depth: Int) throws(JSONError) -> JSONObject {
        try open(depth: depth)
        var members: [JSONObject.Member] = []
        if take("}") { return JSONObject(members: members) }
        // By bytes: Swift's == takes canonically equivalent texts for the same.
        var names: Set<[UInt8]> = []
        repeat {
            skipSpaces()
            let start = place
            guard next == UInt8(ascii: "\"") else { throw .syntax(at: place, wanted: "a name in quotation marks") }
            let name = try string()
            guard names.insert(Array(name.utf8)).inserted else { throw .repeatedName(name, at: start) }
            guard take(":") else { throw .syntax(at: place, wanted: "':'") }
            members.append(JSONObject.Member(name: name, value: try value(depth: depth + 1)))
        } while take(",")
        guard take("}") else { throw .syntax(at: place, wanted: "',' or '}'") }
        return JSONObject(members: members)
    }

    /// RFC 8259, section 6: no zeros in front, no plus.
    private mutating func integer() throws(JSONError) -> Int64 {
        let start = place
        if next == UInt8(ascii: "-") { place += 1 }
        let digits = place
        while let byte = next, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) { place += 1 }
        guard place > digits else { throw .syntax(at: place, wanted: "a digit") }
        guard bytes[digits] != UInt8(ascii: "0") || place == digits + 1 else {
            throw .syntax(at: digits, wanted: "a number without zeros in front")
        }
        if let byte = next, [UInt8(ascii: "."), UInt8(ascii: "e"), UInt8(ascii: "E")].contains(byte) {
            throw .notInteger(at: start)
        }
        guard let value = Int64(String(decoding: bytes[start..<place], as: UTF8.self)) else {
            throw .outOfRange(at: start)
        }
        return value
    }

    /// The text between quotation marks, the first of which comes next.
    private mutating func string() throws(JSONError) -> String {
        place += 1
        var text: [UInt8] = []
        while let byte = next {
            switch byte {
            case UInt8(ascii: "\""):
                place += 1
                return String(decoding: text, as: UTF8.self)
            case UInt8(ascii: "\\"): text += String(try escape()).utf8
            case 0..<0x20: throw .syntax(at: place, wanted: "an escape instead of a control character")
            default:
                text.append(byte)
                place += 1
            }
        }
        throw .syntax(at: place, wanted: "'\"'")
    }

    /// RFC 8259, section 7; the reverse solidus comes next.
    private mutating func escape() throws(JSONError) -> Unicode.Scalar {
        let start = place
        place += 1
        guard let byte = next else { throw .syntax(at: place, wanted: "an escape") }
        place += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(byte)
        case UInt8(ascii: "b"): return "\u{8}"
        case UInt8(ascii: "f"): return "\u{c}"
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "u"):
            let first = try fourDigits()
            if let scalar = Unicode.Scalar(first) { return scalar }
            // What is no scalar is a surrogate: a high one and a low one are a scalar together.
            guard first < 0xdc00, bytes[place...].starts(with: [UInt8(ascii: "\\"), UInt8(ascii: "u")]) else {
                throw .syntax(at: start, wanted: "a pair of surrogates")
            }
            place += 2
            let second = try fourDigits()
            guard (0xdc00...0xdfff).contains(second),
                let scalar = Unicode.Scalar(0x10000 + (first - 0xd800) << 10 + (second - 0xdc00))
            else { throw .syntax(at: start, wanted: "a pair of surrogates") }
            return scalar
        default: throw .syntax(at: start, wanted: "one of the escapes \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\u")
        }
    }

    private mutating func fourDigits() throws(JSONError) -> UInt32 {
        var value: UInt32 = 0
        for _ in 0..<4 {
            guard let byte = next, let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
                throw .syntax(at: place, wanted: "a hexadecimal digit")
            }
            value = value << 4 | UInt32(digit)
            place += 1
        }
        return value
    }
}
