// Enters: jobs that are too long for a shard. Leaves: the same, each with its outcome, in the mailbox of its shard.
import Batching
import Memory
import Reactor
import ServerMetrics
import Synchronization

/// Where a shard takes what executors bring it.
final class ShardDoor: Sendable {
    let mailbox = Mailbox()
    let wakeUp: WakeUp
    /// The commit that its shard's turn goes by, and since when it goes by another than before.
    let epoch = Atomic<UInt64>(0)
    let changedNanoseconds = Atomic<Int64>(0)

    init(wakeUp: WakeUp) { self.wakeUp = wakeUp }

    func put(_ parcel: Parcel) {
        if mailbox.put(parcel) { wakeUp.signal() }
    }
}

/// A fixed pool of threads for what would hold up a shard. Shards hand over without a lock; executors share theirs.
///
/// Each model has its queue, and gets what is due to it by the time that it has used: a model with much to do keeps another
/// waiting for no longer than the runs that have begun. What waits when an executor comes free runs together, as far as that
/// pays.
final class Executors: Sendable {
    private struct Shared: Sendable {
        var queues: [ModelQueue] = []
        var isStopping = false
    }

    let count: Int
    private let recorder: Recorder
    private let takesDigests: Bool
    private let inbox = Mailbox()
    private let semaphore = Semaphore()
    private let shared = Lock(Shared())
    private let threads = Lock<[Thread.Handle]>([])
    private let idle: Atomic<Int>

    init(
        count: Int, firstRunner: Int, arenaBytesMax: Int, tally: Tally, recorder: Recorder, takesDigests: Bool = false,
        log: @escaping @Sendable (String) -> Void
    ) throws(SystemError) {
        self.count = count
        self.recorder = recorder
        self.takesDigests = takesDigests
        idle = Atomic(count)
        for number in 0..<count {
            let thread = try Thread.start("executor-\(number)") { [self] in
                // Shards come first: what they do is short, and somebody waits for it.
                Thread.giveWay()
                run(
                    Runner(arenaBytesMax: arenaBytesMax, tally: tally, recorder: recorder, givesWay: true, log: log),
                    number: UInt32(firstRunner + number))
            }
            threads.withLock { $0.append(thread) }
        }
    }

    /// Executors that have nothing to do.
    var idleCount: Int { idle.load(ordering: .relaxed) }

    func submit(_ ticket: Ticket) {
        _ = inbox.put(ticket)
        semaphore.post()
    }

    /// Returns when the executors have ended. Nothing is submitted any more, and nothing waits.
    func stop() {
        shared.withLock { $0.isStopping = true }
        for _ in 0..<count { semaphore.post() }
        for thread in threads.withLock({ $0 }) { thread.join() }
    }

    private func run(_ runner: consuming Runner, number: UInt32) {
        var jobs: [Job] = []
        var tickets: [Ticket] = []
        var queue: ModelQueue?
        var took: Int64 = 0
        while true {
            var due = Int64.max
            var isStopping = false
            shared.withLock { shared in
                queue?.ended(took)
                isStopping = shared.isStopping
                sort(&shared)
                queue = pick(&shared, &tickets, &due)
            }
            guard queue != nil else {
                if isStopping { return }
                semaphore.wait(until: due)
                continue
            }
            idle.subtract(1, ordering: .relaxed)
            // Somebody else must keep the time of a model that waits for company.
            if due < .max { semaphore.post() }
            let began = Clock.now()
            var waited: Int64 = 0
            for ticket in tickets {
                jobs.append(ticket.job)
                waited += began - ticket.submittedNanoseconds
            }
            queue?.servable.statistics.waited(nanoseconds: max(0, waited))
            runner.run(&jobs, jobs.count)
            let rows = jobs.reduce(0) { $0 + ($1.rows ?? 1) }
            for (ticket, job) in zip(tickets, jobs) {
                job.servable.ended(job)
                ticket.job.result = job.result
                ticket.runner = number
                if takesDigests { ticket.digests = job.digests(of: ticket.message) }
                if case .refused(let number) = job.result.outcome { ticket.refusal = runner.refusals[number] }
                ticket.shard.put(ticket)
            }
            runner.forgetRefusals()
            tickets.removeAll(keepingCapacity: true)
            jobs.removeAll(keepingCapacity: true)
            took = Clock.now() - began
            recorder.count(.workerBusy, point: WorkerPool.executor.index, took)
            queue?.servable.drained(rows: rows, nanoseconds: took)
            idle.add(1, ordering: .relaxed)
        }
    }

    /// What came since the last time, into the queues of its models.
    private func sort(_ shared: inout Shared) {
        inbox.take { parcel in
            guard let ticket = parcel as? Ticket else { preconditionFailure("a parcel that is no ticket") }
            let servable = ticket.job.servable
            if let queue = shared.queues.first(where: { $0.servable === servable }) { return queue.append(ticket) }
            // A model that did nothing for a while has saved up nothing.
            let used = shared.queues.map(\.usedNanoseconds).min() ?? 0
            let queue = ModelQueue(servable: servable, usedNanoseconds: used)
            queue.append(ticket)
            shared.queues.append(queue)
        }
    }

    /// The model that has used least of those that are ready, and what it is to run now. `due`: when one that waits for
    /// company will be ready by itself.
    private func pick(_ shared: inout Shared, _ tickets: inout [Ticket], _ due: inout Int64) -> ModelQueue? {
        shared.queues.removeAll { $0.isIdle }
        let now = Clock.now()
        var best: ModelQueue?
        for queue in shared.queues where queue.running < queue.servable.settings.concurrency ?? count {
            let ready = queue.readyNanoseconds
            if ready > now {
                due = min(due, ready)
            } else if best.map({ queue.usedNanoseconds < $0.usedNanoseconds }) ?? true {
                best = queue
            }
        }
        best?.take(&tickets)
        return best
    }
}
