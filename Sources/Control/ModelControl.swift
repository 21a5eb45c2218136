// Enters: orders. Leaves: commits, and memory that is free again. Nobody else commits.
import Memory
public import Models
import ONNX
import Reactor
public import Repository
public import Serving
import Synchronization
import Tensors

/// Who gives an order and why, in the caller's words.
public struct Signed: Sendable {
    public var author: String
    public var reason: String
    /// Since 1970, UTC.
    public var timeMilliseconds: Int64
    /// Only what would be done is wanted.
    public var isDryRun: Bool
    /// It is done even if it cannot be kept for the next start.
    var isUrgent = false

    public init(author: String, reason: String, timeMilliseconds: Int64, isDryRun: Bool = false) {
        self.author = author
        self.reason = reason
        self.timeMilliseconds = timeMilliseconds
        self.isDryRun = isDryRun
    }
}

/// What came of an order.
public struct Outcome: Sendable, Equatable {
    /// The commit from which on it holds; every answer names the one that it was given by.
    public var epoch: UInt64
    /// From the commit until the last shard went by it.
    public var spreadNanoseconds: Int64
    public var decision: Decision
}

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
        /// What came of loading a version.
        public var report: @Sendable (LoadReport) -> Void

        public init(
            spread: @escaping @Sendable (UInt64) -> Int64, report: @escaping @Sendable (LoadReport) -> Void
        ) {
            self.spread = spread
            self.report = report
        }
    }

    struct State: Sendable {
        var roster = Roster<Servable> { differences(from: $0.engine.signature, to: $1.engine.signature) }
        var plans: [String: ModelPlan] = [:]
        var desired: Desired
        /// Out of the catalog, and perhaps still in use.
        var draining: [Version<Servable>] = []
        /// By model.
        var rollouts: [String: RunningRollout] = [:]
    }

    let loader: VersionLoader
    let directory: Directory<Servable>
    private let file: KeptFile?
    private let hooks: Hooks
    private let mode: RepositoryMode
    let state: Lock<State>
    /// Two processes over one state file, as at a rolling restart, must not take each other's loads for crashes.
    private let claim: FolderClaim?
    private let attempts: Attempts
    /// One at a time frees what was replaced.
    private let freeing = Lock(())
    /// One at a time loads what a process may have ended by.
    private let suspects = Lock(())

    /// `file`: where the desired state is kept; `nil`: nowhere. `desired`: what it held.
    public init(
        loader: VersionLoader, directory: Directory<Servable>, file: KeptFile?, desired: Desired?,
        mode: RepositoryMode = .explicit, hooks: Hooks
    ) {
        self.loader = loader
        self.directory = directory
        self.file = file
        self.hooks = hooks
        claim = file?.claim()
        attempts = Attempts(beside: claim == nil ? nil : file, loader.repository)
        self.mode = mode
        state = Lock(State(desired: desired ?? Desired()))
    }

    // MARK: - The start

    /// A version that the server begins with.
    public struct FirstLoad: Sendable {
        let model: String
        let version: Int64
        let isLive: Bool
        let hasSlot: Bool
    }

    /// What the server begins with: what was served when it ended, else what the policy of each model wants, the highest live.
    /// Until they are loaded callers are told so.
    /// - Returns: the versions to load; those that are to be live come first, those that the last process may have ended by
    ///   come last.
    public func begin(_ plans: [ModelPlan]) -> [FirstLoad] {
        state.withLock { state in
            var loads: [FirstLoad] = []
            for plan in plans {
                var record: ModelRecord<Servable> = state.desired.models[plan.name]?.record(plan.name) ?? plan.record()
                // What an earlier start unloaded could never be loaded.
                if mode == .fixed && record.standings.isEmpty { record = plan.record() }
                state.roster.models[plan.name] = record
                state.plans[plan.name] = plan
                endRollout(of: record, &state)
                loads += record.standings.map {
                    FirstLoad(
                        model: plan.name, version: $0.number, isLive: $0.number == record.wanted,
                        hasSlot: $0.slot != nil)
                }
            }
            commit(state)
            let sorted = loads.filter(\.isLive) + loads.filter { !$0.isLive }
            return sorted.filter { !isSuspect($0) } + sorted.filter(isSuspect)
        }
    }

    /// What was being rolled out when the server ended was not judged to its end: the live version has all calls.
    private func endRollout(of record: ModelRecord<Servable>, _ state: inout State) {
        guard let version = state.desired.models[record.name]?.rollout else { return }
        state.desired.note(
            record,
            Desired.Event(
                timeMilliseconds: Clock.wallMilliseconds(), verb: "abort", from: record.wanted, to: record.wanted,
                epoch: directory.catalog.epoch, author: Signed.server,
                reason: "the server ended while version \(version) was rolled out", steps: []))
    }

    private func isSuspect(_ load: FirstLoad) -> Bool {
        attempts.isSuspect(Attempts.Key(model: load.model, version: load.version))
    }

    /// Loads one of those. `place`: how many have ended with it, of how many.
    public func load(_ first: FirstLoad, place: () -> (ended: Int, of: Int)) {
        guard let plan = state.withLock({ $0.plans[first.model] }) else { return }
        // What may be why the last process ended is tried outside this one, and alone: if it is, nobody else is blamed.
        if isSuspect(first) {
            suspects.withLock { _ in load(first, plan, .full, place) }
        } else {
            load(first, plan, .own, place)
        }
    }

    /// What was live when the server ended is live again whatever its gates say: they are for what is new.
    private func load(_ first: FirstLoad, _ plan: ModelPlan, _ care: Care, _ place: () -> (ended: Int, of: Int)) {
        do throws(OrderError) {
            try bring(plan, first.version, care, place: place) { (state, loaded) in
                var next = state
                _ = next.roster.models[first.model]?.arrived(loaded.version, displaces: first.hasSlot)
                return install(next, in: &state)
            }
        } catch {}  // It was reported.
    }

    /// From now on a load that does not end is nobody's fault: the process was asked to end.
    public func leave() { attempts.leave() }

    // MARK: - Orders

    /// Carries out an order, and returns when it holds for every shard. What it replaced is in memory until `free`.
    /// `isByItself`: nobody gave it, so that what is left alone stays so; `nextTry` says when such a load may be.
    public func perform(_ order: Order, _ signed: Signed, isByItself: Bool = false) throws(OrderError) -> Outcome {
        switch order {
        case .load where mode == .fixed, .unload where mode == .fixed: throw .fixed(verb: order.verb)
        case .load(let model, let version): try load(model, version, signed, order.verb, isByItself: isByItself)
        default: try change(signed, order.verb) { (state) throws(OrderError) in try state.roster.decide(order) }
        }
    }

    func change(
        _ signed: Signed, _ verb: String, _ decide: (inout State) throws(OrderError) -> Decision
    ) throws(OrderError) -> Outcome {
        let (decision, commit) = try state.withLock { (state) throws(OrderError) in
            var next = state
            let decision = try decide(&next)
            return (decision, signed.isDryRun ? Commit(directory) : try settle(&state, next, decision, signed, verb))
        }
        return Outcome(
            epoch: commit.epoch, spreadNanoseconds: signed.isDryRun ? 0 : spread(commit), decision: decision)
    }

    /// A commit, and when it was made.
    private struct Commit {
        let epoch: UInt64
        let time = Clock.now()

        init(_ directory: Directory<Servable>) { epoch = directory.catalog.epoch }
    }

    /// Returns when every shard goes by it. - Returns: how long that took, in nanoseconds.
    private func spread(_ commit: Commit) -> Int64 { max(0, hooks.spread(commit.epoch) - commit.time) }

    /// Keeps what was decided for the next start, and commits it. If it cannot be kept nothing has changed.
    private func settle(
        _ state: inout State, _ next: State, _ decision: Decision, _ signed: Signed, _ verb: String
    ) throws(OrderError) -> Commit {
        guard !decision.changes.isEmpty else { return Commit(directory) }
        var next = next
        for change in decision.changes {
            guard let record = next.roster.models[change.model] else { continue }
            next.desired.note(
                record,
                Desired.Event(
                    timeMilliseconds: signed.timeMilliseconds, verb: verb, from: change.from, to: change.to,
                    epoch: directory.catalog.epoch + 1,
                    author: signed.author, reason: signed.reason, steps: decision.steps))
            let known = next.plans[change.model]
            next.desired.heed(
                change, verb, before: state.roster.models[change.model], after: record,
                top: known?.configuration.versionPolicy.choose(from: known?.versions ?? []).first)
        }
        if let file {
            do throws(StateFileError) { try next.desired.write(to: file) } catch {
                // What is taken back is taken back: a rollout that was kept as running ends at the next start anyway.
                guard signed.isUrgent else { throw .notKept(reason: error.sentence) }
            }
        }
        return install(next, in: &state)
    }

    /// Makes `next` what holds; versions that it does not have any more are freed in their time.
    private func install(_ next: State, in state: inout State) -> Commit {
        var next = next
        next.rollouts = next.rollouts.filter { next.roster.models[$0.key]?.rollout == $0.value.version }
        let kept = Set(next.roster.versions.map(ObjectIdentifier.init))
        next.draining += state.roster.versions.filter { !kept.contains(ObjectIdentifier($0)) }
        state = next
        return commit(state)
    }

    @discardableResult
    private func commit(_ state: State) -> Commit {
        directory.commit(state.roster.entries)
        return Commit(directory)
    }

    // MARK: - Loading

    func load(
        _ model: String, _ version: Int64?, _ signed: Signed, _ verb: String, isByItself: Bool
    ) throws(OrderError) -> Outcome {
        let plan = try plan(of: model)
        guard let number = version ?? plan.versions.last else { throw .noVersion(model: model) }
        guard plan.versions.contains(number) else {
            throw .unknownVersion(model: model, version: number, available: plan.versions)
        }
        let done = try state.withLock { (state) throws(OrderError) -> Outcome? in
            var record = state.roster.models[model] ?? ModelRecord(name: model, labels: plan.configuration.labels)
            let present = record.standing(number)?.state
            if present?.isComing ?? false { throw .busy(model: model, version: number) }
            if signed.isDryRun || present?.isServing ?? false {
                let step =
                    present?.isServing ?? false
                    ? "version \(number) of model '\(model)' is loaded already"
                    : "version \(number) of model '\(model)' would be loaded beside what is served"
                return Outcome(
                    epoch: directory.catalog.epoch, spreadNanoseconds: 0, decision: Decision(changes: [], steps: [step])
                )
            }
            record.begin(number)
            state.roster.models[model] = record
            state.plans[model] = plan
            commit(state)
            return nil
        }
        if let done { return done }
        if !isByItself { attempts.lift(Attempts.Key(model: model, version: number)) }
        var decision = Decision(changes: [], steps: [])
        func arrive(_ state: inout State, _ loaded: LoadedVersion) throws(OrderError) -> Commit {
            var next = state
            let before = next.roster.models[model]?.live
            let isFit = loaded.version.faults.isEmpty
            let gone =
                next.roster.models[model]?
                .arrived(loaded.version, keeping: plan.keepsDisplaced, mayGoLive: isFit) ?? []
            let after = next.roster.models[model]?.live
            decision.changes = [Decision.Change(model: model, from: before, to: after)]
            decision.steps = loaded.steps(plan) + gone.map { "version \($0) of model '\(model)' goes" }
            let place =
                after == number
                ? "answers" : after.map { "is ready beside version \($0), which answers" } ?? "is ready; none is live"
            decision.steps.append("version \(number) of model '\(model)' \(place)")
            return try settle(&state, next, decision, signed, verb)
        }
        let committed = try bring(plan, number, .full, place: { nil }, arrive: arrive)
        return Outcome(epoch: committed.epoch, spreadNanoseconds: spread(committed), decision: decision)
    }

    private func plan(of model: String) throws(OrderError) -> ModelPlan {
        do throws(RepositoryError) {
            if let folder = try loader.repository.folder(of: model) { return loader.plan(folder) }
        } catch {
            // It names files by their places in the repository.
            if case .modelName = error {} else { throw .repository(reason: error.description) }
        }
        throw .unknownModel(model)
    }

    /// Brings a version into memory beside what is served, and reports. `arrive` commits, under the lock, what becomes of it.
    @discardableResult
    private func bring(
        _ plan: ModelPlan, _ number: Int64, _ care: Care, place: () -> (ended: Int, of: Int)?,
        arrive: (inout State, LoadedVersion) throws(OrderError) -> Commit
    ) throws(OrderError) -> Commit {
        let began = Clock.now()
        var report = LoadReport(model: plan.name, version: number)
        var isLeftAlone = false
        let result = Result { () throws(OrderError) in
            try bring(plan, number, care, arrive, &report, &isLeftAlone)
        }
        if case .failure(let error) = result {
            let reason: String
            switch error {
            case .loadFailed(_, _, let ours): reason = ours
            case .notKept:
                // Callers are told what fails it, and not where our files lie.
                reason = "that it is loaded could not be kept for the next start"
                report.log = error.sentence
            default: reason = error.sentence
            }
            report.failure = reason
            state.withLock { state in
                state.roster.models[plan.name]?.failed(number, reason)
                if isLeftAlone { state.roster.models[plan.name]?.gaveUp(number) }
                commit(state)
            }
        }
        report.nanoseconds = Clock.now() - began
        _ = hooks.spread(directory.catalog.epoch)
        report.place = place()
        // What the server begins with was told of at the start.
        if report.place == nil { report.note = plan.note }
        hooks.report(report)
        return try result.get()
    }

    /// How much a version is looked at before it is loaded here.
    private enum Care {
        /// Its own gates.
        case own
        /// It is tried in a process of its own first, and compared with what is live.
        case full
    }

    private func bring(
        _ plan: ModelPlan, _ number: Int64, _ care: Care,
        _ arrive: (inout State, LoadedVersion) throws(OrderError) -> Commit,
        _ report: inout LoadReport, _ isLeftAlone: inout Bool
    ) throws(OrderError) -> Commit {
        let key = Attempts.Key(model: plan.name, version: number)
        if let reason = attempts.quarantine(key) {
            isLeftAlone = true
            throw .loadFailed(model: plan.name, version: number, reason: reason)
        }
        let loaded: LoadedVersion
        do throws(LoadError) {
            loaded = try load(plan, number, care)
            attempts.ended(key)
        } catch {
            report.log = error.log
            let last = attempts.failed(key, error.sentence)
            isLeftAlone = last != nil
            throw .loadFailed(model: plan.name, version: number, reason: last ?? error.sentence)
        }
        report.gates = loaded.gates
        report.digest = loaded.hexDigest
        report.manifest = loaded.manifest
        report.bytes = loaded.bytes
        let (made, slot) = try state.withLock { (state) throws(OrderError) in
            // Whoever unloaded it while it was on its way has the last word.
            guard state.roster.models[plan.name]?.standing(number)?.state.isComing ?? false else {
                throw .loadFailed(model: plan.name, version: number, reason: "it was unloaded meanwhile")
            }
            let made = try arrive(&state, loaded)
            return (made, state.roster.models[plan.name]?.standing(number)?.slot)
        }
        report.slot = slot
        return made
    }

    private func load(_ plan: ModelPlan, _ number: Int64, _ care: Care) throws(LoadError) -> LoadedVersion {
        var check = VersionLoader.Check.own
        if case .full = care {
            let tried = try loader.probe(plan, number)
            check = .beside(
                live: directory.catalog.entry(named: plan.name)?.live?.version?.model, tried: tried)
        }
        // What needs no runtime ends no process.
        if plan.needsRuntime { attempts.begin(Attempts.Key(model: plan.name, version: number)) }
        return try loader.load(plan, number, checking: check) {
            state.withLock { state in
                state.roster.models[plan.name]?.warming(number)
                commit(state)
            }
        }
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

    var epoch: UInt64 { directory.catalog.epoch }

    /// When a version that is not in memory may be loaded without an order.
    public func nextTry(_ model: String, _ version: Int64) -> NextTry {
        attempts.next(Attempts.Key(model: model, version: version))
    }

    /// Why a version that is in memory should not become live.
    func faults(_ model: String, _ version: Int64) -> [String] {
        directory.catalog.entry(named: model)?.standing(version)?.version?.faults ?? []
    }

    /// Every model of which something is loaded, or on its way, or failed; by name.
    var listed: [Entry<Servable>] { directory.catalog.entries }

    func modelsOfRepository() throws(OrderError) -> [String] {
        do throws(RepositoryError) { return try loader.repository.scan().models.map(\.name) } catch {
            throw .repository(reason: error.description)
        }
    }

    func versionsOfRepository(_ model: String) throws(OrderError) -> [Int64] { try plan(of: model).versions }

    /// A version is on its way into memory.
    public var isLoading: Bool {
        state.withLock { $0.roster.models.values.contains { $0.standings.contains { $0.state.isComing } } }
    }

    /// Versions that answer nobody any more and are not free yet.
    public var draining: [(model: String, version: Int64)] {
        state.withLock { $0.draining.map { ($0.name.text, $0.number) } }
    }

    /// What was done to a model, the latest last; empty for one that nobody touched.
    public func history(_ model: String) -> [Desired.Event] {
        state.withLock { $0.desired.models[model]?.history ?? [] }
    }

    /// Which version was live before the one that is.
    public func previous(_ model: String) -> Int64? { state.withLock { $0.roster.models[model]?.previous } }
}
