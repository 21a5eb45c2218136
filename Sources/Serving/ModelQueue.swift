// Enters: tickets of one model. Leaves: which of them run next, together, and when.
import Batching
import HTTP2
import Memory

/// One job on its way between a shard and the executors. Belongs to one thread at a time.
final class Ticket: Parcel, @unchecked Sendable {
    var job: Job
    /// Why it was not answered.
    var refusal: Refusal?
    let shard: ShardDoor
    let submittedNanoseconds: Int64
    /// When it was ready to run.
    let gatheredNanoseconds: Int64
    /// The call's message, where it is recorded; and what came of it.
    let message: ByteView
    var digests = LargeDigests()
    /// Which of the server's runners ran it.
    var runner: UInt32 = 0

    init(_ job: Job, from shard: ShardDoor, now: Int64, gathered: Int64, message: ByteView = .empty) {
        gatheredNanoseconds = gathered
        self.message = message
        self.job = job
        self.shard = shard
        submittedNanoseconds = now
    }
}

/// What waits for one model. Guarded by the executors' lock.
final class ModelQueue: @unchecked Sendable {
    let servable: Servable
    /// What executors have spent on this model: who has used least is next.
    private(set) var usedNanoseconds: Int64
    /// Executors at work for it.
    private(set) var running = 0
    private var tickets = Lanes<Ticket>()
    private var rows = 0
    /// When the first of those that wait came.
    private var oldestNanoseconds = Int64.max

    init(servable: Servable, usedNanoseconds: Int64) {
        self.servable = servable
        self.usedNanoseconds = usedNanoseconds
    }

    var isIdle: Bool { running == 0 && tickets.isEmpty }

    func append(_ ticket: Ticket) {
        tickets.append(ticket, ticket.job.priority)
        rows += ticket.job.rows ?? 1
        oldestNanoseconds = min(oldestNanoseconds, ticket.submittedNanoseconds)
    }

    /// From when on it is to run: at once, unless the operator wants calls to wait for company. `.max`: nothing waits.
    var readyNanoseconds: Int64 {
        if tickets.isEmpty { return .max }
        let settings = servable.settings
        if settings.delayNanoseconds == 0 || rows >= min(settings.preferredRows ?? .max, settings.rowsMax) { return 0 }
        return oldestNanoseconds + settings.delayNanoseconds
    }

    /// Those that are to run now go into `batch`: who is first, and who fits and pays to run with it.
    func take(_ batch: inout [Ticket]) {
        guard let first = tickets.popFirst() else { return }
        batch.append(first)
        running += 1
        var taken = first.job.rows ?? 1
        if let own = first.job.rows, servable.equivalence.canBatch, !tickets.isEmpty {
            let settings = servable.settings
            var wanted = servable.costs.rows(waiting: rows, rowsMax: settings.rowsMax)
            // Those who waited for company go with it: who stayed behind would wait for other company, as long again.
            if settings.delayNanoseconds > 0 {
                wanted = max(wanted, min(settings.preferredRows ?? 1, settings.rowsMax))
            }
            taken = own
            while let next = tickets.first, let more = next.job.rows, taken + more <= wanted,
                next.job.work.fits(first.job.work), let next = tickets.popFirst()
            {
                batch.append(next)
                taken += more
            }
        }
        rows -= taken
        oldestNanoseconds = tickets.first?.submittedNanoseconds ?? .max
    }

    func ended(_ nanoseconds: Int64) {
        running -= 1
        usedNanoseconds += nanoseconds
    }
}
