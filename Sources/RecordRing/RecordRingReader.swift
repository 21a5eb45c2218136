// Enters: copies of a ring's words, unchecked. Leaves: its records in order, or what is wrong with them.
internal import Memory

/// What the reader finds next in a ring.
public enum RingItem: Equatable, Sendable {
    case record(RingRecord)
    /// The writer wrote over them, or the reader skipped them: so many records, in so many bytes.
    case lost(records: UInt64, bytes: UInt64)
}

/// Reads one ring, from what is durable on. Whatever its words are, it does not trap, and it ends.
public final class RecordRingReader {
    public let ring: Int
    private let file: RecordRingFile
    private let window: RecordBuffer
    /// Where the next record begins.
    private var position: UInt64
    /// Of the last record that was read or is durable; `nil`: nothing says so.
    private var sequence: UInt64?
    /// The words of the ring that lie in the window.
    private var copied: Range<UInt64>
    private var head: UInt64
    /// Words that were jumped over since the last record. Behind a jump the sequences may have a gap.
    private var jumped: UInt64 = 0
    private var hasJumped = false
    private var durable: UInt64
    private var fault: RecordFault?

    /// - Parameter windowBytes: how much is copied at once; at least the largest record is.
    public init(_ file: RecordRingFile, ring: Int, windowBytes: Int = 256 << 10) throws(RecordRingError) {
        precondition(0..<file.rings ~= ring, "ring \(ring) of \(file.rings)")
        self.file = file
        self.ring = ring
        window = RecordBuffer(words: max(RecordLayout.recordWordsMax, windowBytes / 8))
        let lines = try file.lines(of: ring)
        // A torn line of the agent's is read as none: then the tail says where a record begins.
        position = lines.durable?.position ?? lines.tail
        sequence = lines.durable.flatMap { $0.sequence == RecordPlace.unknown ? nil : $0.sequence }
        durable = lines.durable?.position ?? 0
        head = position
        copied = position..<position
    }

    /// Behind all that was read or skipped: what `acknowledge` takes when the log holds it.
    public var place: RecordPlace {
        RecordPlace(position: position, sequence: hasJumped ? RecordPlace.unknown : sequence ?? RecordPlace.unknown)
    }

    /// The next record. `nil`: there is none yet. Its views are good until this is called again, and as long as the reader is kept.
    public func next() throws(RecordRingError) -> RingItem? {
        guard let item = try peek() else { return nil }
        switch item {
        case .record(let record): (position, sequence) = (record.place.position, record.sequence)
        // Told once: the record itself comes next.
        case .lost(let records, _): sequence = sequence.map { $0 + records }
        }
        (jumped, hasJumped) = (0, false)
        return item
    }

    /// Stores that all is durable up to a `place` that this reader gave. The server may write over it from then on.
    public func acknowledge(_ place: RecordPlace) throws(RecordRingError) {
        guard place.position > durable else { return }
        try file.store(place, ring: ring)
        durable = place.position
    }

    /// Bytes that were written and are not durable, and what part of the ring that is. `nil`: the ring cannot be read.
    public var waiting: (bytes: UInt64, fill: Double)? {
        guard let lines = try? file.lines(of: ring) else { return nil }
        let begin = max(durable, lines.tail)
        let words = lines.head > begin ? min(lines.head - begin, UInt64(file.wordsPerRing)) : 0
        return (8 * words, Double(words) / Double(file.wordsPerRing))
    }

    /// Passes over the records up to `last`, which the log has, and stores that they are durable.
    /// - Returns: how many it passed over.
    public func skip(through last: UInt64) throws(RecordRingError) -> UInt64 {
        var skipped: UInt64 = 0
        walk: while sequence ?? 0 < last {
            guard let item = try peek() else {
                // Behind a jump nothing says which the last record was.
                guard !hasJumped, let sequence else { break walk }
                throw .behind(path: file.path, ring: ring, sequence: last, last: sequence)
            }
            switch item {
            case .record(let record):
                if record.sequence > last { break walk }
                skipped += 1
            case .lost(let records, _):
                // Those that the log has are not lost; `next` tells of the others.
                if let known = sequence, known + records > last {
                    sequence = last
                    break walk
                }
            }
            _ = try next()
        }
        try acknowledge(place)
        return skipped
    }

