// Enters: jobs, run by a runner. Leaves: what ModelStatistics would say of them.
import OpenInference
import TestSupport
import Testing

@testable import Serving

private func rows(_ count: Int) -> [Value] {
    [Value("X", [Int64(count), 10], floats: (0..<count * 10).map { Float($0) / 100 })]
}

@Test func callsThatRunAloneAreRunsOfTheirOwn() throws {
    let bench = Bench(try Engines.fixture("diabetes")) { $0.rowsMax = 1 }
    _ = bench.run([try bench.job(rows(1)), try bench.job(rows(3))])
    let snapshot = bench.servable.statistics.snapshot
    #expect(snapshot.callsAnswered == 2 && snapshot.rows == 4 && snapshot.runs == 2 && snapshot.callsFailed == 0)
    #expect(snapshot.computeNanoseconds > 0 && snapshot.lastMilliseconds > 1_600_000_000_000)
}

@Test func callsThatRunTogetherAreOneRun() throws {
    let bench = Bench(try Engines.fixture("diabetes"))
    bench.settle()
    _ = bench.run([try bench.job(rows(1)), try bench.job(rows(3)), try bench.job(rows(2))])
    let snapshot = bench.servable.statistics.snapshot
    #expect(snapshot.callsAnswered == 3 && snapshot.rows == 6 && snapshot.runs == 1 && snapshot.callsFailed == 0)
}

@Test func whoCameTooLateFailed() throws {
    let bench = Bench(try Engines.fixture("diabetes")) { $0.rowsMax = 1 }
    _ = bench.run([
        try bench.job(rows(1), deadline: 1), try bench.job(rows(1)), try bench.job(rows(1), isAbandoned: true),
    ])
    let snapshot = bench.servable.statistics.snapshot
    #expect(snapshot.callsAnswered == 1 && snapshot.callsFailed == 1 && snapshot.rows == 1)
}

@Test func whatNeverRanHasNothingToTell() throws {
    let snapshot = Bench(Engines.identity).servable.statistics.snapshot
    #expect(snapshot.callsAnswered == 0 && snapshot.runs == 0 && snapshot.lastMilliseconds == 0)
}

@Test func waitingIsCounted() throws {
    let statistics = Statistics()
    statistics.waited(nanoseconds: 5)
    statistics.waited(nanoseconds: 7)
    #expect(statistics.snapshot.queueNanoseconds == 12)
}
