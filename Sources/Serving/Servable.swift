// Enters: a loaded model. Leaves: the model, and all that is known of how to run it.
public import Batching
public import Memory
public import Rollout
public import ServerMetrics
import Synchronization
public import Tensors

/// What an operator may say about how a model's calls are put together; for who wants Triton's. Nothing need be said.
public struct BatchingSettings: Sendable, Equatable {
    public var mode = BatchingMode.auto
    /// Rows in one run; 1: each call by itself.
    public var rowsMax = CostTable.rowsMax
    /// A call of more rows is rejected, as in Triton; `nil`: the owner said no `max_batch_size`.
    public var rowsPerCallMax: Int?
    /// How long a call may wait for company. Above 0 the model runs on executors, whatever it costs.
    public var delayNanoseconds: Int64 = 0
    /// With so many rows nobody waits longer.
    public var preferredRows: Int?
    /// Calls that may wait for an executor; one more is refused.
    public var queueMax = 4096
    /// Runs at the same time; `nil`: as many as there are executors.
    public var concurrency: Int?
    /// The thread that asks for a run does all of it, so that its processor time is what the run costs.
    public var isOneThread = true

    public init() {}
}

extension BatchEquivalence {
    /// `proof`: `nil`: the engine's own; tests have others.
    public convenience init(_ settings: BatchingSettings, _ engine: Engine, proof: BatchProof? = nil) {
        self.init(
            settings.mode, rowsMax: settings.rowsMax, hasRows: engine.signature.canBatch,
            proof: proof ?? engine.batchProof)
    }
}

/// The rows of the metrics page in which a version's calls are counted, kept as long as anybody has this.
public final class Series: Sendable {
    public let version: Row
    public let model: Row
    /// For calls that name the model and get no version.
    public let versionless: Row

    public init(version: Row, model: Row, versionless: Row) {
        self.version = version
        self.model = model
        self.versionless = versionless
    }
}

/// A model that can be leased: what runs it, what its runs cost, whether its calls may run together. Shared by all threads.
public final class Servable: Sendable {
    public let name: String
    /// Of all that this process loads no two have the same, and none has 0: an address would be used again.
    public let serial: UInt64
    private static let serials = Atomic<UInt64>(0)
    public let engine: Engine
    public let settings: BatchingSettings
    /// By rows: for what runs together.
    public let costs = Costs()
    /// Where rows differ in size a call's cost goes by its bytes, 64 at a time.
    private let costsOfBytes: Costs?
    /// Runs in a row that took longer than any shard should be held up: averages learn that too slowly, because one such run
    /// may be a thread that lost its core.
    private let overruns = Atomic<Int>(0)
    private static let overrunNanoseconds: Int64 = 1_000_000
    public let equivalence: BatchEquivalence
    /// Its first dimension counts rows; else each call is one.
    let hasRows: Bool
    /// What came of the calls that it got by its share of the traffic.
    public let seen = Seen()
    /// How its answers compare with the live version's, where it repeats its calls.
    public let compared = Lock(Comparison())
    private let golden = Atomic<Int>(0)
    public let statistics = Statistics()
    /// Numbers of its rows in the metrics page.
    let row: Int32
    let modelRow: Int32
    /// Where its calls are counted; `nil`: where those of no model are.
    let series: Series?
    /// What ModelConfig answers, encoded.
    let modelConfig: OwnedBytes
    /// Calls and rows that wait for an executor or are with one.
    let waitingCalls = Atomic<Int>(0)
    let waitingRows = Atomic<Int>(0)
    /// The same, until their shard has delivered them.
    private let callsOut = Atomic<Int>(0)
    private let answerBytesOfRow: (fixed: Int, each: Int)?
    /// It gave an answer that is too large for a copy in the audit log: executors take its digest from then on.
    let hasLargeAnswers = Atomic<Bool>(false)
    /// What a row took of late on executors, whatever its company and whoever else wanted the core: for how long it takes until
    /// what waits has run. 0: never measured.
    private let drainPicoseconds = Atomic<Int64>(0)
    /// The rows of the last run there.
    private let drainRows = Atomic<Int>(0)

    public init(
        name: String, engine: Engine, settings: BatchingSettings = BatchingSettings(), series: Series? = nil,
        modelConfig: [UInt8] = [], proof: BatchProof? = nil
    ) {
        self.name = name
        serial = Self.serials.add(1, ordering: .relaxed).newValue
        self.series = series
        row = Int32(series?.version.number ?? Page.unknownRow)
        modelRow = Int32(series?.model.number ?? Page.unknownRow)
        self.modelConfig = OwnedBytes(modelConfig)
        self.engine = engine
        self.settings = settings
        costsOfBytes = engine.signature.hasRowsOfAnySize ? Costs() : nil
        equivalence = BatchEquivalence(settings, engine, proof: proof)
        // `identity` has no signature: what comes is counted as it comes.
        hasRows = engine.signature.canBatch || engine.signature.inputs.isEmpty
        answerBytesOfRow = Self.answerBytes(engine.signature.outputs)
    }

    /// Bytes of the outputs: those of every answer, and those of each row. `nil`: strings, and dimensions other than the first that are free.
    private static func answerBytes(_ outputs: [TensorSpecification]) -> (fixed: Int, each: Int)? {
        var bytes = (fixed: 0, each: 0)
        for output in outputs {
            guard let size = output.type.byteCount, let shape = output.shape else { return nil }
            let isByRow = shape.first == -1
            var all = size
            for dimension in isByRow ? shape.dropFirst() : shape[...] {
                guard dimension >= 0, dimension <= 1 << 20, all <= 1 << 30 else { return nil }
                all *= Int(dimension)
            }
            bytes.fixed += 64 + output.name.utf8.count + 10 * shape.count
            if isByRow { bytes.each += all } else { bytes.fixed += all }
        }
        return bytes
    }

