// Enters: prices as they might have been learned. Leaves: how many of the rows that wait run together.
import Memory
import TestSupport
import Testing

@testable import Batching

private func table(_ prices: [Int64]) -> CostTable {
    var table = CostTable()
    for (size, price) in prices.enumerated() { table.picosecondsPerRow[size] = price }
    return table
}

struct RowsRow: Sendable, CustomTestStringConvertible {
    var testDescription: String
    /// Nanoseconds for a row, of 1 row, of 2 to 3, of 4 to 7 …; 0: not known.
    var prices: [Int64]
    var waiting: Int
    var rowsMax = CostTable.rowsMax
    var rows: Int
    /// What is taken now and then, because prices change.
    var trials: [Int] = []
}

@Test(arguments: [
    RowsRow(testDescription: "nobody waits", prices: [100], waiting: 0, rows: 1),
    RowsRow(testDescription: "one waits", prices: [], waiting: 1, rows: 1),
    RowsRow(testDescription: "nothing is known: the first alone", prices: [], waiting: 100, rows: 1),
    RowsRow(testDescription: "one is known: two are tried", prices: [100], waiting: 100, rows: 2),
    RowsRow(testDescription: "two were cheaper: four are tried", prices: [100, 60], waiting: 100, rows: 4),
    RowsRow(testDescription: "two were as dear: four are tried", prices: [100, 100], waiting: 100, rows: 4),
    RowsRow(testDescription: "two were a little dearer: four are tried", prices: [100, 125], waiting: 100, rows: 4),
    RowsRow(testDescription: "two were a loss: one by one", prices: [100, 126], waiting: 100, rows: 1, trials: [2]),
    RowsRow(
        testDescription: "eight were a loss: by four", prices: [100, 60, 40, 60], waiting: 100, rows: 4,
        trials: [2, 8]),
    RowsRow(testDescription: "four are wanted, five are tried by four", prices: [100, 60], waiting: 5, rows: 4),
    RowsRow(testDescription: "three wait, two are tried", prices: [100], waiting: 3, rows: 2),
    RowsRow(testDescription: "all of the cheapest size", prices: [100, 60, 40], waiting: 7, rows: 7, trials: [2]),
    RowsRow(
        testDescription: "all of the cheapest size, just begun", prices: [100, 60, 40], waiting: 4, rows: 4,
        trials: [2]),
    RowsRow(
        testDescription: "the cheapest size is below", prices: [100, 60, 80, 90], waiting: 15, rows: 2,
        trials: [1, 4]),
    RowsRow(testDescription: "not for next to nothing", prices: [3200, 3101, 3102], waiting: 7, rows: 1, trials: [2]),
    RowsRow(testDescription: "for a little more", prices: [3200, 3099, 3098], waiting: 7, rows: 2, trials: [1, 4]),
    RowsRow(testDescription: "a gap ends what is known", prices: [100, 0, 10], waiting: 7, rows: 2),
    RowsRow(
        testDescription: "the operator's bound", prices: [100, 60, 40, 20], waiting: 100, rowsMax: 6, rows: 6,
        trials: [2]),
    RowsRow(testDescription: "the operator's bound of one", prices: [100, 60], waiting: 100, rowsMax: 1, rows: 1),
    RowsRow(
        testDescription: "the bound forbids a trial", prices: [100, 60], waiting: 100, rowsMax: 3, rows: 3,
        trials: [1]),
    RowsRow(
        testDescription: "our own bound", prices: (0..<12).map { 1 << (30 - $0) }, waiting: 1 << 20, rowsMax: 1 << 20,
        rows: 4095, trials: [1024]),
    RowsRow(testDescription: "nothing is larger", prices: [100, 60, 40], waiting: 7, rows: 7, trials: [2]),
    RowsRow(testDescription: "nothing is smaller", prices: [100, 200, 400], waiting: 7, rows: 1, trials: [2]),
    RowsRow(testDescription: "a neighbour of one", prices: [100, 60, 80], waiting: 7, rows: 2, trials: [1, 4]),
    RowsRow(testDescription: "both neighbours", prices: [100, 60, 40, 60, 90], waiting: 31, rows: 4, trials: [2, 8]),
])
func rowsThatRunTogether(row: RowsRow) {
    let table = table(row.prices.map { $0 * 1000 })
    var taken: [Int: Int] = [:]
    for tick in 0..<4096 as Range<UInt64> {
        taken[table.rows(waiting: row.waiting, rowsMax: row.rowsMax, tick: tick), default: 0] += 1
    }
    #expect(taken.removeValue(forKey: row.rows) ?? 0 >= 3968, "at most one in 32 is a trial")
    #expect(taken.keys.sorted() == row.trials)
}

