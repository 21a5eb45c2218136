// Enters: header values. Leaves: what they say, or why they are refused.
import GRPC
import Memory
import Testing

@Test(
    arguments: [
        ("1n", 1), ("1u", 1000), ("1m", 1_000_000), ("1S", 1_000_000_000), ("1M", 60_000_000_000),
        ("1H", 3_600_000_000_000), ("0m", 0), ("00000001n", 1), ("99999999S", 99_999_999_000_000_000),
        ("99999999M", 5_999_999_940_000_000_000), ("99999999H", .max), ("2562047H", 9_223_369_200_000_000_000),
        ("2562048H", .max), ("", nil), ("m", nil), ("1", nil), ("100", nil), ("1s", nil), ("1h", nil), ("-1m", nil),
        ("+1m", nil), ("1.5S", nil), (" 1m", nil), ("1 m", nil), ("1m ", nil), ("123456789m", nil), ("1mm", nil),
        ("١m", nil),
    ] as [(String, Int64?)])
func timeouts(value: String, expected: Int64?) throws {
    var arena = Arena(bytesMax: 4096)
    let view = try arena.copy(value)
    do throws(TimeoutError) {
        let nanoseconds = try Timeout.nanoseconds(view)
        #expect(nanoseconds == expected)
    } catch {
        #expect(expected == nil)
        #expect(error == .malformed(value.debugDescription))
    }
}

@Test(arguments: [
    ("application/grpc", true), ("application/grpc+proto", true), ("application/grpc;charset=utf-8", true),
    ("application/grpc+proto ; v=1", true), ("Application/GRPC", true), ("", false), ("application/grpc-web", false),
    ("application/grpc-web+proto", false), ("application/grpc+json", false), ("application/grpc+", false),
    ("application/grp", false), ("application/json", false), ("text/plain;application/grpc", false),
    (";application/grpc", false),
])
func contentTypes(value: String, expected: Bool) throws {
    var arena = Arena(bytesMax: 4096)
    #expect(ContentType.check(try arena.copy(value)) == expected)
}

@Test(
    arguments: [
        ("/grpc.health.v1.Health/Check", "grpc.health.v1.Health", "Check"), ("/a/b", "a", "b"), ("", nil, nil),
        ("/", nil, nil), ("//", nil, nil), ("///", nil, nil), ("/a", nil, nil), ("/a/", nil, nil), ("//b", nil, nil),
        ("a/b", nil, nil), ("/a/b/", nil, nil), ("/a/b/c", nil, nil), ("/a//b", nil, nil),
    ] as [(String, String?, String?)])
func paths(value: String, service: String?, method: String?) throws {
    var arena = Arena(bytesMax: 4096)
    let path = Path.split(try arena.copy(value))
    #expect(path?.service.text == service)
    #expect(path?.method.text == method)
}

@Test(
    arguments: [
        ("identity", .identity), ("gzip", .gzip), ("GZIP", .gzip), ("deflate", nil), ("", nil), ("gzip,identity", nil),
        (" gzip", nil),
    ] as [(String, Encoding?)])
func encodings(value: String, expected: Encoding?) throws {
    var arena = Arena(bytesMax: 4096)
    let view = try arena.copy(value)
    do throws(EncodingError) {
        let encoding = try Encoding.parse(view)
        #expect(encoding == expected)
    } catch {
        #expect(expected == nil)
        #expect(error.sentence.contains(value.debugDescription) && error.sentence.contains("identity and gzip"))
    }
}

@Test(
    arguments: [
        ("identity,gzip", .gzip), ("identity, deflate,\tgzip ", .gzip), ("gzip", .gzip), ("deflate", .identity),
        ("", .identity), (",,", .identity), ("gzipped", .identity), ("gzip;q=1", .identity),
    ] as [(String, Encoding)])
func acceptedEncodings(value: String, expected: Encoding) throws {
    var arena = Arena(bytesMax: 4096)
    #expect(Encoding.accepted(in: try arena.copy(value)) == expected)
}

@Test(arguments: [
    ("", ""), ("plain text ~!", "plain text ~!"), ("100 %", "100 %25"), ("a\nb", "a%0Ab"), ("é", "%C3%A9"),
    ("\u{7f}\u{0}", "%7F%00"), ("🕊", "%F0%9F%95%8A"),
])
func messagesArePercentEncoded(message: String, expected: String) {
    #expect(percentEncoded(message) == Array(expected.utf8))
}

@Test func longMessagesEndAfterAWholeCharacter() {
    #expect(percentEncoded(String(repeating: "a", count: 2000)).count == 1024)
    // é takes six bytes: 170 of them are 1020.
    #expect(percentEncoded(String(repeating: "é", count: 2000)).count == 1020)
    #expect(percentEncoded(String(repeating: "a", count: 1020) + "éa").count == 1020)
}

@Test func statusCodes() {
    #expect(StatusCode.allCases.count == 17)
    for code in StatusCode.allCases { #expect(ByteView(code.headerValue).text == "\(code.rawValue)") }
    #expect(Set(StatusCode.allCases.map { ByteView($0.name).text }).count == 17)
}

@Test func sentencesNameValueAndBound() {
    #expect(
        FrameError.tooLarge(bytes: 9, max: 8).sentence
            == "the message is 9 bytes, at most 8 are accepted: send less in one message or raise the limit")
    #expect(
        FrameError.gzip(.ratio(bytes: 70000, payloadBytes: 90, max: 100)).sentence
            == "the compressed message of 90 bytes declares 70000 inflated, more than 100 times its size: "
            + "send it uncompressed")
    #expect(
        FrameError.truncated(bytes: 3, frameBytes: nil).sentence
            == "the stream ended after 3 of the 5 bytes of a message's prefix")
}
