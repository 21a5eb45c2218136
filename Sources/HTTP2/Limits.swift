// Enters: nothing. Leaves: the bounds of one connection, and the budgets that a peer may use up.

/// Bounds of one connection. Sources of the defaults: RFC 9113 section 10.5, and the flood classes of CVE-2019-9511…9518,
/// CVE-2023-44487 (rapid reset), CVE-2024-28182 (CONTINUATION), CVE-2025-8671 (resets that the server is made to send).
public struct Limits: Sendable {
    /// Streams at a time; a stream counts until its handler has ended, not only until it is closed.
    public var streamsMax = 128
    public var headerListBytesMax = 16 << 10
    public var headerFieldsMax = 100
    /// What a stream may send before we acknowledge (SETTINGS_INITIAL_WINDOW_SIZE).
    public var streamWindowBytes = 1 << 20
    public var connectionWindowBytes = 16 << 20
    /// Largest DATA frame that we take (SETTINGS_MAX_FRAME_SIZE).
    public var frameBytesMax = 1 << 18
    /// A body's bytes that may wait before its stream's window stays shut.
    public var bodyBytesMax = 5 << 20
    /// Of each body so many bytes are kept; what comes after them is acknowledged and dropped, for who only measures.
    public var bodyBytesKept = Int.max
    /// Resets by the peer: burst and refill each second.
    public var peerResets = Budget.Size(burst: 200, perSecond: 20)
    /// Resets that we were made to send, and invalid frames.
    public var serverResets = Budget.Size(burst: 100, perSecond: 10)
    /// PING, SETTINGS, PRIORITY, WINDOW_UPDATE without need, empty and unknown frames.
    public var idleFrames = Budget.Size(burst: 2000, perSecond: 500)

    public init() {}
}

/// A token bucket: `burst` at once, `perSecond` refilled.
public struct Budget: Sendable {
    public struct Size: Sendable, Equatable {
        public var burst: Int64
        public var perSecond: Int64
        public init(burst: Int64, perSecond: Int64) {
            self.burst = burst
            self.perSecond = perSecond
        }
    }

    private let size: Size
    private var tokens: Int64
    private var refilledNanoseconds: Int64 = 0

    public init(_ size: Size) {
        self.size = size
        tokens = size.burst
    }

    /// Takes one token; `false`: the budget is used up.
    public mutating func spend(now: Int64) -> Bool {
        if tokens < size.burst, size.perSecond > 0 {
            let refill = (now - refilledNanoseconds) / max(1, 1_000_000_000 / size.perSecond)
            if refill > 0 {
                tokens = min(size.burst, tokens + refill)
                refilledNanoseconds = now
            }
        } else {
            refilledNanoseconds = now
        }
        guard tokens > 0 else { return false }
        tokens -= 1
        return true
    }

    /// The peer has shown that it does real work.
    public mutating func refund(_ count: Int64) { tokens = min(size.burst, tokens + count) }
}

/// Why a connection cannot go on.
public enum HTTP2Error: Error, Equatable {
    /// nghttp2 gave the connection up: its code (`nghttp2_error`) and its words.
    case protocolViolation(code: Int32, reason: String)
}
