// Enters: heads of requests. Leaves: the call that each one begins, or why it is refused.
import GRPC
import Memory
import TestSupport
import Testing

@testable import HTTP2
@testable import Serving

struct HeadRow: Sendable, CustomTestStringConvertible {
    var testDescription: String
    /// Added to a proper head, or instead of what it says under this name; "" as a value takes the field away.
    var changes: [(String, String)] = []
    var isTooLarge = false
    var now: Int64 = 1000

    // What must come of it.
    var method = Method.predict
    var deadline = Int64.max
    var encoding = Encoding.identity
    var replyEncoding = Encoding.identity
    var status: StatusCode?
    var says = ""
}

private func head(_ row: HeadRow, in arena: inout Arena) throws -> Head {
    var pseudo = [":method": "POST", ":path": "/vencejo.v1.PredictionService/Predict"]
    var fields = [("content-type", "application/grpc"), ("te", "trailers"), ("user-agent", "test")]
    for (name, value) in row.changes {
        if name.hasPrefix(":") {
            pseudo[name] = value
        } else {
            fields.removeAll { $0.0 == name }
            if !value.isEmpty { fields.append((name, value)) }
        }
    }
    var head = Head()
    head.method = view(pseudo[":method"]!)
    head.path = view(pseudo[":path"]!)
    head.isTooLarge = row.isTooLarge
    for (name, value) in fields { try head.fields.append(Field(name: view(name), value: view(value)), in: &arena) }
    return head
}

@Test(arguments: [
    HeadRow(testDescription: "a proper head"),
    HeadRow(
        testDescription: "another path", changes: [(":path", "/grpc.health.v1.Health/Watch")], method: .healthWatch),
    HeadRow(testDescription: "a deadline", changes: [("grpc-timeout", "5m")], deadline: 5_001_000),
    HeadRow(testDescription: "a deadline of 0", changes: [("grpc-timeout", "0n")], deadline: 1000),
    HeadRow(testDescription: "a deadline that has no end", changes: [("grpc-timeout", "99999999H")]),
    HeadRow(
        testDescription: "a deadline near the end of time", changes: [("grpc-timeout", "2562047H")],
        now: 9_000_000_000_000_000_000),
    HeadRow(testDescription: "gzip in", changes: [("grpc-encoding", "gzip")], encoding: .gzip),
    HeadRow(testDescription: "identity in", changes: [("grpc-encoding", "identity")]),
    HeadRow(
        testDescription: "gzip taken, and not used", changes: [("grpc-accept-encoding", "identity,deflate, gzip")]),
    HeadRow(
        testDescription: "gzip both ways",
        changes: [("grpc-encoding", "gzip"), ("grpc-accept-encoding", "identity,deflate, gzip")], encoding: .gzip,
        replyEncoding: .gzip),
    HeadRow(testDescription: "no gzip out", changes: [("grpc-accept-encoding", "identity,deflate")]),
    HeadRow(testDescription: "parameters", changes: [("content-type", "application/grpc+proto; charset=utf-8")]),
    HeadRow(testDescription: "binary metadata", changes: [("trace-bin", "AAEC"), ("other-bin", "AA,AQ==")]),
    HeadRow(testDescription: "what only ends in bin", changes: [("bin", "?"), ("tracebin", "?"), ("-bin", "?")]),
    HeadRow(
        testDescription: "too large", isTooLarge: true, status: .resourceExhausted,
        says: "header list is larger than 16 KiB"),
    HeadRow(testDescription: "GET", changes: [(":method", "GET")], status: .unknown, says: "the method is GET"),
    HeadRow(testDescription: "post", changes: [(":method", "post")], status: .unknown, says: "the method is post"),
    HeadRow(
        testDescription: "no content-type", changes: [("content-type", "")], status: .unknown,
        says: "content-type is \"\""),
    HeadRow(
        testDescription: "JSON", changes: [("content-type", "application/json")], status: .unknown,
        says: "content-type is \"application/json\""),
    HeadRow(
        testDescription: "gRPC-Web", changes: [("content-type", "application/grpc-web")], status: .unknown,
        says: "gRPC uses application/grpc"),
    HeadRow(testDescription: "no te", changes: [("te", "")], status: .internal, says: "te: trailers is missing"),
    HeadRow(
        testDescription: "another te", changes: [("te", "gzip")], status: .internal, says: "te: trailers is missing"),
    HeadRow(
        testDescription: "an unknown method", changes: [(":path", "/vencejo.v1.PredictionService/Guess")],
        status: .unimplemented, says: "no method \"/vencejo.v1.PredictionService/Guess\" is served here"),
    HeadRow(
        testDescription: "a path with quotes", changes: [(":path", "/a\"b\u{7f}")], status: .unimplemented,
        says: "no method \"/a\\\"b\\u{7F}\" is served here"),
    HeadRow(
        testDescription: "a wrong timeout", changes: [("grpc-timeout", "5s")], status: .internal,
        says: "grpc-timeout \"5s\""),
    HeadRow(
        testDescription: "an unknown encoding", changes: [("grpc-encoding", "br")], status: .unimplemented,
        says: "grpc-encoding \"br\" is not supported"),
    HeadRow(
        testDescription: "bad base64", changes: [("trace-bin", "A?==")], status: .internal,
        says: "metadata trace-bin: binary metadata has byte 63"),
    HeadRow(
        testDescription: "the method counts before the timeout", changes: [(":path", "/x/y"), ("grpc-timeout", "x")],
        status: .unimplemented, says: "no method"),
    HeadRow(
        testDescription: "the content-type counts before te", changes: [("content-type", "text/html"), ("te", "")],
        status: .unknown, says: "text/html"),
])
func heads(row: HeadRow) throws {
    var arena = Arena(bytesMax: 1 << 16)
    let head = try head(row, in: &arena)
    var rpc = RPC()
    do throws(Refusal) {
        try rpc.read(head, now: row.now)
        #expect(row.status == nil)
        #expect(rpc.method == row.method && rpc.deadline == row.deadline)
        #expect(rpc.encoding == row.encoding && rpc.replyEncoding == row.replyEncoding)
        #expect(!rpc.isOver && rpc.watched == nil)
    } catch {
        // It is counted, and traced, as what was asked for.
        #expect(rpc.method == Method(path: head.path) ?? .none)
        #expect(error.status == row.status)
        #expect(error.sentence.contains(row.says) && !row.says.isEmpty, "\(error.sentence)")
    }
}

@Test(arguments: [(":method", "PUT", 405), ("content-type", "text/plain", 415)])
func whatIsNotGRPCIsAnsweredInHTTP(name: String, value: String, code: Int) throws {
    var arena = Arena(bytesMax: 1 << 16)
    let head = try head(HeadRow(testDescription: "", changes: [(name, value)]), in: &arena)
    do throws(Refusal) {
        var rpc = RPC()
        try rpc.read(head, now: 0)
        Issue.record("\(value) was taken for gRPC")
    } catch {
        guard case .http(let status, _) = error else {
            Issue.record("\(error)")
            return
        }
        #expect(status == code)
        let reply = ReplyHead.http(status)
        #expect(reply[0].name == ":status" && reply[0].value.text == "\(code)")
        #expect(reply[1].name.text == (code == 405 ? "allow" : "accept-post"))
    }
}

@Test func aCallThatHasNotBegunHasNoDeadline() {
    let rpc = RPC()
    #expect(rpc.method == .none && rpc.deadline == .max && !rpc.isOver && rpc.encoding == .identity)
}
