// Enters: text format, right and wrong. Leaves: fields with their lines, or the line that is wrong.
import Memory
import TestSupport
import Testing

@testable import Repository

/// `name=word`, `name="string"`, `name{…}`, in order.
private func written(_ message: TextMessage) -> String {
    message.fields.map { field in
        switch field.value {
        case .word(let text), .either(let text): "\(field.name)=\(text)"
        case .string(let text): "\(field.name)=\"\(text)\""
        case .message(let inner): "\(field.name){\(written(inner))}"
        }
    }.joined(separator: " ")
}

@Test(arguments: [
    ("", ""), ("# nothing", ""), ("a: 1", "a=1"), ("a:1 b:-2;c: x,d:'y'", "a=1 b=-2 c=x d=\"y\""),
    ("a { b: 1 }", "a{b=1}"), ("a: { b: 1 }", "a{b=1}"), ("a < b: 1 >", "a{b=1}"), ("a: [1, 2]", "a=1 a=2"),
    ("a [ {b: 1}, {b: 2} ]", "a{b=1} a{b=2}"), ("a []", ""), ("a: [ {b: 1}, {b: 2} ]", "a{b=1} a{b=2}"), ("a: []", ""),
    ("a: \"x\" 'y'\n\"z\"", "a=\"xyz\""), ("a: \"\\n\\\"\\x41\\101\"", "a=\"\n\"AA\""),
    ("a: 0x1F b: 1e+5", "a=0x1F b=1e+5"),
    ("a {} a {}", "a{} a{}"), ("a: \"ü\"", "a=\"ü\""),
])
func whatIsRead(text: String, expected: String) throws {
    #expect(written(try TextMessage(parsing: Array(text.utf8))) == expected)
}

@Test(arguments: [
    ("a", 1, "':' or '{' is expected after 'a', not the file's end"),
    ("\n\n: 1", 3, "the name of a field is expected, not ':'"),
    ("1: 2", 1, "the name of a field is expected, not '1'"),
    ("a: {\n b: 1", 2, "the message of line 1 is not closed by '}'"),
    ("a: [1\n 2]", 2, "a comma or ']' is expected in the list, not '2'"),
    ("a: [1", 1, "a comma or ']' is expected in the list, not the file's end"),
    ("a: \"x\nb: 1", 1, "a string does not end on its line"), ("a: \"", 1, "a string does not end on its line"),
    ("a: \"\\", 1, "a string does not end on its line"), ("a:", 1, "a value is expected, not the file's end"),
    ("a: \"\\q\"", 1, "a string has an escape that is not known, '\\' and byte 113"),
    ("a: \"\\xz\"", 1, "digits are expected after '\\x'"), ("a: \"\\377\"", 1, "a string is not UTF-8"),
    ("a [1]", 1, "':' is expected after 'a', before a list of values"),
    ("}", 1, "the name of a field is expected, not '}'"), ("\0", 1, "the name of a field is expected, not byte 0"),
])
func whatIsRefused(text: String, line: Int, sentence: String) {
    #expect(throws: TextFormatError(line: line, sentence: sentence)) { try TextMessage(parsing: Array(text.utf8)) }
}

@Test func messagesAreNestedSoDeepAndNoDeeper() throws {
    func nested(_ depth: Int) -> [UInt8] {
        Array((String(repeating: "a{", count: depth) + String(repeating: "}", count: depth)).utf8)
    }
    _ = try TextMessage(parsing: nested(TextMessage.depthMax))
    #expect(throws: TextFormatError.self) { try TextMessage(parsing: nested(TextMessage.depthMax + 1)) }
    #expect(throws: TextFormatError.self) { try TextMessage(parsing: nested(100_000)) }
}

@Test func fieldsAreCounted() {
    let many = Array(String(repeating: "a:1 ", count: TextMessage.fieldsMax + 1).utf8)
    #expect(throws: TextFormatError(line: 1, sentence: "more than 100000 fields")) { try TextMessage(parsing: many) }
}

/// Whatever bytes there are: an answer or an error, and no trap.
@Test func anyBytes() {
    let sound = Array(
        "name: \"m\" # c\ninput [ { name: 'x' data_type: TYPE_FP32 dims: [ -1, 4 ] } ]\nversion_policy: { all {} }".utf8
    )
    for seed in 1...3000 as ClosedRange<UInt64> {
        var random = SplitMix(seed: seed)
        var bytes = sound
        for _ in 0...random.below(4) {
            let place = random.below(bytes.count)
            switch random.below(3) {
            case 0: bytes[place] = random.byte()
            case 1: bytes.remove(at: place)
            default: bytes.insert(Array("{}[]<>\"'\\:#,-\n0x".utf8)[random.below(16)], at: place)
            }
        }
        _ = try? ModelConfiguration(triton: bytes, model: "m", file: "m/config.pbtxt")
    }
}
