// Enters: orders to load what is loaded already. Leaves: the version anew, in the place of what its number stood for.
import Cryptography
import Memory
import Models
import Reactor
import Repository
import Serving
import Tensors

/// What a version was loaded from.
struct Source: Sendable {
    let configuration: ModelConfiguration
    /// `nil`: there is no file.
    let stamp: FileStamp?
}

extension ModelControl {
    /// A version that takes calls, as of now.
    func serving(_ model: String, _ number: Int64) -> Standing<Servable>? {
        state.withLock { state in
            let standing = state.roster.models[model]?.standing(number)
            return standing.flatMap { $0.state.isServing ? $0 : nil }
        }
    }

    private func source(of version: Version<Servable>?) -> Source? {
        version.flatMap { version in state.withLock { $0.sources[ObjectIdentifier(version)] } }
    }

    /// What differs between a version as it was loaded and as it would be now, a phrase; `nil`: nothing. Reads its whole file: a
    /// stamp may be the same for other bytes.
    func change(of standing: Standing<Servable>, _ plan: ModelPlan) -> String? {
        guard let version = standing.version, let source = source(of: version) else { return nil }
        // Its golden cases, or what it was measured beside, may be mended.
        if !version.faults.isEmpty { return "it did not pass its gates" }
        if plan.failure != nil || plan.configuration.ofRuns != source.configuration.ofRuns {
            return "its configuration is another"
        }
        guard plan.configuration.engine == .onnx else { return nil }
        let file = try? loader.repository.open(model: plan.name, version: standing.number, file: plan.modelFile)
        return file?.digest.bytes == version.digest.array ? nil : "its file is another"
    }

    /// The same at a glance, for a look every few seconds.
    func changeAtAGlance(_ plan: ModelPlan, _ number: Int64) -> String? {
        guard let source = source(of: serving(plan.name, number)?.version) else { return nil }
        if plan.configuration.ofRuns != source.configuration.ofRuns { return "its configuration is another" }
        guard let stamp = source.stamp,
            let now = loader.repository.fileStamp(model: plan.name, version: number, file: plan.modelFile)
        else {
            return nil
        }
        return stamp == now ? nil : "its file was written to"
    }

    /// Beside what answers, tried and gated, and then in its place, in one commit. What cannot be loaded, or fails a gate and is not
    /// forced, changes nothing.
    func loadAnew(
        _ plan: ModelPlan, _ number: Int64, because change: String, isForced: Bool, _ signed: Signed
    ) throws(OrderError) -> Outcome {
        let model = plan.name
        let ownLoad = try state.withLock { (state) throws(OrderError) -> UInt64 in
            try state.roster.checkRenewal(model, number)
            guard let record = state.roster.models[model], let standing = record.standing(number),
                standing.state.isServing || standing.isLoading
            else {
                let loaded = state.roster.models[model]?.serving ?? []
                throw .versionNotLoaded(model: model, version: number, loaded: loaded)
            }
            if standing.isLoading { throw .busy(model: model, version: number) }
            guard !signed.isDryRun else { return 0 }
            state.loads += 1
            state.roster.models[model]?.beginRenewal(of: number, load: state.loads)
            return state.loads
        }
        if signed.isDryRun {
            return unchanged([
                "version \(number) of model '\(model)' is loaded anew, because \(change), if it passes its gates"
            ])
        }
        attempts.lift(Attempts.Key(model: model, version: number))
        var decision = Decision(changes: [], steps: [])
        func arrive(_ state: inout State, _ loaded: LoadedVersion) throws(OrderError) -> Commit {
            var next = state
            decision = try next.roster.renew(model, loaded.version, isForced: isForced)
            next.sources[ObjectIdentifier(loaded.version)] = loaded.source
            next.plans[model] = plan
            decision.steps = loaded.steps(plan) + decision.steps
            return try settle(&state, next, decision, signed, .load)
        }
        let committed = try bring(plan, number, .full, ownLoad, place: { nil }, arrive: arrive)
        return Outcome(epoch: committed.epoch, spreadNanoseconds: spread(committed), decision: decision)
    }
}
