// Enters: connections that ended before a call could be authenticated. Leaves: a few records of many of them. Pure: no clock.

/// Why a connection came to nothing.
public enum RefusedReason: String, CaseIterable, Sendable {
    /// Its TLS handshake failed.
    case handshake
    /// It did not end its handshake, or sent no request, in time.
    case timeout
    /// What it sent is not HTTP/2.
    case protocolError = "protocol"
}

/// What was refused, counted by reason and network, so that clients without a credential cannot fill the log (TRUST 4.5).
public struct RefusedTable: Sendable {
    public struct Key: Hashable, Sendable {
        public var reason: RefusedReason
        /// As `192.0.2.0/24` or `2001:db8::/64`; `others` where there is no room for one more.
        public var network: String
        public var listener: String

        public init(reason: RefusedReason, network: String, listener: String) {
            (self.reason, self.network, self.listener) = (reason, network, listener)
        }
    }

    /// What one record says. Times are ns since 1970.
    public struct Entry: Equatable, Sendable {
        public var key: Key
        public var count: UInt64
        public var first: UInt64
        public var last: UInt64
    }

    private struct Window {
        var count: UInt64 = 0
        var first: UInt64 = 0
        var last: UInt64 = 0
        var nanoseconds: UInt64
        var end: UInt64
    }

    public static let keysMax = 64
    private static let windowMin: UInt64 = 1_000_000_000
    private static let windowMax: UInt64 = 64_000_000_000

    private var windows: [Key: Window] = [:]

    public init() {}

    /// When the next window ends; `nil`: there is none.
    public var nextEnd: UInt64? { windows.values.map(\.end).min() }

    public mutating func count(_ key: Key, now: UInt64) {
        var key = key
        if windows[key] == nil, windows.count >= Self.keysMax - RefusedReason.allCases.count { key.network = "others" }
        // Listeners are few, and known to the operator; but so is the bound.
        if windows[key] == nil, windows.count >= Self.keysMax { key.listener = "" }
        var window = windows[key] ?? Window(nanoseconds: Self.windowMin, end: now &+ Self.windowMin)
        if window.count == 0 { window.first = now }
        window.count += 1
        window.last = now
        windows[key] = window
    }

    /// What the windows that have ended counted. A window that stays busy is twice as long the next time, up to 64 s.
    public mutating func ended(now: UInt64) -> [Entry] {
        var entries: [Entry] = []
        for (key, window) in windows where window.end <= now {
            guard window.count > 0 else {
                windows[key] = nil
                continue
            }
            entries.append(Entry(key: key, count: window.count, first: window.first, last: window.last))
            let next = min(Self.windowMax, 2 * window.nanoseconds)
            windows[key] = Window(nanoseconds: next, end: now &+ next)
        }
        return entries.sorted { ($0.first, $0.key.network) < ($1.first, $1.key.network) }
    }

    /// The network of a peer that is written as `HOST:PORT` or `[IPV6]:PORT`: /24 or /64. A Unix socket's peer has none.
    public static func network(of peer: String) -> String {
        if peer.hasPrefix("["), let end = peer.firstIndex(of: "]") {
            return prefix64(String(peer[peer.index(after: peer.startIndex)..<end]))
        }
        guard let colon = peer.lastIndex(of: ":") else { return "unix" }
        let parts = peer[..<colon].split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 4 else { return "unix" }
        return parts[0..<3].joined(separator: ".") + ".0/24"
    }

    /// The first four groups of an address as getnameinfo(3) writes it.
    private static func prefix64(_ address: String) -> String {
        let halves = address.split(separator: "%")[0].components(of: "::")
        var groups = halves[0].split(separator: ":").map(String.init)
        if halves.count == 2 {
            let behind = halves[1].split(separator: ":").count
            groups += Array(repeating: "0", count: max(0, 8 - groups.count - behind))
        }
        return groups.prefix(4).joined(separator: ":") + "::/64"
    }
}

extension Substring {
    /// The parts before and behind the first `mark`, or all of it.
    fileprivate func components(of mark: String) -> [Substring] {
        guard let range = firstRange(of: mark) else { return [self] }
        return [self[..<range.lowerBound], self[range.upperBound...]]
    }
}
