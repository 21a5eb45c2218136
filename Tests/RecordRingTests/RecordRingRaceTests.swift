// Enters: a thread that writes as fast as it can. Leaves: what a reader gets meanwhile: whole records, in order.
import Foundation
import Memory
import Testing

@testable import RecordRing

private final class Writer: Sendable {
    let rings: RecordRings
    let records: UInt64

    init(_ place: Place, mode: RecordRingMode, records: UInt64) throws {
        rings = try RecordRings(
            folder: place.folder, instance: RecordInstance(high: 1, low: 2), rings: 1, wordsPerRing: 3000, mode: mode)
        self.records = records
    }

    func run() {
        let shard = Shard(rings.writer(0))
        for number in 1...records {
            let call = Self.call(number)
            while shard.write(call) == nil { sched_yield() }
        }
    }

    static func call(_ number: UInt64) -> RingCall { RingCall(seed: number, bodyMax: 400) }
}

@Test(arguments: RecordRingMode.allCases) func readWhileItIsWritten(mode: RecordRingMode) throws {
    let place = try Place()
    let writer = try Writer(place, mode: mode, records: 20_000)
    let reader = try RecordRingReader(RecordRingFile(place.folder + "/" + writer.rings.instance.fileName), ring: 0)
    let thread = Thread { writer.run() }
    thread.start()

    var last: UInt64 = 0
    var (read, lost) = (0, 0 as UInt64)
    while last < writer.records {
        switch try reader.next() {
        case .lost(let records, _)?:
            lost += records
            last += records
        case .record(let record)?:
            last += 1
            read += 1
            try #require(record.sequence == last && record.content == .call(Writer.call(last)), "record \(last)")
            if last % 7 == 0 { try reader.acknowledge(record.place) }
        case nil:
            try reader.acknowledge(reader.place)
            sched_yield()
        }
    }
    #expect(try reader.next() == nil)
    #expect(read + Int(lost) == 20_000 && (mode == .overwrite || lost == 0))
}
