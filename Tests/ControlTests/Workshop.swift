// Enters: a repository in a temporary folder. Leaves: a control over it, what it reported, and what it serves.
import Foundation
import Glibc
import Memory
import Models
import ONNX
import Reactor
import ServerMetrics
import Tensors
import Testing

@testable import Control
@testable import HTTP2
@testable import Repository
@testable import Serving

/// `engine=identity` for `engine: identity`: YAML is read at the street.
func pairs(_ bytes: [UInt8], _ file: String) throws(ConfigurationError) -> [(key: String, value: String)] {
    var pairs: [(key: String, value: String)] = []
    for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n") {
        let parts = line.split(separator: "=", maxSplits: 1)
        guard parts.count == 2 else { throw .notYAML(file: file, reason: "a line is no pair") }
        pairs.append((String(parts[0]), String(parts[1])))
    }
    return pairs
}

/// What a scan found, made by hand.
func folder(
    _ name: String, _ versions: [Int64], yaml: String? = nil, failure: RepositoryError? = nil
) -> ModelFolder {
    ModelFolder(
        name: name, versions: versions, configuration: yaml.map { Array($0.utf8) }, failure: failure, problems: [])
}

/// A temporary folder; it goes with the object.
final class Place: Sendable {
    let path: String

    init() {
        var template = Array((NSTemporaryDirectory() + "vencejo-control-XXXXXX").utf8CString)
        unsafe path = String(cString: mkdtemp(&template))
    }

    /// Models of the engine identity, and their versions.
    convenience init(_ models: [String: [Int64]]) throws {
        self.init()
        for (name, versions) in models { try add(name, versions) }
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func add(_ name: String, _ versions: [Int64]) throws {
        try file("\(name)/model.yaml", "engine=identity")
        for version in versions { try file("\(name)/\(version)/.keep") }
    }

    func file(_ name: String, _ content: String = "") throws {
        let url = URL(fileURLWithPath: "\(path)/\(name)")
        try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(content.utf8).write(to: url)
    }

    /// A version whose file is one of Tests/Fixtures/models.
    func fixture(_ fixture: String, as version: String, from file: String = #filePath) throws {
        let tests = URL(fileURLWithPath: file).deletingLastPathComponent().deletingLastPathComponent()
        let target = URL(fileURLWithPath: "\(path)/\(version)")
        try FileManager.default.createDirectory(at: target, withIntermediateDirectories: true)
        try FileManager.default.copyItem(
            at: tests.appending(path: "Fixtures/models/\(fixture)/model.onnx"), to: target.appending(path: "model.onnx")
        )
    }

    /// Where what was decided is kept.
    var state: KeptFile { KeptFile(path: path + "/.vencejo.json") }
    var stateBytes: [UInt8]? { FileManager.default.contents(atPath: state.path).map(Array.init) }

    /// From now on, until `false`, nothing can be kept: where the file is to be written lies a folder.
    func refuse(_ refuses: Bool) throws {
        if refuses {
            try FileManager.default.createDirectory(atPath: state.path + ".new", withIntermediateDirectories: false)
        } else {
            try FileManager.default.removeItem(atPath: state.path + ".new")
        }
    }
}

/// ONNX Runtime: one per process, which logs where it was opened first: ONNXTests listens for its lines.
enum Opened {
    private static let result = Result<ONNX.Runtime, any Error> {
        let path = try #require(
            ProcessInfo.processInfo.environment["VENCEJO_ONNXRUNTIME"], "VENCEJO_ONNXRUNTIME is not set")
        return try ONNX.Runtime(path: path) {
            NotificationCenter.default.post(name: Notification.Name("a line of ONNX Runtime"), object: $0)
        }
    }

    static func runtime() throws(LoadError) -> ONNX.Runtime {
        do { return try result.get() } catch { throw LoadError(sentence: "no runtime", log: "\(error)") }
    }
}

final class Weak {
    private(set) weak var servable: Servable?
    init(_ servable: Servable) { self.servable = servable }
}

/// A control, without a server around it.
final class Workshop: Sendable {
    let place: Place
    let directory = Directory<Servable>()
    let reports = Lock<[LoadReport]>([])
    let warnings = Lock<[String]>([])
    /// Failures that a client could see before their report.
    let unexplained = Lock<[String]>([])
    /// The epochs that somebody waited for.
    let spreads = Lock<[UInt64]>([])
    /// Done by whoever asks for the runtime: a load is under way then.
    let meanwhile = Lock<(@Sendable () throws(LoadError) -> Void)?>(nil)
    let page = Page(
        Product.catalogue(), Page.Size(shards: 1, models: 8, versions: 32),
        Page.Origin(unixNanoseconds: 1, monotonicNanoseconds: 1, bootID: (0, 0), processID: 1))
    let loader: VersionLoader
    let control: ModelControl
    let plans: [ModelPlan]

