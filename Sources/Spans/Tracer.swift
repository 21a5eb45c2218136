// Enters: the traceparent of a call, if it has one. Leaves: the call's own place in a trace, and whether it is recorded.
public import Memory

/// Begins spans. Each shard has its own: it holds the state of two generators of ids.
public struct Tracer: Sendable {
    public let sampler: Sampler
    private var high: SplitMix
    private var low: SplitMix

    /// `seeds`: from the system's randomness, not the same for two shards. Ids are to be unlike each other, not secret.
    public init(_ sampler: Sampler, seeds: (UInt64, UInt64)) {
        self.sampler = sampler
        high = SplitMix(seed: seeds.0)
        low = SplitMix(seed: seeds.1)
    }

    public init(_ sampler: Sampler) {
        var random = SystemRandomNumberGenerator()
        self.init(sampler, seeds: (random.next(), random.next()))
    }

    /// - Parameter traceparent: empty where the call has none, or several.
    public mutating func begin(traceparent: ByteView) -> SpanContext {
        let caller = traceparent.isEmpty ? nil : TraceContext(traceparent)
        // A word of zero is no id.
        let id = caller?.traceID ?? TraceID(high: high.next() | 1, low: low.next())
        let isSampled = sampler.samples(id, caller: caller)
        return SpanContext(
            traceID: id, spanID: max(1, low.next()), parentID: caller?.spanID ?? 0,
            // Whether the id is random is told by who made it; ours are.
            flags: (isSampled ? 1 : 0) | (caller.map { $0.flags & 2 } ?? 2))
    }
}
