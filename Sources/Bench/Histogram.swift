// Enters: durations. Leaves: how they are distributed, to three significant digits.

/// Counts of values by their size, as HdrHistogram keeps them: buckets whose width grows with the value.
///
/// Memory is fixed (264 KiB), and to record a value neither allocates nor searches.
public struct Histogram: Sendable {
    /// Of two neighbouring values that differ by less than one part in 1024 both may fall into one bucket.
    private static let halfBits: Int64 = 10
    private static let half: Int64 = 1 << halfBits
    /// 73 minutes; what is longer counts as this.
    public static let nanosecondsMax: Int64 = 1 << 42 - 1

    private var counts = [UInt64](repeating: 0, count: Self.index(Self.nanosecondsMax) + 1)
    public private(set) var count: UInt64 = 0
    /// Exact, unlike what a bucket tells.
    public private(set) var minNanoseconds: Int64 = .max
    public private(set) var maxNanoseconds: Int64 = 0
    private var sumNanoseconds = 0.0

    public init() {}

    public mutating func record(nanoseconds: Int64) {
        let value = min(max(0, nanoseconds), Self.nanosecondsMax)
        counts[Self.index(value)] += 1
        count += 1
        minNanoseconds = min(minNanoseconds, value)
        maxNanoseconds = max(maxNanoseconds, value)
        sumNanoseconds += Double(value)
    }

    public mutating func merge(_ other: Histogram) {
        for index in counts.indices { counts[index] += other.counts[index] }
        count += other.count
        minNanoseconds = min(minNanoseconds, other.minNanoseconds)
        maxNanoseconds = max(maxNanoseconds, other.maxNanoseconds)
        sumNanoseconds += other.sumNanoseconds
    }

    public var meanNanoseconds: Double { count == 0 ? 0 : sumNanoseconds / Double(count) }

    /// Of the buckets' middles, as HdrHistogram computes it.
    public var deviationNanoseconds: Double {
        guard count > 0 else { return 0 }
        var squares = 0.0
        for (index, count) in counts.enumerated() where count > 0 {
            let middle = Double(Self.lowest(index) + Self.highest(index)) / 2
            squares += Double(count) * (middle - meanNanoseconds) * (middle - meanNanoseconds)
        }
        return (squares / Double(count)).squareRoot()
    }

    /// The value that `percent` of all values do not pass; 0 where there is none.
    public func nanoseconds(percentile percent: Double) -> Int64 {
        guard count > 0 else { return 0 }
        let rank = min(count, max(1, UInt64((percent / 100 * Double(count)).rounded(.up))))
        var seen: UInt64 = 0
        for (index, count) in counts.enumerated() {
            seen += count
            if seen >= rank { return min(Self.highest(index), maxNanoseconds) }
        }
        return maxNanoseconds
    }

    /// Each bucket with something in it, by value: its greatest value, and how many values do not pass that.
    func forEachBucket(_ body: (_ nanoseconds: Int64, _ seen: UInt64) -> Void) {
        var seen: UInt64 = 0
        for (index, count) in counts.enumerated() where count > 0 {
            seen += count
            body(min(Self.highest(index), maxNanoseconds), seen)
        }
    }

    /// Values below 2 × 1024 have a bucket each; from there each power of two has 1024.
    static func index(_ value: Int64) -> Int {
        let shift = max(0, 63 - Int64(value.leadingZeroBitCount) - halfBits)
        return Int(shift << halfBits + value >> shift)
    }

    private static func shift(_ index: Int) -> Int64 { max(0, Int64(index) >> halfBits - 1) }

    private static func lowest(_ index: Int) -> Int64 {
        let shift = shift(index)
        return (Int64(index) - shift << halfBits) << shift
    }

    private static func highest(_ index: Int) -> Int64 { lowest(index) + 1 << shift(index) - 1 }
}