    /// `folders`: what a scan found; `nil`: what it finds.
    init(
        _ place: Place, folders: [ModelFolder]? = nil, keeps: Bool = true, mode: RepositoryMode = .explicit,
        spread: @escaping @Sendable (UInt64) -> Int64 = { _ in Clock.now() + 1 }
    ) throws {
        self.place = place
        loader = VersionLoader(repository: try Repository(path: place.path), pairs: pairs, page: page) {
            [meanwhile] () throws(LoadError) in
            try meanwhile.withLock { $0 }?()
            return try Opened.runtime()
        }
        plans = try (folders ?? loader.repository.scan().models).map(loader.plan)
        let file = keeps ? StateFile(place.state) : nil
        control = ModelControl(
            loader: loader, directory: directory, file: file, desired: try file?.read(), mode: mode,
            page: page,
            hooks: ModelControl.Hooks(
                spread: { [spreads] epoch in
                    spreads.withLock { $0.append(epoch) }
                    return spread(epoch)
                },
                report: { [reports, unexplained, directory] report in
                    let standing = directory.catalog.entry(named: report.model)?.standing(report.version)
                    if report.failure != nil, case .failed(let reason)? = standing?.state {
                        unexplained.withLock { $0.append("\(report.model) \(report.version): \(reason)") }
                    }
                    reports.withLock { $0.append(report) }
                },
                warn: { [warnings, unexplained, directory] sentence in
                    let named = directory.catalog.entries.first { sentence.contains("'\($0.name)'") }
                    if named?.live != nil { unexplained.withLock { $0.append(sentence) } }
                    warnings.withLock { $0.append(sentence) }
                }))
    }

    /// Loads what the server begins with, as the server does.
    func start(threads: Int = 1) throws {
        let loads = control.begin(plans)
        let next = Lock(0)
        let reported = Lock(0)
        let handles = try (0..<threads).map { number in
            try Reactor.Thread.start("loader-\(number)") { [control] in
                while true {
                    let index = next.withLock { next in
                        next += 1
                        return next - 1
                    }
                    guard index < loads.count else { return }
                    control.load(loads[index]) {
                        reported.withLock { reported in
                            reported += 1
                            return (reported, loads.count)
                        }
                    }
                }
            }
        }
        for handle in handles { handle.join() }
        control.free()
    }

    @discardableResult
    func perform(_ order: Order, reason: String = "", isDryRun: Bool = false) throws(OrderError) -> Outcome {
        let outcome = try control.perform(order, signed(reason, isDryRun: isDryRun))
        control.free()
        return outcome
    }

    func signed(_ reason: String = "", isDryRun: Bool = false) -> Signed {
        Signed(author: "maria", reason: reason, timeMilliseconds: 1_768_000_000_000, isDryRun: isDryRun)
    }

    /// A line for each version that the catalog has.
    var lines: [String] {
        directory.catalog.entries.flatMap { entry in
            entry.standings.map { standing in
                let state =
                    switch standing.state {
                    case .failed: "failed"
                    default: "\(standing.state)"
                    }
                return "\(entry.name) \(standing.number) \(standing.slot.map { "\($0.name)" } ?? "-") \(state)"
            }
        }
    }

    func standing(_ model: String, _ version: Int64) -> Standing<Servable>? {
        directory.catalog.entry(named: model)?.standing(version)
    }

    func weak(_ model: String, _ version: Int64) throws -> Weak {
        Weak(try #require(standing(model, version)?.version?.model))
    }
}

/// A call that left its shard, and was not delivered yet.
final class HeldCall {
    private let pool = ExchangePool(arenaBytesMax: 1 << 20)
    private let servable: Pinned<Servable>
    private let job: Job

    init(_ shop: Workshop, _ model: String, _ version: Int64) throws {
        let entry = try #require(shop.directory.catalog.entry(named: model))
        let lease = try entry.lease(.number(version), epoch: 1)
        let exchange = pool.take()
        let work = try lease.model.object.engine.check(Call(), in: &exchange.arena)
        servable = lease.model
        job = Job(work, of: exchange, connection: 0, Call(), lease, deadline: .max, arrived: 0)
        servable.object.submitted(job)
        servable.object.ended(job)
    }

    func deliver() { servable.object.delivered() }
}

/// Whether it comes true before long.
func comesTrue(withinMilliseconds: Int64 = 30_000, _ condition: () -> Bool) -> Bool {
    let until = Clock.now() + withinMilliseconds * 1_000_000
    while !condition() {
        guard Clock.now() < until else { return false }
        Reactor.Thread.rest(nanoseconds: 1_000_000)
    }
    return true
}
