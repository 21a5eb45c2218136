import AuditAgent
import Memory
import Testing

private let ana = CommandSubject(id: "ana", reason: "asked", principal: "")

private let goodRows: [(String, CommandRequest)] = [
    (#"{"v":1,"command":"status"}"#, .status),
    (#" {"command" : "status" , "v":1} "#, .status),
    (#"{"v":1,"command":"erase","subject":"ana","reason":"asked"}"#, .erase(ana)),
    (
        #"{"v":1,"command":"erase","subject":"ñ\"","reason":"r","principal":"p"}"#,
        .erase(CommandSubject(id: "ñ\"", reason: "r", principal: "p"))
    ),
    (#"{"v":1,"command":"hold","subject":"ana","reason":"asked"}"#, .hold(ana, isLifted: false)),
    (#"{"v":1,"command":"hold","subject":"ana","reason":"asked","lift":false}"#, .hold(ana, isLifted: false)),
    (#"{"v":1,"command":"hold","subject":"ana","reason":"asked","lift":true}"#, .hold(ana, isLifted: true)),
]

@Test(arguments: goodRows)
func goodRequests(line: String, wanted: CommandRequest) throws {
    #expect(try CommandRequest(reading: Array(line.utf8)) == wanted)
    let written = wanted.line
    #expect(written.last == 0x0a && !written.dropLast().contains(0x0a))
    #expect(try CommandRequest(reading: written.dropLast()) == wanted)
}

@Test(arguments: [
    ("", "a value is expected"), ("{}", "\"v\" is missing"), ("[]", "must be an object"),
    (#"{"v":2,"command":"status"}"#, "\"v\" must be 1"), (#"{"v":1}"#, "\"command\" is missing"),
    (#"{"v":1,"command":"stop"}"#, "must be erase, hold or status"),
    (#"{"v":1,"command":"status","subject":"x"}"#, "\"subject\" is unknown"),
    (#"{"v":1,"command":"erase","subject":"ana"}"#, "\"reason\" is missing"),
    (#"{"v":1,"command":"erase","subject":"ana","reason":"r","lift":true}"#, "\"lift\" is unknown"),
    (#"{"v":1,"command":"erase","subject":"","reason":"r"}"#, "the subject has 0 bytes, must have between 1 and 256"),
    (#"{"v":1,"command":"erase","subject":"ana","reason":""}"#, "the reason has 0 bytes, must have between 1 and 1024"),
    (#"{"v":1,"command":"hold","subject":"ana","reason":"r","lift":1}"#, "\"lift\" must be true or false"),
    (#"{"v":1,"command":"erase","subject":["ana"],"reason":"r"}"#, "nested deeper than 1"),
    (#"{"v":1,"command":"status"}{"#, "nothing may follow"),
]) func badRequests(line: String, wanted: String) {
    let error = #expect(throws: CommandRequestError.self) { _ = try CommandRequest(reading: Array(line.utf8)) }
    #expect(error?.sentence.contains(wanted) == true, "\(error?.sentence ?? "")")
}

@Test func boundsOfRequests() throws {
    func erase(_ id: Int, _ reason: Int, _ principal: Int) throws {
        let subject = CommandSubject(
            id: String(repeating: "i", count: id), reason: String(repeating: "r", count: reason),
            principal: String(repeating: "p", count: principal))
        #expect(try CommandRequest(reading: CommandRequest.erase(subject).line.dropLast()) == .erase(subject))
    }
    try erase(256, 1024, 256)
    for (id, reason, principal) in [(257, 1, 1), (1, 1025, 1), (1, 1, 257)] {
        #expect(throws: CommandRequestError.self) { try erase(id, reason, principal) }
    }
    let long = [UInt8](repeating: 0x20, count: CommandRequest.lineBytesMax + 1)
    #expect(throws: CommandRequestError.self) { _ = try CommandRequest(reading: long) }
}

/// Nothing that a peer sends traps; what is taken is within its bounds, and is the same when it is written and read again.
@Test func noiseIsNoRequest() throws {
    var random = SplitMix(seed: 12)
    let good = [
        CommandRequest.erase(ana).line, CommandRequest.hold(ana, isLifted: true).line, CommandRequest.status.line,
    ].map { Array($0.dropLast()) }
    var taken = 0
    for round in 0..<30_000 {
        var line = good[Int(random.next() % 3)]
        for _ in 0...(round % 3) where !line.isEmpty {
            let place = Int(random.next() % UInt64(line.count))
            switch random.next() % 4 {
            case 0: line[place] = UInt8(truncatingIfNeeded: random.next())
            case 1: line.remove(at: place)
            case 2: line.insert(line[Int(random.next() % UInt64(line.count))], at: place)
            default: line.removeLast(place)
            }
        }
        guard let request = try? CommandRequest(reading: line) else { continue }
        taken += 1
        #expect(try CommandRequest(reading: request.line.dropLast()) == request)
    }
    #expect(taken > 100)
}

@Test func repliesAreReadAsTheyWereWritten() {
    var full = CommandReply(.done, "3 keys \"went\"")
    (full.keys, full.record, full.storeKey, full.storeKeyEnds) = (3, 9, "k", "2026-12-01T00:00:00Z")
    for reply in [full, CommandReply(.refused, "no"), CommandReply(.failed, "")] {
        #expect(CommandReply(reading: reply.line.dropLast()) == reply)
    }
    for bad in ["", "{}", #"{"v":1,"result":"done"}"#, #"{"v":1,"result":"maybe","sentence":""}"#] {
        #expect(CommandReply(reading: Array(bad.utf8)) == nil, "\(bad)")
    }
}
