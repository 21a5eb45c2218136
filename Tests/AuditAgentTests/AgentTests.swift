// Enters: servers that write, a virtual clock, a disk in memory. Leaves: what the agent makes of them, step by step.
import Audit
import Foundation
import Keyrings
import Memory
import Testing

@testable import AuditAgent
@testable import RecordRing

private func message(_ write: (inout RecordWriter) -> Void) -> [UInt8] {
    var writer = RecordWriter()
    write(&writer)
    return writer.bytes
}

@Test func recordsComeOnceAndInOrder() throws {
    let stage = try Stage()
    let agent = try stage.agent()
    stage.sockets.check = { stage.disk.isSynced }
    let server = try Server(stage.place.folder)
    for number in 1...10 as ClosedRange<UInt64> { server.shards[0].write(call(number, subject: "anna")) }
    server.shards[1].write(.server, message { $0.number(1, 1) })
    agent.run(stage.clock, steps: 4)
    let reading = try stage.reading()
    #expect(reading.faults == [])
    #expect(reading.sources == (1...10).map { "\(server.instance) 0 \($0)" } + ["\(server.instance) 1 1"])
    #expect(reading.events("log").map { $0["reason"] as? Int } == [1])
    #expect(reading.events("log").first?["agent"] as? String == "test 1")
    #expect(reading.events("clock").first == ["status": 1, "max_error": 85, "est_error": 12] as NSDictionary)
    #expect(reading.events("call").map { $0["rows"] as? Int } == (1...10).map { $0 })
    #expect(reading.payloads.count == 10)
    // The kernel's word on its clock, which the server does not ask.
    #expect(reading.events("call").allSatisfy { $0["clock_error"] as? Int == 85 })
    // Header, Log, Clock, ten calls: the last one is entry 12.
    let sockets = (0...1).map { server.path.dropLast(5) + ".\($0).sock" }
    #expect(Set(stage.sockets.hellos.map(\.path)) == Set(sockets.map { String($0) }))
    #expect(
        stage.sockets.received.map(\.1) == [
            Acknowledgement(ring: 0, count: 10, sequence: 10, index: 12),
            Acknowledgement(ring: 1, count: 1, sequence: 1, index: 13),
        ])
    #expect(stage.sockets.unchecked == 0)
}

/// A disk that says that it synced and did not is noticed by the check of the test before.
@Test func theCheckOfAcknowledgementsCanFail() throws {
    let stage = try Stage()
    stage.disk.isSabotaged = true
    stage.sockets.check = { stage.disk.isSynced }
    let agent = try stage.agent()
    let server = try Server(stage.place.folder)
    server.shards[0].write(call(1))
    agent.run(stage.clock, steps: 4)
    #expect(stage.sockets.unchecked == 1)
}

/// A volume that fails: the batch is kept, nothing is acknowledged, and all comes when it works again.
@Test func errorsOfTheVolume() throws {
    let stage = try Stage()
    let agent = try stage.agent()
    let server = try Server(stage.place.folder)
    server.shards[0].write(call(1))
    agent.run(stage.clock, steps: 4)
    stage.disk.error = VolumeError(sentence: "no space")
    server.shards[0].write(call(2))
    let before = stage.clock.now.nanoseconds
    agent.run(stage.clock, steps: 50)
    #expect(stage.clock.now.nanoseconds - before >= 4_000_000_000, "it is tried each 100 ms")
    server.shards[0].write(call(3))
    #expect(stage.sockets.received.count == 1)
    #expect(stage.sentences == ["1 records wait: no space"])
    stage.disk.error = nil
    agent.run(stage.clock, steps: 10)
    #expect(stage.sentences.last == "the log is written again")
    #expect(stage.sockets.received.map(\.1.sequence) == [1, 2, 3])
    let reading = try stage.reading()
    #expect(reading.faults == [] && reading.sources == (1...3).map { "\(server.instance) 0 \($0)" })
    // The segment after the error begins with what the clock is like.
    #expect(reading.events("clock").count == 2)
}

