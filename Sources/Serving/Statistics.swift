// Enters: runs of a version, and calls that failed. Leaves: how many there were, and what they took.
import Memory
import OpenInference
import Reactor
import Synchronization

/// What a version has done since it was loaded; of calls that fitted it. Counted per run by any thread, without order: each
/// number is right, two of them may be a run apart.
public final class Statistics: Sendable {
    private let calls = Atomic<Int>(0)
    private let failures = Atomic<Int>(0)
    private let rows = Atomic<Int>(0)
    private let runs = Atomic<Int>(0)
    private let queueNanoseconds = Atomic<Int64>(0)
    private let computeNanoseconds = Atomic<Int64>(0)
    /// On the shards' clock; 0: never.
    private let lastNanoseconds = Atomic<Int64>(0)

    /// `nanoseconds`: what the calls spent in their runs, all together: a run of three counts three times.
    func ran(calls: Int, rows: Int, runs: Int, nanoseconds: Int64, at now: Int64) {
        guard calls > 0 else { return }
        self.calls.add(calls, ordering: .relaxed)
        self.rows.add(rows, ordering: .relaxed)
        self.runs.add(runs, ordering: .relaxed)
        if nanoseconds > 0 { computeNanoseconds.add(nanoseconds, ordering: .relaxed) }
        lastNanoseconds.store(now, ordering: .relaxed)
    }

    /// For executors, all calls of a run together. On a shard nobody waits for longer than its turn.
    func waited(nanoseconds: Int64) { queueNanoseconds.add(nanoseconds, ordering: .relaxed) }

    func failed(calls: Int) {
        if calls > 0 { failures.add(calls, ordering: .relaxed) }
    }

    var snapshot: ModelStatistics {
        var snapshot = ModelStatistics()
        snapshot.callsAnswered = calls.load(ordering: .relaxed)
        snapshot.callsFailed = failures.load(ordering: .relaxed)
        snapshot.rows = rows.load(ordering: .relaxed)
        snapshot.runs = runs.load(ordering: .relaxed)
        snapshot.queueNanoseconds = queueNanoseconds.load(ordering: .relaxed)
        snapshot.computeNanoseconds = computeNanoseconds.load(ordering: .relaxed)
        let last = lastNanoseconds.load(ordering: .relaxed)
        if last > 0 { snapshot.lastMilliseconds = Clock.wallMilliseconds() - (Clock.now() - last) / 1_000_000 }
        return snapshot
    }
}
