// Enters: ring files of random and of damaged words. Leaves: a reader that ends, and no trap.
import Foundation
import Memory
import TestSupport
import Testing

@testable import RecordRing

/// A ring that has wrapped, of calls and other events.
private func good(mode: RecordRingMode) throws -> [UInt64] {
    let place = try Place()
    let life = try Life(place, instance: 1, words: 1024, mode: mode)
    let shard = life.shards[0]
    let reader = try life.reader()
    for number in 1...40 as ClosedRange<UInt64> {
        if number % 5 == 0 {
            let held = try #require(shard.reserve(RecordLayout.eventBytes(payload: 50)))
            _ = shard.writer.write(.admin, startUnixNanoseconds: number, payload: kept(pattern(50)), using: held.take())
        } else {
            let written = shard.write(RingCall(seed: number, bodyMax: 60))
            try #require(written == number)
        }
        if number < 36 {
            _ = try reader.sequences()
            try reader.acknowledge(reader.place)
        }
    }
    return life.copy
}

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

/// Makes lengths, sequences and checksums what the words are, from the agent's place on, so that what is behind them is reached.
private func repair(_ words: inout [UInt64], start: Int) {
    let size = words.count - start
    guard words[24] <= words[16], words[16] - words[24] <= UInt64(size) else { return }
    var position = words[24]
    var sequence = words[25]
    while position < words[16] {
        let place = { (index: UInt64) in start + Int((position + index) % UInt64(size)) }
        let count = words[place(0)] & 0xffff_ffff
        guard count >= 4, count <= words[16] - position else { return }
        sequence &+= 1
        words[place(1)] = sequence
        words[place(2)] = checksum((0..<count).filter { $0 != 2 }.map { words[place($0)] })
        position += count
    }
}

/// Reads all there is, three times over where it is broken. Each view is looked at to its end.
private func drive(_ reader: RecordRingReader, words: Int) throws -> (records: Int, faults: Int) {
    var records = 0
    var faults = 0
    var sum: UInt64 = 0
    // Each item is at least a record's head, and a jump comes once for each.
    for _ in 0..<words {
        do throws(RecordRingError) {
            guard let item = try reader.next() else { return (records, faults) }
            guard case .record(let record) = item else { continue }
            records += 1
            switch record.content {
            case .call(let call):
                for text in [call.method, call.subject, call.request.bytes, call.answer.bytes] { sum &+= text.fnv1a }
                for label in call.labels { sum &+= label.name.fnv1a &+ label.value.fnv1a }
            case .event(_, _, let payload): sum &+= payload.fnv1a
            case .unreadable: sum &+= 1
            }
            try reader.acknowledge(record.place)
        } catch {
            faults += 1
            #expect(!error.sentence.isEmpty)
            if faults == 3 { return (records, faults) }
            _ = try? reader.skipToHead()
        }
    }
    Issue.record("the reader does not end")
    return (records, faults)
}

@Test(arguments: 1...8 as ClosedRange<UInt64>) func damagedRings(seed: UInt64) throws {
    var random = SplitMix(seed: seed)
    let place = try Place()
    let path = place.folder + "/ring-0000000000000001.ring"
    let start = RingLayout.dataStart(rings: 1)
    let rings = [try good(mode: .acknowledge), try good(mode: .overwrite)]
    var (records, faults, unopened) = (0, 0, 0)
    for _ in 0..<500 {
        var words = rings[random.below(2)]
        for _ in 0...random.below(5) {
            let number = [random.below(7), 16 + random.below(2), 24 + random.below(3), start + random.below(1024)][
                min(3, random.below(9))]
            words[number] = strange(words[number], &random)
        }
        if random.below(3) == 0 { words[26] = RingLayout.check(position: words[24], sequence: words[25]) }
        if random.below(2) == 0 { repair(&words, start: start) }
        if random.below(20) == 0 { words.removeLast(random.below(words.count)) }
        try Data(raw(words)).write(to: URL(fileURLWithPath: path))
        guard let file = try? RecordRingFile(path) else {
            unopened += 1
            continue
        }
        for ring in 0..<min(2, file.rings) {
            guard let reader = try? RecordRingReader(file, ring: ring, windowBytes: 0) else { continue }
            let found = try drive(reader, words: words.count)
            (records, faults) = (records + found.records, faults + found.faults)
            if random.below(4) == 0 { _ = try? reader.skip(through: random.next() >> UInt64(random.below(64))) }
        }
        _ = try? file.removeIfFinished()
    }
    // All three ends were reached often.
    #expect(records > 500 && faults > 50 && unopened > 20, "\(records) \(faults) \(unopened)")
}

/// Bytes that are no record at all, where a record is decoded.
@Test func randomBytesAsRecords() {
    var random = SplitMix(seed: 3)
    var readable = 0
    for _ in 0..<20_000 {
        var words = (0..<27 + random.below(40)).map { _ in
            random.below(3) == 0 ? random.next() : UInt64(random.below(9))
        }
        words[0] = UInt64(words.count) | UInt64(random.below(10)) << 32
        if random.below(10) == 0 { words.removeLast(random.below(words.count)) }
        if words.count > 26 {
            for place in 24...26 where random.below(3) > 0 {
                words[place] = UInt64(random.below(3)) << UInt64(16 * random.below(4))
            }
            words[23] &= 0xff
            words[17] &= 0x0300_0000_0000_0000 | random.next() >> 8
        }
        let bytes = OwnedBytes(raw(words))
        if case .call(let call) = RingRecord.Content(decoding: bytes.view) {
            readable += 1
            #expect(call.method.count <= 0xffff && call.labels.reduce(0) { $0 + $1.name.count } <= words.count * 8)
        }
    }
    #expect(readable > 0)
}
