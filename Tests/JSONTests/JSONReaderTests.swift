// Enters: documents, good and bad. Leaves: their values, or the error and its place.
import JSON
import Memory
import TestSupport
import Testing

private func read(_ text: String, depthMax: Int = 8) throws(JSONError) -> JSONValue {
    try JSONValue(reading: Array(text.utf8), depthMax: depthMax)
}

private func object(_ members: (name: String, value: JSONValue)...) -> JSONValue { .object(JSONObject(members)) }

@Test(
    arguments: [
        ("null", .null), (" true ", .bool(true)), ("\t\r\nfalse\n", .bool(false)), ("0", .integer(0)),
        ("-0", .integer(0)),
        ("9223372036854775807", .integer(.max)), ("-9223372036854775808", .integer(.min)), ("[]", .array([])),
        ("[ 1 , 2 ]", .array([.integer(1), .integer(2)])), ("{}", object()), ("{ }", object()),
        ("{\"b\":1,\"a\":[{\"b\":2}]}", object(("b", .integer(1)), ("a", .array([object(("b", .integer(2)))])))),
        ("\"\"", .string("")), ("\"a/ä\u{1f511}\u{7f}\"", .string("a/ä\u{1f511}\u{7f}")),
        (#""\"\\\/\b\f\n\r\t\u0000\u00e4\uD83D\udd11""#, .string("\"\\/\u{8}\u{c}\n\r\t\0ä\u{1f511}")),
        // Canonically equivalent names are two names.
        ("{\"\u{212a}\":1,\"K\":2}", object(("\u{212a}", .integer(1)), ("K", .integer(2)))),
    ] as [(String, JSONValue)])
func documents(text: String, value: JSONValue) throws {
    let read = try read(text)
    #expect(read == value)
    #expect(try JSONValue(reading: read.encoded) == read)
}

@Test(
    arguments: [
        ("", .syntax(at: 0, wanted: "a value")), ("  ", .syntax(at: 2, wanted: "a value")),
        ("\u{feff}1", .syntax(at: 0, wanted: "a value")), ("nul", .syntax(at: 0, wanted: "a value")),
        ("+1", .syntax(at: 0, wanted: "a value")), ("NaN", .syntax(at: 0, wanted: "a value")),
        ("'a'", .syntax(at: 0, wanted: "a value")), ("1 2", .trailing(at: 2)), ("{}x", .trailing(at: 2)),
        ("1\0", .trailing(at: 1)), ("-", .syntax(at: 1, wanted: "a digit")), ("-a", .syntax(at: 1, wanted: "a digit")),
        ("01", .syntax(at: 0, wanted: "a number without zeros in front")),
        ("-00", .syntax(at: 1, wanted: "a number without zeros in front")), ("[1.5]", .notInteger(at: 1)),
        ("1.", .notInteger(at: 0)), ("1e3", .notInteger(at: 0)), ("1E3", .notInteger(at: 0)),
        ("9223372036854775808", .outOfRange(at: 0)), ("-9223372036854775809", .outOfRange(at: 0)),
        ("[1", .syntax(at: 2, wanted: "',' or ']'")), ("[1}", .syntax(at: 2, wanted: "',' or ']'")),
        ("[1,]", .syntax(at: 3, wanted: "a value")), ("[,1]", .syntax(at: 1, wanted: "a value")),
        ("{\"a\":1", .syntax(at: 6, wanted: "',' or '}'")), ("{\"a\" 1}", .syntax(at: 5, wanted: "':'")),
        ("{a:1}", .syntax(at: 1, wanted: "a name in quotation marks")),
        ("{\"a\":1,}", .syntax(at: 7, wanted: "a name in quotation marks")),
        ("{\"a\":1,\"a\":1}", .repeatedName("a", at: 7)), ("{\"a\":1,\"\\u0061\":2}", .repeatedName("a", at: 7)),
        ("[{\"b\":{\"a\":1,\"b\":1,\"a\":1}}]", .repeatedName("a", at: 19)), ("\"a", .syntax(at: 2, wanted: "'\"'")),
        ("\"\n\"", .syntax(at: 1, wanted: "an escape instead of a control character")),
        ("\"\\", .syntax(at: 2, wanted: "an escape")), ("\"\\u12\"", .syntax(at: 5, wanted: "a hexadecimal digit")),
        ("\"\\x\"", .syntax(at: 1, wanted: "one of the escapes \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\u")),
        ("\"\\ud83d\"", .syntax(at: 1, wanted: "a pair of surrogates")),
        ("\"\\udd11\\ud83d\"", .syntax(at: 1, wanted: "a pair of surrogates")),
        ("\"\\ud83d\\u0061\"", .syntax(at: 1, wanted: "a pair of surrogates")),
        ("\"\\ud83d\\ud83d\"", .syntax(at: 1, wanted: "a pair of surrogates")),
    ] as [(String, JSONError)])
func refused(text: String, error: JSONError) {
    let thrown = #expect(throws: JSONError.self) { try read(text) }
    #expect(thrown == error)
}

@Test(
    arguments: [
        ([0x22, 0xff, 0x22], 1), ([0x22, 0xc0, 0x80, 0x22], 1), ([0x22, 0xed, 0xa0, 0x80, 0x22], 1),
        ([0x22, 0x61, 0xe2, 0x82], 2),
        ([0x31, 0x20, 0x80], 2),
    ] as [([UInt8], Int)])
func bytesThatAreNotUTF8(bytes: [UInt8], place: Int) {
    #expect(throws: JSONError.notUTF8(at: place)) { try JSONValue(reading: bytes) }
}

@Test func depthIsBounded() throws {
    func nested(_ depth: Int) -> String {
        String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
    }
    _ = try read(nested(8))
    #expect(throws: JSONError.tooDeep(at: 8, depthMax: 8)) { try read(nested(9)) }
    #expect(throws: JSONError.tooDeep(at: 8, depthMax: 8)) { try read(nested(1_000_000)) }
    #expect(throws: JSONError.tooDeep(at: 10, depthMax: 2)) { try read("{\"a\":[1,2,{\"b\":1}]}", depthMax: 2) }
    #expect(throws: JSONError.tooDeep(at: 0, depthMax: 0)) { try read("[]", depthMax: 0) }
    #expect(try read("1", depthMax: 0) == .integer(1))
}

@Test func theWriterWritesNoSpaces() {
    let value = object(
        ("v", .integer(1)), ("text", .string("a\"\\\n\u{1f}ä")), ("keys", .array([object(("on", .bool(true))), .null])))
    #expect(
        String(decoding: value.encoded, as: UTF8.self)
            == #"{"v":1,"text":"a\"\\\u000a\u001fä","keys":[{"on":true},null]}"#)
}

@Test func fieldsOfAnObject() throws {
    let object = try read(#"{"v":1,"name":"a","keys":[2],"extra":null}"#).object("")
    #expect(try object.integer("v") == 1 && object.string("name") == "a" && object.array("keys") == [.integer(2)])
    try object.check(required: ["v", "name"], optional: ["keys", "extra", "more"])
    let bad: [(JSONError, () throws -> Void)] = [
        (.missing(name: "w"), { try object.check(required: ["w"]) }),
        (
            .unknown(name: "keys", known: ["v", "name", "extra"]),
            { try object.check(required: ["v", "name"], optional: ["extra"]) }
        ), (.missing(name: "w"), { _ = try object.integer("w") }),
        (.kind(name: "name", wanted: "an integer", found: "a string"), { _ = try object.integer("name") }),
        (.kind(name: "extra", wanted: "a string", found: "null"), { _ = try object.string("extra") }),
        (.kind(name: "v", wanted: "a list", found: "an integer"), { _ = try object.array("v") }),
        (
            .kind(name: "keys[0]", wanted: "an object", found: "a truth value"),
            { _ = try JSONValue.bool(true).object("keys[0]") }
        ),
    ]
    for (error, body) in bad { #expect(throws: error, performing: body) }
}

@Test(
    arguments: [
        (.notUTF8(at: 4), "byte 5 is not UTF-8"), (.trailing(at: 2), "nothing may follow the value, and byte 3 does"),
        (.unknown(name: "a\n", known: ["v", "w"]), #""a\n" is unknown; allowed are "v", "w""#),
        (
            .repeatedName(String(repeating: "x", count: 100), at: 0),
            "the name \"\(String(repeating: "x", count: 64))…\" at byte 1 comes twice in its object; keep one of them"
        ),
    ] as [(JSONError, String)])
func sentences(error: JSONError, sentence: String) { #expect(error.sentence == sentence) }

/// Whatever the bytes are: an error, or a value that reads the same again from what it writes.
@Test func spoiledDocuments() {
    let whole = Array(
        #"{"v":1,"name":"\u00e4é\n","keys":[{"kid":"a-1","n":-12},[true,false,null],"\ud83d\udd11"],"x":{}}"#.utf8)
    let parts = [
        "{", "}", "[", "]", ":", ",", "\"", "\\u", "d83d", "\\", "1", "-", "0", "e", "true", "null", " ", "\u{1f511}",
    ]
    var good = 0
    func check(_ bytes: [UInt8]) {
        guard let value = try? JSONValue(reading: bytes) else { return }
        good += 1
        #expect((try? JSONValue(reading: value.encoded)) == value)
    }
    spoiled(whole, seed: 71, check)
    var random = SplitMix(seed: 72)
    for _ in 0..<20_000 {
        check((0..<random.below(12)).flatMap { _ in Array(parts[random.below(parts.count)].utf8) })
        check(random.bytes(random.below(24)))
    }
    // Else nothing was tested but refusals.
    #expect(good > 100)
}
