// Enters: how long to keep what, and how full a volume is. Leaves: which months are due, and what may still be written.
internal import Keyrings

/// What goes when. What no rule names stays.
public struct RetentionPolicy: Equatable, Sendable {
    /// Segments and logs stay until their newest record is older than so many days.
    public var days: UInt32?
    /// Of finished logs, the newest so many stay.
    public var logs: UInt32?
    /// Payload keys stay for so many whole months after that of the call.
    public var payloadMonths: UInt32?

    public init(days: UInt32? = nil, logs: UInt32? = nil, payloadMonths: UInt32? = nil) {
        (self.days, self.logs, self.payloadMonths) = (days, logs, payloadMonths)
    }

    /// The flags, as the record `Retention` has them.
    var text: String {
        var parts: [String] = []
        if let days { parts.append("--keep \(days)") }
        if let logs { parts.append("--keep-logs \(logs)") }
        if let payloadMonths { parts.append("--keep-payloads \(payloadMonths)") }
        return parts.joined(separator: " ")
    }

    /// What was newest at `time` (ns since 1970) is too old at `now`; false without a rule.
    func isPast(_ time: UInt64, now: UInt64) -> Bool {
        guard let days else { return false }
        let age = UInt64(days).multipliedReportingOverflow(by: 86_400 * 1_000_000_000)
        return !age.overflow && now > time && now - time > age.partialValue
    }

    /// The oldest month (yyyymm) of which payload keys stay; 0: all do.
    public func oldestMonth(now: UInt64) -> UInt32 {
        payloadMonths.map { RetentionMonth.before(RetentionMonth.of(now), months: $0) } ?? 0
    }
}

/// Months in UTC, as yyyymm.
public enum RetentionMonth {
    /// Of nanoseconds since 1970.
    public static func of(_ nanoseconds: UInt64) -> UInt32 {
        let date = UTCTime(seconds: Int64(nanoseconds / 1_000_000_000)).description.utf8
        return date.prefix(7).reduce(0) { number, digit in
            digit == UInt8(ascii: "-") ? number : number * 10 + UInt32(digit - UInt8(ascii: "0"))
        }
    }

    /// So many months before `month`.
    static func before(_ month: UInt32, months: UInt32) -> UInt32 {
        let count = month / 100 * 12 + month % 100 - 1
        guard months <= count else { return 0 }
        return (count - months) / 12 * 100 + (count - months) % 12 + 1
    }
}

/// What may still be written (TRUST 4.5, "Disk"); each state forbids what the one before it forbids.
public enum RetentionPressure: Int, Comparable, Sendable {
    case normal
    /// From 80 %: an alarm.
    case alarm
    /// From 90 %: no copies of payloads.
    case withoutCopies
    /// From 95 %: calls are not drained; the rest is for records of operators and `Refused`.
    case closed

    public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }

    /// The worse of the log's share and the volume's.
    /// - Parameters:
    ///   - used: bytes of the audit folder.
    ///   - bytesMax: that it may have; `nil`: the volume alone bounds it.
    ///   - volumeBytes: of the volume, as statvfs(3) has it without root's reserve; 0: not known.
    ///   - volumeFree: of these, free.
    public static func of(used: UInt64, bytesMax: UInt64?, volumeBytes: UInt64, volumeFree: UInt64) -> Self {
        let volume = state(volumeBytes - min(volumeFree, volumeBytes), of: volumeBytes)
        return max(volume, bytesMax.map { state(used, of: max($0, 1)) } ?? .normal)
    }

    private static func state(_ used: UInt64, of most: UInt64) -> Self {
        guard most > 0 else { return .normal }
        // Rounded up, in two parts: the product may be too large.
        func reaches(_ percent: UInt64) -> Bool {
            used >= most / 100 * percent + (most % 100 * percent + 99) / 100
        }
        return reaches(95) ? .closed : reaches(90) ? .withoutCopies : reaches(80) ? .alarm : .normal
    }
}
