// Enters: older states of a volume, and lives that end while a log is born. Leaves: which log is written, and what it names.
import Audit
import Foundation
import Memory
import Testing

@testable import AuditAgent

/// An older state of the volume that is put back: another log begins, and says so.
@Test func aRestoredSnapshotBeginsAnotherLog() throws {
    let stage = try Stage()
    let first = try stage.agent()
    first.run(stage.clock, steps: 4)
    let snapshot = stage.disk.restarted(isPowerCut: false)
    #expect(first.finish { stage.clock.pass($0) })
    let second = try stage.agent()
    #expect(second.finish { stage.clock.pass($0) })
    stage.disk = snapshot
    let third = try stage.agent()
    #expect(third.finish { stage.clock.pass($0) })
    #expect(stage.disk.logs.map { $0.prefix(9) } == ["log-0000-", "log-0001-"])
    let logs = try Reading(stage.disk, stage.keyrings(), [], stage.store).events("log")
    #expect(logs.map { $0["reason"] as? Int } == [1, 3])
    #expect(logs[1]["previous_log"] as? String == stage.disk.logs[0].suffix(32).description)
    #expect(logs[1]["anchor_size"] as? Int == 8 && logs[1]["previous_size"] as? Int == 3)
    // The anchors tell an auditor.
    #expect(try stage.reading().status == .tampered)
    // The folder is gone altogether.
    stage.disk = ModelDisk()
    let fourth = try stage.agent()
    #expect(fourth.finish { stage.clock.pass($0) })
    #expect(stage.disk.logs.map { $0.prefix(9) } == ["log-0002-"])
}

/// The folder of the log is there, and its segments are gone: what was signed of them rules out that it is a new log.
@Test func aLogWithoutSegmentsIsNotBegunAgain() throws {
    let stage = try Stage()
    #expect(try stage.agent().finish { stage.clock.pass($0) })
    let log = stage.disk.logs[0]
    let volume = try stage.disk.open(log)
    for name in try volume.names() { try volume.remove(name) }
    let next = try stage.agent()
    #expect(next.counts.logFaults == 1)
    #expect(next.finish { stage.clock.pass($0) })
    #expect(stage.disk.logs.map { $0.prefix(9) } == ["log-0000-", "log-0001-"])
    let told = try Reading(stage.disk, stage.keyrings(), [], stage.store).events("log")
    #expect(told.map { $0["reason"] as? Int } == [3])
    #expect(told[0]["previous_log"] as? String == log.suffix(32).description)
}

/// The agent dies while the next log is born: the life after it goes on with that one, and it still names the old one.
@Test func anotherLogIsBornOnce() throws {
    let stage = try Stage()
    #expect(try stage.agent().finish { stage.clock.pass($0) })
    let snapshot = stage.disk.restarted(isPowerCut: false)
    #expect(try stage.agent().finish { stage.clock.pass($0) })
    let anchors = stage.anchors
    for (isPowerCut, isBehind) in [(false, false), (false, true), (true, false), (true, true)] {
        for operation in 0..<12 {
            stage.disk = snapshot.restarted(isPowerCut: false)
            stage.anchors = anchors
            stage.disk.crash = .init(operation: operation, isBehind: isBehind)
            if let agent = try? stage.agent() { agent.run(stage.clock, steps: 4) }
            stage.disk = stage.disk.restarted(isPowerCut: isPowerCut)
            #expect(try stage.agent().finish { stage.clock.pass($0) })
            let what: Comment = "\(isPowerCut) \(isBehind) \(operation)"
            #expect(stage.disk.logs.map { $0.prefix(9) } == ["log-0000-", "log-0001-"], what)
            let reading = try Reading(stage.disk, stage.keyrings(), [], stage.store)
            let logs = reading.events("log")
            #expect(reading.faults == [] && logs.prefix(2).map { $0["reason"] as? Int } == [1, 3], what)
            #expect(logs[1]["previous_log"] as? String == stage.disk.logs[0].suffix(32).description, what)
        }
    }
}
