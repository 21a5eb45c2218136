// Enters: ring files of random words, beside a good one. Leaves: no trap, alarms within bounds, and the good one's records.
import Audit
import Foundation
import Memory
import TestSupport
import Testing

@testable import AuditAgent
@testable import RecordRing

private func strange(_ word: UInt64, _ random: inout SplitMix) -> UInt64 {
    switch random.below(6) {
    case 0: random.next()
    case 1: word ^ 1 << UInt64(random.below(64))
    case 2: word &+ UInt64(random.below(64))
    case 3: word &- UInt64(random.below(64))
    case 4: [0, 1, .max, 1 << 32, 1 << 63, 0xffff_ffff][random.below(6)]
    default: word & ~0xffff_ffff | UInt64(random.below(200))
    }
}

/// A word of the lines, of the first records, or of anywhere.
private func hit(_ server: Server, _ random: inout SplitMix) {
    let words = server.words
    let place = [16 + random.below(32), 512 + random.below(200), random.below(words.count)][random.below(3)]
    // The header is read once, and words behind it again and again.
    if place >= 16 { words.store(place, strange(words.load(place), &random)) }
}

@Test(arguments: 1...6 as ClosedRange<UInt64>) func hostileRings(seed: UInt64) throws {
    let stage = try Stage()
    var random = SplitMix(seed: seed)
    let agent = try stage.agent()
    let good = try Server(stage.place.folder, instance: 1, rings: 1)
    let bad = try Server(stage.place.folder, instance: 2, rings: 2)
    // Files that are none at all.
    for (number, bytes) in [0, 100, 8192].enumerated() {
        let name = "/ring-00000000000000f\(number).ring"
        try Data(random.bytes(bytes)).write(to: URL(fileURLWithPath: stage.place.folder + name))
    }
    for round in 1...120 as ClosedRange<UInt64> {
        #expect(good.shards[0].write(call(round)))
        for shard in bad.shards where random.below(2) == 0 { shard.write(call(round)) }
        for _ in 0..<random.below(3) { hit(bad, &random) }
        stage.clock.pass(UInt64(random.below(200)) * 1_000_000)
        agent.run(stage.clock, steps: 1 + random.below(3))
    }
    agent.run(stage.clock, steps: 10)
    let reading = try stage.reading()
    #expect(reading.faults == [])
    let ofGood = reading.sources.filter { $0.hasPrefix("1 ") }
    #expect(ofGood == (1...120).map { "1 0 \($0)" })
    let alarms = reading.events("alarm")
    #expect(alarms.allSatisfy { $0["name"] as? String == "ring" })
    // Each fault of a ring makes one alarm, and one more for what was lost; the rest is time that it is left alone.
    #expect(1...60 ~= alarms.count, "\(alarms.count)")
    // Of the good server nothing else was acknowledged than what is there.
    for (path, one) in stage.sockets.received where path.contains("0001.0") { #expect(one.sequence <= 120) }
}

/// A broken record: the ring goes on behind it, and the log says what is lost.
@Test func aBrokenRecordIsPassedOver() throws {
    let stage = try Stage()
    let agent = try stage.agent()
    let server = try Server(stage.place.folder, rings: 1)
    server.shards[0].write(call(1))
    agent.run(stage.clock, steps: 4)
    let place = RingLayout.dataStart(rings: 1) + Int(server.words.load(16)) + 10
    server.shards[0].write(call(2))
    server.words.store(place, server.words.load(place) ^ 1)
    agent.run(stage.clock, steps: 4)
    server.shards[0].write(call(3))
    agent.run(stage.clock, steps: 4)
    #expect(try stage.reading().sources.count == 1, "it is left alone for a second")
    stage.clock.pass(1_000_000_000)
    agent.run(stage.clock, steps: 4)
    let reading = try stage.reading()
    #expect(reading.sources == [1, 3].map { "\(server.instance) 0 \($0)" })
    let texts = reading.events("alarm").compactMap { $0["text"] as? String }
    #expect(texts.count == 2)
    #expect(texts.first?.contains("checksum is wrong") == true)
    #expect(texts.last?.hasPrefix("1 records, ") == true)
    #expect(stage.sockets.received.map(\.1.sequence) == [1, 3])
}

/// Calls of whole records in which everything is noise: each becomes a Record that can be read.
@Test func callsOfNoise() throws {
    let stage = try Stage()
    let agent = try stage.agent(copies: .both)
    let server = try Server(stage.place.folder, rings: 1, words: 1 << 15)
    var random = SplitMix(seed: 21)
    for _ in 0..<400 {
        var call = RingCall()
        func noise(_ max: Int) -> ByteView {
            kept(
                random.below(3) == 0
                    ? random.bytes(random.below(max)) : [UInt8](repeating: 0x61, count: random.below(max)))
        }
        call.startUnixNanoseconds = random.next() >> UInt64(random.below(64))
        (call.method, call.principal, call.credential) = (noise(128), noise(256), noise(64))
        (call.reason, call.asked, call.model) = (noise(64), noise(256), noise(128))
        (call.requestID, call.peer, call.subject) = (noise(128), noise(128), noise(256))
        call.labels = labels((0..<random.below(17)).map { _ in (noise(9).array, noise(9).array) })
        (call.request, call.answer) = (
            .copy(noise(300)), random.below(2) == 0 ? .leftOut : .digest(kept(random.bytes(32)))
        )
        (call.batch, call.traceHigh, call.version) = (random.next(), random.next(), Int64(bitPattern: random.next()))
        while !server.shards[0].write(call) { agent.run(stage.clock, steps: 1) }
    }
    #expect(agent.finish { stage.clock.pass($0) })
    let reading = try stage.reading()
    #expect(reading.status == .whole && reading.sources.count == 400 && reading.payloads.count == 400)
    #expect(reading.events("alarm").isEmpty)
    // Months that are far from now make no keys of their own.
    #expect(Set(stage.store.durable.values.map(\.month)).count <= 4)
}

/// Events that are none are alarms at their places.
@Test func anEventThatIsNone() throws {
    let stage = try Stage()
    let agent = try stage.agent()
    let server = try Server(stage.place.folder, rings: 1)
    server.shards[0].write(.gap, [0x0a])
    server.shards[0].write(.withheld, [8, 1])
    agent.run(stage.clock, steps: 4)
    let reading = try stage.reading()
    #expect(reading.sources == [1, 2].map { "\(server.instance) 0 \($0)" })
    #expect(reading.events("alarm").count == 1 && reading.events("withheld").count == 1)
    #expect(stage.sockets.received.map(\.1) == [Acknowledgement(ring: 0, count: 2, sequence: 2, index: 4)])
}

/// A file that is cut short ends its rings, and no others.
@Test func aFileThatIsCutShort() throws {
    let stage = try Stage()
    let agent = try stage.agent()
    let good = try Server(stage.place.folder, instance: 1, rings: 1)
    let bad = try Server(stage.place.folder, instance: 2, rings: 1)
    bad.shards[0].write(call(1))
    agent.run(stage.clock, steps: 4)
    #expect(unsafe truncate(bad.path, 100) == 0)
    good.shards[0].write(call(1))
    agent.run(stage.clock, steps: 300)
    let reading = try stage.reading()
    #expect(reading.sources == ["2 0 1", "1 0 1"])
    #expect(reading.events("alarm").count == 1)
}
