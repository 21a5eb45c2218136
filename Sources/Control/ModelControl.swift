// Enters: orders. Leaves: commits, and memory that is free again. Nobody else commits.
import Cryptography
public import Experiments
import Memory
public import Models
import ONNX
import Reactor
import Repository
public import ServerMetrics
public import Serving
import Synchronization
import Tensors

/// Loads, swaps and unloads, while others go on serving.
///
/// Whatever takes long (a file, a session, its warm-up) happens beside what is served and under no lock. Then the desired state
/// is kept on disk, and then one pointer is stored: a crash at any moment leaves the old state or the new one. What was replaced
/// is freed when every shard has gone on and no call needs it.
public final class ModelControl: Sendable {
    /// What the rest of the server does for it.
    public struct Hooks: Sendable {
        /// Returns when every shard goes by this epoch: since when they do, on the shards' clock (`Server.spread`).
        public var spread: @Sendable (_ epoch: UInt64) -> Int64
        /// What came of loading a version. Of a failure it is called before the failure is committed.
        public var report: @Sendable (LoadReport) -> Void
        /// A consequence that an operator should know of.
        public var warn: @Sendable (String) -> Void
        /// Called once, when the models that the server begins with answer.
        public var ready: @Sendable () -> Void

        public init(
            spread: @escaping @Sendable (UInt64) -> Int64, report: @escaping @Sendable (LoadReport) -> Void,
            warn: @escaping @Sendable (String) -> Void, ready: @escaping @Sendable () -> Void = {}
        ) {
            self.ready = ready
            self.spread = spread
            self.report = report
            self.warn = warn
        }
    }

    struct State: Sendable {
        var roster = Roster<Servable> { differences(from: $0.engine.signature, to: $1.engine.signature) }
        var plans: [String: ModelPlan] = [:]
        var desired: Desired
        /// Out of the catalog, and perhaps still in use.
        var draining: [Version<Servable>] = []
        /// What the versions in memory were loaded from.
        var sources: [ObjectIdentifier: Source] = [:]
        /// How many loads were ordered.
        var loads: UInt64 = 0
        /// By model.
        var rollouts: [String: RunningRollout] = [:]
        /// By model.
        var experiments: [String: RunningExperiment] = [:]
        /// The server ends, and joins no rewards any more.
        var isEnding = false
    }

    let loader: VersionLoader
    let directory: Directory<Servable>
    let file: StateFile?
    let exposures: Exposures
    /// What the server shows of itself, and the cells of it that threads share.
    let page: Page
    let recorder: Recorder
    let hooks: Hooks
    /// Where orders are recorded; `nil`: nowhere.
    let journal: OrderJournal?
    let mode: RepositoryMode
    let state: Lock<State>
    let start: Lock<StartSet>
    let attempts: Attempts
    /// One at a time frees what was replaced.
    private let freeing = Lock(())
    /// One at a time loads what a process may have ended by.
    let suspects = Lock(())

    /// `file`: where the desired state is kept; `nil`: nowhere. `desired`: what it held. `readyRule`: how many of the first models
    /// have to answer before the server is ready. `mayBeginEmpty`: it is ready without a model.
    public init(
        loader: VersionLoader, directory: Directory<Servable>, file: StateFile?, desired: Desired?,
        mode: RepositoryMode = .explicit, readyRule: ReadyRule = .all, mayBeginEmpty: Bool = false,
        exposures: Exposures = Exposures(), page: Page, journal: AuditJournal? = nil, hooks: Hooks
    ) {
        self.loader = loader
        self.directory = directory
        self.file = file
        self.exposures = exposures
        self.page = page
        recorder = page.common
        self.journal = journal.map { OrderJournal($0, directory, file) }
        self.hooks = hooks
        // Two processes over one file must not take each other's loads for crashes.
        attempts = Attempts(beside: file.flatMap { $0.isOurs ? $0.file : nil }, loader.repository)
        self.mode = mode
        state = Lock(State(desired: desired ?? Desired()))
        start = Lock(StartSet(rule: readyRule, mayBeEmpty: mayBeginEmpty))
    }

