// Enters: measurements from any thread. Leaves: one table of costs that all of them decide by.
import Synchronization

/// A model's `CostTable`, written by every thread that runs it. Each number stands for itself: of two threads that record at
/// the same time one may be lost, which costs a sample.
public final class Costs: Sendable {
    private let picosecondsPerRow = InlineArray<12, Atomic<Int64>> { _ in Atomic(0) }
    private let decisions = Atomic<UInt64>(0)

    public init() {}

    public func record(rows: Int, nanoseconds: Int64) {
        let index = CostTable.sizeClass(of: rows)
        let old = picosecondsPerRow[index].load(ordering: .relaxed)
        picosecondsPerRow[index].store(
            CostTable.updated(old, rows: rows, nanoseconds: nanoseconds), ordering: .relaxed)
    }

    public var table: CostTable {
        var table = CostTable()
        for index in 0..<CostTable.classes {
            table.picosecondsPerRow[index] = picosecondsPerRow[index].load(ordering: .relaxed)
        }
        return table
    }

    /// What a batch of `rows` rows is expected to take. `nil`: nothing was ever measured.
    public func nanoseconds(rows: Int) -> Int64? {
        // Mostly the size's own price is known.
        let price = picosecondsPerRow[CostTable.sizeClass(of: rows)].load(ordering: .relaxed)
        return price > 0 ? price * Int64(max(1, rows)) / 1000 : table.nanoseconds(rows: rows)
    }

    /// How many of `waiting` rows to run together.
    public func rows(waiting: Int, rowsMax: Int) -> Int {
        let tick = decisions.load(ordering: .relaxed)
        decisions.store(tick &+ 1, ordering: .relaxed)
        return table.rows(waiting: waiting, rowsMax: rowsMax, tick: tick)
    }
}
