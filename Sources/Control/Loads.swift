// Enters: orders to load. Leaves: versions in memory, or why not.
import Memory
import Models
import Reactor
import Repository
import Serving
import Tensors

extension ModelControl {
    // MARK: - Loading

    func load(
        _ model: String, _ version: Int64?, isShadow: Bool = false, isForced: Bool = false, _ signed: Signed,
        isByItself: Bool = false, override: TritonOverride? = nil
    ) throws(OrderError) -> Outcome {
        let plan = try plan(of: model, override)
        guard let number = version ?? plan.versions.last else { throw .noVersion(model: model) }
        guard plan.versions.contains(number) else {
            throw .unknownVersion(model: model, version: number, available: plan.versions)
        }
        if !isByItself, let standing = serving(model, number) {
            if let change = change(of: standing, plan) {
                return try loadAnew(plan, number, because: change, isForced: isForced, signed)
            }
            let hint = isShadow && standing.slot != .shadow ? "; \"vencejo shadow\" moves it to the shadow" : ""
            return unchanged(["version \(number) of model '\(model)' is loaded already" + hint])
        }
        return try loadBeside(plan, number, isShadow: isShadow, signed, isByItself: isByItself)
    }

    /// Nothing was done; why.
    func unchanged(_ steps: [String]) -> Outcome {
        Outcome(
            epoch: directory.catalog.epoch, spreadNanoseconds: 0, decision: Decision(changes: [], steps: steps))
    }

    private func loadBeside(
        _ plan: ModelPlan, _ number: Int64, isShadow: Bool, _ signed: Signed, isByItself: Bool
    ) throws(OrderError) -> Outcome {
        let model = plan.name
        // Its gates decide in any case; a swap may be forced.
        var signed = signed
        signed.isForced = false
        var ownLoad = UInt64(0)
        let done = try state.withLock { (state) throws(OrderError) -> [String]? in
            var record = state.roster.models[model] ?? ModelRecord(name: model, labels: plan.configuration.labels)
            let present = record.standing(number)?.state
            if present?.isComing ?? false { throw .busy(model: model, version: number) }
            // Nobody answers from the shadow.
            if isShadow && record.live == nil { throw .noLive(model: model) }
            // It came meanwhile.
            if present?.isServing ?? false { return ["version \(number) of model '\(model)' is loaded already"] }
            state.loads += 1
            ownLoad = state.loads
            record.begin(number, load: ownLoad)
            if signed.isDryRun { return wouldBe(number, record, plan, isShadow: isShadow) }
            state.roster.models[model] = record
            state.plans[model] = plan
            commit(state)
            return nil
        }
        if let done { return unchanged(done) }
        if !isByItself { attempts.lift(Attempts.Key(model: model, version: number)) }
        var decision = Decision(changes: [], steps: [])
        func arrive(_ state: inout State, _ loaded: LoadedVersion) throws(OrderError) -> Commit {
            var next = state
            let before = next.roster.models[model]?.live
            let isFit = loaded.version.faults.isEmpty
            var keeping = plan.keepsDisplaced
            // What nobody ordered and cannot become live takes nobody's way back.
            if isByItself, loaded.gates.contains(where: { $0.outcome == .failed }) {
                keeping.formUnion([next.roster.models[model]?.previous].compactMap(\.self))
            }
            let gone =
                next.roster.models[model]?
                .arrived(loaded.version, keeping: keeping, mayGoLive: isFit, isShadow: isShadow) ?? []
            if !isFit { next.roster.models[model]?.stopWaiting(for: number) }
            next.sources[ObjectIdentifier(loaded.version)] = loaded.source
            let after = next.roster.models[model]?.live
            decision.changes = [Decision.Change(model: model, from: before, to: after)]
            decision.version = number
            decision.steps = loaded.steps(plan) + gone.map { went($0, model) }
            let slot = next.roster.models[model]?.standing(number)?.slot
            decision.steps.append(stands(number, model, live: after, slot: slot, isShadow: isShadow))
            return try settle(&state, next, decision, signed, .load)
        }
        let committed = try bring(plan, number, .full, ownLoad, place: { nil }, arrive: arrive)
        return Outcome(epoch: committed.epoch, spreadNanoseconds: spread(committed), decision: decision)
    }

