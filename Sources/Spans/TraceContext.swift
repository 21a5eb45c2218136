// Enters: gRPC metadata of a caller that traces. Leaves: which trace its call belongs to; nothing if that is badly said.
public import Memory

/// 128 bits that all spans of a trace share.
public struct TraceID: Hashable, Sendable, BitwiseCopyable {
    public let high: UInt64
    public let low: UInt64

    public init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    public var isZero: Bool { high | low == 0 }

    /// 32 lower-case hexadecimal digits.
    public var hex: String { hexadecimal(high) + hexadecimal(low) }
}

/// 16 lower-case hexadecimal digits.
public func hexadecimal(_ word: UInt64) -> String {
    let digits = String(word, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
}

/// What `traceparent` says.
///
/// Source: W3C Trace Context, level 2. A bad header is no error: a new trace begins.
public struct TraceContext: Equatable, Sendable, BitwiseCopyable {
    public let traceID: TraceID
    /// The caller's span.
    public let spanID: UInt64
    /// Bit 0: sampled. Bit 1: the trace id's last 56 bits are random. Others have no meaning yet.
    public let flags: UInt8

    public init(traceID: TraceID, spanID: UInt64, flags: UInt8) {
        self.traceID = traceID
        self.spanID = spanID
        self.flags = flags
    }

    public var isSampled: Bool { flags & 1 == 1 }

    /// `version-traceid-spanid-flags` in lower-case hexadecimal digits. Of version 00 that is all; a later one may add to it.
    public init?(_ traceparent: ByteView) {
        // What an unknown version may add is bounded as the reference SDK bounds it.
        guard traceparent.count >= 55, traceparent.count <= 512,
            traceparent[2] == dash, traceparent[35] == dash, traceparent[52] == dash,
            let version = Self.hexadecimal(traceparent[0..<2]), version != 0xff,
            let high = Self.hexadecimal(traceparent[3..<19]), let low = Self.hexadecimal(traceparent[19..<35]),
            let spanID = Self.hexadecimal(traceparent[36..<52]), let flags = Self.hexadecimal(traceparent[53..<55])
        else { return nil }
        guard traceparent.count == 55 || version != 0 && traceparent[55] == dash else { return nil }
        let traceID = TraceID(high: high, low: low)
        guard !traceID.isZero, spanID != 0 else { return nil }
        self.init(traceID: traceID, spanID: spanID, flags: UInt8(flags))
    }

    /// At most so many bytes of `tracestate` are passed on; more are passed on not at all.
    public static let traceStateBytesMax = 512

    /// What is passed on of `tracestate`.
    public static func traceState(_ value: ByteView) -> ByteView {
        value.count <= traceStateBytesMax ? value : .empty
    }

    private static func hexadecimal(_ digits: ByteView) -> UInt64? {
        var number: UInt64 = 0
        for index in 0..<digits.count {
            let digit = digits[index]
            switch digit {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): number = number << 4 | UInt64(digit - UInt8(ascii: "0"))
            case UInt8(ascii: "a")...UInt8(ascii: "f"): number = number << 4 | UInt64(digit - UInt8(ascii: "a") + 10)
            default: return nil
            }
        }
        return number
    }
}

private let dash = UInt8(ascii: "-")