    /// The call as the model wants it, no larger than its owner allows; nothing has run yet.
    func check(_ call: Call, in arena: inout Arena) throws(Refusal) -> Work {
        let work = try engine.check(call, in: &arena)
        if let most = settings.rowsPerCallMax, hasRows, !work.inputs.isEmpty, work.inputs[0].shape[0] > Int64(most) {
            throw .tooManyRows(model: name, rows: work.inputs[0].shape[0], rowsMax: most)
        }
        return work
    }

    /// What an answer's message takes at most, for the room of its record. `nil`: the model does not say how large its outputs are.
    func answerBytes(_ work: Work, _ form: ContentForm, requestBytes: Int) -> Int? {
        // Names, versions and the caller's id: `CallLimits` and the repository bound them.
        let head = 1024
        if engine.signature.outputs.isEmpty { return head + requestBytes }
        guard let answerBytesOfRow, form == .raw else { return nil }
        return head + answerBytesOfRow.fixed + answerBytesOfRow.each * (work.rows ?? 1)
    }

    /// What a call is expected to take by itself. `nil`: nothing was measured, or nothing is worth measuring.
    func runNanoseconds(_ work: Work) -> Int64? {
        guard engine.isMeasured else { return nil }
        if let costsOfBytes { return costsOfBytes.nanoseconds(rows: Self.pieces(work)) }
        return costs.nanoseconds(rows: work.rows ?? 1)
    }

    /// What so many rows are expected to take together.
    func runNanoseconds(rows: Int) -> Int64? { engine.isMeasured ? costs.nanoseconds(rows: rows) : nil }

    /// A call ran by itself, and took so long.
    public func record(_ work: Work, nanoseconds: Int64) {
        overruns.store(
            nanoseconds > Self.overrunNanoseconds ? overruns.load(ordering: .relaxed) + 1 : 0, ordering: .relaxed)
        costs.record(rows: work.rows ?? 1, nanoseconds: nanoseconds)
        costsOfBytes?.record(rows: Self.pieces(work), nanoseconds: nanoseconds)
    }

    private static func pieces(_ work: Work) -> Int {
        var bytes = 0
        for index in work.inputs.indices { bytes += work.inputs[index].content.count }
        return bytes / 64 + 1
    }

    /// What is before an executor comes to a call, and its own run. `nil`: nothing is before it, and then it may try: what a
    /// model was found to take is no promise. Or nothing was measured yet.
    func expectedNanoseconds(_ work: Work, executors: Int) -> Int64? {
        let parallel = Int64(max(1, min(settings.concurrency ?? executors, executors)))
        let waiting = waitingRows.load(ordering: .relaxed)
        guard waiting > 0, let own = runNanoseconds(work) else { return nil }
        let price = drainPicoseconds.load(ordering: .relaxed)
        guard price > 0 else { return own + (costs.nanoseconds(rows: waiting) ?? 0) / parallel }
        // It is answered when its batch ends, and that may be filled up by calls that come after it.
        let company = Int64(min(waiting, drainRows.load(ordering: .relaxed)))
        return own + price * company / 1000 + price * Int64(waiting) / 1000 / parallel
    }

    /// An executor ran so many rows together.
    func drained(rows: Int, nanoseconds: Int64) {
        let old = drainPicoseconds.load(ordering: .relaxed)
        drainRows.store(rows, ordering: .relaxed)
        drainPicoseconds.store(CostTable.updated(old, rows: rows, nanoseconds: nanoseconds), ordering: .relaxed)
    }

    /// Rows of golden cases that it answers as expected; 0 if it has none, or if one of its cases failed.
    public var goldenRows: Int { golden.load(ordering: .relaxed) }
    public func passedGolden(rows: Int) { golden.store(rows, ordering: .relaxed) }

    /// Calls that wait for an executor or are with one.
    public var callsWaiting: Int { waitingCalls.load(ordering: .relaxed) }

    /// As many calls wait as may.
    var isFull: Bool { waitingCalls.load(ordering: .relaxed) >= settings.queueMax }

    /// No call that left its shard still needs this model.
    public var isIdle: Bool { callsOut.load(ordering: .acquiring) == 0 }

    func submitted(_ job: Job) {
        callsOut.add(1, ordering: .relaxed)
        waitingCalls.add(1, ordering: .relaxed)
        waitingRows.add(job.rows ?? 1, ordering: .relaxed)
    }

    func delivered() { callsOut.subtract(1, ordering: .releasing) }

    /// Nobody leases it any more: what only repeats calls need not be done.
    private let leaving = Atomic<Bool>(false)
    public func leave() { leaving.store(true, ordering: .relaxed) }
    var isLeaving: Bool { leaving.load(ordering: .relaxed) }

    /// It is needed, although no call of its own is out.
    func hold() { callsOut.add(1, ordering: .relaxed) }

    /// It has run, or needs no longer to.
    func ended(_ job: Job) {
        waitingCalls.subtract(1, ordering: .relaxed)
        waitingRows.subtract(job.rows ?? 1, ordering: .relaxed)
    }

    /// Whether a call is to be kept off the shards. What was never measured is.
    func isLong(_ work: Work, budgetNanoseconds: Int64) -> Bool {
        if settings.delayNanoseconds > 0 { return true }
        guard engine.isMeasured else { return false }
        guard let nanoseconds = runNanoseconds(work), overruns.load(ordering: .relaxed) < 2 else { return true }
        return nanoseconds > budgetNanoseconds
    }
}
