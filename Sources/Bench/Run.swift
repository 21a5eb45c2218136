// Enters: a plan and a server. Leaves: what was measured. Threads are started, timed and gathered here.
import Glibc
import Memory
import Reactor
import Synchronization

/// One run against one server.
public enum Run {
    /// `observe` is called ten times a second.
    public static func perform(
        _ plan: Plan, on target: Target, _ requests: Requests, observe: (Moment) -> Void
    ) throws(BenchError) -> Measurement {
        let head = RequestHead(target, method: requests.method, deadlineNanoseconds: plan.deadlineNanoseconds)
        // A process that is not there is told before the server is loaded.
        _ = try processor(of: target.process)
        let threads = (0..<plan.threads).map { _ in GeneratorThread() }
        var handles: [Thread.Handle] = []
        defer { for handle in handles { handle.join() } }
        for (number, thread) in threads.enumerated() {
            do throws(SystemError) {
                handles.append(
                    try Thread.start("bench-\(number)") {
                        thread.body(plan, target, requests, head, number: number)
                    })
            } catch {
                for thread in threads { thread.begin.store(-1, ordering: .releasing) }
                throw .system("\(error)")
            }
        }
        while threads.contains(where: { !$0.isConnected.load(ordering: .acquiring) }) { usleep(1000) }
        let errors = threads.compactMap { $0.error }
        let begin = errors.isEmpty ? Clock.now() + 10_000_000 : -1
        for thread in threads { thread.begin.store(begin, ordering: .releasing) }
        if let error = errors.first { throw error }
        let times = try watch(threads, plan, target, begin: begin, observe)
        for handle in handles { handle.join() }
        handles = []
        var tally = Tally(window: 0..<0)
        for thread in threads { if let one = thread.tally { tally.merge(one) } }
        return Measurement(tally, plan, times, streamsMax: threads.compactMap(\.streamsMax).min() ?? 0)
    }

    /// Processor time, of us and of the server, within the window.
    struct Times {
        var generator: Int64
        var server: Int64?
    }

    private static func watch(
        _ threads: [GeneratorThread], _ plan: Plan, _ target: Target, begin: Int64, _ observe: (Moment) -> Void
    ) throws(BenchError) -> Times {
        let marks = [begin + plan.warmUpNanoseconds, begin + plan.warmUpNanoseconds + plan.durationNanoseconds]
        var readings: [Times] = []
        while true {
            let now = Clock.now()
            if readings.count < 2, now >= marks[readings.count] {
                readings.append(
                    Times(generator: try processor(of: 0) ?? 0, server: try processor(of: target.process)))
            }
            let isOver = threads.allSatisfy { $0.progress.isOver.load(ordering: .acquiring) }
            observe(Moment(threads, nanoseconds: now - begin, of: marks[1] - begin))
            if isOver && readings.count == 2 { break }
            let next = readings.count < 2 ? marks[readings.count] : .max
            usleep(UInt32(min(100_000_000, max(100_000, next - Clock.now())) / 1000))
        }
        return Times(
            generator: readings[1].generator - readings[0].generator,
            server: readings[1].server.flatMap { end in readings[0].server.map { end - $0 } })
    }

    private static func processor(of process: Int32?) throws(BenchError) -> Int64? {
        guard let process else { return nil }
        do throws(SystemError) { return try Clock.processorNanoseconds(of: process) } catch {
            throw .process(process, "\(error)")
        }
    }
}

/// How far a run is.
public struct Moment: Sendable {
    public let nanoseconds: Int64
    /// Without the time after the end, in which answers are waited for.
    public let ofNanoseconds: Int64
    public let answered: Int
    public let failed: Int

    init(_ threads: [GeneratorThread], nanoseconds: Int64, of all: Int64) {
        self.nanoseconds = max(0, nanoseconds)
        ofNanoseconds = all
        answered = threads.reduce(0) { $0 + $1.progress.answered.load(ordering: .relaxed) }
        failed = threads.reduce(0) { $0 + $1.progress.failed.load(ordering: .relaxed) }
    }
}

/// What a generator's thread tells while it runs; for people, so each number may be of another turn.
final class Progress: Sendable {
    let answered = Atomic<Int>(0)
    let failed = Atomic<Int>(0)
    let isOver = Atomic<Bool>(false)

    func tell(_ tally: borrowing Tally) {
        answered.store(tally.answersInWindow, ordering: .relaxed)
        failed.store(tally.answersInWindow - tally.okInWindow, ordering: .relaxed)
    }
}

/// A generator's thread, as the thread that started it sees it.
final class GeneratorThread: Sendable {
    /// When to begin, on the clock; 0: not yet known; -1: not at all. Stored after all are connected, read before the run.
    let begin = Atomic<Int64>(0)
    /// It is, or it has failed to.
    let isConnected = Atomic<Bool>(false)
    let progress = Progress()
    private let result = Lock<Result?>(nil)

    private enum Result {
        case failed(BenchError)
        case done(Tally, streamsMax: Int)
    }

    var error: BenchError? { result.withLock { if case .failed(let error) = $0 { error } else { nil } } }

    var tally: Tally? { result.withLock { if case .done(let tally, _) = $0 { tally } else { nil } } }

    var streamsMax: Int? { result.withLock { if case .done(_, let streams) = $0 { streams } else { nil } } }

    func body(_ plan: Plan, _ target: Target, _ requests: Requests, _ head: RequestHead, number: Int) {
        Thread.sleepExactly()
        do throws(BenchError) {
            let generator = try Generator(plan, target, requests, head, thread: number)
            try generator.connect()
            isConnected.store(true, ordering: .releasing)
            while begin.load(ordering: .acquiring) == 0 { usleep(500) }
            guard begin.load(ordering: .acquiring) > 0 else { return }
            let arrivals = plan.rate.map {
                Arrivals(plan.arrival, rate: $0, seed: plan.seed, thread: number, of: plan.threads)
            }
            generator.run(begin: begin.load(ordering: .acquiring), arrivals: arrivals, progress: progress)
            result.withLock { $0 = .done(generator.tally, streamsMax: generator.streamsMax) }
        } catch {
            result.withLock { $0 = .failed(error) }
            isConnected.store(true, ordering: .releasing)
        }
        progress.isOver.store(true, ordering: .releasing)
    }
}
