// Enters: records of refused connections, more than the disk has a share for. Leaves: some of them, and one for the rest.
import Audit
import Foundation
import Memory
import Testing

@testable import AuditAgent
@testable import RecordRing

private func refused(_ count: UInt64, _ first: UInt64, _ last: UInt64) -> [UInt8] {
    var message = RecordWriter()
    message.text(1, "handshake")
    message.text(2, "192.0.2.0/24")
    message.number(4, count)
    message.fixed64(5, first)
    message.fixed64(6, last)
    return message.bytes
}

@Test func refusedConnectionsHaveAShareOfTheDisk() throws {
    let stage = try Stage()
    let agent = try stage.agent()
    // Of the share of 1/64 two records and a half.
    let bytes = refused(3, 1, 2).count + 160
    agent.diskBytes = UInt64(64 * (2 * bytes + bytes / 2))
    let server = try Server(stage.place.folder, rings: 1)
    for number in 1...10 as ClosedRange<UInt64> {
        server.shards[0].write(.refused, refused(3, 100 - number, 100 + number))
    }
    // What they hide is none of theirs.
    server.shards[0].write(.withheld, [8, 1])
    agent.run(stage.clock, steps: 10)
    var reading = try stage.reading()
    #expect(reading.events("refused").map { $0["network"] as? String } == ["192.0.2.0/24", "192.0.2.0/24"])
    #expect(reading.events("withheld").count == 1 && stage.sockets.received.last?.1.sequence == 11)
    stage.clock.pass(3_500_000_000_000)
    agent.run(stage.clock, steps: 4)
    #expect(try stage.reading().events("refused").count == 2)
    stage.clock.pass(200_000_000_000)
    agent.run(stage.clock, steps: 4)
    reading = try stage.reading()
    let rest: NSDictionary = ["reason": "others", "network": "others", "count": 24, "first": 90, "last": 110]
    #expect(reading.events("refused").count == 3 && reading.events("refused").last == rest)
    // The next day has its share.
    stage.clock.pass(86_400_000_000_000)
    server.shards[0].write(.refused, refused(1, 1, 1))
    agent.run(stage.clock, steps: 4)
    #expect(try stage.reading().events("refused").last?["network"] as? String == "192.0.2.0/24")
}

@Test func whatIsHeldBackIsToldAtTheEnd() throws {
    let stage = try Stage()
    let agent = try stage.agent()
    agent.diskBytes = 0
    let server = try Server(stage.place.folder, rings: 1)
    server.shards[0].write(.refused, refused(5, 7, 9))
    agent.run(stage.clock, steps: 4)
    #expect(try stage.reading().events("refused").isEmpty)
    #expect(agent.finish { stage.clock.pass($0) })
    let reading = try stage.reading()
    #expect(reading.events("refused").map { $0["count"] as? Int } == [5] && reading.status == .whole)
    // What was held back is durable in the ring: the next life does not read it again.
    let next = try stage.agent()
    next.run(stage.clock, steps: 4)
    #expect(try stage.reading().events("refused").count == 1)
}

/// An event that is none is an alarm, whatever share is left.
@Test func whatIsNoneIsNotHeldBack() throws {
    let stage = try Stage()
    let agent = try stage.agent()
    agent.diskBytes = 0
    let server = try Server(stage.place.folder, rings: 1)
    server.shards[0].write(.refused, [0x0a])
    agent.run(stage.clock, steps: 4)
    #expect(try stage.reading().events("alarm").count == 1)
}