/// Whatever was learned, nobody is asked to run nothing, nor more than wait or may.
@Test func alwaysWithinWhatWaits() {
    var random = SplitMix(seed: 3)
    for round in 0..<20_000 {
        var prices = (0..<12).map { _ in Int64(random.below(1000)) + 1 }
        for index in random.below(13)..<12 { prices[index] = 0 }
        if random.below(4) == 0 { prices[random.below(12)] = 0 }
        let waiting = 1 + random.below(5000)
        let rowsMax = 1 + random.below(random.below(2) == 0 ? 10 : 5000)
        let rows = table(prices).rows(waiting: waiting, rowsMax: rowsMax, tick: random.next())
        #expect(rows >= 1 && rows <= min(waiting, rowsMax, CostTable.rowsMax), "round \(round)")
    }
}

@Test(
    arguments: [
        (0, 0), (1, 0), (2, 1), (3, 1), (4, 2), (7, 2), (8, 3), (2047, 10), (2048, 11), (4095, 11), (1 << 40, 11),
    ])
func sizeClasses(rows: Int, size: Int) { #expect(CostTable.sizeClass(of: rows) == size) }

struct PriceRow: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var old: Int64
    var rows = 1
    var nanoseconds: Int64
    var new: Int64
}

@Test(arguments: [
    PriceRow(testDescription: "the first is believed", old: 0, nanoseconds: 7, new: 7000),
    PriceRow(testDescription: "by the row", old: 0, rows: 7, nanoseconds: 70, new: 10_000),
    PriceRow(testDescription: "the same", old: 8000, nanoseconds: 8, new: 8000),
    PriceRow(testDescription: "an eighth up", old: 8000, nanoseconds: 16, new: 9000),
    PriceRow(testDescription: "an eighth down", old: 16_000, nanoseconds: 8, new: 15_000),
    PriceRow(testDescription: "just not too far", old: 8000, nanoseconds: 32, new: 11_000),
    PriceRow(testDescription: "an outlier moves it by a tenth", old: 8000, nanoseconds: 33, new: 8800),
    PriceRow(testDescription: "a lost core moves it by a tenth", old: 8000, nanoseconds: 1 << 60, new: 8800),
    PriceRow(testDescription: "no time at all", old: 8000, nanoseconds: 0, new: 7001),
    PriceRow(testDescription: "never nothing", old: 1, nanoseconds: 0, new: 1),
    PriceRow(testDescription: "never nothing at first", old: 0, nanoseconds: 0, new: 1),
    PriceRow(testDescription: "no rows", old: 0, rows: 0, nanoseconds: 5, new: 5000),
])
func pricesMove(row: PriceRow) {
    #expect(CostTable.updated(row.old, rows: row.rows, nanoseconds: row.nanoseconds) == row.new)
    // Both tables learn the same.
    var table = CostTable()
    let costs = Costs()
    let size = CostTable.sizeClass(of: row.rows)
    table.picosecondsPerRow[size] = row.old
    if row.old > 0 { costs.record(rows: 1 << size, nanoseconds: row.old << Int64(size) / 1000) }
    table.record(rows: row.rows, nanoseconds: row.nanoseconds)
    costs.record(rows: row.rows, nanoseconds: row.nanoseconds)
    #expect(table.picosecondsPerRow[size] == row.new)
    if row.old % 1000 == 0 { #expect(costs.table.picosecondsPerRow[size] == row.new) }
}

struct EstimateRow: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var prices: [Int64]
    var rows: Int
    var nanoseconds: Int64?
}

