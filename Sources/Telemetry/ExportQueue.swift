// Enters: calls that were read, and verdicts on batches that were sent. Leaves: what to send when. No clock but what it is told.
internal import Memory
internal import Spans

/// How much waits, and how long. By OpenTelemetry's names: OTEL_BSP_*. Counted in spans as a collector counts them.
public struct ExportLimits: Sendable, Equatable {
    /// The full rings of eight shards: 512 calls of five spans each. OpenTelemetry's default, 2048, is less than a single ring.
    public var queueSpansMax = 8 * 512 * 5
    public var batchSpansMax = 512
    public var delayNanoseconds: Int64 = 5_000_000_000
    /// For one batch, from its first attempt on.
    public var timeoutNanoseconds: Int64 = 30_000_000_000

    public init() {}
}

/// What is to be exported, and the one batch that is on its way.
///
/// When the queue is full the oldest calls are dropped, as the ring does: after an outage somebody asks what happened last. What
/// is on its way is not touched. So at most `queueSpansMax` and `batchSpansMax` spans are kept, however long nobody takes them.
struct ExportQueue: Sendable {
    enum Step: Equatable, Sendable {
        case send([Span])
        /// Nothing to do before this moment, if nothing else happens.
        case waitUntil(nanoseconds: Int64)
        case idle
    }

    /// Spans, since the start.
    struct Counts: Equatable, Sendable {
        var exported: UInt64 = 0
        /// The queue was full.
        var overflowed: UInt64 = 0
        /// The collector would not take them, or not in time.
        var refused: UInt64 = 0

        var dropped: UInt64 { overflowed + refused }
    }

    private struct Batch: Sendable {
        let spans: [Span]
        let count: Int
        /// When it is given up.
        let deadline: Int64
        var attempts = 0
    }

    let limits: ExportLimits
    private(set) var counts = Counts()
    private var waiting: [Span] = []
    /// How many of `waiting` are gone already.
    private var taken = 0
    private var waitingSpans = 0
    /// When the oldest of them is due.
    private var due: Int64 = 0
    private var batch: Batch?
    /// Whether somebody sends it now.
    private var isSent = false
    /// The collector does not want to be asked before.
    private var notBefore: Int64 = .min
    private var isEnding = false
    private var random: SplitMix

    init(_ limits: ExportLimits, seed: UInt64) {
        self.limits = limits
        random = SplitMix(seed: seed)
    }

    /// What nobody has taken yet.
    var spansKept: Int { waitingSpans + (batch?.count ?? 0) }

    var isEmpty: Bool { waitingSpans == 0 && batch == nil }

    mutating func add(_ spans: [Span], now: Int64) {
        for span in spans {
            if waitingSpans == 0 { due = now + limits.delayNanoseconds }
            waiting.append(span)
            waitingSpans += span.count
            while waitingSpans > limits.queueSpansMax { counts.overflowed += UInt64(takeOldest().count) }
        }
    }

    /// From now on nothing waits for company, and nobody for a collector that asked to wait.
    mutating func end() {
        isEnding = true
        notBefore = .min
    }

    /// What to do now. After `.send` nothing else is sent until `ended`.
    mutating func step(now: Int64) -> Step {
        guard !isSent else { return .idle }
        if let batch, now >= batch.deadline { giveUp() }
        if batch == nil {
            guard waitingSpans > 0 else { return .idle }
            guard waitingSpans >= limits.batchSpansMax || now >= due || isEnding else {
                return .waitUntil(nanoseconds: due)
            }
            guard now >= notBefore else { return .waitUntil(nanoseconds: notBefore) }
            batch = nextBatch(now: now)
        }
        guard let batch else { return .idle }
        guard now >= notBefore else { return .waitUntil(nanoseconds: notBefore) }
        isSent = true
        return .send(batch.spans)
    }

    /// - Returns: whether the batch is gone, one way or the other.
    @discardableResult
    mutating func ended(_ verdict: Verdict, now: Int64) -> Bool {
        guard var batch, isSent else { return true }
        isSent = false
        switch verdict {
        case .taken(let rejected, _):
            let rejected = min(rejected, UInt64(batch.count))
            counts.exported += UInt64(batch.count) - rejected
            counts.refused += rejected
            self.batch = nil
            notBefore = .min
            return true
        case .refused:
            giveUp()
            return true
        case .later(let after, _):
            batch.attempts += 1
            let pause = max(backOff(batch.attempts), min(after ?? 0, Self.pauseNanosecondsMax))
            notBefore = now + pause
            self.batch = batch
            guard notBefore < batch.deadline else {
                giveUp()
                return true
            }
            return false
        }
    }

    /// However long a collector asks to be left alone.
    static let pauseNanosecondsMax: Int64 = 300_000_000_000
    static let backOffNanosecondsMin: Int64 = 1_000_000_000
    static let backOffNanosecondsMax: Int64 = 16_000_000_000

    /// Doubles with each attempt; half of it is chance, so that agents whose collector comes back do not come at once.
    private mutating func backOff(_ attempt: Int) -> Int64 {
        let whole = min(Self.backOffNanosecondsMin << Int64(min(attempt - 1, 10)), Self.backOffNanosecondsMax)
        return whole / 2 + Int64(Double(whole / 2) * random.unit())
    }

    private mutating func giveUp() {
        counts.refused += UInt64(batch?.count ?? 0)
        batch = nil
    }

    private mutating func takeOldest() -> Span {
        let oldest = waiting[taken]
        taken += 1
        waitingSpans -= oldest.count
        if taken >= 1024 || taken == waiting.count {
            waiting.removeFirst(taken)
            taken = 0
        }
        return oldest
    }

    private mutating func nextBatch(now: Int64) -> Batch {
        var spans: [Span] = []
        var count = 0
        while waitingSpans > 0, spans.isEmpty || count + waiting[taken].count <= limits.batchSpansMax {
            let oldest = takeOldest()
            spans.append(oldest)
            count += oldest.count
        }
        due = now + limits.delayNanoseconds
        return Batch(spans: spans, count: count, deadline: now + limits.timeoutNanoseconds)
    }
}
