// Enters: what is counted of versions that share the traffic. Leaves: steps onward, and back; told to the history.
import Memory
import Models
import Reactor
import Rollout
import Serving
import Tensors

extension Signed {
    fileprivate static func byItself(_ reason: String) -> Signed {
        var signed = Signed(author: server, reason: reason, timeMilliseconds: Clock.wallMilliseconds())
        signed.isUrgent = true
        signed.trigger = .server
        return signed
    }
}

extension ModelControl {
    private struct Due {
        let model: String
        let rollout: RunningRollout
        let verdict: Verdict
        /// Why it waits no longer, if it did and that was not told.
        var excuse: String?
        /// Its labels are those of another period from now on.
        var isCommitDue = false
    }

    /// Looks at every rollout once. To be called every few milliseconds, by one thread.
    /// - Returns: whether there is one; whether something is to be freed; and a line for each thing that was done.
    public func judge() -> (isRunning: Bool, hasCommitted: Bool, lines: [String]) {
        let memory = ProcessMemory.residentBytes
        let due = state.withLock { state -> [Due] in
            let isLoading = state.roster.models.values.contains { $0.standings.contains(where: \.isLoading) }
            var due: [Due] = []
            for model in state.rollouts.keys.sorted() {
                if let found = look(at: model, &state, memoryBytes: memory, isLoading: isLoading) { due.append(found) }
            }
            if due.contains(where: \.isCommitDue) { commit(state) }
            return due
        }
        var lines: [String] = []
        for due in due {
            if let excuse = due.excuse {
                lines.append("version \(due.rollout.version) of model '\(due.model)' waits no longer: \(excuse)")
            }
            if let line = carryOut(due.verdict, due.model, due.rollout) { lines.append(line) }
        }
        return (state.withLock { !$0.rollouts.isEmpty }, due.contains(where: \.isCommitDue), lines)
    }

    /// `nil`: one of its versions is not in memory.
    private func look(at model: String, _ state: inout State, memoryBytes memory: Int, isLoading: Bool) -> Due? {
        guard var running = state.rollouts[model], let record = state.roster.models[model],
            let live = record.live.flatMap({ record.standing($0) })?.version?.model,
            let canary = record.standing(running.version)?.version?.model
        else { return nil }
        // What others load is not its doing.
        if isLoading { running.memoryBytes = memory }
        let now = Clock.now()
        let isAnew = running.live.map { $0 != live.serial } ?? false
        if isAnew {
            running.judge.beginAnew(now: now)
            running.labels?.beginAnew(exposures, now: now)
        }
        running.live = live.serial
        let isNextPeriod = running.labels?.look(exposures, now: now) ?? false
        let verdict = running.judge.look(
            now: now, live: live.seen.counts, canary: canary.seen.counts, memoryBytes: memory - running.memoryBytes,
            harm: Harm(running.labels?.found, of: canary, live: live))
        var due = Due(model: model, rollout: running, verdict: verdict)
        if running.isWaitTold, running.waited?.isEndTold == false, !running.judge.isWaiting {
            running.waited?.isEndTold = true
            due.excuse = running.judge.excuse
        }
        if isAnew || isNextPeriod, let labels = running.labels, let split = record.split {
            state.roster.goOn(model, split.shares, labels.joining)
            due.isCommitDue = true
        }
        state.rollouts[model] = running
        return due
    }

    private func carryOut(_ verdict: Verdict, _ model: String, _ rollout: RunningRollout) -> String? {
        let name = "version \(rollout.version) of model '\(model)'"
        let excuse = rollout.judge.excuse.map { "; its answers differ, but \($0)" } ?? ""
        do throws(OrderError) {
            switch verdict {
            case .hold: return nil
            case .wait(let reason):
                guard !rollout.isWaitTold else { return nil }
                return try markWaiting(reason, model, rollout)
            case .advance(let percent):
                return try advance(percent, "the step before was passed\(excuse)", model, rollout)
            case .succeed:
                _ = try change(.byItself("all steps were passed\(excuse)"), .promote) { (state) throws(OrderError) in
                    try state.check(rollout, of: model)
                    return try state.roster.promote(model)
                }
                return "\(name) passed all steps, and is live"
            case .fail(let reason):
                _ = try change(.byItself(reason), .abort) { (state) throws(OrderError) in
                    try state.checkUndecided(rollout, of: model)
                    return try state.roster.abort(model)
                }
                return "\(name) was taken back: \(reason)"
            }
        } catch {
            // An order ended it in the same moment, or accepted what it was judged for.
            return "the rollout of \(name) was changed in the same moment: \(error.sentence)"
        }
    }

    private func advance(
        _ percent: Int, _ reason: String, _ model: String, _ rollout: RunningRollout
    ) throws(OrderError) -> String {
        let version = rollout.version
        let outcome = try change(.byItself(reason), .rollout) { (state) throws(OrderError) in
            try state.check(rollout, of: model)
            state.rollouts[model]?.labels?.step(canary: version, percent: percent, exposures, now: Clock.now())
            return try state.roster.rollout(
                model, version, percent: percent, isForced: true, salt: 0,
                labels: state.rollouts[model]?.labels?.joining)
        }
        countAfresh(model, from: outcome.epoch)
        return "version \(version) of model '\(model)' passed a step, and gets \(percent) %"
    }

    /// The history is told once that it waits. Its share stays, so its calls are counted on.
    private func markWaiting(_ reason: String, _ model: String, _ rollout: RunningRollout) throws(OrderError) -> String
    {
        let version = rollout.version
        let sentence =
            "version \(version) of model '\(model)' waits for a decision, with \(rollout.judge.percent) %: "
            + "\"vencejo rollout \(model) --version \(version) --accept answers\" lets it go on, "
            + "\"vencejo promote \(model)\" makes it live, "
            + "\"vencejo abort \(model)\" takes it back, and so does no decision within \(rollout.judge.policy.decideText)"
        _ = try change(.byItself(reason), .rollout) { (state) throws(OrderError) in
            try state.checkUndecided(rollout, of: model)
            state.rollouts[model]?.waited = RunningRollout.Waited(
                step: rollout.judge.step, milliseconds: Clock.wallMilliseconds())
            return try state.roster.remark(model, sentence)
        }
        return "\(reason); \(sentence)"
    }
}

extension ModelControl.State {
    /// An order may have ended it, or begun another, since it was judged.
    fileprivate func check(_ rollout: RunningRollout, of model: String) throws(OrderError) {
        guard rollouts[model]?.began == rollout.began else { throw .noRollout(model: model) }
    }

    /// Nor may what was judged be accepted since: it is judged again at the next look.
    func checkUndecided(_ rollout: RunningRollout, of model: String) throws(OrderError) {
        try check(rollout, of: model)
        guard rollouts[model]?.judge.isAccepted == rollout.judge.isAccepted else {
            throw .rolloutIsOn(model: model, version: rollout.version)
        }
    }
}
