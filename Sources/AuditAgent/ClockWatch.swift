// Enters: both clocks, now and then. Leaves: when a Clock record is due, and by how much the wall clock was set.

/// Each minute, and when wall and monotonic clock part by more than a millisecond (TRUST 4.1, "Clock").
struct ClockWatch {
    static let periodNanoseconds: UInt64 = 60_000_000_000
    static let stepNanosecondsMax: UInt64 = 1_000_000
    private var recordedAt: UInt64 = 0
    /// Wall clock minus monotonic clock, when a record last said so.
    private var offset: Int64 = 0

    mutating func recorded(_ now: AgentTime) {
        recordedAt = now.nanoseconds
        offset = Self.offset(now)
    }

    /// The step that a record has to tell, 0: none; `nil`: no record is due. A due one counts as recorded.
    mutating func due(_ now: AgentTime) -> Int64? {
        let step = Self.offset(now) &- offset
        let isStep = step.magnitude > Self.stepNanosecondsMax
        guard isStep || now.nanoseconds &- recordedAt >= Self.periodNanoseconds else { return nil }
        recorded(now)
        return isStep ? step : 0
    }

    private static func offset(_ now: AgentTime) -> Int64 {
        Int64(truncatingIfNeeded: now.unixNanoseconds &- now.nanoseconds)
    }
}
