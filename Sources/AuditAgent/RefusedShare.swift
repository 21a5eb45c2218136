// Enters: what servers say of connections that they refused. Leaves: which of it has a record of its own, and one for the rest.
internal import Memory

/// A client without a credential must not fill the disk: records `Refused` may take 1/64 of its budget a day (TRUST 4.5). What comes
/// then is counted, and one record an hour says how much it was; an agent that is killed forgets what it has not told.
struct RefusedShare {
    /// What is held back: message Refused without a reason.
    struct Rest: Equatable {
        var count: UInt64 = 0
        /// ns since 1970.
        var first: UInt64 = .max
        var last: UInt64 = 0
    }

    private static let part: UInt64 = 64
    private static let day: UInt64 = 86_400_000_000_000
    private static let hour: UInt64 = 3_600_000_000_000
    /// Frame, digest, tag, time, source and blind: what a record has around its event.
    private static let aroundBytes = 160

    /// That the audit folder may have; `nil`: it is not known yet.
    var budget: UInt64?
    private var used: UInt64 = 0
    private var dayEnd: UInt64 = 0
    private var rest = Rest()
    private var restDue: UInt64 = 0

    /// Whether an event of so many bytes has a record of its own. It has its place in the day's share then.
    /// - Parameter now: on the clock that never goes back.
    mutating func admits(_ bytes: Int, now: UInt64) -> Bool {
        if now >= dayEnd { (used, dayEnd) = (0, now + Self.day) }
        let bytes = UInt64(bytes + Self.aroundBytes)
        guard let budget else { return true }
        guard used + bytes <= budget / Self.part else { return false }
        used += bytes
        return true
    }

    /// Takes an event that has no record of its own. False: these bytes are none.
    mutating func hold(_ event: ByteView, now: UInt64) -> Bool {
        guard let count = RingEvent.number(4, of: event), let first = RingEvent.number(5, of: event),
            let last = RingEvent.number(6, of: event)
        else { return false }
        if rest.count == 0 { restDue = now + Self.hour }
        rest.count = rest.count.addingReportingOverflow(count).partialValue
        (rest.first, rest.last) = (min(rest.first, first), max(rest.last, last))
        return true
    }

    /// What is to be told: an hour after the first of it, or at the end.
    mutating func due(now: UInt64, isEnd: Bool = false) -> OwnRecord? {
        guard rest.count > 0, isEnd || now >= restDue else { return nil }
        defer { rest = Rest() }
        return .refused(rest)
    }
}
