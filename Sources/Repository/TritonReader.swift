// Enters: fields of a configuration in text format. Leaves: values of the kind that is wanted, or a sentence with the line.
import Tensors

/// Reads fields, and remembers which were passed over.
struct TritonReader {
    typealias Field = TextMessage.Field

    let file: String
    private(set) var ignored: [String] = []

    init(file: String) { self.file = file }

    func failure(_ line: Int, _ reason: String) -> ConfigurationError {
        .triton(file: file, line: line, reason: reason)
    }

    /// It changes no answer.
    mutating func ignore(_ what: String) {
        if !ignored.contains(what) { ignored.append(what) }
    }

    /// It would change answers, or who gets one.
    func refused(_ field: Field, _ instead: String) -> ConfigurationError {
        failure(field.line, "'\(field.name)' is not supported: \(instead)")
    }

    func unknown(_ field: Field, in place: String) -> ConfigurationError {
        failure(field.line, "there is no field '\(Layout.printable(field.name))' in \(place)")
    }

    func message(_ field: Field) throws(ConfigurationError) -> TextMessage {
        guard case .message(let message) = field.value else { throw expected("a message in braces", field) }
        return message
    }

    func string(_ field: Field) throws(ConfigurationError) -> String {
        switch field.value {
        case .string(let text), .either(let text): return text
        default: throw expected("a string in quotes", field)
        }
    }

    /// The name of an enumerator.
    func word(_ field: Field) throws(ConfigurationError) -> String {
        switch field.value {
        case .word(let text), .either(let text): return text
        default: throw expected("a word without quotes", field)
        }
    }

    func bool(_ field: Field) throws(ConfigurationError) -> Bool {
        switch field.value {
        case .word("true"), .word("True"), .word("t"), .word("1"): return true
        case .word("false"), .word("False"), .word("f"), .word("0"): return false
        default: throw expected("true or false", field)
        }
    }

    func integer(_ field: Field, in range: ClosedRange<Int64>) throws(ConfigurationError) -> Int64 {
        var number: Int64?
        // protobuf's JSON has whole numbers of 64 bits in quotes.
        switch field.value {
        case .word(let text), .either(let text): number = Self.number(text)
        default: break
        }
        guard let number, range.contains(number) else {
            let upper = range.upperBound == .max ? "up" : "to \(range.upperBound)"
            throw expected("a whole number from \(range.lowerBound) \(upper)", field)
        }
        return number
    }

    private static func number(_ text: String) -> Int64? {
        if text.hasPrefix("0x") || text.hasPrefix("0X") { return Int64(text.dropFirst(2), radix: 16) }
        return Int64(text)
    }

    /// `dims`: one of a list.
    func dimension(_ field: Field) throws(ConfigurationError) -> Int64 {
        let size = try integer(field, in: -1...(1 << 40))
        guard size != 0 else { throw expected("a size above 0, or -1 for any", field) }
        return size
    }

    func type(_ field: Field) throws(ConfigurationError) -> ElementType {
        let name = try word(field)
        guard let type = ElementType(triton: name) else {
            throw expected(ElementType.allCases.map(\.tritonName).joined(separator: ", "), field)
        }
        return type
    }

    private func expected(_ what: String, _ field: Field) -> ConfigurationError {
        let given: String
        switch field.value {
        case .word(let text): given = "'\(Layout.printable(text))'"
        case .string(let text), .either(let text): given = "the string '\(Layout.printable(text))'"
        case .message: given = "a message"
        }
        return failure(field.line, "\(Layout.printable(field.name)) is \(given); allowed is \(what)")
    }
}

extension ElementType {
    /// Triton's name in configurations.
    var tritonName: String { self == .bytes ? "TYPE_STRING" : "TYPE_\(name)" }

    init?(triton name: String) {
        guard let type = Self.allCases.first(where: { $0.tritonName == name }) else { return nil }
        self = type
    }
}
