// Enters: rings of servers that live, died or lie. Leaves: their records once and in order, or what is wrong.
import Memory
import Testing

@testable import RecordRing

private func problem(_ body: () throws -> Void) -> RecordRingError? {
    do {
        try body()
        return nil
    } catch { return error as? RecordRingError }
}

@Test func whatIsDurableIsNotReadAgain() throws {
    let place = try Place()
    let life = try Life(place, words: 20_000)
    for number in 1...10 as ClosedRange<UInt64> { life.shards[0].write(RingCall(seed: number)) }
    let first = try life.reader()
    #expect(try first.sequences() == Array(1...10))
    #expect(try life.reader().sequences() == Array(1...10), "nothing was acknowledged")
    try first.acknowledge(first.place)
    #expect(try life.reader().next() == nil)
    life.shards[0].write(RingCall(seed: 11))
    #expect(try first.sequences() == [11])
    let second = try life.reader()
    #expect(try second.sequences() == [11])
    // Backwards it does not go.
    try second.acknowledge(second.place)
    try first.acknowledge(RecordPlace(position: 0, sequence: 0))
    #expect(try life.reader().next() == nil)
}

/// what the log has · what comes then; `nil`: the ring ends before
@Test(
    arguments: [(0, [4, 5, 6]), (3, [4, 5, 6]), (4, [5, 6]), (6, []), (7, nil), (.max, nil)] as [(UInt64, [UInt64]?)])
func whatTheLogHasIsSkipped(last: UInt64, expected: [UInt64]?) throws {
    let place = try Place()
    let life = try Life(place, words: 20_000)
    let shard = life.shards[0]
    for number in 1...3 as ClosedRange<UInt64> { shard.write(RingCall(seed: number)) }
    let early = try life.reader()
    _ = try early.sequences()
    try early.acknowledge(early.place)
    for number in 4...6 as ClosedRange<UInt64> { shard.write(RingCall(seed: number)) }

    let reader = try life.reader()
    guard let expected else {
        let error = problem { _ = try reader.skip(through: last) }
        #expect(error == .behind(path: life.path, ring: 0, sequence: last, last: 6))
        return
    }
    #expect(try reader.skip(through: last) == UInt64(3 - expected.count))
    #expect(try life.reader().sequences() == expected, "it is stored")
    #expect(try reader.sequences() == expected)
}

/// A server that was killed had stored some of a record's words, and not the head.
@Test func aTornRecordIsNotThere() throws {
    let place = try Place()
    let life = try Life(place)
    let shard = life.shards[0]
    for number in 1...3 as ClosedRange<UInt64> { shard.write(RingCall(seed: number)) }
    let head = life.words.load(16)
    shard.write(RingCall(seed: 4))
    life.words.store(16, head)
    #expect(try life.reader().sequences() == [1, 2, 3])
}

/// what happens to the words of the second of three records · the fault
private struct Damage: Sendable, CustomTestStringConvertible {
    let testDescription: String
    /// Of the ring; `first` is the second record's first one.
    let change: @Sendable (SharedWords, _ first: Int, _ count: Int) -> Void
    let fault: @Sendable (_ count: UInt64, _ written: UInt64) -> RecordFault

    static let all = [
        Damage(
            testDescription: "no length", change: { words, first, _ in words.store(first, 0) },
            fault: { .length(0, written: $1) }),
        Damage(
            testDescription: "a length below a record's head", change: { words, first, _ in words.store(first, 3) },
            fault: { .length(3, written: $1) }),
        Damage(
            testDescription: "a length behind the head",
            change: { words, first, _ in words.store(first, 1 << 20 | 3 << 32) },
            fault: { .length(1 << 20, written: $1) }),
        Damage(
            testDescription: "the largest length", change: { words, first, _ in words.store(first, .max) },
            fault: { .length(0xffff_ffff, written: $1) }),
        Damage(
            testDescription: "a bit of a field",
            change: { words, first, _ in words.store(first + 9, words.load(first + 9) ^ 1) },
            fault: { _, _ in .checksum }),
        Damage(
            testDescription: "a bit of the last word",
            change: { words, first, count in words.store(first + count - 1, words.load(first + count - 1) ^ 1 << 63) },
            fault: { _, _ in .checksum }),
        Damage(
            testDescription: "a bit of the checksum",
            change: { words, first, _ in words.store(first + 2, words.load(first + 2) ^ 2) },
            fault: { _, _ in .checksum }),
        Damage(
            testDescription: "the sequence before",
            change: { words, first, count in
                words.store(first + 1, 1)
                repair(words, first, count)
            }, fault: { _, _ in .sequence(1, after: 1) }),
        Damage(
            testDescription: "a sequence left out",
            change: { words, first, count in
                words.store(first + 1, 3)
                repair(words, first, count)
            }, fault: { _, _ in .sequence(3, after: 1) }),
    ]
}

