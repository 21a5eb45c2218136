// Enters: a loaded model. Leaves: the model, and all that is known of how to run it.
public import Batching
import Synchronization
import Tensors

/// What an operator may say about how a model's calls are put together; for who wants Triton's. Nothing need be said.
public struct BatchingSettings: Sendable, Equatable {
    /// Rows in one run; 1: each call by itself.
    public var rowsMax = CostTable.rowsMax
    /// How long a call may wait for company. Above 0 the model runs on executors, whatever it costs.
    public var delayNanoseconds: Int64 = 0
    /// With so many rows nobody waits longer.
    public var preferredRows: Int?
    /// Calls that may wait for an executor; one more is refused.
    public var queueMax = 4096
    /// Runs at the same time; `nil`: as many as there are executors.
    public var concurrency: Int?

    public init() {}
}

/// A model that can be leased: what runs it, what its runs cost, whether its calls may run together. Shared by all threads.
public final class Servable: Sendable {
    public let name: String
    public let engine: Engine
    public let settings: BatchingSettings
    public let costs = Costs()
    public let trust: Trust
    /// Calls and rows that wait for an executor or are with one.
    let waitingCalls = Atomic<Int>(0)
    let waitingRows = Atomic<Int>(0)

    public init(name: String, engine: Engine, settings: BatchingSettings = BatchingSettings()) {
        self.name = name
        self.engine = engine
        self.settings = settings
        trust = Trust(canBatch: settings.rowsMax > 1 && engine.signature.canBatch)
    }

    /// What one run of so many rows is expected to take. `nil`: nothing was measured, or nothing is worth measuring.
    func runNanoseconds(rows: Int) -> Int64? { engine.isMeasured ? costs.nanoseconds(rows: rows) : nil }

    /// What is before an executor comes to a call of so many rows, and its own run. `nil`: nothing was measured yet.
    func expectedNanoseconds(rows: Int, executors: Int) -> Int64? {
        let parallel = Int64(max(1, min(settings.concurrency ?? executors, executors)))
        let waiting = waitingRows.load(ordering: .relaxed)
        guard let own = runNanoseconds(rows: rows) else { return nil }
        return own + (waiting > 0 ? (costs.nanoseconds(rows: waiting) ?? 0) / parallel : 0)
    }

    /// As many calls wait as may.
    var isFull: Bool { waitingCalls.load(ordering: .relaxed) >= settings.queueMax }

    func submitted(_ job: Job) {
        waitingCalls.add(1, ordering: .relaxed)
        waitingRows.add(job.rows ?? 1, ordering: .relaxed)
    }

    func ended(_ job: Job) {
        waitingCalls.subtract(1, ordering: .relaxed)
        waitingRows.subtract(job.rows ?? 1, ordering: .relaxed)
    }

    /// Whether a call of so many rows is to be kept off the shards. What was never measured is.
    func isLong(rows: Int, budgetNanoseconds: Int64) -> Bool {
        if settings.delayNanoseconds > 0 { return true }
        if case .identity = engine { return false }
        guard let nanoseconds = costs.nanoseconds(rows: rows) else { return true }
        return nanoseconds > budgetNanoseconds
    }
}
