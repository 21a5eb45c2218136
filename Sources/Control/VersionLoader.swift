// Enters: a model's folder and a version's number. Leaves: the version, warmed up and measured; or why there is none.
import Batching
import Cryptography
import Identity
import Memory
import Models
public import ONNX
import Reactor
public import Repository
public import ServerMetrics
import Serving
import Synchronization
public import Tensors

/// A version in memory, and what came with it.
struct LoadedVersion: Sendable {
    let version: Version<Servable>
    let source: Source
    let hexDigest: String
    let bytes: Int
    let gates: [Gate]
    /// What the runtime said to inputs of ours, if none was answered; for the log.
    let refusal: String?
    /// What was found of it in a process of its own.
    let tried: ProbeReport?
    /// What its maker says of it, where there is a file.
    let manifest: Manifest?
}

/// Reads files and makes models of them. Any thread may; none that serves.
public struct VersionLoader: Sendable {
    public typealias Pairs =
        @Sendable (_ bytes: [UInt8], _ file: String) throws(ConfigurationError) -> [(key: String, value: String)]

    let repository: Repository
    private let pairs: Pairs
    private let runtime: @Sendable () throws(LoadError) -> ONNX.Runtime
    private let prober: Prober?
    /// Where calls of what it loads are counted; `nil`: nowhere.
    private let page: Page?

    /// `pairs`: the keys and scalars of a `model.yaml`; YAML is read at the street. `runtime` is asked when a model needs it.
    /// `prober` tries versions before they are loaded here; `nil`: nobody does.
    public init(
        repository: Repository, pairs: @escaping Pairs, prober: Prober? = nil, page: Page? = nil,
        runtime: @escaping @Sendable () throws(LoadError) -> ONNX.Runtime
    ) {
        self.repository = repository
        self.pairs = pairs
        self.prober = prober
        self.page = page
        self.runtime = runtime
    }

    func openRuntime() throws(LoadError) { _ = try runtime() }

    /// Loads it in a process of its own, to see what it does there. `nil`: nobody tries it, or it has no file that could hurt.
    func probe(_ plan: ModelPlan, _ number: Int64) throws(LoadError) -> ProbeReport? {
        guard let prober, plan.needsRuntime else { return nil }
        return try prober.probe(repository, plan, number)
    }

    /// What a folder's names and its `model.yaml` say.
    public func plan(_ folder: ModelFolder) -> ModelPlan { plan(folder, nil) }

    /// `override`: what goes before its configuration.
    func plan(_ folder: ModelFolder, _ override: TritonOverride?) -> ModelPlan {
        let file = "\(folder.name)/\(folder.tritonConfiguration == nil ? "model.yaml" : "config.pbtxt")"
        // What only names the model changes nothing of it.
        let override = override.flatMap { $0.changesRuns ? $0 : nil }
        var configuration = ModelConfiguration()
        var failure = folder.failure?.description
        do throws(ConfigurationError) {
            if let bytes = folder.tritonConfiguration {
                configuration = try ModelConfiguration(
                    triton: bytes, model: folder.name, file: file, override: override)
            } else {
                let pairs = try folder.configuration.map { (bytes) throws(ConfigurationError) in
                    try self.pairs(bytes, file)
                }
                if let override {
                    configuration = try ModelConfiguration(
                        pairs ?? [], file: file, of: folder.name, override: override)
                } else if let pairs {
                    configuration = try ModelConfiguration(pairs, file: file)
                }
            }
        } catch {
            failure = error.description
        }
        var versions: [Int64] = []
        do throws(RepositoryError) { versions = try folder.versions(with: configuration) } catch {
            failure = failure ?? error.description
        }
        if case .specific(let wanted) = configuration.versionPolicy, !versions.contains(where: wanted.contains),
            !versions.isEmpty
        {
            failure =
                failure
                ?? "\(file): version_policy names \(wanted.map(String.init).joined(separator: ", ")), and the model has "
                + "\(versions.map(String.init).joined(separator: ", ")): name versions that are there"
        }
        return ModelPlan(name: folder.name, versions: versions, configuration: configuration, failure: failure)
    }

    /// What a version has to pass is looked at here.
    enum Check {
        /// Nothing: it was tried for somebody else.
        case none
        /// Its examples. Of times and memory a start says nothing: other models load beside. `tried`: what was found of it in a
        /// process of its own, if it was tried there.
        case own(tried: ProbeReport?)
        /// And `live`, the version that it may replace. `tried`: what was found of it in a process of its own.
        case beside(live: Servable?, tried: ProbeReport?)

        var tried: ProbeReport? {
            switch self {
            case .none: nil
            case .own(let tried), .beside(_, let tried): tried
            }
        }
    }

