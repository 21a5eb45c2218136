// Enters: a plan and a directory whose versions are all loading. Leaves: every version ready or failed.
import Crypto
import Identity
import Memory
public import Models
public import ONNX
public import Reactor
public import Repository
public import Serving
import Synchronization
import Tensors

/// What came of loading one version.
public struct LoadReport: Sendable {
    public let model: String
    public let version: Int64
    public let slot: String
    /// Lower-case hexadecimal; empty where there is no file.
    public let digest: String
    public let bytes: Int
    public let nanoseconds: Int64
    /// `nil`: it is ready. Else our sentence.
    public let failure: String?
    /// What the runtime said, for the log.
    public let log: String?
    public let finished: Int
    public let total: Int
}

/// Loads models on threads of its own, several at a time; one that fails keeps nobody else from loading.
public final class Loader: Sendable {
    private struct Task: Sendable {
        let plan: ModelPlan
        let version: Version<Servable>
    }

    private let repository: Repository
    private let runtime: ONNX.Runtime?
    private let tasks: [Task]
    private let next = Atomic<Int>(0)
    private let finished = Atomic<Int>(0)
    private let report: @Sendable (LoadReport) -> Void

    /// `runtime`: `nil` where no model of the plan needs it. `report` is called on the loading threads.
    public init(
        _ plan: Plan, into directory: Directory<Servable>, from repository: Repository, runtime: ONNX.Runtime?,
        report: @escaping @Sendable (LoadReport) -> Void
    ) {
        self.repository = repository
        self.runtime = runtime
        self.report = report
        var tasks: [Task] = []
        for (plan, entry) in zip(plan.models, directory.entries) {
            precondition(plan.name == entry.name, "the directory was made from another plan")
            tasks += entry.versions.map { Task(plan: plan, version: $0) }
        }
        // What callers get by default comes first.
        self.tasks = tasks.filter { $0.version.slot == .blue } + tasks.filter { $0.version.slot != .blue }
    }

    /// Returns at once. `threads`: how many load at the same time.
    public func start(threads: Int) throws(SystemError) -> [Thread.Handle] {
        var handles: [Thread.Handle] = []
        for number in 0..<min(threads, tasks.count) {
            handles.append(try Thread.start("loader-\(number)") { self.run() })
        }
        return handles
    }

    private func run() {
        while true {
            let index = next.add(1, ordering: .relaxed).oldValue
            guard index < tasks.count else { return }
            load(tasks[index])
        }
    }

    private func load(_ task: Task) {
        let began = Clock.now()
        var digest: [UInt8] = []
        var hex = ""
        var bytes = 0
        var failure: String?
        var log: String?
        do throws(LoadError) {
            if let failure = task.plan.failure {
                throw LoadError(
                    sentence: "its folder or its configuration is wrong; the server's log says how", log: failure)
            }
            switch task.plan.configuration.engine {
            case .identity:
                ready(task, .identity(IdentityModel()), digest: [])
            case .onnx:
                let file = try open(task)
                digest = file.digest.bytes
                hex = file.digest.hex
                bytes = file.byteCount
                guard let runtime else { preconditionFailure("a plan that needs the runtime was given none") }
                let session = try file.withBytes { (bytes) throws(LoadError) in
                    try ONNX.Session(
                        runtime: runtime, name: task.plan.name, file: bytes,
                        options: task.plan.configuration.session)
                }
                ready(task, .onnx(session), digest: digest)
            }
        } catch {
            failure = error.sentence
            log = error.log
            task.version.fail(error.sentence)
        }
        report(
            LoadReport(
                model: task.plan.name, version: task.version.number, slot: "\(task.version.slot.name)", digest: hex,
                bytes: bytes, nanoseconds: Clock.now() - began, failure: failure, log: log,
                finished: finished.add(1, ordering: .relaxed).newValue, total: tasks.count))
    }

    /// Before anybody can lease it, its cost is known: where it is to run depends on that.
    private func ready(_ task: Task, _ engine: Engine, digest: [UInt8]) {
        let servable = Servable(name: task.plan.name, engine: engine, settings: task.plan.configuration.batching)
        servable.measure()
        task.version.becomeReady(servable, digest: digest)
    }

    private func open(_ task: Task) throws(LoadError) -> ModelFile {
        do throws(RepositoryError) {
            return try repository.open(model: task.plan.name, version: task.version.number)
        } catch {
            throw LoadError(sentence: "its file cannot be used; the server's log says why", log: error.description)
        }
    }
}

extension ModelConfiguration {
    /// How calls are put together.
    var batching: BatchingSettings {
        var settings = BatchingSettings()
        if let batchRowsMax { settings.rowsMax = batchRowsMax }
        if let queueDelayMicroseconds { settings.delayNanoseconds = Int64(queueDelayMicroseconds) * 1000 }
        settings.preferredRows = batchRowsPreferred
        if let queueCallsMax { settings.queueMax = queueCallsMax }
        settings.concurrency = concurrency
        return settings
    }

    /// What ONNX Runtime is told.
    var session: SessionOptions {
        var options = SessionOptions()
        if let intraOpThreads { options.intraOpThreads = intraOpThreads }
        if let interOpThreads { options.interOpThreads = interOpThreads }
        switch graphOptimization {
        case .disabled: options.graphOptimization = .disabled
        case .basic: options.graphOptimization = .basic
        case .extended: options.graphOptimization = .extended
        case .all: options.graphOptimization = .all
        }
        switch executionMode {
        case .sequential: options.executionMode = .sequential
        case .parallel: options.executionMode = .parallel
        }
        return options
    }
}
