// Enters: names and values of a record. Leaves: its JSON object, in one line.
internal import Logging

/// RFC 8259. Texts are cut where they are longer than a reader wants; a value that nests too deep is left out.
struct JSONLine {
    static let textBytesMax = 4096
    static let depthMax = 4
    /// What comes after is left out.
    static let bytesMax = 32 << 10

    private var bytes: [UInt8] = [UInt8(ascii: "{")]

    mutating func add(_ name: String, _ value: String) { add(name, .string(value)) }

    mutating func add(_ name: String, _ value: Logger.MetadataValue) {
        let start = bytes.count
        if start > 1 { bytes.append(UInt8(ascii: ",")) }
        text(name)
        bytes.append(UInt8(ascii: ":"))
        self.value(value, depth: 0)
        if bytes.count >= Self.bytesMax { bytes.removeSubrange(start...) }
    }

    consuming func finish() -> [UInt8] { bytes + [UInt8(ascii: "}")] }

    private mutating func value(_ value: Logger.MetadataValue, depth: Int) {
        guard depth < Self.depthMax else { return bytes.append(contentsOf: "null".utf8) }
        switch value {
        case .string(let string): text(string)
        case .stringConvertible(let value): scalar(value)
        case .array(let values):
            list("[", "]", values) { line, value in line.value(value, depth: depth + 1) }
        case .dictionary(let values):
            list("{", "}", values.sorted { $0.key < $1.key }) { line, pair in
                line.text(pair.key)
                line.bytes.append(UInt8(ascii: ":"))
                line.value(pair.value, depth: depth + 1)
            }
        }
    }

    private mutating func list<Element>(
        _ opening: String, _ closing: String, _ elements: [Element], _ write: (inout JSONLine, Element) -> Void
    ) {
        bytes.append(contentsOf: opening.utf8)
        for (index, element) in elements.enumerated() {
            if bytes.count >= Self.bytesMax { break }
            if index > 0 { bytes.append(UInt8(ascii: ",")) }
            write(&self, element)
        }
        bytes.append(contentsOf: closing.utf8)
    }

    /// Numbers and truth are what they are; all else is text.
    private mutating func scalar(_ value: any CustomStringConvertible) {
        switch value {
        case let value as any BinaryInteger: bytes.append(contentsOf: value.description.utf8)
        case let value as Double where value.isFinite: bytes.append(contentsOf: value.description.utf8)
        case let value as Bool: bytes.append(contentsOf: value.description.utf8)
        default: text(value.description)
        }
    }

    private mutating func text(_ text: String) {
        bytes.append(UInt8(ascii: "\""))
        let start = bytes.count
        for scalar in text.unicodeScalars {
            if bytes.count - start > Self.textBytesMax {
                bytes.append(contentsOf: "…".utf8)
                break
            }
            switch scalar {
            case "\"", "\\": bytes.append(contentsOf: "\\\(scalar)".utf8)
            case "\n": bytes.append(contentsOf: "\\n".utf8)
            case "\r": bytes.append(contentsOf: "\\r".utf8)
            case "\t": bytes.append(contentsOf: "\\t".utf8)
            // Others that a terminal would obey, and the two line ends of JavaScript.
            case "\0"..<" ", "\u{7f}"..."\u{9f}", "\u{2028}", "\u{2029}": escape(scalar)
            default: bytes.append(contentsOf: scalar.utf8)
            }
        }
        bytes.append(UInt8(ascii: "\""))
    }

    private mutating func escape(_ scalar: Unicode.Scalar) {
        let digits = String(scalar.value, radix: 16)
        bytes.append(contentsOf: ("\\u" + String(repeating: "0", count: 4 - digits.count) + digits).utf8)
    }
}
