// Enters: a copy of a ring's words, which nobody vouches for. Leaves: the calls that are new in it, and how many were missed.
internal import Memory

/// Reads one ring again and again. Whatever the words are, it does not trap.
public struct SpanRingReader: Sendable {
    public struct Found: Sendable, Equatable {
        public var spans: [Span] = []
        /// Calls that were written over before they were read, while they were, or that make no sense.
        public var missed: UInt64 = 0
    }

    private let since: UInt64
    private var identity: UInt64?
    /// How many records were read or missed.
    private var next: UInt64 = 0

    /// - Parameter since: in nanoseconds since 1970. What ended before is passed over in the first ring that is seen: somebody
    ///   else has read it. In those of servers that are started later nobody has.
    public init(since: UInt64 = 0) { self.since = since }

    /// What was written since the last time. At first sight of a ring that is all that is still in it.
    public mutating func read(_ words: [UInt64]) -> Found {
        var found = Found()
        guard words.count > SpanLayout.headerWords, words[SpanLayout.magicWord] == SpanLayout.magic else {
            return found
        }
        let records = words[SpanLayout.recordsWord]
        let room = (words.count - SpanLayout.headerWords) / SpanLayout.recordWords
        guard records > 0, records <= UInt64(room) else { return found }
        let head = words[SpanLayout.headWord]
        let oldest = head > records ? head - records : 0
        let isFirst = identity == nil
        if words[SpanLayout.identityWord] != identity || head < next {
            identity = words[SpanLayout.identityWord]
            next = oldest
        }
        if next < oldest {
            found.missed = oldest - next
            next = oldest
        }
        while next < head {
            let first = SpanLayout.headerWords + Int(next % records) * SpanLayout.recordWords
            next += 1
            if let span = Span(words[first..<first + SpanLayout.recordWords], sequence: next) {
                if !isFirst || span.endUnixNanoseconds >= since { found.spans.append(span) }
            } else {
                found.missed &+= 1
            }
        }
        return found
    }
}

extension Span {
    /// `nil`: it is another record, or not a whole one, or says what no record says.
    fileprivate init?(_ record: ArraySlice<UInt64>, sequence: UInt64) {
        func word(_ place: Int) -> UInt64 { record[record.startIndex + place] }
        let facts = word(SpanLayout.facts)
        let traceStateBytes = Int(facts >> 48)
        guard word(SpanLayout.sequence) == sequence, traceStateBytes <= TraceContext.traceStateBytesMax else {
            return nil
        }
        var checksum = SpanChecksum()
        let end = SpanLayout.traceState + SpanLayout.traceStateWords(traceStateBytes)
        for place in 0..<end where place != SpanLayout.checksum { checksum.add(word(place)) }
        guard checksum.sum == word(SpanLayout.checksum) else { return nil }

        let texts = [16, 24, 32].map { Int(facts >> $0 & 0xff) }
        let stamps = (0..<SpanLayout.stampCount).map { word(SpanLayout.stamps + $0) }
        let status = UInt8(facts >> 8 & 0xff)
        let traceID = TraceID(high: word(SpanLayout.traceHigh), low: word(SpanLayout.traceLow))
        guard texts.allSatisfy({ $0 <= SpanLayout.textBytesMax }), status <= 16, !traceID.isZero,
            word(SpanLayout.span) != 0, stamps.allSatisfy({ $0 == SpanLayout.never || $0 <= UInt64(Int64.max) }),
            let left = Int64(exactly: stamps[4]), let rows = Int(exactly: word(SpanLayout.rows))
        else { return nil }
        func text(_ place: Int, _ bytes: Int) -> String {
            String(
                decoding: (0..<bytes).map { UInt8(truncatingIfNeeded: word(place + $0 / 8) >> (8 * UInt64($0 % 8))) },
                as: UTF8.self)
        }
        self.init(
            context: SpanContext(
                traceID: traceID, spanID: word(SpanLayout.span), parentID: word(SpanLayout.parent),
                flags: UInt8(facts & 0xff)),
            startUnixNanoseconds: word(SpanLayout.start),
            stamps: SpanStamps(
                read: Int64(exactly: stamps[0]), gathered: Int64(exactly: stamps[1]),
                runBegan: Int64(exactly: stamps[2]),
                runEnded: Int64(exactly: stamps[3]), left: left),
            method: text(SpanLayout.method, texts[0]), status: status, model: text(SpanLayout.model, texts[1]),
            version: Int64(bitPattern: word(SpanLayout.version)), rows: rows, peer: text(SpanLayout.peer, texts[2]),
            traceState: text(SpanLayout.traceState, traceStateBytes))
    }
}
