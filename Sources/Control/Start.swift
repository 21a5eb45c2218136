// Enters: what was kept, and what the repository holds. Leaves: what a server begins with, in memory.
import Memory
import Models
import Reactor
import Repository
import Serving
import Tensors

extension ModelControl {
    /// A version that the server begins with.
    public struct FirstLoad: Sendable {
        let model: String
        let version: Int64
        let isLive: Bool
        let hasSlot: Bool
        /// An order made its model what it is.
        let isOrdered: Bool
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
                let isOrdered = state.desired.models[plan.name]?.wasOrdered ?? false
                // What an earlier start unloaded could never be loaded.
                if mode == .fixed && record.standings.isEmpty { record = plan.record() }
                state.roster.models[plan.name] = record
                state.plans[plan.name] = plan
                resumeExperiment(of: plan.name, &state)
                endRollout(of: record, &state)
                loads += record.standings.map {
                    FirstLoad(
                        model: plan.name, version: $0.number, isLive: $0.number == record.wanted,
                        hasSlot: $0.slot != nil, isOrdered: isOrdered)
                }
            }
            start.withLock { start in
                start.begin(
                    Set(
                        plans.filter { $0.failure != nil || state.roster.models[$0.name]?.standings.isEmpty == false }
                            .map(\.name)))
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
                timeMilliseconds: Clock.wallMilliseconds(), action: .abort, from: record.wanted, to: record.wanted,
                epoch: directory.catalog.epoch, author: Signed.server,
                reason: "the server ended while version \(version) was rolled out", steps: [], version: version,
                trigger: .server))
    }

    private func isSuspect(_ load: FirstLoad) -> Bool {
        attempts.isSuspect(Attempts.Key(model: load.model, version: load.version))
    }

    /// Loads one of those. `place`: how many are reported with it, of how many.
    public func load(_ first: FirstLoad, place: () -> (reported: Int, of: Int)) {
        guard let plan = state.withLock({ $0.plans[first.model] }) else { return }
        // What may be why the last process ended is tried outside this one, and alone: if it is, no other version is blamed.
        if isSuspect(first) {
            suspects.withLock { _ in load(first, plan, .trial, place) }
        } else {
            load(first, plan, .own, place)
        }
    }

    /// What an order made live is live again, whatever its gates say, if it is the same file. Where none decided the highest that
    /// passes them is.
    private func load(_ first: FirstLoad, _ plan: ModelPlan, _ care: Care, _ place: () -> (reported: Int, of: Int)) {
        let kept = state.withLock { $0.desired.models[first.model] }
        let heirs = plan.heirs
        var heir: Int64?
        var digest = ""
        do throws(OrderError) {
            try bring(plan, first.version, care, 0, heirs: first.isOrdered ? [] : heirs, place: place) {
                (state, loaded) in
                var next = state
                digest = loaded.hexDigest
                let old = kept?.digests?["\(first.version)"]
                let isKept = first.isOrdered && (old == nil || old == digest)
                let isFit = isKept || loaded.version.faults.isEmpty
                let found = loaded.version.faults + (kept?.keptFaults(first.version, digest: digest) ?? [])
                let version = found == loaded.version.faults ? loaded.version : loaded.version.with(faults: found)
                _ = next.roster.models[first.model]?.arrived(version, takesSlot: first.hasSlot, mayGoLive: isFit)
                if !isFit { heir = next.roster.models[first.model]?.handOn(from: first.version, among: heirs) }
                next.sources[ObjectIdentifier(version)] = loaded.source
                return install(next, in: &state)
            }
        } catch { return }  // It was reported.
        if let heir { warn(heir, insteadOf: first.version, of: first.model, because: "did not pass its gates") }
        tell(first, kept?.digests?["\(first.version)"], digest)
    }

    /// What was served when the server ended may be other bytes now; and what an order overruled is said.
    private func tell(_ first: FirstLoad, _ old: String?, _ digest: String) {
        func short(_ digest: String) -> String { digest.isEmpty ? "no file" : "sha256 \(digest.prefix(12))" }
        if let old, old != digest {
            hooks.warn(
                "model '\(first.model)', version \(first.version): its file is not what was served when the server ended: that was "
                    + "\(short(old)), and it is \(short(digest))")
        }
        let (isUnfit, isForced) = state.withLock { state in
            let standing = state.roster.models[first.model]?.standing(first.version)
            return (
                standing?.state == .live && standing?.version?.faults.isEmpty == false,
                state.desired.models[first.model]?.isForced ?? false
            )
        }
        guard isUnfit else { return }
        hooks.warn(
            "model '\(first.model)': version \(first.version) is live again although it does not pass its gates, because an order "
                + "made it live\(isForced ? " by force" : ""): swap to another, or mend it and load it anew")
    }

    /// From now on a load that does not end is not its version's fault: the process was asked to end.
    /// And the process that follows it keeps the state.
    public func leave() {
        attempts.leave()
        file?.leave()
    }
}