    /// `warming` is called when the model is in memory, before it runs for the first time.
    func load(
        _ plan: ModelPlan, _ number: Int64, checking check: Check = .none, warming: () -> Void
    ) throws(LoadError) -> LoadedVersion {
        if let failure = plan.failure {
            throw LoadError(
                sentence: "its folder or its configuration is wrong; the server's log says how", log: failure,
                detail: failure)
        }
        let engine: Engine
        let stamp = repository.fileStamp(model: plan.name, version: number, file: plan.modelFile)
        var digest: [UInt8] = []
        var hex = ""
        var bytes = 0
        var manifest: Manifest?
        switch plan.configuration.engine {
        case .identity: engine = .identity(IdentityModel())
        case .onnx:
            let file = try open(plan, number)
            manifest = try checkManifest(file, plan, number)
            (digest, hex, bytes) = (file.digest.bytes, file.digest.hex, file.byteCount)
            if let tried = check.tried, tried.digest != hex {
                throw LoadError(
                    sentence: "its file changed after it was tried in a process of its own: load it again",
                    log: "tried was sha256 \(tried.digest), found is \(hex)")
            }
            let runtime = try runtime()
            engine = .onnx(
                try file.withBytes { (bytes) throws(LoadError) in
                    try ONNX.Session(
                        runtime: runtime, name: plan.name, file: bytes, options: plan.configuration.session,
                        answering: plan.configuration.triton?.answered)
                })
        }
        if let difference = plan.configuration.triton?.difference(from: engine.signature) {
            throw LoadError(sentence: difference, log: difference)
        }
        warming()
        // Before anybody can lease it, its cost is known: where it is to run depends on that.
        let servable = Servable(
            name: plan.name, engine: engine, settings: plan.configuration.batchingSettings,
            series: page?.series(of: plan.name, number),
            modelConfig: plan.configuration.modelConfig(plan.name, engine))
        for sample in plan.configuration.triton?.warmUps ?? [] {
            try servable.warmUp(sample) { (file) throws(LoadError) in try warmUpFile(plan.name, file) }
        }
        servable.measure()
        let (gates, refusal) = gates(servable, plan, number, check)
        return LoadedVersion(
            version: Version(of: plan.name, number: number, servable, digest: digest, faults: gates.faults),
            source: Source(configuration: plan.configuration, stamp: stamp), hexDigest: hex, bytes: bytes, gates: gates,
            refusal: refusal, tried: check.tried, manifest: manifest)
    }

    /// Where there is a manifest the file must be the one that it names.
    private func checkManifest(_ file: ModelFile, _ plan: ModelPlan, _ version: Int64) throws(LoadError) -> Manifest? {
        do throws(ManifestError) {
            let manifest = try repository.readManifest(plan.name, version)
            try manifest?.check(
                file.digest, of: plan.modelFile, path: "\(plan.name)/\(version)/\(Manifest.fileName)")
            return manifest
        } catch {
            throw LoadError(
                sentence: "its file is not what its manifest.json says; the server's log says how", log: error.sentence,
                detail: error.sentence)
        }
    }

    private func gates(
        _ servable: Servable, _ plan: ModelPlan, _ number: Int64, _ check: Check
    ) -> ([Gate], refusal: String?) {
        var live: Servable?
        var rehearsed: Rehearsed?
        var isStart = false
        switch check {
        case .none: return ([], nil)
        // A start does not wait for what there is nothing to compare with.
        case .own: isStart = true
        case .beside(let other, let tried):
            live = other
            if tried == nil { rehearsed = servable.rehearsed }
        }
        let configuration = plan.configuration
        let facts =
            check.tried?.facts
            ?? Facts(
                servable, golden: repository.golden(plan, number, of: servable),
                rehearsed: rehearsed,
                runs: configuration.latencyBudgetMilliseconds == nil || isStart ? 0 : Prober.runs)
        if facts.golden.allSatisfy({ $0.difference == nil }) {
            servable.passedGolden(rows: facts.golden.reduce(0) { $0 + ($1.rows ?? 1) })
        }
        let gates = facts.gates(
            configuration, isStart: isStart,
            beside: live.map { live in
                // It is asked only where the answer matters.
                let other = facts.isFinite == false || facts.refusal != nil ? live.rehearsed : Rehearsed()
                return LiveFacts(
                    differences: differences(from: live.engine.signature, to: servable.engine.signature),
                    isFinite: other.isFinite, isRefusing: other.refusal != nil)
            })
        return (gates, facts.refusal)
    }

    private func warmUpFile(_ model: String, _ name: String) throws(LoadError) -> [UInt8] {
        do throws(RepositoryError) { return try repository.warmUpFile(model: model, name: name) } catch {
            throw LoadError(
                sentence: "a file of its warm-up cannot be used; the server's log says why", log: error.description,
                detail: error.description)
        }
    }

    private func open(_ plan: ModelPlan, _ version: Int64) throws(LoadError) -> ModelFile {
        do throws(RepositoryError) {
            return try repository.open(
                model: plan.name, version: version, file: plan.modelFile)
        } catch {
            throw LoadError(
                sentence: "its file cannot be used; the server's log says why", log: error.description,
                detail: error.description)
        }
    }
}

extension ModelConfiguration {
    /// How calls are put together.
    var batchingSettings: BatchingSettings {
        var settings = BatchingSettings()
        switch batching {
        case .auto: settings.mode = .auto
        case .on: settings.mode = .on
        case .off: settings.mode = .off
        }
        if let batchRowsMax {
            settings.rowsMax = batchRowsMax
            settings.rowsPerCallMax = batchRowsMax
        }
        if let queueDelayMicroseconds { settings.delayNanoseconds = Int64(queueDelayMicroseconds) * 1000 }
        settings.preferredRows = batchRowsPreferred
        if let queueCallsMax { settings.queueMax = queueCallsMax }
        settings.concurrency = concurrency
        settings.isOneThread = (intraOpThreads ?? 1) == 1 && (interOpThreads ?? 1) == 1
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