/// What was durable before the socket is there, and while it is full, is acknowledged when it takes packets again.
@Test func socketsComeAndGo() throws {
    let stage = try Stage()
    stage.sockets.isListening = false
    let agent = try stage.agent()
    let server = try Server(stage.place.folder, rings: 1)
    server.shards[0].write(call(1))
    agent.run(stage.clock, steps: 10)
    #expect(stage.sockets.received.isEmpty)
    stage.sockets.isListening = true
    agent.run(stage.clock, steps: 60)
    #expect(stage.sockets.received.map(\.1.index) == [3])
    stage.sockets.isFull = true
    server.shards[0].write(call(2))
    agent.run(stage.clock, steps: 60)
    stage.sockets.isFull = false
    stage.sockets.closeAll()
    agent.run(stage.clock, steps: 60)
    #expect(stage.sockets.received.map(\.1.index) == [3, 4])
    // The size of the second hello is no more than the index that follows it.
    #expect(stage.sockets.hellos.map(\.1.size) == [3, 4])
    var table = ReceiptTable()
    for (hello, (_, one)) in zip(stage.sockets.hellos.map(\.1), stage.sockets.received) {
        try table.begin(hello)
        try table.add(one, written: 2)
    }
    #expect(table.index(of: 2) == 4)
}

/// Where no answer waits for the disk, records wait for others: 10 ms, until a quarter of the ring is full, or until the end.
@Test func recordsOfAPatientServerComeTogether() throws {
    let stage = try Stage()
    let agent = try stage.agent()
    let server = try Server(stage.place.folder, patience: 10_000_000)
    func acknowledged() -> [UInt64] { stage.sockets.received.filter { $0.1.ring == 0 }.map(\.1.sequence) }
    server.shards[0].write(call(1))
    agent.run(stage.clock, steps: 4)
    #expect(acknowledged() == [1])
    let began = stage.clock.now.nanoseconds
    for number in 2...5 as ClosedRange<UInt64> {
        server.shards[0].write(call(number))
        stage.clock.pass(agent.step())
    }
    #expect(acknowledged() == [1] && stage.clock.now.nanoseconds - began < 10_000_000)
    // Orders wait for nothing.
    server.shards[1].write(.admin, [])
    agent.run(stage.clock, steps: 2)
    #expect(acknowledged() == [1] && stage.sockets.received.last?.1.ring == 1)
    while stage.clock.now.nanoseconds - began < 20_000_000 { stage.clock.pass(max(agent.step(), 100_000)) }
    #expect(acknowledged() == [1, 5])
    // It does not wait until the ring is full.
    let full = stage.clock.now.nanoseconds
    for number in 6...40 as ClosedRange<UInt64> { server.shards[0].write(call(number)) }
    agent.run(stage.clock, steps: 4)
    #expect(acknowledged() == [1, 5, 40] && stage.clock.now.nanoseconds - full < 5_000_000)
    server.shards[0].write(call(41))
    #expect(agent.finish { stage.clock.pass($0) })
    #expect(acknowledged() == [1, 5, 40, 41])
    #expect(try stage.reading().sources.count == 42)
}

/// A server that dies is drained and recorded as lost; one that said that it ends is not. The files go.
@Test(arguments: [false, true]) func serversEnd(isClean: Bool) throws {
    let stage = try Stage()
    let agent = try stage.agent()
    var server: Server? = try Server(stage.place.folder)
    server?.shards[0].write(call(1))
    agent.run(stage.clock, steps: 4)
    server?.shards[0].write(call(2))
    if isClean { server?.shards[1].write(.server, message { $0.number(1, 3) }) }
    server = nil
    agent.run(stage.clock, steps: 100)
    #expect(stage.place.names == [])
    #expect(stage.sockets.removed.count == 2)
    let reading = try stage.reading()
    #expect(reading.faults == [] && reading.sources.prefix(2) == ["72623859790382856 0 1", "72623859790382856 0 2"])
    let lost: NSDictionary = ["phase": 4, "instance": "0102030405060708fefdfcfbfaf9f8f7"]
    #expect(reading.events("server") == (isClean ? [["phase": 3]] : [lost]))
    // The next life knows nothing of it, and says nothing.
    let next = try stage.agent()
    next.run(stage.clock, steps: 4)
    #expect(try stage.reading().events("server").count == 1)
}

