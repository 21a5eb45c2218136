// Enters: what waits for a model, and what its runs took. Leaves: when one more call would be answered.
import Batching
import Memory
import Synchronization
import Tensors
import Testing

@testable import Serving

struct ExpectationRow: Sendable, CustomTestStringConvertible {
    var waiting: Int
    /// Rows and nanoseconds of runs on executors.
    var drained: [(rows: Int, nanoseconds: Int64)] = []
    var executors = 1
    var expected: Int64?
    var testDescription: String { "\(waiting) wait, \(drained.count) runs, \(executors) executors" }
}

@Test(arguments: [
    // Nothing is before it: it may try.
    ExpectationRow(waiting: 0, drained: [(10, 1_000_000)], expected: nil),
    // Nothing ran on executors yet: the price of rows is all there is to go by, and one row costs 100 us.
    ExpectationRow(waiting: 4, expected: 100_000 + 4 * 100_000),
    ExpectationRow(waiting: 4, executors: 2, expected: 100_000 + 2 * 100_000),
    // 20 us a row of late; it may share its run with 10 rows, as the last one did.
    ExpectationRow(waiting: 40, drained: [(10, 200_000)], expected: 100_000 + 10 * 20_000 + 40 * 20_000),
    ExpectationRow(waiting: 40, drained: [(10, 200_000)], executors: 4, expected: 100_000 + 10 * 20_000 + 10 * 20_000),
    ExpectationRow(waiting: 3, drained: [(10, 200_000)], expected: 100_000 + 3 * 20_000 + 3 * 20_000),
    // The price follows: an eighth of the way from 20 to 28 us.
    ExpectationRow(waiting: 8, drained: [(8, 160_000), (4, 112_000)], expected: 100_000 + 4 * 21_000 + 8 * 21_000),
])
func whenACallWouldBeAnswered(row: ExpectationRow) throws {
    let servable = Servable(name: "diabetes", engine: try Engines.fixture("diabetes"))
    servable.costs.record(rows: 1, nanoseconds: 100_000)
    servable.waitingRows.add(row.waiting, ordering: .relaxed)
    for run in row.drained { servable.drained(rows: run.rows, nanoseconds: run.nanoseconds) }
    let work = Work(inputs: List(), outputs: List())
    #expect(servable.expectedNanoseconds(work, executors: row.executors) == row.expected)
}
