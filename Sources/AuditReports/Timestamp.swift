// Enters: a moment as text (RFC 3339, or a date). Leaves: nanoseconds since 1970; and back.

/// Moments between 1970 and 2500 as nanoseconds since 1970, in UTC.
public enum Timestamp {
    private static let secondNanoseconds: UInt64 = 1_000_000_000
    private static let daySeconds: UInt64 = 86_400

    /// `YYYY-MM-DD`, which is that day's midnight, or RFC 3339's date-time with up to nine digits of a second.
    /// - Returns: `nil`: it has another form, there is no such date, or its year is not between 1970 and 2500.
    public static func parse(_ text: String) -> UInt64? {
        var scanner = Scanner(rest: Array(text.utf8)[...])
        guard let year = scanner.number(digits: 4), scanner.take("-"), let month = scanner.number(digits: 2),
            scanner.take("-"), let day = scanner.number(digits: 2), (1970...2500).contains(year),
            (1...12).contains(month), (1...days(in: month, of: year)).contains(day)
        else { return nil }
        let date = (days(before: year, month) + day - 1) * daySeconds
        if scanner.isAtEnd { return date * secondNanoseconds }
        guard scanner.take("T") || scanner.take("t"), let hour = scanner.number(digits: 2), scanner.take(":"),
            let minute = scanner.number(digits: 2), scanner.take(":"), let second = scanner.number(digits: 2),
            hour < 24, minute < 60, second < 60, let fraction = scanner.fraction(), let offset = scanner.offset(),
            scanner.isAtEnd
        else { return nil }
        let seconds = Int64(date + hour * 3600 + minute * 60 + second) - offset
        return seconds < 0 ? nil : UInt64(seconds) * secondNanoseconds + fraction
    }

    /// RFC 3339 in UTC, with nine digits of a second unless they are zero.
    public static func text(_ nanoseconds: UInt64) -> String {
        let (seconds, fraction) = nanoseconds.quotientAndRemainder(dividingBy: secondNanoseconds)
        let (year, month, day) = date(seconds / daySeconds)
        let rest = seconds % daySeconds
        let time = "\(padded(rest / 3600, 2)):\(padded(rest / 60 % 60, 2)):\(padded(rest % 60, 2))"
        return "\(padded(year, 4))-\(padded(month, 2))-\(padded(day, 2))T\(time)"
            + (fraction == 0 ? "" : ".\(padded(fraction, 9))") + "Z"
    }

    /// The same day and time so many months earlier, or the last day of a shorter month; 0 before 1970.
    static func subtracting(months: UInt64, from nanoseconds: UInt64) -> UInt64 {
        let (days, rest) = nanoseconds.quotientAndRemainder(dividingBy: daySeconds * secondNanoseconds)
        let (year, month, day) = date(days)
        let count = year * 12 + month - 1
        guard count >= 1970 * 12 + months else { return 0 }
        let (wantedYear, wantedMonth) = ((count - months) / 12, (count - months) % 12 + 1)
        let wantedDay = min(day, Self.days(in: wantedMonth, of: wantedYear))
        return (Self.days(before: wantedYear, wantedMonth) + wantedDay - 1) * daySeconds * secondNanoseconds + rest
    }

    /// Of a number of days since 1970-01-01.
    private static func date(_ days: UInt64) -> (year: UInt64, month: UInt64, day: UInt64) {
        // A year is at most a day longer than 365, so this is not below the year.
        var year = 1970 + days / 365
        while Self.days(before: year, 1) > days { year -= 1 }
        var (month, rest) = (UInt64(1), days - Self.days(before: year, 1))
        while rest >= Self.days(in: month, of: year) {
            rest -= Self.days(in: month, of: year)
            month += 1
        }
        return (year, month, rest + 1)
    }

    private static func isLeap(_ year: UInt64) -> Bool {
        year.isMultiple(of: 4) && (!year.isMultiple(of: 100) || year.isMultiple(of: 400))
    }

    private static func days(in month: UInt64, of year: UInt64) -> UInt64 {
        switch month {
        case 2: isLeap(year) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    /// From 1970-01-01 to the month's first day.
    private static func days(before year: UInt64, _ month: UInt64) -> UInt64 {
        func leapDays(_ year: UInt64) -> UInt64 { year / 4 - year / 100 + year / 400 }
        let months = (1..<month).reduce(UInt64(0)) { $0 + days(in: $1, of: year) }
        return (year - 1970) * 365 + leapDays(year - 1) - leapDays(1969) + months
    }

    static func padded(_ number: UInt64, _ digits: Int) -> String {
        let text = String(number)
        return String(repeating: "0", count: max(0, digits - text.utf8.count)) + text
    }
}

/// Takes a text apart from its beginning.
private struct Scanner {
    var rest: ArraySlice<UInt8>

    var isAtEnd: Bool { rest.isEmpty }

    mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard rest.first == UInt8(ascii: character) else { return false }
        rest.removeFirst()
        return true
    }

    mutating func number(digits: Int) -> UInt64? {
        let digits = rest.prefix(digits).count == digits ? rest.prefix(digits) : []
        guard !digits.isEmpty, digits.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        rest.removeFirst(digits.count)
        return digits.reduce(0) { $0 * 10 + UInt64($1 - 0x30) }
    }

    /// Nanoseconds; none where no point stands. `nil`: not one to nine digits follow the point.
    mutating func fraction() -> UInt64? {
        guard take(".") else { return 0 }
        let digits = rest.prefix { (0x30...0x39).contains($0) }
        guard (1...9).contains(digits.count) else { return nil }
        rest.removeFirst(digits.count)
        let number = digits.reduce(UInt64(0)) { $0 * 10 + UInt64($1 - 0x30) }
        return (digits.count..<9).reduce(number) { number, _ in number * 10 }
    }

    /// Seconds east of UTC.
    mutating func offset() -> Int64? {
        if take("Z") || take("z") { return 0 }
        let isEast = take("+")
        guard isEast || take("-"), let hours = number(digits: 2), take(":"), let minutes = number(digits: 2),
            hours < 24,
            minutes < 60
        else { return nil }
        return Int64(hours * 3600 + minutes * 60) * (isEast ? 1 : -1)
    }
}
