// Enters: a model, and calls as arrays. Leaves: jobs as the corridor makes them, and what came of them, as arrays.
import Batching
import Foundation
import Identity
import Memory
import ONNX
import Tensors
import TestSupport
import Testing

@testable import HTTP2
@testable import Models
@testable import ServerMetrics
@testable import Serving

/// Lines of a log, from any thread. Not a `Mutex`, whose futex the thread sanitizer does not see.
final class Lines: @unchecked Sendable {
    private let lock = NSLock()
    private var all: [String] = []
    func append(_ line: String) { lock.withLock { all.append(line) } }
    var list: [String] { lock.withLock { all } }
}

extension Value {
    init(_ name: String, places: [Int64]) { self.init(name, .int64, [Int64(places.count)], raw(places)) }
}

enum Engines {
    private static let opened = Result<Runtime, any Error> {
        let path = try #require(
            ProcessInfo.processInfo.environment["VENCEJO_ONNXRUNTIME"], "VENCEJO_ONNXRUNTIME is not set")
        // One runtime per process, which logs where it was opened first: ONNXTests listens for its lines.
        return try Runtime(path: path) {
            NotificationCenter.default.post(name: Notification.Name("a line of ONNX Runtime"), object: $0)
        }
    }

    static func fixture(_ name: String, _ version: Int = 1) throws -> Engine {
        let file = try Fixtures.bytes("models/\(name)/\(version)/model.onnx")
        return try unsafe file.withUnsafeBytes { (bytes) throws(LoadError) in
            guard let runtime = try? opened.get() else {
                throw LoadError(sentence: "no runtime", log: "\(opened)")
            }
            return try unsafe .onnx(Session(runtime: runtime, name: name, file: ByteView(bytes)))
        }
    }

    static var identity: Engine { .identity(IdentityModel()) }
}

extension Page {
    static func ofATest(shards: Int) -> Page {
        Page(
            Product.catalogue(), Size(shards: shards, models: 2, versions: 4),
            Origin(unixNanoseconds: 1, monotonicNanoseconds: 1, bootID: (0, 0), processID: 1))
    }
}

/// What came of a call.
enum Outcome: Equatable {
    case outputs([Value])
    case refused(String)
    case abandoned, waiting

    var outputs: [Value]? {
        if case .outputs(let values) = self { return values }
        return nil
    }
}

/// A model and a runner, without a server.
final class Bench {
    let servable: Servable
    let tally = Tally()
    let log = Lines()
    private let page = Page.ofATest(shards: 1)
    private let directory: Directory<Servable>
    private let pool = ExchangePool(arenaBytesMax: 8 << 20)
    private var exchanges: [Exchange] = []
    private var runner: Runner

    /// `proof`: `nil`: what the engine proves.
    init(
        _ engine: Engine, arenaBytesMax: Int = 64 << 20, proof: BatchProof? = nil,
        _ change: (inout BatchingSettings) -> Void = { _ in }
    ) {
        var settings = BatchingSettings()
        change(&settings)
        servable = Servable(name: "m", engine: engine, settings: settings, proof: proof)
        var standing = Standing<Servable>(loading: 1, slot: .blue)
        standing.becomeReady(Version(of: "m", number: 1, servable, digest: []))
        standing.note(.promoted)
        directory = Directory([Entry(name: "m", standings: [standing], labels: [:])])
        runner = Runner(
            arenaBytesMax: arenaBytesMax, tally: tally, recorder: page.recorder(shard: 0)
        ) { [log] in
            log.append($0)
        }
    }

    /// The next batch is not one of those that are compared, and the more rows run together the cheaper they are.
    func settle() {
        _ = servable.equivalence.judge()
        cheaperTogether()
    }

    /// So much cheaper that the next hundred runs do not change it.
    func cheaperTogether() {
        for size in 0..<CostTable.classes {
            servable.costs.record(rows: 1 << size, nanoseconds: size == 0 ? 1 << 50 : 1)
        }
    }

    func job(
        _ values: [Value], outputs: [String] = [], deadline: Int64 = .max, isAbandoned: Bool = false
    ) throws -> Job {
        let exchange = pool.take()
        exchanges.append(exchange)
        if isAbandoned { exchange.abandon() }
        var call = Call()
        for value in values { try call.inputs.append(value.tensor(in: &exchange.arena), in: &exchange.arena) }
        for output in outputs { try call.outputs.append(exchange.arena.copy(output), in: &exchange.arena) }
        let work = try servable.engine.check(call, in: &exchange.arena)
        let lease = try directory.catalog.lease(directory.catalog.entries[0].nameView, .live)
        return Job(work, of: exchange, connection: 0, call, lease, deadline: deadline, arrived: 0)
    }

    /// Runs the first `count` of them (`nil`: all) as the runner sees fit.
    func run(_ jobs: [Job], _ count: Int? = nil) -> [Outcome] {
        var jobs = jobs
        runner.run(&jobs, count ?? jobs.count)
        let outcomes = jobs.map { job -> Outcome in
            switch job.result.outcome {
            case .outputs(let outputs): .outputs(outputs.array.map(Value.init))
            case .refused(let number): .refused(runner.refusals[number].sentence)
            case .abandoned: .abandoned
            case .waiting: .waiting
            }
        }
        runner.forgetRefusals()
        for exchange in exchanges { pool.giveBack(exchange) }
        exchanges = []
        return outcomes
    }

    /// The sum of all cells of a metric in the page.
    func counted(_ metric: Metric) throws -> UInt64 {
        let words = page.snapshot
        let snapshot = try Snapshot({ from, count in
            from + count <= words.count ? Array(words[from..<from + count]) : nil
        })
        let family = snapshot.catalogue.families[metric.rawValue]
        return (0..<page.layout.versionRows).reduce(0) { $0 + (snapshot.cells(family, row: $1, point: 0).first ?? 0) }
    }

    /// What each call gives that runs by itself.
    func alone(_ calls: [[Value]]) throws -> [Outcome] { try calls.map { run([try job($0)])[0] } }
}