    /// Goes on behind all that was written, after an error or not.
    /// - Returns: the bytes of records that will not be read.
    public func skipToHead() throws(RecordRingError) -> UInt64 {
        let head = try file.lines(of: ring).head
        let words = head > position ? head - position : 0
        jump(to: head)
        fault = nil
        return 8 &* words
    }

    private func jump(to place: UInt64) {
        jumped &+= place > position ? place - position : 0
        hasJumped = true
        position = place
        head = place
        copied = place..<place
    }

    private func peek() throws(RecordRingError) -> RingItem? {
        if let fault { throw broken(fault) }
        // A record that is not whole in the window is so once: after `load` the window begins with it.
        for _ in 0..<3 {
            if position == copied.upperBound {
                guard try load() else { return nil }
            }
            let index = Int(position - copied.lowerBound)
            let length = window.word(index) & 0xffff_ffff
            guard length >= UInt64(RecordLayout.headerWords), length <= UInt64(RecordLayout.recordWordsMax),
                length <= head - position
            else { throw breaks(.length(length, written: head - position)) }
            if length <= copied.upperBound - position { return try item(index..<index + Int(length)) }
            guard try load() else { return nil }
        }
        return nil
    }

    /// The record in those words of the window, or how many are missing before it.
    private func item(_ words: Range<Int>) throws(RecordRingError) -> RingItem {
        guard window.word(words.lowerBound + RecordLayout.checksumWord) == window.checksum(words) else {
            throw breaks(.checksum)
        }
        let number = window.word(words.lowerBound + 1)
        if let last = sequence {
            guard number > last, number == last &+ 1 || hasJumped else { throw breaks(.sequence(number, after: last)) }
            if hasJumped, jumped > 0 || number != last &+ 1 {
                return .lost(records: number - 1 - last, bytes: 8 &* jumped)
            }
        } else if number == 0 {
            throw breaks(.sequence(number, after: 0))
        }
        let place = RecordPlace(position: position + UInt64(words.count), sequence: number)
        return .record(RingRecord(sequence: number, place: place, view: window.view(words)))
    }

    /// Copies what is new. False: nothing is, or the writer was faster each time.
    private func load() throws(RecordRingError) -> Bool {
        for _ in 0..<Self.attempts {
            let lines = try consistentLines()
            if lines.tail > position { jump(to: lines.tail) }
            head = lines.head
            copied = position..<position
            guard position < head else { return false }
            let count = Int(min(head - position, UInt64(window.count)))
            try file.copy(ring: ring, from: position, words: count, into: window)
            copied = position..<position + UInt64(count)
            guard file.mode == .overwrite else { return true }
            // Words below the tail may have been written over while they were copied.
            let tail = try file.lines(of: ring).tail
            if tail <= position { return true }
            if tail < copied.upperBound {
                jumped &+= tail - position
                hasJumped = true
                position = tail
                return true
            }
        }
        return false
    }

    /// Head and tail are copied one after the other: they may contradict each other once, and not again and again.
    private func consistentLines() throws(RecordRingError) -> RingLines {
        var lines = try file.lines(of: ring)
        for _ in 0..<Self.attempts where !isConsistent(lines) { lines = try file.lines(of: ring) }
        guard isConsistent(lines) else { throw breaks(.head(lines.head, tail: lines.tail)) }
        return lines
    }

    private func isConsistent(_ lines: RingLines) -> Bool {
        lines.tail <= lines.head && lines.head - lines.tail <= UInt64(file.wordsPerRing) && position <= lines.head
            && head <= lines.head
    }

    private static let attempts = 8

    private func breaks(_ fault: RecordFault) -> RecordRingError {
        self.fault = fault
        return broken(fault)
    }

    private func broken(_ fault: RecordFault) -> RecordRingError {
        .broken(path: file.path, ring: ring, position: position, fault)
    }
}
