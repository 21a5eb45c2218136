// Enters: jobs of one model that fit each other. Leaves: each with its outcome. A shard has one, and each executor.
import Batching
import HTTP2
import Memory
import Reactor
import ServerMetrics
import Tensors

/// Runs jobs, together where that is known to be right and cheaper, else one by one.
struct Runner: ~Copyable {
    /// A batch's inputs; empty between batches.
    private var arena: Arena
    private let tally: Tally
    private let recorder: Recorder
    private let log: @Sendable (String) -> Void
    /// Why jobs were refused, by the number that stands in their outcomes.
    private(set) var refusals: [Refusal] = []
    /// The number of the last run; they go round.
    private var batch: UInt32 = 0
    /// When the last batch was put together, and when its model had run.
    private var gathered: Int64 = 0
    private var ran: Int64 = 0
    /// The latter on the clock of costs.
    private var ranCost: Int64 = 0
    /// Positions of the jobs that somebody still waits for.
    private var ready: [Int] = []
    /// Its thread gets what others leave. While it waits for a core no time of the model passes: or a short model that once came to
    /// an executor of a busy machine would seem long, and stay there.
    private let givesWay: Bool

    init(
        arenaBytesMax: Int, tally: Tally, recorder: Recorder, givesWay: Bool = false,
        log: @escaping @Sendable (String) -> Void
    ) {
        self.givesWay = givesWay
        self.recorder = recorder
        arena = Arena(firstChunkBytes: 64 << 10, bytesMax: arenaBytesMax)
        self.tally = tally
        self.log = log
    }

    /// Runs the first `count` jobs.
    mutating func run(_ jobs: inout [Job], _ count: Int) {
        guard count > 0 else { return }
        let servable = jobs[0].servable
        ready.removeAll(keepingCapacity: true)
        var rows = 0
        for position in 0..<count {
            rows += jobs[position].rows ?? 0
            ready.append(position)
        }
        let canBatch = servable.equivalence.canBatch && jobs[0].rows != nil
        var first = 0
        while first < ready.count {
            // What is not measured takes no time in which a deadline could pass.
            var end = servable.engine.isMeasured ? first + 1 : ready.count
            if canBatch && ready.count - first > 1 {
                let wanted = servable.costs.rows(waiting: rows, rowsMax: servable.settings.rowsMax)
                var taken = jobs[ready[first]].rows ?? 0
                while end < ready.count, let more = jobs[ready[end]].rows, taken + more <= wanted {
                    taken += more
                    end += 1
                }
                rows -= taken
            }
            chunk(&jobs, first..<end, servable)
            first = end
        }
    }

    /// Jobs that run as one; before that, who cannot be helped any more is left out.
    private mutating func chunk(_ jobs: inout [Job], _ range: Range<Int>, _ servable: Servable) {
        let now = Clock.now()
        var end = range.lowerBound
        for index in range {
            let position = ready[index]
            if jobs[position].exchange.isAbandoned {
                jobs[position].result.outcome = .abandoned
                tally.count(.cancelled)
            } else if now >= jobs[position].deadline {
                jobs[position].result.outcome = refused(.deadlinePassed)
                tally.count(.expired)
                servable.statistics.failed(calls: 1)
            } else {
                ready[end] = position
                end += 1
            }
        }
        let range = range.lowerBound..<end
        if range.count > 1 {
            switch servable.equivalence.judge() {
            case .alone: break
            case .together: if together(&jobs, range, servable, began: now) { return }
            case .both: return both(&jobs, range, servable, began: now)
            }
        }
        alone(&jobs, range, servable, began: now)
    }

    private mutating func refused(_ refusal: Refusal) -> Job.Outcome {
        refusals.append(refusal)
        return .refused(refusals.count - 1)
    }

    /// The refusals were told.
    mutating func forgetRefusals() { refusals.removeAll(keepingCapacity: true) }

    /// On the clock on which a model's runs cost what they cost: `now`, the shards' own, takes no system call.
    private func cost(_ servable: Servable, at now: Int64) -> Int64 {
        hasOwnClock(servable) ? Thread.processorNanoseconds() : now
    }

    private func hasOwnClock(_ servable: Servable) -> Bool { givesWay && servable.settings.isOneThread }

    private mutating func alone(_ jobs: inout [Job], _ range: Range<Int>, _ servable: Servable, began: Int64) {
        var began = began
        var costBegan = cost(servable, at: began)
        var (answered, rows, spent) = (0, 0, Int64(0))
        var (alike, alikeRows) = (0, 0)
        for index in range {
            let position = ready[index]
            let ownRows = jobs[position].rows ?? 1
            if ownRows != alikeRows {
                recorder.ran(row: Int(servable.row), rows: alikeRows, times: alike)
                (alike, alikeRows) = (0, ownRows)
            }
            alike += 1
            batch &+= 1
            jobs[position].result.batch = batch
            jobs[position].result.ranFrom = began
            jobs[position].result.batchRows = Int32(clamping: ownRows)
            do throws(RunError) {
                jobs[position].result.outcome = .outputs(
                    try servable.engine.run(jobs[position].work, in: &jobs[position].exchange.arena))
                answered += 1
                rows += ownRows
                guard servable.engine.isMeasured else { continue }
                let now = Clock.now()
                jobs[position].result.ranUntil = now
                spent += now - began
                let costNow = cost(servable, at: now)
                servable.record(jobs[position].work, nanoseconds: costNow - costBegan)
                (began, costBegan) = (now, costNow)
            } catch {
                // What fails early says nothing of what a run takes.
                jobs[position].result.outcome = refused(.run(error))
                began = Clock.now()
                costBegan = cost(servable, at: began)
                jobs[position].result.ranUntil = began
            }
        }
        recorder.ran(row: Int(servable.row), rows: alikeRows, times: alike)
        // What is not measured is not worth a look at the clock for each.
        if !servable.engine.isMeasured {
            let now = Clock.now()
            for index in range { jobs[ready[index]].result.ranUntil = now }
        }
        servable.statistics.ran(calls: answered, rows: rows, runs: answered, nanoseconds: spent, at: began)
        servable.statistics.failed(calls: range.count - answered)
    }

