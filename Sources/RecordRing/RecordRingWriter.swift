// Enters: calls and other events of one thread. Leaves: records in its ring; before that, whether there will be room.
public import Memory
internal import Synchronization

/// Room in one ring that a record will need. It takes no place before `write`. It is good for one `write` or `giveBack`: credit that
/// is dropped is room that its ring does not get again, and credit that is used twice is room that its ring does not have.
public struct RecordCredit: BitwiseCopyable, Sendable {
    fileprivate let ring: UInt32
    fileprivate let words: Int
}

/// The server's side of one ring. One thread uses it; it neither allocates nor locks nor counts references.
///
/// Invariant of mode `acknowledge`: words that are not durable and words of credit that is out are together never more than
/// the ring. So a write that has credit succeeds.
@safe public struct RecordRingWriter: ~Copyable, @unchecked Sendable {
    private let lines: SharedWords
    private let data: SharedWords
    /// Where the words of `data` begin.
    private let base: UnsafeMutableRawPointer
    /// A record that goes on at the ring's first word is made here, and copied in two pieces.
    private let scratch: UnsafeMutableRawPointer
    private let ring: UInt32
    private let mode: RecordRingMode
    /// Words ever written, and the place of the next one.
    private var head: UInt64 = 0
    private var headPlace = 0
    /// Where the oldest record begins whose words are in use.
    private var tail: UInt64 = 0
    private var tailPlace = 0
    private var promised = 0
    /// Of the last record; 0: none was written.
    public private(set) var sequence: UInt64 = 0

    /// `lines` and `data` are zero but for the agent's line, and stay where they are for as long as this is used.
    init(lines: SharedWords, data: SharedWords, ring: Int, mode: RecordRingMode) {
        self.lines = lines
        self.data = data
        self.ring = UInt32(ring)
        self.mode = mode
        unsafe base = data.start
        unsafe scratch = .allocate(byteCount: RecordLayout.recordBytesMax, alignment: 64)
    }

    deinit { unsafe scratch.deallocate() }

    /// Room for a record of `bytes` bytes (`RecordLayout.callBytes`, `eventBytes`). `nil`: there is none until the agent has
    /// made more durable, or never: more than the ring has.
    public mutating func reserve(bytes: Int) -> RecordCredit? {
        guard bytes <= 8 * data.count else { return nil }
        let words = max(RecordLayout.callWordsMax, RecordLayout.words(bytes))
        if mode == .acknowledge && !hasRoom(words) {
            readDurable()
            guard hasRoom(words) else { return nil }
        }
        promised += words
        return RecordCredit(ring: ring, words: words)
    }

    /// The call makes no record.
    public mutating func giveBack(_ credit: RecordCredit) { settle(credit.ring, credit.words) }

    /// Writes the record of a call. What its credit has no room for is left out, and the record says so.
    /// - Returns: its sequence.
    public mutating func write(_ call: borrowing RingCall, using credit: RecordCredit) -> UInt64 {
        settle(credit.ring, credit.words)
        let words = call.words
        if words <= credit.words, call.isBounded { return write(call, words: words) }
        let less = call.bounded(toFit: credit.words)
        return write(less, words: less.words)
    }

    private mutating func write(_ call: borrowing RingCall, words: Int) -> UInt64 {
        var slot = begin(words, .call, call.startUnixNanoseconds)
        slot.put(call)
        return publish(slot, words: words)
    }

    /// Writes another event. `payload`: its protobuf message, at most what the credit was taken for.
    /// - Returns: its sequence.
    public mutating func write(
        _ kind: RecordKind, startUnixNanoseconds: UInt64, payload: ByteView, using credit: RecordCredit
    ) -> UInt64 {
        settle(credit.ring, credit.words)
        let words = RecordLayout.eventWords + RecordLayout.words(payload.count)
        precondition(kind != .call && payload.count <= RecordLayout.eventBytesMax, "an event of \(payload.count) bytes")
        precondition(words <= credit.words, "an event of \(words) words, and a credit of \(credit.words)")
        var slot = begin(words, kind, startUnixNanoseconds)
        slot.put(UInt64(payload.count))
        slot.put(payload)
        return publish(slot, words: words)
    }

    @inline(__always)
    private mutating func settle(_ ring: UInt32, _ words: Int) {
        precondition(ring == self.ring, "credit of ring \(ring) came to ring \(self.ring)")
        promised -= words
    }

    @inline(__always)
    private func hasRoom(_ words: Int) -> Bool { Int(head &- tail) + promised + words <= data.count }

    /// The agent's word is taken where it is whole, moves forward and names nothing that was not written.
    @inline(never)
    private mutating func readDurable() {
        let position = lines.load(RingLayout.durable)
        let sequence = lines.load(RingLayout.durableSequence)
        guard lines.load(RingLayout.durableCheck) == RingLayout.check(position: position, sequence: sequence),
            position > tail, position <= head
        else { return }
        // What the agent read of these words, it read before it stored that.
        atomicMemoryFence(ordering: .acquiring)
        tail = position
        lines.store(RingLayout.tail, tail)
    }

    @inline(__always)
    private mutating func begin(_ words: Int, _ kind: RecordKind, _ time: UInt64) -> RecordSlot {
        if mode == .overwrite && Int(head &- tail) + words > data.count { dropOldest(toHold: words) }
        precondition(words <= RecordLayout.recordWordsMax && words <= data.count, "a record of \(words) words")
        let start = unsafe headPlace + words <= data.count ? base + 8 * headPlace : scratch
        return unsafe RecordSlot(start, words: words, kind: kind, sequence: sequence &+ 1, time: time)
    }

    /// Moves the tail behind the records that `words` more words write over.
    @inline(never)
    private mutating func dropOldest(toHold words: Int) {
        while Int(head &- tail) + words > data.count {
            let length = Int(data.load(tailPlace) & 0xffff_ffff)
            guard length >= RecordLayout.headerWords, length <= Int(head &- tail) else {
                // Another process wrote here: all records are lost, and no more than that.
                tail = head
                tailPlace = headPlace
                break
            }
            tail &+= UInt64(length)
            tailPlace += length
            if tailPlace >= data.count { tailPlace -= data.count }
        }
        lines.store(RingLayout.tail, tail)
        // A reader that sees one of the new words sees the tail that was stored before.
        atomicMemoryFence(ordering: .releasing)
    }

    @inline(__always)
    private mutating func publish(_ slot: RecordSlot, words: Int) -> UInt64 {
        slot.finish()
        let end = headPlace + words
        if end > data.count { copyScratch(words) }
        headPlace = end < data.count ? end : end - data.count
        head &+= UInt64(words)
        sequence &+= 1
        lines.publish(RingLayout.head, head)
        return sequence
    }

    @inline(never)
    private func copyScratch(_ words: Int) {
        let first = data.count - headPlace
        unsafe (base + 8 * headPlace).copyMemory(from: scratch, byteCount: 8 * first)
        unsafe base.copyMemory(from: scratch + 8 * first, byteCount: 8 * (words - first))
    }
}

extension SharedWords {
    /// Where they begin. The bytes of one word are none behind the last that is not zero, and begin there too.
    @unsafe fileprivate var start: UnsafeMutableRawPointer {
        guard count > 0, let start = unsafe self[0..<1].text.pointer else {
            preconditionFailure("a ring without words")
        }
        return unsafe UnsafeMutableRawPointer(mutating: start)
    }
}