    // MARK: - Orders

    /// Carries out an order, and returns when it holds for every shard. What it replaced is in memory until `free`.
    /// `isByItself`: nobody gave it, so that what is left alone stays so; `nextTry` says when such a load may be.
    public func perform(_ order: Order, _ signed: Signed, isByItself: Bool = false) throws(OrderError) -> Outcome {
        var signed = signed
        if order.isForced { signed.isForced = true }
        return switch order {
        case .load where mode == .fixed, .unload where mode == .fixed: throw .fixed(order.action)
        case .load(let model, let version, let isShadow, let isForced):
            try load(model, version, isShadow: isShadow, isForced: isForced, signed, isByItself: isByItself)
        default: try change(signed, order.action) { (state) throws(OrderError) in try state.roster.decide(order) }
        }
    }

    func change(
        _ signed: Signed, _ action: OrderAction, _ decide: (inout State) throws(OrderError) -> Decision
    ) throws(OrderError) -> Outcome {
        let (decision, commit) = try state.withLock { (state) throws(OrderError) in
            var next = state
            var decision = try decide(&next)
            for change in decision.changes {
                guard let record = next.roster.models[change.model] else { continue }
                decision.steps += next.endExperiment(of: record, exposures, isDryRun: signed.isDryRun)
            }
            return (decision, signed.isDryRun ? Commit(directory) : try settle(&state, next, decision, signed, action))
        }
        return Outcome(
            epoch: commit.epoch, spreadNanoseconds: signed.isDryRun ? 0 : spread(commit), decision: decision)
    }

    /// A commit, and when it was made.
    struct Commit {
        let epoch: UInt64
        let time = Clock.now()

        init(_ directory: Directory<Servable>) { epoch = directory.catalog.epoch }
    }

    /// Returns when every shard goes by it. - Returns: how long that took, in nanoseconds.
    func spread(_ commit: Commit) -> Int64 {
        let nanoseconds = max(0, hooks.spread(commit.epoch) - commit.time)
        recorder.time(.commitDuration, nanoseconds: nanoseconds)
        return nanoseconds
    }

    /// Keeps what was decided for the next start, and commits it. If it cannot be kept nothing has changed.
    func settle(
        _ state: inout State, _ next: State, _ decision: Decision, _ signed: Signed, _ action: OrderAction
    ) throws(OrderError) -> Commit {
        guard !decision.changes.isEmpty else { return Commit(directory) }
        var next = next
        for change in decision.changes {
            guard let record = next.roster.models[change.model] else { continue }
            let results = next.endExperiment(of: record, exposures, isDryRun: false)
            next.desired.note(
                record,
                Desired.Event(
                    timeMilliseconds: signed.timeMilliseconds, action: action, from: change.from, to: change.to,
                    epoch: directory.catalog.epoch + 1,
                    author: signed.author, reason: signed.reason, steps: decision.steps + results,
                    version: decision.version ?? (change.from == change.to ? nil : change.to),
                    trigger: signed.trigger, isForced: signed.isForced ? true : nil))
            next.desired.models[change.model]?.experiment = next.experiments[change.model]?.experiment
            let known = next.plans[change.model]
            next.desired.heed(
                change, by: signed, before: state.roster.models[change.model], after: record,
                top: known?.configuration.versionPolicy.choose(from: known?.versions ?? []).first)
        }
        if let file {
            do throws(StateFileError) { try file.write(&next.desired) } catch {
                // What is taken back is taken back: a rollout that was kept as running ends at the next start anyway. And what
                // lies in the repository is found there again.
                guard signed.isUrgent else {
                    reopenExperiments(state, insteadOf: next)
                    throw .notKept(reason: error.sentence)
                }
            }
        }
        count(decision, action, signed)
        let commit = install(next, in: &state)
        // An order's outcome is recorded by the one that gave it.
        if !signed.trigger.isOrder { journal?.happened(action, signed, decision, epoch: commit.epoch) }
        return commit
    }

