// Enters: what is counted of versions that share the traffic. Leaves: steps onward, and back.
import Memory
public import Models
import Reactor
public import Rollout
import Serving
import Tensors

/// A version that gets more and more of a model's calls.
struct RunningRollout: Sendable {
    let version: Int64
    var judge: Judge
    /// What the process held when it began, or when a version came last.
    var memoryBytes: Int
    /// No two begin at the same time.
    let began = Clock.now()
}

extension Signed {
    /// Who signs what nobody ordered.
    static let server = "vencejo"

    fileprivate static func byItself(_ reason: String) -> Signed {
        var signed = Signed(author: server, reason: reason, timeMilliseconds: Clock.wallMilliseconds())
        signed.isUrgent = true
        signed.trigger = .server
        return signed
    }
}

extension ModelControl {
    /// Begins a rollout; `judge` carries it on.
    public func rollout(
        _ model: String, _ version: Int64?, _ policy: RolloutPolicy, isForced: Bool, _ signed: Signed
    ) throws(OrderError) -> Outcome {
        if let problem = policy.problem { throw .badPolicy(problem) }
        let percent = policy.percents[0]
        let salt = UInt64.random(in: .min ... .max)
        let outcome = try change(signed, .rollout) { (state) throws(OrderError) in
            var decision = try state.roster.rollout(model, version, percent: percent, isForced: isForced, salt: salt)
            guard let version = state.roster.models[model]?.rollout else { return decision }
            if state.rollouts[model] != nil { throw .rolloutIsOn(model: model, version: version) }
            state.rollouts[model] = RunningRollout(
                version: version, judge: Judge(policy, now: Clock.now()), memoryBytes: ProcessMemory.residentBytes)
            let steps = policy.percents.map { "\($0) %" }.joined(separator: ", ")
            decision.steps.append("steps: \(steps), then it is live; it is taken back by itself if it is worse")
            return decision
        }
        if !signed.isDryRun { countAfresh(model, from: outcome.epoch) }
        return outcome
    }

    /// Calls that were dealt out before this commit are not counted: they were dealt out by other shares.
    func countAfresh(_ model: String, from epoch: UInt64) {
        for standing in directory.catalog.entry(named: model)?.standings ?? [] {
            standing.version?.model.seen.begin(epoch: epoch)
        }
    }

    /// Looks at every rollout once. To be called every few milliseconds, by one thread.
    /// - Returns: whether there is one; and a line for each thing that was done.
    public func judge() -> (isRunning: Bool, lines: [String]) {
        struct Due {
            let model: String
            let rollout: RunningRollout
            let verdict: Verdict
        }
        let memory = ProcessMemory.residentBytes
        let due = state.withLock { state -> [Due] in
            let isLoading = state.roster.models.values.contains { $0.standings.contains { $0.state.isComing } }
            return state.rollouts.keys.sorted().compactMap { model in
                guard var running = state.rollouts[model], let record = state.roster.models[model],
                    let live = record.live.flatMap({ record.standing($0) })?.version?.model,
                    let canary = record.standing(running.version)?.version?.model
                else { return nil }
                // What others load is not its doing.
                if isLoading { running.memoryBytes = memory }
                let verdict = running.judge.look(
                    now: Clock.now(), live: live.seen.counts, canary: canary.seen.counts,
                    memoryBytes: memory - running.memoryBytes)
                state.rollouts[model] = running
                return Due(model: model, rollout: running, verdict: verdict)
            }
        }
        var lines: [String] = []
        for due in due {
            if let line = carryOut(due.verdict, due.model, due.rollout) { lines.append(line) }
        }
        return (state.withLock { !$0.rollouts.isEmpty }, lines)
    }

    private func carryOut(_ verdict: Verdict, _ model: String, _ rollout: RunningRollout) -> String? {
        let version = rollout.version
        let name = "version \(version) of model '\(model)'"
        do throws(OrderError) {
            switch verdict {
            case .hold: return nil
            case .advance(let percent):
                let reason = "the step before was passed"
                let outcome = try change(.byItself(reason), .rollout) { (state) throws(OrderError) in
                    try state.check(rollout, of: model)
                    return try state.roster.rollout(model, version, percent: percent, isForced: true, salt: 0)
                }
                countAfresh(model, from: outcome.epoch)
                return "\(name) passed a step, and gets \(percent) %"
            case .succeed:
                _ = try change(.byItself("all steps were passed"), .promote) { (state) throws(OrderError) in
                    try state.check(rollout, of: model)
                    return try state.roster.promote(model)
                }
                return "\(name) passed all steps, and is live"
            case .fail(let reason):
                _ = try change(.byItself(reason), .abort) { (state) throws(OrderError) in try state.roster.abort(model)
                }
                return "\(name) was taken back: \(reason)"
            }
        } catch {
            // Somebody ended it in the same moment.
            return "the rollout of \(name) was over already: \(error.sentence)"
        }
    }

    /// What is to be told of each model: of all, or of one.
    func traffic(
        of name: String
    ) throws(OrderError) -> (epoch: UInt64, models: [(entry: Entry<Servable>, rollout: RunningRollout?)]) {
        try state.withLock { (state) throws(OrderError) in
            let (entries, epoch) = (directory.catalog.entries, directory.catalog.epoch)
            guard name.isEmpty || entries.contains(where: { $0.name == name }) else {
                throw .notLoaded(model: name, known: entries.map(\.name))
            }
            return (epoch, entries.filter { name.isEmpty || $0.name == name }.map { ($0, state.rollouts[$0.name]) })
        }
    }
}

extension ModelControl.State {
    /// Somebody may have ended it, or begun another, since it was judged.
    fileprivate func check(_ rollout: RunningRollout, of model: String) throws(OrderError) {
        guard rollouts[model]?.began == rollout.began else { throw .noRollout(model: model) }
    }
}
