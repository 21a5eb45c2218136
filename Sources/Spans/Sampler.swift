// Enters: a trace's id, and what the caller decided. Leaves: whether its span is recorded.

/// A sampler that cannot be had, and why.
public struct SamplerError: Error, Equatable {
    public let sentence: String
}

/// Which calls are recorded, by the words of OTEL_TRACES_SAMPLER.
///
/// A ratio is decided on the trace id, so that all who ask about one trace decide alike: the last 8 bytes, as a big-endian
/// number, are below ratio · 2⁶⁴.
public struct Sampler: Sendable, Equatable {
    /// Where the caller said whether it samples, that holds.
    public let followsCaller: Bool
    /// From 0 to 1, of the traces that begin here.
    public let ratio: Double
    private let bound: UInt64

    public init(followsCaller: Bool, ratio: Double) {
        precondition(ratio >= 0 && ratio <= 1, "a ratio of \(ratio)")
        self.followsCaller = followsCaller
        self.ratio = ratio
        bound = ratio < 1 ? UInt64((ratio * 0x1p64).rounded()) : .max
    }

    public static let always = Sampler(followsCaller: false, ratio: 1)
    public static let never = Sampler(followsCaller: false, ratio: 0)

    /// `argument`: the ratio, for those that have one; 1 if it is not given.
    public init(name: String, argument: String?) throws(SamplerError) {
        let parts = name.hasPrefix("parentbased_") ? (true, name.dropFirst(12)) : (false, name[...])
        switch parts.1 {
        case "always_on": self.init(followsCaller: parts.0, ratio: 1)
        case "always_off": self.init(followsCaller: parts.0, ratio: 0)
        case "traceidratio":
            guard let ratio = Double(argument ?? "1"), ratio >= 0, ratio <= 1 else {
                throw SamplerError(
                    sentence: "the ratio of sampler \(name) is \"\(argument ?? "")\": give a number from 0 to 1")
            }
            self.init(followsCaller: parts.0, ratio: ratio)
        default:
            throw SamplerError(
                sentence:
                    "\"\(name)\" is no sampler: give always_on, always_off or traceidratio, with parentbased_ before it "
                    + "where the caller's decision is to hold")
        }
    }

    func samples(_ id: TraceID, caller: TraceContext?) -> Bool {
        if followsCaller, let caller { return caller.isSampled }
        return ratio == 1 || id.low < bound
    }
}

/// Where a call stands in its trace.
public struct SpanContext: Equatable, Sendable, BitwiseCopyable {
    public let traceID: TraceID
    /// The call's own span.
    public let spanID: UInt64
    /// The caller's span; 0: the trace begins here.
    public let parentID: UInt64
    public let flags: UInt8

    public init(traceID: TraceID, spanID: UInt64, parentID: UInt64, flags: UInt8) {
        self.traceID = traceID
        self.spanID = spanID
        self.parentID = parentID
        self.flags = flags
    }

    public var isSampled: Bool { flags & 1 == 1 }
}