    /// Makes `next` what holds; versions that it does not have any more are freed in their time.
    func install(_ next: State, in state: inout State) -> Commit {
        var next = next
        next.rollouts = next.rollouts.filter { next.roster.models[$0.key]?.rollout == $0.value.version }
        next.experiments = next.experiments.filter {
            next.roster.models[$0.key]?.split?.experiment?.number == $0.value.number
        }
        for running in state.rollouts.values where !next.rollouts.values.contains(where: { $0.began == running.began })
        {
            running.labels.map { exposures.end($0.number) }
        }
        for running in state.experiments.values
        where !next.experiments.values.contains(where: { $0.number == running.number }) {
            exposures.end(running.number)
        }
        let kept = Set(next.roster.versions.map(ObjectIdentifier.init))
        next.sources = next.sources.filter { kept.contains($0.key) }
        let leaving = state.roster.versions.filter { !kept.contains(ObjectIdentifier($0)) }
        for version in leaving { version.model.leave() }
        next.draining += leaving
        state = next
        return commit(state)
    }

    @discardableResult
    func commit(_ state: State) -> Commit {
        directory.commit(state.roster.entries)
        if start.withLock({ $0.look(state.roster.models) }) { hooks.ready() }
        return Commit(directory)
    }

    // MARK: - Freeing

    /// Frees what was replaced, once every shard has gone on and no call needs it. Takes as long as the longest of those calls.
    public func free() {
        freeing.withLock { _ in
            let (epoch, leaving) = state.withLock { (directory.catalog.epoch, $0.draining) }
            _ = hooks.spread(epoch)
            for version in leaving {
                while !version.model.isIdle { Thread.rest(nanoseconds: 1_000_000) }
            }
            directory.release(replacedBy: epoch)
            state.withLock { state in
                state.draining.removeAll { version in leaving.contains { $0 === version } }
            }
        }
        Heap.trim()
    }

    // MARK: - Questions

    /// When a version that is not in memory may be loaded without an order.
    public func nextTry(_ model: String, _ version: Int64) -> NextTry {
        attempts.next(Attempts.Key(model: model, version: version))
    }

    /// Every model of which something is loaded, or on its way, or failed; by name.
    var listed: [Entry<Servable>] { directory.catalog.entries }

    /// By model, ascending.
    func versionsOfRepository() throws(OrderError) -> [(name: String, versions: [Int64])] {
        do throws(RepositoryError) {
            return try loader.repository.scan().models.map(loader.plan).map { ($0.name, $0.versions) }
        } catch {
            throw .repository(reason: error.description)
        }
    }

    /// Whether a version that is in memory, or on its way there, is the one whose file lies in the repository.
    func uses(_ model: String, _ version: Int64, fileName: String) -> Bool {
        guard let standing = directory.catalog.entry(named: model)?.standing(version) else { return false }
        guard let loaded = standing.version else { return standing.state.isComing }
        let file = try? loader.repository.open(model: model, version: version, file: fileName)
        return file?.digest.bytes == loaded.digest.array
    }

    func versionsOfRepository(_ model: String) throws(OrderError) -> [Int64] { try plan(of: model).versions }

    /// The models that the server begins with have answered.
    public var isReady: Bool { start.withLock { $0.isReady } }

    /// A version is on its way into memory.
    public var isLoading: Bool {
        state.withLock { $0.roster.models.values.contains { $0.standings.contains(where: \.isLoading) } }
    }

    /// Versions that answer nobody any more and are not free yet.
    public var draining: [(model: String, version: Int64)] {
        state.withLock { $0.draining.map { ($0.name.text, $0.number) } }
    }

    /// The same; `nil`: something is being decided.
    var drainingUnlessBusy: [Version<Servable>]? { state.withLockUnlessTaken { $0.draining } }

    /// What was done to a model, the latest last; empty for one that nobody touched.
    public func history(_ model: String) -> [Desired.Event] {
        state.withLock { $0.desired.models[model]?.history ?? [] }
    }

    /// What a rollback would make live: the version before the live one, or that one itself as it was before it was loaded anew.
    public func previous(_ model: String) -> Int64? {
        state.withLock { $0.roster.models[model].flatMap { $0.former?.number ?? $0.previous } }
    }
}
