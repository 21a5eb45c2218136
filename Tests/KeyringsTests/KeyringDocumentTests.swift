// Enters: bytes of keyring.json. Leaves: what they say, or why they are refused.
import Memory
import TestSupport
import Testing

@testable import Keyrings

private func read(_ text: String) throws(KeyringError) -> KeyringDocument {
    try KeyringDocument(reading: Array(text.utf8), path: "ring/keyring.json")
}

private let key = #"{"kid":"new","alg":"A256GCM","state":"active"}"#

@Test func whatIsWrittenIsWhatTheFormatSays() throws {
    let text = Place.document(
        #"{"kid":"a","alg":"HS256","state":"revoked"},"#
            + #"{"kid":"b","alg":"HS256","state":"active","not_before":"2027-01-01T00:00:00Z","not_after":"2028-01-01T00:00:00Z"},"#
            + #"{"kid":"C.d_e-0","alg":"HS256","state":"verify","not_after":"2028-02-29T23:59:59Z"}"#,
        purpose: "subject-index", active: "b")
    let document = try read(text)
    #expect(document.encoded == Array(text.utf8))
    #expect(document.purpose == .subjectIndex && document.active == "b")
    #expect(document.entries.map(\.kid) == ["a", "b", "C.d_e-0"])
    #expect(document.entries.map(\.state) == [.revoked, .active, .verify])
    #expect(document["b"]?.notBefore == UTCTime("2027-01-01T00:00:00Z") && document["b"]?.fileName == "b.key")
}

@Test func spacesAndOrderAreFreeToWriters() throws {
    let text =
        "\n{ \"keys\" : [ {\"state\":\"active\", \"alg\":\"A256GCM\",\"kid\":\"new\"}\t], \"active\":\"new\",\r\n\"purpose\":\"audit\",\"v\":1 } \n"
    #expect(try read(text) == read(Place.document(key)))
}

