// Enters: credit that is taken, used and given back. Leaves: when there is room, and what the ring holds.
import Memory
import Testing

@testable import RecordRing

private let least = 8 * RecordLayout.callWordsMax

/// How many credits of `bytes` there are; they are given back.
private func credits(_ shard: Shard, _ bytes: Int) -> Int {
    var held: [Held] = []
    while held.count < 10_000, let one = shard.reserve(bytes) { held.append(one) }
    for one in held { shard.writer.giveBack(one.take()) }
    return held.count
}

/// bytes asked for · how many such credits a ring of ten smallest ones has
@Test(
    arguments: [
        (0, 10), (-5, 10), (least, 10), (least + 1, 9), (2 * least, 5), (3 * least, 3), (10 * least, 1),
        (10 * least + 1, 0),
        (Int.max, 0),
    ] as [(Int, Int)])
func credit(bytes: Int, count: Int) throws {
    let place = try Place()
    let life = try Life(place, words: 10 * RecordLayout.callWordsMax)
    #expect(credits(life.shards[0], bytes) == count)
    // All came back.
    #expect(credits(life.shards[0], bytes) == count)
}

@Test func aWordTooFewIsNoRoom() throws {
    for (words, count) in [(10 * RecordLayout.callWordsMax, 10), (10 * RecordLayout.callWordsMax - 1, 9)] {
        let place = try Place()
        let life = try Life(place, words: words)
        #expect(credits(life.shards[0], 0) == count)
    }
}

@Test func theRingIsExactlyAsLargeAsItsCredit() throws {
    let place = try Place()
    let life = try Life(place, words: 10 * RecordLayout.callWordsMax)
    let shard = life.shards[0]
    let reader = try life.reader()
    // A slow call holds room and no place: ten rings' worth of others go by.
    let slow = try #require(shard.reserve(0))
    for number in 1...100 as ClosedRange<UInt64> {
        let call = RingCall(seed: number, bodyMax: 8)
        while shard.write(call) == nil {
            let before = try reader.sequences()
            try #require(!before.isEmpty)
            try reader.acknowledge(reader.place)
        }
    }
    #expect(shard.writer.write(RingCall(seed: 101, bodyMax: 0), using: slow.take()) == 101)
    #expect(try reader.sequences().last == 101)
}

/// What is written takes what it is long, not what was reserved for it.
@Test func onlyWhatWasWrittenTakesRoom() throws {
    let place = try Place()
    let words = 10 * RecordLayout.callWordsMax
    let life = try Life(place, words: words)
    let shard = life.shards[0]
    var used = 0
    for number in 1...20 as ClosedRange<UInt64> {
        let held = try #require(shard.reserve(0))
        var call = RingCall()
        call.startUnixNanoseconds = number
        #expect(shard.writer.write(call, using: held.take()) == number)
        used += RecordLayout.callWords
        #expect(life.words.load(16) == UInt64(used))
        #expect(credits(shard, 0) == (words - used) / RecordLayout.callWordsMax)
    }
}

/// Of ten records so many are durable, says the agent, up to this sequence; what is wrong with its check · credits there are
@Test(
    arguments: [
        (10, 10, 0, 10), (5, 5, 0, 9), (10, 99, 0, 10), (10, 10, 1, 8), (11, 10, 0, 8), (0, 0, 0, 8),
        (UInt64.max, 10, 0, 8),
    ] as [(UInt64, UInt64, UInt64, Int)])
func theAgentsWordIsChecked(records: UInt64, sequence: UInt64, wrong: UInt64, expected: Int) throws {
    let place = try Place()
    let life = try Life(place, words: 10 * RecordLayout.callWordsMax)
    let shard = life.shards[0]
    for _ in 0..<10 {
        let held = try #require(shard.reserve(0))
        _ = shard.writer.write(RingCall(), using: held.take())
    }
    let position = records &* UInt64(RecordLayout.callWords)
    life.words.store(24, position)
    life.words.store(25, sequence)
    life.words.store(26, RingLayout.check(position: position, sequence: sequence) ^ wrong)
    #expect(credits(shard, 0) == expected)
    // It never goes back.
    let old = RingLayout.check(position: 0, sequence: 0)
    for (word, value) in [(24, 0), (25, 0), (26, old)] as [(Int, UInt64)] { life.words.store(word, value) }
    for _ in 0..<2 { #expect(credits(shard, 0) == expected) }
}

/// In this mode credit ends only where one record is larger than the ring.
@Test func overwritingNeverWaits() throws {
    let place = try Place()
    let words = 10 * RecordLayout.callWordsMax
    let life = try Life(place, words: words, mode: .overwrite)
    let shard = life.shards[0]
    #expect(credits(shard, 0) == 10_000 && shard.reserve(8 * words + 1) == nil)
    for number in 1...500 as ClosedRange<UInt64> {
        #expect(shard.write(RingCall(seed: number, bodyMax: 900)) == number)
        let (head, tail) = (life.words.load(16), life.words.load(17))
        #expect(head - tail <= UInt64(words) && (number < 50 || head - tail > UInt64(words) / 2))
    }
    // Another process that scribbles costs records and no more.
    for word in RingLayout.dataStart(rings: 1)..<life.words.count { life.words.store(word, .max) }
    for number in 501...600 as ClosedRange<UInt64> {
        #expect(shard.write(RingCall(seed: number, bodyMax: 900)) == number)
    }
    let reader = try life.reader()
    #expect(try reader.sequences().last == 600)
}

#if !os(macOS)
    @Test func creditOfAnotherRingIsOurBug() async throws {
        await #expect(processExitsWith: .failure) {
            let place = try Place()
            let life = try Life(place, rings: 2)
            let held = try #require(life.shards[0].reserve(0))
            life.shards[1].writer.giveBack(held.take())
        }
    }
#endif
