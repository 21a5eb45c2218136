// Enters: seconds since 1970, or a date as text. Leaves: the other one.

/// A moment of the proleptic Gregorian calendar, in UTC and to the second, between the years 1970 and 9999.
public struct UTCTime: Comparable, Sendable, CustomStringConvertible {
    /// Since 1970-01-01T00:00:00Z.
    public let seconds: Int64

    private static let secondsMax: Int64 = 253_402_300_799
    private static let secondsPerDay: Int64 = 86_400

    /// What lies outside the years 1970 to 9999 becomes the nearest of them.
    public init(seconds: Int64) { self.seconds = min(max(seconds, 0), Self.secondsMax) }

    /// `YYYY-MM-DDThh:mm:ssZ`, a date that exists; `nil`: anything else.
    public init?(_ text: String) {
        let bytes = Array(text.utf8)
        let form = Array("0000-00-00T00:00:00Z".utf8)
        guard bytes.count == form.count else { return nil }
        for (byte, wanted) in zip(bytes, form) {
            let isDigit = (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
            guard wanted == UInt8(ascii: "0") ? isDigit : byte == wanted else { return nil }
        }
        func number(_ range: Range<Int>) -> Int64 {
            range.reduce(0) { $0 * 10 + Int64(bytes[$1] - UInt8(ascii: "0")) }
        }
        let (year, month, day) = (number(0..<4), number(5..<7), number(8..<10))
        let (hour, minute, second) = (number(11..<13), number(14..<16), number(17..<19))
        guard year >= 1970, (1...12).contains(month), (1...Self.days(in: month, of: year)).contains(day), hour < 24,
            minute < 60, second < 60
        else { return nil }
        var days = Self.days(before: year) + day - 1
        for earlier in 1..<month { days += Self.days(in: earlier, of: year) }
        seconds = days * Self.secondsPerDay + hour * 3600 + minute * 60 + second
    }

    public static func < (left: Self, right: Self) -> Bool { left.seconds < right.seconds }

    public var description: String {
        var days = seconds / Self.secondsPerDay
        // 365.2425 days a year are at most a year off.
        var year = 1970 + days * 400 / 146_097
        while Self.days(before: year) > days { year -= 1 }
        while Self.days(before: year + 1) <= days { year += 1 }
        days -= Self.days(before: year)
        var month: Int64 = 1
        while days >= Self.days(in: month, of: year) {
            days -= Self.days(in: month, of: year)
            month += 1
        }
        let rest = seconds % Self.secondsPerDay
        func text(_ number: Int64, _ digits: Int = 2) -> String {
            let text = "\(number)"
            return String(repeating: "0", count: max(0, digits - text.utf8.count)) + text
        }
        return "\(text(year, 4))-\(text(month))-\(text(days + 1))"
            + "T\(text(rest / 3600)):\(text(rest / 60 % 60)):\(text(rest % 60))Z"
    }

    private static func isLeap(_ year: Int64) -> Bool {
        year.isMultiple(of: 4) && (!year.isMultiple(of: 100) || year.isMultiple(of: 400))
    }

    private static func days(in month: Int64, of year: Int64) -> Int64 {
        switch month {
        case 2: isLeap(year) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    /// From 1970-01-01 to the year's first day.
    private static func days(before year: Int64) -> Int64 {
        func leapDays(_ year: Int64) -> Int64 { year / 4 - year / 100 + year / 400 }
        return (year - 1970) * 365 + leapDays(year - 1) - leapDays(1969)
    }
}