private func repair(_ words: SharedWords, _ first: Int, _ count: Int) {
    words.store(first + 2, checksum((first..<first + count).filter { $0 != first + 2 }.map(words.load)))
}

@Test(arguments: Damage.all.indices) func damagedRecords(number: Int) throws {
    let damage = Damage.all[number]
    let place = try Place()
    let life = try Life(place)
    let shard = life.shards[0]
    shard.write(RingCall(seed: 1, bodyMax: 100))
    let start = Int(life.words.load(16))
    shard.write(RingCall(seed: 2, bodyMax: 100))
    let end = Int(life.words.load(16))
    shard.write(RingCall(seed: 3, bodyMax: 100))
    let head = Int(life.words.load(16))
    damage.change(life.words, RingLayout.dataStart(rings: 1) + start, end - start)

    let reader = try life.reader()
    #expect(try reader.call() == RingCall(seed: 1, bodyMax: 100))
    let expected = RecordRingError.broken(
        path: life.path, ring: 0, position: UInt64(start), damage.fault(UInt64(end - start), UInt64(head - start)))
    #expect(problem { _ = try reader.next() } == expected)
    #expect(problem { _ = try reader.next() } == expected, "it stays so")
    #expect(problem { _ = try reader.skip(through: 3) } == expected)
    // What is lost is said in bytes at once, and in records when the next one comes.
    #expect(try reader.skipToHead() == UInt64(8 * (head - start)))
    #expect(try reader.next() == nil)
    shard.write(RingCall(seed: 4, bodyMax: 100))
    #expect(try reader.next() == .lost(records: 2, bytes: UInt64(8 * (head - start))))
    #expect(try reader.call() == RingCall(seed: 4, bodyMax: 100))
    #expect(try reader.next() == nil)
}

/// So many words were written, and no record has so many.
@Test func aRecordThatIsTooLong() throws {
    let place = try Place()
    let life = try Life(place, words: 60_000)
    var call = RingCall()
    call.request = .copy(kept([UInt8](repeating: 7, count: RecordLayout.bodyBytesMax)))
    for _ in 0..<5 { #expect(life.shards[0].write(call) != nil) }
    let head = life.words.load(16)
    for length in [UInt64(RecordLayout.recordWordsMax) + 1, head] {
        life.words.store(RingLayout.dataStart(rings: 1), length | 3 << 32)
        let reader = try life.reader()
        #expect(
            problem { _ = try reader.next() }
                == .broken(path: life.path, ring: 0, position: 0, .length(length, written: head)))
    }
}

/// An agent that is started again behind a jump does not take the gap for damage, nor the log for another server's.
@Test func aJumpOutlivesTheAgent() throws {
    let place = try Place()
    let life = try Life(place)
    for number in 1...3 as ClosedRange<UInt64> { life.shards[0].write(RingCall(seed: number, bodyMax: 100)) }
    let first = try life.reader()
    _ = try first.next()
    _ = try first.skipToHead()
    try first.acknowledge(first.place)
    let second = try life.reader()
    #expect(try second.skip(through: 1) == 0)
    life.shards[0].write(RingCall(seed: 4, bodyMax: 100))
    #expect(try second.sequences() == [4])
    try second.acknowledge(second.place)
    #expect(try life.reader().skip(through: 4) == 0)
}