    private enum BatchResult: Equatable {
        case done(rows: Int)
        /// The runtime refused it, or its outputs are not by row.
        case wrong
        /// No memory for it now. That says nothing of the model.
        case impossible
    }

    /// - Returns: `false`: it failed as a batch, and nothing is done.
    private mutating func together(
        _ jobs: inout [Job], _ range: Range<Int>, _ servable: Servable, began: Int64
    ) -> Bool {
        let costBegan = cost(servable, at: began)
        let done = batch(&jobs, range, servable) { (job, outputs, rows, _) throws(ScatterError) in
            do throws(ArenaFull) {
                job.result.outcome = .outputs(try outputs.next(rows, in: &job.exchange.arena))
            } catch {
                throw .arena(error)
            }
        }
        // Then each by itself: who is to blame gets the refusal, the others their answers.
        guard case .done(let rows) = done else { return false }
        // To deal out what came is a part of answering.
        let now = ran
        servable.costs.record(rows: rows, nanoseconds: ranCost - costBegan)
        servable.statistics.ran(
            calls: range.count, rows: rows, runs: 1, nanoseconds: (now - began) * Int64(range.count), at: now)
        tally.countBatch(calls: range.count)
        recorder.ran(row: Int(servable.row), rows: rows)
        batch &+= 1
        var first = 0
        for index in range {
            jobs[ready[index]].result.batch = batch
            jobs[ready[index]].result.batchFirst = Int32(clamping: first)
            first += jobs[ready[index]].rows ?? 0
            jobs[ready[index]].result.ranFrom = began
            jobs[ready[index]].result.ranUntil = now
            jobs[ready[index]].result.batchRows = Int32(clamping: rows)
            jobs[ready[index]].result.batchNanoseconds = Int32(clamping: gathered - began)
        }
        return true
    }

    /// Both ways: each call gets what it gave alone, and is compared with what it gave in the batch.
    private mutating func both(_ jobs: inout [Job], _ range: Range<Int>, _ servable: Servable, began: Int64) {
        alone(&jobs, range, servable, began: began)
        for index in range { guard case .outputs = jobs[ready[index]].result.outcome else { return } }
        let again = cost(servable, at: Clock.now())
        var agrees = true
        let bounds = servable.equivalence.bounds
        let done = batch(&jobs, range, servable) { (job, outputs, rows, arena) throws(ScatterError) in
            guard case .outputs(let own) = job.result.outcome else { return }
            do throws(ArenaFull) {
                let other = try outputs.next(rows, in: &arena)
                agrees = agrees && Agreement.holds(own, other, bounds, job.work.outputs)
            } catch {
                throw .arena(error)
            }
        }
        switch done {
        case .impossible: return
        case .done(let rows) where agrees:
            servable.costs.record(rows: rows, nanoseconds: cost(servable, at: Clock.now()) - again)
        case .done, .wrong:
            recorder.count(.batchDisagreements, row: Int(servable.row))
            guard servable.equivalence.withdraw() else { return }
            log(
                "model '\(servable.name)': a batch gave other answers than its calls alone, although the graph proves its rows "
                    + "independent. From now on each call runs alone. This is a fault of Vencejo: please report it with the model"
            )
        }
    }

    /// Runs the jobs as one and deals out to each.
    private mutating func batch(
        _ jobs: inout [Job], _ range: Range<Int>, _ servable: Servable,
        _ take: (inout Job, inout Scattering, _ rows: Int, inout Arena) throws(ScatterError) -> Void
    ) -> BatchResult {
        defer { arena.reset() }
        let ready = ready
        var rows = 0
        for index in range { rows += jobs[ready[index]].rows ?? 0 }
        let work: Work
        do throws(ArenaFull) {
            work = try Gathering.gather(range.count, { jobs[ready[range.lowerBound + $0]].work }, in: &arena)
        } catch {
            return .impossible
        }
        var result = BatchResult.done(rows: rows)
        gathered = Clock.now()
        let hasOwnClock = hasOwnClock(servable)
        do throws(RunError) {
            try servable.engine.run(work, in: &arena) { (outputs, arena) in
                ran = Clock.now()
                ranCost = hasOwnClock ? Thread.processorNanoseconds() : ran
                do throws(ScatterError) {
                    var outputs = try Scattering(outputs, rows: rows, in: &arena)
                    for index in range {
                        try take(&jobs[ready[index]], &outputs, jobs[ready[index]].rows ?? 0, &arena)
                    }
                } catch {
                    if case .notByRow = error { result = .wrong } else { result = .impossible }
                }
            }
        } catch {
            if case .arena = error { return .impossible }
            return .wrong
        }
        return result
    }
}