@Test(arguments: [
    EstimateRow(testDescription: "nothing is known", prices: [], rows: 1, nanoseconds: nil),
    EstimateRow(testDescription: "its own class", prices: [1000, 600, 400], rows: 3, nanoseconds: 1),
    EstimateRow(testDescription: "its own class, more of them", prices: [9000, 6000, 4000], rows: 6, nanoseconds: 24),
    EstimateRow(testDescription: "only smaller ones", prices: [9000, 6000], rows: 100, nanoseconds: 600),
    EstimateRow(testDescription: "only larger ones", prices: [0, 0, 4000], rows: 1, nanoseconds: 4),
    EstimateRow(testDescription: "only much larger ones", prices: [0, 0, 0, 0, 0, 2000], rows: 3, nanoseconds: 6),
    EstimateRow(testDescription: "the nearer one", prices: [9000, 0, 0, 3000], rows: 5, nanoseconds: 15),
    EstimateRow(
        testDescription: "of two as near the smaller", prices: [9000, 0, 5000, 0, 3000], rows: 8, nanoseconds: 40),
    EstimateRow(testDescription: "above all classes", prices: [9000], rows: 1 << 20, nanoseconds: 9 << 20),
    EstimateRow(testDescription: "no rows count as one", prices: [9000], rows: 0, nanoseconds: 9),
])
func estimates(row: EstimateRow) { #expect(table(row.prices).nanoseconds(rows: row.rows) == row.nanoseconds) }

/// What a batch of so many rows really takes.
enum TrueCost: Sendable, CaseIterable {
    case fixedAndPerRow, mostlyFixed, cheapestAtEight, cheapestAtTwo, noGain, dearerByTheRow

    func nanoseconds(_ rows: Int) -> Double {
        let rows = Double(rows)
        func valley(_ best: Double) -> Double { rows * (4000 + 3000 * abs((rows / best).logarithm2)) }
        switch self {
        case .fixedAndPerRow: return 20_000 + 2000 * rows
        case .mostlyFixed: return 300_000 + 100 * rows
        case .cheapestAtEight: return valley(8)
        case .cheapestAtTwo: return valley(2)
        case .noGain: return 7000 * rows
        case .dearerByTheRow: return 5000 * rows * (1 + rows / 2)
        }
    }
}

extension Double {
    /// Without Glibc: exact where it matters, at powers of two; a straight line between.
    fileprivate var logarithm2: Double { Double(exponent) + significand - 1 }
}

/// Calls in bursts, each burst run to its end, as a shard does with a turn. One run in fifty loses its core for a while.
private struct Simulation {
    enum Load: CaseIterable { case bursts, always64 }

    var load: Load
    var random: SplitMix
    var costs = Costs()

    mutating func spend(_ cost: TrueCost, bursts: Int) -> (policy: Double, best: Double) {
        var policy = 0.0
        let sizes = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256]
        var fixed = [Double](repeating: 0, count: sizes.count)
        let nanoseconds = (0...256).map(cost.nanoseconds)
        for _ in 0..<bursts {
            let burst = load == .bursts ? 1 + random.below(random.below(3) == 0 ? 200 : 12) : 64
            var left = burst
            while left > 0 {
                let rows = costs.rows(waiting: left, rowsMax: CostTable.rowsMax)
                let spent = nanoseconds[rows]
                policy += spent
                // What is measured is not what it costs: noise, and now and then another thread's turn.
                let noise = spent * (0.95 + Double(random.below(100)) / 1000)
                costs.record(rows: rows, nanoseconds: Int64(random.below(50) == 0 ? noise + 4_000_000 : noise))
                left -= rows
            }
            for (index, size) in sizes.enumerated() {
                fixed[index] += Double(burst / size) * nanoseconds[size]
                if burst % size > 0 { fixed[index] += nanoseconds[burst % size] }
            }
        }
        return (policy, fixed.min() ?? 0)
    }
}

/// Ends within a tenth of the best size that is always the same; and of a model whose price changes, within a tenth of its
/// new best.
@Test(arguments: TrueCost.allCases, TrueCost.allCases)
func findsTheBestSize(first: TrueCost, then: TrueCost) {
    for load in Simulation.Load.allCases {
        var simulation = Simulation(load: load, random: SplitMix(seed: 1))
        for cost in [first, then] {
            var excess: [Double] = []
            repeat {
                let (policy, best) = simulation.spend(cost, bursts: 500)
                excess.append(policy / best)
            } while excess.count < 40 && excess.last ?? 0 > 1.1
            #expect(excess.last ?? 0 <= 1.1, "\(load), \(cost): \(excess) times the best")
        }
    }
}

struct EndRow: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var cost: TrueCost
    /// What is mostly run of 64 that wait.
    var rows: Int
}

@Test(arguments: [
    EndRow(testDescription: "cheaper together", cost: .fixedAndPerRow, rows: 64),
    EndRow(testDescription: "nearly all of it is fixed", cost: .mostlyFixed, rows: 64),
    EndRow(testDescription: "cheapest by eight", cost: .cheapestAtEight, rows: 8),
    EndRow(testDescription: "cheapest by two", cost: .cheapestAtTwo, rows: 2),
    EndRow(testDescription: "no gain", cost: .noGain, rows: 1),
    EndRow(testDescription: "dearer by the row", cost: .dearerByTheRow, rows: 1),
])
func whereItEnds(row: EndRow) {
    var table = CostTable()
    var taken: [Int: Int] = [:]
    var tried: [Int] = []
    for tick in 0..<512 as Range<UInt64> {
        let rows = table.rows(waiting: 64, rowsMax: 64, tick: tick)
        if taken[rows] == nil { tried.append(rows) }
        taken[rows, default: 0] += 1
        table.record(rows: rows, nanoseconds: Int64(row.cost.nanoseconds(rows)))
    }
    #expect(taken.max { $0.value < $1.value }?.key == row.rows)
    // Sizes are tried by doubling, and a loss ends it: never a leap into what might be dear.
    for (index, rows) in tried.enumerated() where rows > 1 { #expect(tried[..<index].contains(rows / 2)) }
    if row.cost == .dearerByTheRow { #expect(tried == [1, 2]) }
}
