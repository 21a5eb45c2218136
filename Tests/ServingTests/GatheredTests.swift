// Enters: the calls of a turn. Leaves: which of them run together, and the order in which they are answered.
import Batching
import Memory
import ServerMetrics
import Tensors
import TestSupport
import Testing

@testable import Serving

/// Places as (group, index); a refusal's group is -1.
private func places(_ gathered: Gathered) -> [[Int]] {
    gathered.order.map { place in
        switch place {
        case .job(let group, let index): [group, index]
        case .refused(let index): [-1, index]
        }
    }
}

private func row(_ width: Int64, rows: Int64 = 1) -> [Value] {
    [Value("x", .uint8, [rows, width], [UInt8](repeating: 1, count: Int(rows * width)))]
}

@Test func sameModelAndShapeAreOneGroup() throws {
    let (one, other) = (Bench(Engines.identity), Bench(Engines.identity))
    var gathered = Gathered()
    for _ in 0..<3 {
        #expect(gathered.isEmpty && gathered.groupCount == 0)
        gathered.append(try one.job(row(4)), isLong: false, isStream: false)
        gathered.append(try one.job(row(4, rows: 7)), isLong: false, isStream: false)
        gathered.append(try one.job(row(5)), isLong: false, isStream: false)
        gathered.append(try other.job(row(4)), isLong: false, isStream: true)
        gathered.append(try one.job(row(4)), isLong: true, isStream: false)
        gathered.append(try one.job(row(4)), isLong: false, isStream: false)
        gathered.append(try one.job([Value("x", .uint8, [], [1])]), isLong: false, isStream: false)
        gathered.append(try one.job([Value("y", .uint8, [], [1])]), isLong: false, isStream: false)
        gathered.append(try one.job(row(4)), isLong: true, isStream: false)
        #expect(places(gathered) == [[0, 0], [0, 1], [1, 0], [2, 0], [3, 0], [0, 2], [4, 0], [4, 1], [3, 1]])
        #expect(gathered.groups[..<gathered.groupCount].map(\.rows) == [9, 1, 1, 2, 2])
        #expect(gathered.groups[..<gathered.groupCount].map(\.isLong) == [false, false, false, true, false])
        #expect(gathered.groups[..<gathered.groupCount].map(\.hasStreams) == [false, false, true, false, false])
        // What was used keeps nothing for the next turn.
        gathered.removeAll()
    }
}

/// A turn full of calls that all differ looks at sixteen groups for each, not at all.
@Test(arguments: [15, 16, 17, 40])
func theLatestSixteenGroupsAreSearched(between: Int) throws {
    let bench = Bench(Engines.identity)
    var gathered = Gathered()
    gathered.append(try bench.job(row(1)), isLong: false, isStream: false)
    for width in 0..<between {
        gathered.append(try bench.job(row(Int64(width) + 2)), isLong: false, isStream: false)
    }
    #expect(gathered.groupCount == between + 1)
    gathered.append(try bench.job(row(1)), isLong: false, isStream: false)
    #expect(gathered.groupCount == (between < 16 ? between + 1 : between + 2))
    #expect(places(gathered).last == (between < 16 ? [0, 1] : [between + 1, 0]))
}

@Test func refusalsHaveTheirPlace() throws {
    let bench = Bench(Engines.identity)
    var gathered = Gathered()
    let job = try bench.job(row(1))
    func refused(_ refusal: Refusal, _ id: StaticString) -> Gathered.Refused {
        Gathered.Refused(
            refusal: refusal, id: ByteView(id), exchange: job.exchange, connection: 1, record: CallRecord(),
            requestBytes: 0, audited: AuditedMessage())
    }
    for _ in 0..<2 {
        gathered.append(refused(.noTrailers, "a"))
        gathered.append(job, isLong: false, isStream: true)
        gathered.append(refused(.draining, "b"))
        #expect(places(gathered) == [[-1, 0], [0, 0], [-1, 1]] && !gathered.isEmpty)
        #expect(gathered.refused.map(\.id.text) == ["a", "b"])
        gathered.removeAll()
        #expect(gathered.isEmpty && gathered.refused.isEmpty)
    }
}

struct ShareRow: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var jobs = 100
    var isLong = false
    var isStream = false
    var helpers: Int
    /// For a row.
    var nanoseconds: Int64 = 1000
    var kept: Int
}

/// Against a turn's 50 µs.
@Test(arguments: [
    ShareRow(testDescription: "nobody helps", helpers: 0, kept: 100),
    ShareRow(testDescription: "one helps: half", helpers: 1, kept: 50),
    ShareRow(testDescription: "three help: a quarter", helpers: 3, kept: 25),
    ShareRow(testDescription: "what a turn may take is kept", jobs: 50, helpers: 3, kept: 50),
    ShareRow(testDescription: "cheap ones are kept", helpers: 3, nanoseconds: 500, kept: 100),
    ShareRow(testDescription: "streams keep their order", isStream: true, helpers: 3, kept: 100),
    ShareRow(testDescription: "what is long is nobody's of us", isLong: true, helpers: 0, kept: 0),
    ShareRow(testDescription: "fewer than helpers", jobs: 3, helpers: 3, nanoseconds: 20_000, kept: 3),
    ShareRow(testDescription: "far too much for a turn", jobs: 30, helpers: 0, nanoseconds: 20_000, kept: 10),
    ShareRow(testDescription: "one at least", jobs: 3, helpers: 3, nanoseconds: 1_000_000, kept: 1),
    ShareRow(testDescription: "one for each", jobs: 4, helpers: 3, nanoseconds: 1_000_000, kept: 1),
])
func whatAShardKeeps(row: ShareRow) throws {
    let bench = Bench(try Engines.fixture("lookup"))
    for size in 0..<8 { bench.servable.costs.record(rows: 1 << size, nanoseconds: row.nanoseconds << Int64(size)) }
    var gathered = Gathered()
    for _ in 0..<row.jobs {
        gathered.append(
            try bench.job([Value("place", places: [1])]), isLong: row.isLong, isStream: row.isStream)
    }
    var group = gathered.groups[0]
    group.share(helpers: row.helpers, budgetNanoseconds: 50_000)
    #expect(group.kept == row.kept)
}