/// A record that is whole, and in which something contradicts its length, costs itself only.
@Test(
    arguments: [
        (0, 4, "an unknown kind"), (0, 0, "no kind"), (0, 8, "an event"), (17, 0x30, "a body left out that is there"),
        (17, 0xc0, "bits that mean nothing"), (23, 0, "a body of no bytes"), (24, 0xff, "a long text"),
        (26, 0, "no peer"),
        (22, 3, "three labels"),
    ] as [(Int, UInt64, String)])
func whatNoWriterWrites(word: Int, value: UInt64, what: String) throws {
    let place = try Place()
    let life = try Life(place)
    let shard = life.shards[0]
    var call = RingCall()
    (call.peer, call.request) = (kept("peer"), .copy(kept([1, 2, 3])))
    shard.write(call)
    let count = Int(life.words.load(16))
    shard.write(call)
    let first = RingLayout.dataStart(rings: 1)
    let old = life.words.load(first + word)
    switch word {
    case 0: life.words.store(first, old & 0xffff_ffff | (what == "an unknown kind" ? 9 : value) << 32)
    case 17: life.words.store(first + word, old | value << (what.hasPrefix("bits") ? 56 : 52))
    case 22: life.words.store(first + word, value << 32)
    default: life.words.store(first + word, value)
    }
    repair(life.words, first, count)
    let reader = try life.reader()
    guard case .record(let record) = try reader.next() else {
        Issue.record("no record")
        return
    }
    #expect(record.content == .unreadable && record.sequence == 1 && record.bytes == 8 * count, "\(what)")
    #expect(try reader.call() == call)
}

/// the server's two words · whether anything can be read
@Test(
    arguments: [
        (0, 0, false), (UInt64.max, 0, false), (100, 101, false), (0, 1, false), (5000, 0, false),
        (UInt64.max, UInt64.max, true),
    ] as [(UInt64, UInt64, Bool)])
func aHeadThatLies(head: UInt64, tail: UInt64, isGood: Bool) throws {
    let place = try Place()
    let life = try Life(place)
    for number in 1...3 as ClosedRange<UInt64> { life.shards[0].write(RingCall(seed: number, bodyMax: 100)) }
    let reader = try life.reader()
    _ = try reader.next()
    life.words.store(16, head)
    life.words.store(17, tail)
    // What was copied before is read on; then it shows.
    var fault: RecordRingError?
    for _ in 0..<5 where fault == nil { fault = problem { _ = try reader.next() } }
    if isGood {
        #expect(fault == nil)
    } else if case .broken(_, 0, _, let what) = fault {
        #expect(what == .head(head, tail: tail))
    } else {
        Issue.record("\(String(describing: fault))")
    }
}

@Test func whatWasOverwrittenIsCounted() throws {
    let place = try Place()
    let life = try Life(place, words: 4096, mode: .overwrite)
    let shard = life.shards[0]
    let reader = try life.reader()
    var next: UInt64 = 1
    var written: UInt64 = 0
    var lostBytes: UInt64 = 0
    var random = SplitMix(seed: 5)
    for _ in 0..<200 {
        for _ in 0..<random.next() % 60 {
            written += 1
            try #require(shard.write(RingCall(seed: written, bodyMax: 900)) == written)
        }
        while let item = try reader.next() {
            switch item {
            case .lost(let records, let bytes):
                try #require(records > 0 && bytes > 0)
                next += records
                lostBytes += bytes
            case .record(let record):
                try #require(record.sequence == next && record.content == .call(RingCall(seed: next, bodyMax: 900)))
                next += 1
            }
        }
        try #require(next == written + 1)
        if random.next() % 3 == 0 { try reader.acknowledge(reader.place) }
    }
    #expect(lostBytes > 0)
    // A reader that comes later begins with the oldest, and says how many it missed.
    for _ in 0..<50 {
        written += 1
        shard.write(RingCall(seed: written, bodyMax: 900))
    }
    let late = try life.reader()
    guard case .lost(let records, _) = try late.next(), case .record(let record) = try late.next() else {
        Issue.record("nothing is lost")
        return
    }
    #expect(records > 0 && record.sequence > records && record.sequence <= written)
    #expect(try late.sequences().last == written)
}
