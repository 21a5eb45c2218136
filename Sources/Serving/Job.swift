// Enters: a call that fits its model. Leaves: what came of it. A job is work, and the way back to who asked.
import Batching
import HTTP2
import Memory
import Models
import ServerMetrics
import Tensors

/// A call on its way through its model. Until it is delivered its exchange is held: the seat is not given back, and
/// nobody but who has the job touches the exchange's arena.
struct Job: BitwiseCopyable {
    enum Outcome: BitwiseCopyable {
        case waiting
        /// In the exchange's arena, or in the inputs' own bytes.
        case outputs(List<Tensor>)
        /// The number of the refusal with whoever ran it.
        case refused(Int)
        /// Nobody waits for it any more: it was cancelled or refused before it ran.
        case abandoned
    }

    /// What its run came to, and what was measured of it.
    struct Result: BitwiseCopyable {
        var outcome = Outcome.waiting
        /// Its run, alone or with others, on the shard's clock; 0: it did not come so far.
        var ranFrom: Int64 = 0
        var ranUntil: Int64 = 0
        /// Rows that ran together with it.
        var batchRows: Int32 = 0
        /// What of its run it took to put the rows together.
        var batchNanoseconds: Int32 = 0
        /// The run's number among its runner's, and which of its rows was this call's first. 0: it did not run.
        var batch: UInt32 = 0
        var batchFirst: Int32 = 0
    }

    private let pinnedExchange: Pinned<Exchange>
    /// The shard's key of the connection.
    let connection: UInt64
    private let pinnedServable: Pinned<Servable>
    let provenance: Provenance
    /// The caller's id for the call.
    let id: ByteView
    let form: ContentForm
    let work: Work
    /// `nil`: it can only run by itself.
    let rows: Int?
    /// On the shard's clock; `Int64.max`: none.
    let deadline: Int64
    let priority: Priority
    /// How it was dealt out where traffic is divided: then it is counted.
    let draw: Lease<Servable>.Draw
    /// Where an experiment dealt it to.
    let arm: Lease<Servable>.Arm?
    /// Who repeats it when it was answered; held until then.
    let mirror: Pinned<Servable>?
    /// When it was complete, on the shard's clock.
    let arrived: Int64
    let method: PredictionMethod
    /// Bytes of its message.
    let requestBytes: Int32
    /// Under which its shard keeps what a record needs of a stream's message; of a unary call the exchange's seat does.
    var auditNumber: Int32 = -1
    /// One value, so that a thread which hands it to another cannot forget a part.
    var result = Result()

    init(
        _ work: Work, of exchange: Exchange, connection: UInt64, _ call: Call, _ lease: Lease<Servable>,
        deadline: Int64, arrived: Int64, record: CallInProgress = CallInProgress()
    ) {
        method = record.call.method
        requestBytes = Int32(truncatingIfNeeded: record.requestBytes)
        pinnedExchange = Pinned(exchange)
        self.connection = connection
        pinnedServable = lease.model
        provenance = lease.provenance
        id = call.id
        form = call.form
        self.work = work
        rows = lease.model.object.hasRows ? work.rows : nil
        self.deadline = deadline
        priority = call.priority
        draw = lease.draw
        arm = lease.arm
        mirror = lease.mirror
        self.arrived = arrived
    }

    /// The shard's pool keeps it.
    var exchange: Exchange { pinnedExchange.object }
    /// The catalog keeps it, and for who waits for an executor `Servable.callsOut` does.
    var servable: Servable { pinnedServable.object }
}

/// Jobs of one model that may run together, gathered in one turn.
struct Group {
    var jobs: [Job] = []
    var rows = 0
    /// They are for the executors.
    var isLong = false
    /// Messages of streams are among them, whose answers keep their order.
    var hasStreams = false
    /// How many run on the shard, the first ones; the others are for executors that have nothing to do.
    var kept = 0

    func takes(_ job: Job) -> Bool {
        guard let first = jobs.first, first.servable === job.servable else { return false }
        guard first.rows != nil, job.rows != nil else { return first.rows == nil && job.rows == nil }
        return first.work.fits(job.work)
    }
}
