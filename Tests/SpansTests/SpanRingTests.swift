// Enters: records of calls, and rings that were tampered with. Leaves: what a reader makes of them.
import Memory
import Testing

@testable import Spans

@Test func readsWhatPythonWrote() throws {
    var reader = SpanRingReader()
    let found = reader.read(Golden.all.words)
    #expect(found.missed == 0 && found.spans.count == 24)
    let second = try #require(found.spans.dropFirst().first)
    #expect(second.model == "größe" && second.version == -1 && second.context.parentID == 77)
    #expect(second.context.flags == 3 && second.traceState == "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE")
    #expect(second.stamps == SpanStamps(read: 1000, gathered: 2000, runBegan: 3000, runEnded: 4000, left: 5000))
    #expect(found.spans[3].method.isEmpty && found.spans[3].stamps == SpanStamps(left: 0))
    #expect(reader.read(Golden.all.words) == SpanRingReader.Found())
}

/// The same words, bit for bit, from both writers.
@Test func writesAsPythonDoes() {
    var reader = SpanRingReader()
    let spans = reader.read(Golden.all.words).spans
    let ring = Ring(records: spans.count + 3, identity: 42)
    for span in spans { ring.write(span) }
    #expect(ring.words.copy == Golden.all.words)
}

@Test func theOldestMakesRoom() {
    let ring = Ring(records: 4)
    var reader = SpanRingReader()
    #expect(reader.read(ring.words.copy) == .init())
    for number in 1...3 as ClosedRange<UInt64> { ring.write(span(number)) }
    #expect(reader.read(ring.words.copy).spans == (1...3).map { span($0) })
    for number in 4...13 as ClosedRange<UInt64> { ring.write(span(number)) }
    let found = reader.read(ring.words.copy)
    #expect(found.spans == (10...13).map { span($0) })
    #expect(found.missed == 6)
}

/// Nobody was there to miss what a ring had lost before.
@Test func atFirstSightNothingWasMissed() {
    let ring = Ring(records: 4)
    for number in 1...9 as ClosedRange<UInt64> { ring.write(span(number)) }
    var reader = SpanRingReader()
    #expect(reader.read(ring.words.copy) == .init(spans: (6...9).map { span($0) }))
}

/// An agent that is started again has exported it before.
@Test func whatEndedBeforeIsPassedOver() {
    let ring = Ring(records: 8, identity: 1)
    // They end at 1005 and their number.
    for number in 1...9 as ClosedRange<UInt64> { ring.write(span(number)) }
    var reader = SpanRingReader(since: 1012)
    #expect(reader.read(Array(repeating: 0, count: ring.words.copy.count)) == .init())
    #expect(reader.read(ring.words.copy) == .init(spans: (7...9).map { span($0) }))
    // What comes later is new, whatever the clock says; and so is what another server writes.
    ring.write(span(1))
    #expect(reader.read(ring.words.copy) == .init(spans: [span(1)]))
    let later = Ring(records: 8, identity: 2)
    for number in 1...3 as ClosedRange<UInt64> { later.write(span(number)) }
    #expect(reader.read(later.words.copy) == .init(spans: (1...3).map { span($0) }))
    var early = SpanRingReader(since: 1012)
    let empty = Ring(records: 8, identity: 3)
    #expect(early.read(empty.words.copy) == .init())
    empty.write(span(1))
    #expect(early.read(empty.words.copy) == .init(spans: [span(1)]))
}

@Test func aServerThatIsStartedAgain() {
    var reader = SpanRingReader()
    let first = Ring(records: 4, identity: 1)
    for number in 1...3 as ClosedRange<UInt64> { first.write(span(number)) }
    _ = reader.read(first.words.copy)
    let second = Ring(records: 4, identity: 2)
    for number in 11...15 as ClosedRange<UInt64> { second.write(span(number)) }
    #expect(reader.read(second.words.copy) == .init(spans: (12...15).map { span($0) }))
}