    /// What would be done, one sentence each.
    private func wouldBe(
        _ number: Int64, _ record: ModelRecord<Servable>, _ plan: ModelPlan, isShadow: Bool
    ) -> [String] {
        let model = plan.name
        guard let arrival = record.arrival(of: number, keeping: plan.keepsDisplaced, isShadow: isShadow) else {
            return []
        }
        let live = arrival.isWanted ? number : record.live
        return arrival.gone.map { went($0, model) } + [
            stands(number, model, live: live, slot: arrival.slot, isShadow: isShadow)
                + (arrival.isWanted ? ", if it passes its gates" : "")
        ]
    }

    private func went(_ number: Int64, _ model: String) -> String { "version \(number) of model '\(model)' goes" }

    /// `slot`: where it stands. `isShadow`: it was to stand in the shadow.
    private func stands(_ number: Int64, _ model: String, live: Int64?, slot: Slot?, isShadow: Bool) -> String {
        let shadow =
            slot == .shadow
            ? " in the slot shadow," : isShadow ? " in no slot (who stands in the shadow gets calls)," : ""
        let place =
            live == number
            ? "answers"
            : live.map { "is ready\(shadow) beside version \($0), which answers" } ?? "is ready; none is live"
        return "version \(number) of model '\(model)' \(place)"
    }

    func plan(of model: String, _ override: TritonOverride? = nil) throws(OrderError) -> ModelPlan {
        do throws(RepositoryError) {
            if let folder = try loader.repository.folder(of: model) { return loader.plan(folder, override) }
        } catch {
            // It names files by their places in the repository.
            if case .modelName = error {} else { throw .repository(reason: error.description) }
        }
        throw .unknownModel(model)
    }

    /// Brings a version into memory beside what is served, and reports. `arrive` commits, under the lock, what becomes of it.
    /// `heirs`: if it was to be live and fails, one of these is to be.
    @discardableResult
    func bring(
        _ plan: ModelPlan, _ number: Int64, _ care: Care, _ ownLoad: UInt64, heirs: Set<Int64> = [],
        place: () -> (reported: Int, of: Int)?,
        arrive: (inout State, LoadedVersion) throws(OrderError) -> Commit
    ) throws(OrderError) -> Commit {
        let began = Clock.now()
        var report = LoadReport(model: plan.name, version: number)
        var isLeftAlone = false
        let result = Result { () throws(OrderError) in
            try bring(plan, number, care, ownLoad, arrive, &report, &isLeftAlone)
        }
        report.nanoseconds = Clock.now() - began
        report.place = place()
        // The start reports the notes of the plans that it begins with.
        if report.place == nil { report.note = plan.note }
        switch result {
        case .success(let commit):
            _ = hooks.spread(directory.catalog.epoch)
            tell(report)
            return commit
        case .failure(let error):
            explain(error, &report)
            fail(report, ownLoad, isLeftAlone: isLeftAlone, heirs: heirs)
            if case .loadFailed = error, let detail = report.detail {
                throw .loadFailed(model: plan.name, version: number, reason: detail)
            }
            throw error
        }
    }

    private func tell(_ report: LoadReport) {
        count(report)
        if report.place != nil { journal?.loaded(report) }
        hooks.report(report)
    }

    private func explain(_ error: OrderError, _ report: inout LoadReport) {
        switch error {
        case .loadFailed(_, _, let reason): report.failure = reason
        case .notKept:
            // Clients read the reason, but must not learn where the server's files lie.
            report.failure = "that it is loaded could not be kept for the next start"
            report.log = error.sentence
        default: report.failure = error.sentence
        }
    }

