// Enters: a histogram. Leaves: the text that HdrHistogram's plotters read.
import Glibc

extension Histogram {
    /// The percentile distribution in milliseconds, as HdrHistogram prints it, five lines for each halving of the
    /// distance to 100 %. Its plotters pass over lines that begin with `#`.
    public var percentileDistribution: String {
        var text = "       Value     Percentile TotalCount 1/(1-Percentile)\n\n"
        var target = 0.0
        forEachBucket { nanoseconds, seen in
            let reached = 100 * Double(seen) / Double(count)
            while target <= reached {
                if seen == count && reached - target < 1e-9 { break }
                text += Self.line(nanoseconds, target / 100, seen)
                if seen == count && 100 - target < 100 / Double(count) { break }
                target += Self.step(target)
            }
            if seen == count { text += Self.line(nanoseconds, 1, seen) }
        }
        let mean = Self.milliseconds(meanNanoseconds)
        let deviation = Self.milliseconds(deviationNanoseconds)
        let most = Self.milliseconds(Double(maxNanoseconds))
        text += "#[Mean    = \(padded(mean, 12)), StdDeviation   = \(padded(deviation, 12))]\n"
        text += "#[Max     = \(padded(most, 12)), Total count    = \(padded("\(count)", 12))]\n"
        text += "#[Unit    =           ms, Significant    =     3 digits]\n"
        return text
    }

    private static let linesPerHalf = 5.0

    private static func step(_ percent: Double) -> Double {
        let halves = (log2(100 / (100 - percent)) + 1e-9).rounded(.down) + 1
        return 100 / (linesPerHalf * exp2(halves))
    }

    private static func line(_ nanoseconds: Int64, _ fraction: Double, _ seen: UInt64) -> String {
        let value = padded(milliseconds(Double(nanoseconds)), 12)
        let inverse = fraction < 1 ? padded(decimal(1 / (1 - fraction), digits: 2), 14) : padded("inf", 14)
        return "\(value) \(padded(decimal(fraction, digits: 12), 14)) \(padded("\(seen)", 10)) \(inverse)\n"
    }

    private static func milliseconds(_ nanoseconds: Double) -> String { decimal(nanoseconds / 1_000_000, digits: 6) }
}

private func padded(_ text: String, _ width: Int) -> String {
    String(repeating: " ", count: max(0, width - text.count)) + text
}

/// `value` with so many digits behind the point.
public func decimal(_ value: Double, digits: Int) -> String {
    guard value.isFinite, abs(value) < 1e12 else { return "\(value)" }
    var scale: Int64 = 1
    for _ in 0..<digits { scale *= 10 }
    let whole = value.rounded(.towardZero)
    var fraction = Int64(((value - whole).magnitude * Double(scale)).rounded())
    var units = Int64(whole.magnitude)
    if fraction == scale {
        fraction = 0
        units += 1
    }
    let sign = value < 0 && (units > 0 || fraction > 0) ? "-" : ""
    if digits == 0 { return "\(sign)\(units)" }
    let behind = "\(fraction)"
    return "\(sign)\(units)." + String(repeating: "0", count: digits - behind.count) + behind
}