/// The writer is in the middle of overwriting a record while it is copied: any mix of old words and new.
@Test(arguments: 1...20 as ClosedRange<UInt64>) func aTornRecordIsMissed(seed: UInt64) {
    var random = SplitMix(seed: seed)
    let ring = Ring(records: 3)
    for number in 1...3 as ClosedRange<UInt64> { ring.write(span(number)) }
    let before = ring.words.copy
    ring.write(span(4, method: "other.Service/Method"))
    let after = ring.words.copy
    let changed = before.indices.filter { $0 >= 8 && before[$0] != after[$0] }
    for _ in 0..<1000 {
        var copy = before
        let taken = changed.filter { _ in Bool.random(using: &random) }
        for place in taken { copy[place] = after[place] }
        var reader = SpanRingReader()
        let found = reader.read(copy)
        // None taken: it is the old record still. All taken: the new one is whole, but not yet told of.
        let isWhole = taken.isEmpty
        #expect(found.spans == (isWhole ? [span(1), span(2), span(3)] : [span(2), span(3)]))
        #expect(found.missed == (isWhole ? 0 : 1))
    }
}

@Test func textsAreCutBetweenCharacters() {
    let ring = Ring(records: 1)
    var long = span(1, method: String(repeating: "ñ", count: 40))
    long.model = "x" + String(repeating: "ñ", count: 40)
    long.peer = String(repeating: "p", count: 65)
    long.traceState = String(repeating: "t", count: 513)
    ring.write(long)
    var reader = SpanRingReader()
    let found = reader.read(ring.words.copy).spans
    #expect(found.first?.method == String(repeating: "ñ", count: 32))
    #expect(found.first?.model == "x" + String(repeating: "ñ", count: 31))
    #expect(found.first?.peer.count == 64 && found.first?.traceState == "")
}

/// Words that nobody vouches for: the checksum is made right in half of the rings, so that what is behind it is reached.
@Test(arguments: 1...8 as ClosedRange<UInt64>) func hostileRings(seed: UInt64) {
    var random = SplitMix(seed: seed)
    let good = Array(Golden.all.words[0..<8 + 3 * 104])
    var survived = 0
    var reader = SpanRingReader()
    for _ in 0..<15_000 {
        var words = good
        words[1] = 3
        words[3] = 3
        for _ in 0...random.next() % 4 {
            let place = random.next() % 3 == 0 ? Int(random.next() % 4) : Int(random.next() % UInt64(words.count))
            words[place] = strange(words[place], &random)
        }
        if random.next() % 2 == 0 { repair(&words) }
        if random.next() % 20 == 0 { words.removeLast(Int(random.next() % UInt64(words.count))) }
        // Half go to who has seen others before.
        var fresh = SpanRingReader()
        let found = random.next() % 2 == 0 ? reader.read(words) : fresh.read(words)
        for span in found.spans {
            survived += 1
            // Whatever was read can be told on.
            #expect(span.count >= 1 && span.endUnixNanoseconds >= span.startUnixNanoseconds)
        }
        if !found.spans.isEmpty, random.next() % 50 == 0 {
            #expect(throws: Never.self) { try OTLP(resource: [], version: "0").request(found.spans) }
        }
    }
    #expect(survived > 10_000)
}

private func strange(_ word: UInt64, _ random: inout SplitMix) -> UInt64 {
    switch random.next() % 5 {
    case 0: word ^ 1 << (random.next() % 64)
    case 1: random.next()
    case 2: [0, 1, .max, .max - 1, 1 << 63, UInt64(Int64.max)][Int(random.next() % 6)]
    case 3: word &+ random.next() % 7 &- 3
    default: word | random.next()
    }
}

/// Makes the checksum of each record what its words are.
private func repair(_ words: inout [UInt64]) {
    for first in stride(from: 8, to: words.count - 103, by: 104) {
        let bytes = Int(words[first + 7] >> 48)
        guard bytes <= 512 else { continue }
        var checksum = SpanChecksum()
        for place in 0..<40 + (bytes + 7) / 8 where place != 1 { checksum.add(words[first + place]) }
        words[first + 1] = checksum.sum
    }
}
