// Enters: a call's record. Leaves: words that another process reads; the oldest record makes room for it.
public import Memory

/// The records of one shard. Only its thread writes; nobody waits for who reads.
///
/// A record may be read while it is written anew. Its sequence number and its checksum tell the reader, who drops it.
public struct SpanRing: Sendable {
    private let words: SharedWords
    private let records: Int

    public static func words(records: Int) -> Int {
        precondition(records > 0, "a ring without records")
        return SpanLayout.headerWords + records * SpanLayout.recordWords
    }

    /// An empty ring in `words`, of as many records as have room.
    /// - Parameter identity: another one for each server that is started: its start, for instance.
    public init(words: SharedWords, identity: UInt64) {
        records = (words.count - SpanLayout.headerWords) / SpanLayout.recordWords
        precondition(records > 0, "a ring of \(words.count) words has no room for a record")
        self.words = words
        words.store(SpanLayout.recordsWord, UInt64(records))
        words.store(SpanLayout.identityWord, identity)
        words.store(SpanLayout.headWord, 0)
        words.publish(SpanLayout.magicWord, SpanLayout.magic)
    }

    /// Neither allocates nor locks: about a hundred words are stored.
    public func write(_ record: borrowing SpanRecord) {
        let written = words.load(SpanLayout.headWord)
        let first = SpanLayout.headerWords + Int(written % UInt64(records)) * SpanLayout.recordWords
        let method = record.method.clipped(SpanLayout.textBytesMax)
        let model = record.model.clipped(SpanLayout.textBytesMax)
        let peer = record.peer.clipped(SpanLayout.textBytesMax)
        let traceState = TraceContext.traceState(record.traceState)
        let facts =
            UInt64(record.context.flags) | UInt64(record.status) << 8 | UInt64(method.count) << 16
            | UInt64(model.count) << 24 | UInt64(peer.count) << 32 | UInt64(traceState.count) << 48

        var slot = Slot(words: words, first: first)
        slot.put(SpanLayout.sequence, written &+ 1)
        slot.put(SpanLayout.traceHigh, record.context.traceID.high)
        slot.put(SpanLayout.traceLow, record.context.traceID.low)
        slot.put(SpanLayout.span, record.context.spanID)
        slot.put(SpanLayout.parent, record.context.parentID)
        slot.put(SpanLayout.start, record.startUnixNanoseconds)
        slot.put(SpanLayout.facts, facts)
        slot.put(SpanLayout.version, UInt64(bitPattern: record.version))
        slot.put(SpanLayout.rows, UInt64(max(0, record.rows)))
        slot.put(SpanLayout.stamps, Self.word(record.stamps.read))
        slot.put(SpanLayout.stamps + 1, Self.word(record.stamps.gathered))
        slot.put(SpanLayout.stamps + 2, Self.word(record.stamps.runBegan))
        slot.put(SpanLayout.stamps + 3, Self.word(record.stamps.runEnded))
        slot.put(SpanLayout.stamps + 4, UInt64(max(0, record.stamps.left)))
        slot.put(SpanLayout.stamps + SpanLayout.stampCount, 0)
        slot.put(SpanLayout.method, method, words: SpanLayout.textWords)
        slot.put(SpanLayout.model, model, words: SpanLayout.textWords)
        slot.put(SpanLayout.peer, peer, words: SpanLayout.textWords)
        slot.put(SpanLayout.traceState, traceState, words: SpanLayout.traceStateWords(traceState.count))
        words.store(first + SpanLayout.checksum, slot.checksum.sum)
        words.publish(SpanLayout.headWord, written &+ 1)
    }

    private static func word(_ stamp: Int64?) -> UInt64 { stamp.map { UInt64(max(0, $0)) } ?? SpanLayout.never }
}

/// A record's place in the ring, and the sum of what was put there. The order of `put`s is that of the words.
private struct Slot {
    let words: SharedWords
    let first: Int
    var checksum = SpanChecksum()

    mutating func put(_ place: Int, _ word: UInt64) {
        words.store(first + place, word)
        checksum.add(word)
    }

    mutating func put(_ place: Int, _ text: ByteView, words count: Int) {
        for index in 0..<count { put(place + index, text.word(index)) }
    }
}

extension ByteView {
    /// At most `bytes` of it, and no part of a character.
    fileprivate func clipped(_ bytes: Int) -> ByteView {
        guard count > bytes else { return self }
        var end = bytes
        while end > 0, self[end] & 0xc0 == 0x80 { end -= 1 }
        return prefix(end)
    }

    /// The bytes from 8 · index on; zeros behind the last.
    fileprivate func word(_ index: Int) -> UInt64 {
        let start = 8 * index
        if start + 8 <= count { return littleEndian(at: start) }
        var word: UInt64 = 0
        for place in 0..<8 where start + place < count { word |= UInt64(self[start + place]) << (8 * UInt64(place)) }
        return word
    }
}
