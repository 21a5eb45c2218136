// Enters: what a shard knows of a call that has ended. Leaves: the places of its record's words.
public import Memory

/// When a call was where, in nanoseconds after its first byte came. `nil`: it never came so far.
public struct SpanStamps: Equatable, Sendable {
    /// All bytes of its message were here.
    public var read: Int64?
    /// It was decoded and checked; it waits from here.
    public var gathered: Int64?
    public var runBegan: Int64?
    public var runEnded: Int64?
    /// Its answer left.
    public var left: Int64

    public init(
        read: Int64? = nil, gathered: Int64? = nil, runBegan: Int64? = nil, runEnded: Int64? = nil, left: Int64 = 0
    ) {
        self.read = read
        self.gathered = gathered
        self.runBegan = runBegan
        self.runEnded = runEnded
        self.left = left
    }
}

/// A call that has ended, where its parts lie. Texts are cut to what a record holds of them.
public struct SpanRecord {
    public var context: SpanContext
    public var startUnixNanoseconds: UInt64
    public var stamps: SpanStamps
    /// `package.Service/Method`, without the slash before it; empty if it is a method that nobody serves.
    public var method: ByteView
    /// gRPC's, 0 to 16.
    public var status: UInt8
    /// Empty where the call came to no model.
    public var model: ByteView
    public var version: Int64
    /// Of the batch that it ran in; 0: it did not run.
    public var rows: Int
    /// `HOST:PORT`, `[IPV6]:PORT` or `unix:PATH`.
    public var peer: ByteView
    /// As it came; above 512 bytes it is dropped.
    public var traceState: ByteView

    public init(
        context: SpanContext, startUnixNanoseconds: UInt64, stamps: SpanStamps, method: ByteView, status: UInt8,
        model: ByteView = .empty, version: Int64 = 0, rows: Int = 0, peer: ByteView = .empty,
        traceState: ByteView = .empty
    ) {
        self.context = context
        self.startUnixNanoseconds = startUnixNanoseconds
        self.stamps = stamps
        self.method = method
        self.status = status
        self.model = model
        self.version = version
        self.rows = rows
        self.peer = peer
        self.traceState = traceState
    }
}

/// Where a ring's words are. Texts are little-endian bytes, with zeros behind them.
enum SpanLayout {
    /// "VCJSPAN1", in the order of its bytes.
    static let magic: UInt64 = 0x314e_4150_534a_4356

    static let headerWords = 8
    static let magicWord = 0
    /// How many records the ring has.
    static let recordsWord = 1
    /// Another one for each server that is started.
    static let identityWord = 2
    /// How many records were ever written.
    static let headWord = 3

    /// In a record: the number of records that were written before it, plus one.
    static let sequence = 0
    /// Over all other words that are used.
    static let checksum = 1
    static let traceHigh = 2
    static let traceLow = 3
    static let span = 4
    static let parent = 5
    static let start = 6
    /// Bits 0–7 flags, 8–15 status, 16–23, 24–31 and 32–39 bytes of method, model and peer, 48–63 of the trace state.
    static let facts = 7
    static let version = 8
    static let rows = 9
    /// Five stamps, in `SpanStamps`' order; all bits one: it never came so far.
    static let stamps = 10
    static let stampCount = 5
    static let never = UInt64.max
    // Word 15 is free.
    static let method = 16
    static let model = 24
    static let peer = 32
    static let textWords = 8
    static let textBytesMax = 8 * textWords
    /// Written as far as it goes.
    static let traceState = 40
    static let recordWords = 104

    static func traceStateWords(_ bytes: Int) -> Int { (bytes + 7) / 8 }
}

/// A sum over words. Each step can be undone, so one word that differs always makes another sum.
struct SpanChecksum {
    private(set) var sum: UInt64 = SplitMix.step

    @inline(__always)
    mutating func add(_ word: UInt64) {
        sum = (sum ^ word) &* SplitMix.step
        sum ^= sum >> 32
    }
}