@Test func clockRecords() throws {
    let stage = try Stage()
    let agent = try stage.agent()
    agent.run(stage.clock, steps: 4)
    // 900 µs are no step; one of 2 ms back is; a minute passes.
    stage.clock.now.unixNanoseconds += 900_000
    agent.run(stage.clock, steps: 4)
    #expect(try stage.reading().events("clock").count == 1)
    stage.clock.now.unixNanoseconds -= 2_900_000
    agent.run(stage.clock, steps: 4)
    stage.clock.pass(60_000_000_000)
    agent.run(stage.clock, steps: 4)
    let clocks = try stage.reading().events("clock")
    #expect(clocks.map { $0["step"] as? Int } == [nil, 2_000_000, nil])
    #expect(clocks.map { $0["stepped_back"] as? Bool } == [nil, true, nil])
}

/// A key that is activated ends the segment; the record of it stands in the next one. A bad ring stays as it was.
@Test func keysChange() throws {
    let keys = try Place()
    try makeKeyrings(keys.folder)
    let stage = try Stage(keys: keys.folder)
    let agent = try stage.agent()
    agent.run(stage.clock, steps: 4)
    do {
        var editor = try KeyringEditor(path: keys.folder + "/audit", purpose: .audit)
        _ = try editor.add("audit-2")
        _ = try editor.activate("audit-2", at: UTCTime(seconds: 1_785_240_000))
    }
    agent.lookAtKeys(isOrdered: true)
    agent.run(stage.clock, steps: 4)
    let path = keys.folder + "/checkpoint/keyring.json"
    let document = try Data(contentsOf: URL(fileURLWithPath: path))
    try Data("{".utf8).write(to: URL(fileURLWithPath: path))
    agent.lookAtKeys(isOrdered: true)
    agent.run(stage.clock, steps: 4)
    try document.write(to: URL(fileURLWithPath: path))
    let reading = try stage.reading()
    #expect(reading.faults == [])
    #expect(
        reading.events("keys").map { "\($0["purpose"] ?? "") \($0["kid"] ?? "") \($0["action"] ?? "")" } == [
            "audit audit-1 verify", "audit audit-2 added", "audit audit-2 activated", "checkpoint  refused: form",
        ])
    let log = stage.disk.log(stage.disk.logs[0])
    #expect(log.names.count == 2)
    // Without the new key only the segment after the change cannot be read.
    let report = try Verifier(
        signers: nil, expected: nil, auditKeys: stage.keyrings().auditKeys.filter { $0.key == "audit-1" }
    ).verify(log)
    #expect(report.logs[0].missingKeys == ["audit-2"])
}

@Test func theEndSealsTheLog() throws {
    let stage = try Stage()
    let agent = try stage.agent()
    let server = try Server(stage.place.folder)
    for number in 1...20 as ClosedRange<UInt64> { server.shards[0].write(call(number)) }
    #expect(agent.finish { stage.clock.pass($0) })
    let reading = try stage.reading()
    #expect(reading.status == .whole && reading.sources.count == 20)
    // Cut off: nothing can be written, and that is said.
    let next = try stage.agent()
    server.shards[0].write(call(21))
    stage.disk.error = VolumeError(sentence: "no space")
    let before = stage.clock.now.nanoseconds
    #expect(!next.finish { stage.clock.pass($0) })
    #expect(stage.clock.now.nanoseconds - before < 15_200_000_000)
    stage.disk.error = nil
    let last = try stage.agent()
    #expect(last.finish { stage.clock.pass($0) })
    #expect(try stage.reading().sources.count == 21)
}
