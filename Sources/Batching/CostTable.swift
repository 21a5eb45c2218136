// Enters: how long batches of so many rows took. Leaves: how many of the rows that wait should run together. Pure.

/// What a model's batches cost, by size: class k stands for 2^k to 2^(k+1) - 1 rows.
///
/// A batch is not always cheaper by the row: a forest's is half the price, a small convolution's a third dearer. So the
/// price is learned for each class, and the class with the lowest one is used.
public struct CostTable: Sendable {
    public static let classes = 12
    /// More rows than this are never run together.
    public static let rowsMax = (1 << classes) - 1

    /// Picoseconds for a row; 0: never measured.
    var picosecondsPerRow = InlineArray<12, Int64>(repeating: 0)

    public init() {}

    static func sizeClass(of rows: Int) -> Int {
        min(classes - 1, Int.bitWidth - 1 - max(1, rows).leadingZeroBitCount)
    }

    /// A batch of `rows` rows took so long.
    public mutating func record(rows: Int, nanoseconds: Int64) {
        let index = Self.sizeClass(of: rows)
        picosecondsPerRow[index] = Self.updated(picosecondsPerRow[index], rows: rows, nanoseconds: nanoseconds)
    }

    /// The average moves by an eighth of the difference. A thread that lost its core for a while tells nothing of the
    /// model: what is beyond four times the average moves it by a tenth only.
    public static func updated(_ old: Int64, rows: Int, nanoseconds: Int64) -> Int64 {
        let sample = max(1, min(nanoseconds, 1 << 50) * 1000 / Int64(max(1, rows)))
        if old == 0 { return sample }
        if sample > 4 * old { return old + max(1, old / 10) }
        return max(1, old + (sample - old) / 8)
    }

    /// What a batch of `rows` rows is expected to take. `nil`: nothing was ever measured.
    public func nanoseconds(rows: Int) -> Int64? {
        let index = Self.sizeClass(of: rows)
        var nearest: Int?
        // A smaller batch's price is the safer guess: it is seldom the lower one.
        for distance in 0..<Self.classes {
            if index - distance >= 0, picosecondsPerRow[index - distance] > 0 { nearest = index - distance }
            if nearest == nil, index + distance < Self.classes, picosecondsPerRow[index + distance] > 0 {
                nearest = index + distance
            }
            if nearest != nil { break }
        }
        guard let nearest else { return nil }
        return picosecondsPerRow[nearest] * Int64(max(1, rows)) / 1000
    }

    /// How many of `waiting` rows to run together. `tick` counts the decisions: now and then a neighbour of the best size
    /// is taken, because prices change.
    public func rows(waiting: Int, rowsMax: Int, tick: UInt64) -> Int {
        let limit = min(waiting, rowsMax, Self.rowsMax)
        let top = Self.sizeClass(of: limit)
        guard top > 0 else { return max(1, limit) }
        var best = 0
        for size in 0...top {
            let price = picosecondsPerRow[size]
            if price == 0 {
                // Twice the size is worth a try where the last doubling was no loss.
                if size == 0 { return 1 }
                if picosecondsPerRow[size - 1] <= picosecondsPerRow[best] / 4 * 5 { return 1 << size }
                break
            }
            // Not for next to nothing: in a larger batch the first waits for the last.
            if price < picosecondsPerRow[best] / 32 * 31 { best = size }
        }
        // Neither in step with a load that comes in bursts, nor only upwards: what is best may have become smaller.
        switch ((tick &+ 1) &* 0x9e37_79b9_7f4a_7c15) >> 57 {
        case 0 where best > 0: return 1 << (best - 1)
        case 1 where best < top: return 2 << best
        default: break
        }
        return best == top ? limit : 1 << best
    }
}
