// Enters: what answers were like. Leaves: how many there were of each kind. Counts of two moments can be subtracted.

/// What came of the calls that a version got by its share of the traffic.
public struct Counts: Sendable, Equatable {
    /// Answered, failed or refused.
    public var calls = 0
    /// The model's run failed.
    public var failed = 0
    /// Its queue was full, or it could not have been answered in time.
    public var refused = 0
    /// Of those, what is evidence: of callers with a key the first of each.
    public var firstFailed = 0
    public var firstRefused = 0
    /// Answers with a number that is none.
    public var notFinite = 0
    /// By `Bins.latency`; of the answers of a turn the first.
    public var latency = [Int](repeating: 0, count: Bins.latencyCount)
    /// By `Bins.value`; of callers with a key the first answer.
    public var values = [Int](repeating: 0, count: Bins.valueCount)
    /// By `Bins.shape`, of answers.
    public var shapes = [Int](repeating: 0, count: Bins.shapeCount)

    public init() {}

    public static func - (later: Counts, earlier: Counts) -> Counts {
        var counts = later
        counts.calls -= earlier.calls
        counts.failed -= earlier.failed
        counts.refused -= earlier.refused
        counts.firstFailed -= earlier.firstFailed
        counts.firstRefused -= earlier.firstRefused
        counts.notFinite -= earlier.notFinite
        // Bins are counted in 32 bits, and go round.
        func difference(_ later: Int, _ earlier: Int) -> Int { Int(UInt32(truncatingIfNeeded: later &- earlier)) }
        for bin in counts.latency.indices { counts.latency[bin] = difference(later.latency[bin], earlier.latency[bin]) }
        for bin in counts.values.indices { counts.values[bin] = difference(later.values[bin], earlier.values[bin]) }
        for bin in counts.shapes.indices { counts.shapes[bin] = difference(later.shapes[bin], earlier.shapes[bin]) }
        return counts
    }

    /// Answers whose time was taken.
    var timed: Int { latency.reduce(0, +) }

    /// The upper bound of the bin in which the quantile lies, in nanoseconds; `nil`: no answers.
    public func latencyNanoseconds(quantile: Double) -> Int64? {
        let total = latency.reduce(0, +)
        guard total > 0 else { return nil }
        let rank = max(1, Int((quantile * Double(total)).rounded(.up)))
        var below = 0
        for (bin, count) in latency.enumerated() {
            below += count
            if below >= rank { return Bins.latencyNanosecondsMax(bin) }
        }
        return nil
    }
}

/// Numbers as bins of histograms.
public enum Bins {
    /// Eight to an octave, from a microsecond on: an error of at most an eighth.
    public static let latencyCount = 240

    public static func latency(nanoseconds: Int64) -> Int {
        let microseconds = UInt64(max(0, nanoseconds) / 1000)
        guard microseconds >= 8 else { return Int(microseconds) }
        let octave = 63 - microseconds.leadingZeroBitCount
        return min(latencyCount - 1, (octave - 2) * 8 + Int((microseconds >> (octave - 3)) & 7))
    }

    static func latencyNanosecondsMax(_ bin: Int) -> Int64 {
        guard bin >= 8 else { return Int64(bin + 1) * 1000 }
        let octave = bin / 8 + 2
        return Int64(8 + bin % 8 + 1) << (octave - 3) * 1000
    }

    /// Sixteen to an octave between 2^-12 and 2^20, for each sign; what is smaller is zero.
    public static let valueCount = 1 + 2 * valueHalf
    private static let valueHalf = 32 * 16

    public static func value(_ number: Double) -> Int {
        let magnitude = abs(number)
        guard magnitude >= 0x1p-12 else { return 0 }
        var bin = valueHalf - 1
        if magnitude < 0x1p20 {
            let bits = magnitude.bitPattern
            bin = (Int(bits >> 52) - 1023 + 12) * 16 + Int((bits >> 48) & 15)
        }
        return 1 + bin + (number < 0 ? valueHalf : 0)
    }

    public static let shapeCount = 64

    public static func shape(hash: UInt64) -> Int { Int(hash % UInt64(shapeCount)) }
}