@Test(arguments: [
    ("audit", ["A256GCM"]), ("subject-store", ["A256GCM"]), ("checkpoint", ["Ed25519"]), ("subject-index", ["HS256"]),
    ("sign", ["HS256"]), ("verify", ["HS256"]), ("artifact", ["A256KW"]), ("model", ["ES256", "ES384", "ES512"]),
])
func algorithmsOfPurposes(purpose: String, algorithms: [String]) throws {
    for algorithm in KeyAlgorithm.allCases {
        let text = Place.document(
            #"{"kid":"new","alg":"\#(algorithm.rawValue)","state":"active"}"#, purpose: purpose)
        if algorithms.contains(algorithm.rawValue) {
            #expect(try read(text).entries[0].algorithm == algorithm)
        } else {
            let error = #expect(throws: KeyringError.self) { try read(text) }
            #expect(error?.reason == .algorithm && error?.sentence.contains(algorithms.joined(separator: ", ")) == true)
        }
    }
}

struct BadDocument: Sendable, CustomTestStringConvertible {
    let text: String
    let reason: KeyringError.Reason
    /// In the sentence.
    let words: String

    init(_ text: String, _ reason: KeyringError.Reason, _ words: String) {
        (self.text, self.reason, self.words) = (text, reason, words)
    }

    var testDescription: String { words }
}

@Test(arguments: [
    BadDocument("", .form, "at byte 1 a value is expected"),
    BadDocument("[]", .form, "must be an object, and is a list"),
    BadDocument(Place.document(key) + "x", .form, "nothing may follow the value"),
    BadDocument(#"{"v":1,"v":1}"#, .form, #"the name "v" at byte 8 comes twice"#),
    BadDocument(#"{"v":1.0}"#, .form, "is no integer"),
    BadDocument(#"{"purpose":"audit","active":"new","keys":[]}"#, .form, #""v" is missing"#),
    BadDocument(
        #"{"v":"1","purpose":"audit","active":"new","keys":[]}"#, .form, #""v" must be an integer, and is a string"#),
    BadDocument(#"{"v":2,"purpose":"audit","active":"new","keys":[]}"#, .form, #""v" is 2, and must be 1"#),
    BadDocument(
        #"{"v":1,"purpose":"audit","active":"new","keys":[],"comment":""}"#, .form,
        #""comment" is unknown; allowed are "v", "purpose", "active", "keys""#),
    BadDocument(
        Place.document(key, purpose: "Audit"), .form,
        #""purpose" is "Audit"; allowed are audit, subject-store, checkpoint, subject-index, sign, verify, artifact, model"#
    ),
    BadDocument(Place.document(""), .form, #""keys" has 0 keys; their number must be between 1 and 1024"#),
    BadDocument(
        Place.document((0..<1025).map { #"{"kid":"\#($0)","alg":"A256GCM","state":"verify"}"# }.joined(separator: ",")),
        .form, #""keys" has 1025 keys"#),
    BadDocument(Place.document("[]"), .form, #"keys[0]: "key" must be an object, and is a list"#),
    BadDocument(Place.document(key + #",{"kid":"b","alg":"A256GCM"}"#), .form, #"keys[1]: "state" is missing"#),
    BadDocument(
        Place.document(#"{"kid":"new","alg":"A256GCM","state":"active","use":"enc"}"#), .form,
        #"keys[0]: "use" is unknown"#),
    BadDocument(
        Place.document(#"{"kid":"new","alg":"A256GCM","state":"retired"}"#), .form,
        #"keys[0]: "state" is "retired"; allowed are active, verify, revoked"#),
    BadDocument(
        Place.document(#"{"kid":"new","alg":"none","state":"active"}"#), .form,
        #"keys[0]: "alg" is "none"; allowed are"#),
    // KELVIN SIGN, which Swift takes for a K.
    BadDocument(
        Place.document("{\"kid\":\"new\",\"alg\":\"A256\u{212a}W\",\"state\":\"active\"}", purpose: "artifact"), .form,
        "keys[0]: \"alg\" is"),
    BadDocument(
        Place.document(#"{"kid":"new","alg":"A256GCM","state":"active","not_before":1800000000}"#), .form,
        #"keys[0]: "not_before" must be a string, and is an integer"#),
    BadDocument(
        Place.document(#"{"kid":"new","alg":"A256GCM","state":"active","not_after":"2027-02-29T00:00:00Z"}"#), .form,
        #"keys[0]: "not_after" is "2027-02-29T00:00:00Z", and must be a time of the form"#),
    BadDocument(
        Place.document(
            #"{"kid":"new","alg":"A256GCM","state":"active","not_before":"2027-01-01T00:00:00Z","not_after":"2027-01-01T00:00:00Z"}"#
        ),
        .form, #"must be before "not_after""#),
    BadDocument(
        Place.document(#"{"kid":"","alg":"A256GCM","state":"active"}"#), .kid,
        #"keys[0]: "kid" is "", and must be 1 to 64"#),
    BadDocument(Place.document(#"{"kid":".a","alg":"A256GCM","state":"active"}"#), .kid, #""kid" is ".a""#),
    BadDocument(Place.document(#"{"kid":"../a","alg":"A256GCM","state":"active"}"#), .kid, #""kid" is "../a""#),
    BadDocument(Place.document(#"{"kid":"a/b","alg":"A256GCM","state":"active"}"#), .kid, #""kid" is "a/b""#),
    BadDocument(Place.document(#"{"kid":"a\u0000","alg":"A256GCM","state":"active"}"#), .kid, #""kid" is "a\0""#),
    BadDocument(Place.document(key + "," + key), .kid, "lists the key new twice"),
    BadDocument(
        Place.document(key, active: "old"), .active, #""active" is "old", and must be the kid of one of the listed"#),
    BadDocument(Place.document(key, active: ""), .active, #""active" is """#),
    BadDocument(
        Place.document(#"{"kid":"new","alg":"A256GCM","state":"verify"}"#), .active,
        "the key new is named by \"active\" and has the state verify"),
    BadDocument(
        Place.document(key + #",{"kid":"b","alg":"A256GCM","state":"active"}"#), .active,
        "the keys new and b both have the state active"),
])
func badDocuments(row: BadDocument) {
    let error = #expect(throws: KeyringError.self) { try read(row.text) }
    #expect(error?.reason == row.reason && error?.sentence.contains(row.words) == true, "\(error?.sentence ?? "")")
    #expect(error?.sentence.hasPrefix("\"ring/keyring.json\"") == true)
}

@Test(arguments: [
    ("a", true), ("0", true), ("A.b_c-9", true), (String(repeating: "k", count: 64), true), ("", false), ("-a", false),
    (".a", false), ("_a", false), (String(repeating: "k", count: 65), false), ("a b", false), ("ä", false),
    ("a\n", false),
    ("\u{212a}", false), ("a+b", false),
])
func kids(kid: String, isValid: Bool) { #expect(KeyID.isValid(kid) == isValid) }

@Test func newKidsAreKids() {
    var random = SplitMix(seed: 5)
    let kids = (0..<1000).map { _ in KeyID.new(at: Place.now, using: &random) }
    #expect(kids.allSatisfy { KeyID.isValid($0) && $0.hasPrefix("20270115-") && $0.utf8.count == 15 })
    #expect(Set(kids).count == 1000)
}

/// Whatever the bytes are: an error with a sentence, or a document that reads the same again.
@Test func spoiledKeyrings() {
    var good = 0
    spoiled(Array(Place.document.utf8), seed: 73) { bytes in
        guard let document = try? KeyringDocument(reading: bytes, path: "ring/keyring.json") else { return }
        good += 1
        #expect((try? KeyringDocument(reading: document.encoded, path: "")) == document)
    }
    #expect(good > 0)
}