    /// Reports a failure, and commits it unless the version was unloaded or ordered anew meanwhile. A client that sees the
    /// failure finds the lines that explain it in the log, so those are written first, and not under the lock: a log may block.
    private func fail(_ report: LoadReport, _ ownLoad: UInt64, isLeftAlone: Bool, heirs: Set<Int64>) {
        let (model, number, reason) = (report.model, report.version, report.failure ?? "")
        func isOurs(_ state: State) -> Bool {
            state.roster.models[model]?.standing(number)?.awaits(load: ownLoad) ?? false
        }
        func failed(_ state: inout State) -> Int64? {
            state.roster.models[model]?.failed(number, reason)
            if isLeftAlone { state.roster.models[model]?.gaveUp(number) }
            return heirs.isEmpty ? nil : state.roster.models[model]?.handOn(from: number, among: heirs)
        }
        func warn(_ heir: Int64) { self.warn(heir, insteadOf: number, of: model, because: "failed") }
        let expected = state.withLock { state -> Int64? in
            var next = state
            return isOurs(state) ? failed(&next) : nil
        }
        tell(report)
        if let expected { warn(expected) }
        let heir = state.withLock { state -> Int64? in
            guard isOurs(state) else { return nil }
            // What takes calls and could not be loaded anew goes on as it is.
            let isServing = state.roster.models[model]?.standing(number)?.state.isServing ?? false
            let heir = failed(&state)
            if !isServing { commit(state) }
            return heir
        }
        if let heir, heir != expected { warn(heir) }
        _ = hooks.spread(directory.catalog.epoch)
    }

    func warn(_ heir: Int64, insteadOf number: Int64, of model: String, because what: String) {
        hooks.warn(
            "model '\(model)': version \(heir) is to answer instead of version \(number), which \(what); no order wanted "
                + "either")
    }

    /// How much a version is looked at before it is loaded here.
    enum Care {
        /// Its own gates, those that a start can judge.
        case own
        /// The same, in a process of its own first.
        case trial
        /// It is tried in a process of its own first, and compared with what is live.
        case full
    }

    private func bring(
        _ plan: ModelPlan, _ number: Int64, _ care: Care, _ ownLoad: UInt64,
        _ arrive: (inout State, LoadedVersion) throws(OrderError) -> Commit,
        _ report: inout LoadReport, _ isLeftAlone: inout Bool
    ) throws(OrderError) -> Commit {
        let key = Attempts.Key(model: plan.name, version: number)
        if let reason = attempts.quarantine(key) {
            isLeftAlone = true
            throw .loadFailed(model: plan.name, version: number, reason: reason)
        }
        let before = ProcessMemory.residentBytes
        let loaded: LoadedVersion
        do throws(LoadError) {
            loaded = try load(plan, number, care, ownLoad)
            attempts.ended(key)
        } catch {
            report.log = error.log
            let last = attempts.failed(key, error.sentence)
            isLeftAlone = last != nil
            if last == nil { report.detail = error.detail }
            throw .loadFailed(model: plan.name, version: number, reason: last ?? error.sentence)
        }
        report.gates = loaded.gates
        report.log = loaded.refusal
        report.digest = loaded.hexDigest
        report.manifest = loaded.manifest
        report.bytes = loaded.bytes
        report.memoryBytes = loaded.tried?.facts.memoryBytes ?? max(0, ProcessMemory.residentBytes - before)
        let (made, slot) = try state.withLock { (state) throws(OrderError) in
            // Whoever unloaded it while it was on its way has the last word.
            let standing = state.roster.models[plan.name]?.standing(number)
            guard let standing, standing.awaits(load: ownLoad) else {
                let isThere = standing?.state.isServing ?? false
                let reason = isThere ? "another order decided on it meanwhile" : "it was unloaded meanwhile"
                throw .loadFailed(model: plan.name, version: number, reason: reason)
            }
            let made = try arrive(&state, loaded)
            return (made, state.roster.models[plan.name]?.standing(number)?.slot)
        }
        report.slot = slot
        return made
    }

    private func load(
        _ plan: ModelPlan, _ number: Int64, _ care: Care, _ ownLoad: UInt64
    ) throws(LoadError) -> LoadedVersion {
        let check: VersionLoader.Check
        switch care {
        case .own: check = .own(tried: nil)
        case .trial: check = .own(tried: try loader.probe(plan, number))
        case .full:
            let tried = try loader.probe(plan, number)
            let entry = directory.catalog.entry(named: plan.name)
            // What is loaded anew has to fit its own callers.
            let other = entry?.standing(number)?.version ?? entry?.live?.version
            check = .beside(live: other?.model, tried: tried)
        }
        // What needs no runtime ends no process.
        if plan.needsRuntime { attempts.begin(Attempts.Key(model: plan.name, version: number)) }
        return try loader.load(plan, number, checking: check) {
            state.withLock { state in
                guard state.roster.models[plan.name]?.standing(number)?.load == ownLoad else { return }
                state.roster.models[plan.name]?.warming(number)
                commit(state)
            }
        }
    }
}
