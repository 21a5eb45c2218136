// Enters: experiments that are ordered, and what answers were rewarded with. Leaves: shares that go on, and results.
public import Experiments
import Memory
public import Models
import Reactor
import Serving
import Tensors

extension ModelControl {
    /// Begins an experiment. `policy.shares`: percent; all 0: equal ones. Baseline 0: the live version; seed 0: any.
    public func experiment(
        _ model: String, _ policy: ExperimentPolicy, isForced: Bool, _ signed: Signed
    ) throws(OrderError) -> Outcome {
        var policy = policy
        // Arms are in the order of their numbers everywhere.
        let order = policy.arms.indices.sorted { policy.arms[$0] < policy.arms[$1] }
        (policy.arms, policy.shares) = (order.map { policy.arms[$0] }, order.map { policy.shares[$0] })
        if policy.shares.allSatisfy({ $0 == 0 }), !policy.arms.isEmpty {
            policy.shares = ExperimentPolicy.equalShares(policy.arms.count)
        }
        if policy.seed == 0 { policy.seed = .random(in: 1 ... .max) }
        if policy.baseline == 0 {
            policy.baseline = state.withLock { $0.roster.models[model]?.live } ?? policy.arms.first ?? 0
        }
        if let problem = policy.problem { throw .badPolicy(problem) }
        let number = try begin(policy, isDryRun: signed.isDryRun)
        let running = RunningExperiment(
            Experiment(policy), number, exposures, startedMilliseconds: signed.timeMilliseconds)
        do throws(OrderError) {
            let outcome = try change(signed, .experiment) { (state) throws(OrderError) in
                var decision = try state.roster.experiment(
                    model, running.shares, running.split, isForced: isForced, salt: SplitMix.mixed(policy.seed))
                state.experiments[model] = running
                decision.steps.append(
                    "assignment \(policy.assignment.rawValue), seed \(policy.seed); the baseline is version \(policy.baseline)"
                )
                return decision
            }
            if !signed.isDryRun { countAfresh(model, from: outcome.epoch) }
            return outcome
        } catch {
            if !signed.isDryRun { exposures.end(number) }
            throw error
        }
    }

    private func begin(_ policy: ExperimentPolicy, isDryRun: Bool) throws(OrderError) -> UInt16 {
        if isDryRun { return 0 }
        guard
            let number = exposures.begin(salt: .random(in: .min ... .max), rewards: policy.rewardMin...policy.rewardMax)
        else { throw .tooManyExperiments(max: Exposures.experimentsMax) }
        return number
    }

    /// An experiment goes on after a start with what it knew; answers from before cannot be rewarded any more.
    func resumeExperiment(of model: String, _ state: inout State) {
        guard let kept = state.desired.models[model]?.experiment, kept.isWhole,
            var split = state.roster.models[model]?.split, Set(split.shares.keys) == Set(kept.policy.arms),
            let number = try? begin(kept.policy, isDryRun: false)
        else { return }
        let running = RunningExperiment(kept, number, exposures, startedMilliseconds: Clock.wallMilliseconds())
        split.shares = running.shares
        split.experiment = running.split
        state.roster.resume(model, split)
        state.experiments[model] = running
    }

    /// Somebody has to look, once a second.
    public var hasExperiments: Bool { state.withLock { !$0.experiments.isEmpty } }

    /// Adds up rewards, and goes on with new shares where they are due. To be called once a second, by one thread.
    /// - Returns: whether something is to be freed; and a line for each thing that was found.
    public func lookAtExperiments() -> (hasCommitted: Bool, lines: [String]) {
        state.withLock { state in
            var hasCommitted = false
            var lines: [String] = []
            for (model, before) in state.experiments.sorted(by: { $0.key < $1.key }) {
                var running = before
                if running.look(exposures, now: Clock.now()) {
                    state.roster.goOn(model, running.shares, running.split)
                    hasCommitted = true
                }
                lines += running.news(of: model)
                state.experiments[model] = running
            }
            if hasCommitted { commit(state) }
            return (hasCommitted, lines)
        }
    }

    /// What experiments know is kept for the next start.
    /// - Returns: why it could not be.
    public func keepExperiments() -> String? { state.withLock { keepExperiments(&$0) } }

    /// The server ends. Rewards are unknown from now on, and all that were joined until now are kept for the next start: the
    /// process that follows may read the file at once, so a reward that is joined later would be lost.
    /// - Returns: why it could not be kept.
    public func closeExperiments() -> String? {
        state.withLock { state in
            state.isEnding = true
            for (model, before) in state.experiments {
                exposures.close(before.number)
                var running = before
                running.lastLook(exposures, now: Clock.now())
                state.experiments[model] = running
            }
            return keepExperiments(&state)
        }
    }

    private func keepExperiments(_ state: inout State) -> String? {
        for (model, running) in state.experiments {
            state.desired.models[model]?.experiment = running.experiment
        }
        guard let file, !state.experiments.isEmpty else { return nil }
        do throws(StateFileError) { try file.write(&state.desired) } catch { return error.sentence }
        return nil
    }

    /// What an order was to end goes on, because the order is not kept: rewards are joined again.
    func reopenExperiments(_ state: State, insteadOf next: State) {
        guard !state.isEnding else { return }
        for (model, running) in state.experiments where next.experiments[model]?.number != running.number {
            exposures.reopen(running.number)
        }
    }

    func runningExperiment(of model: String) -> RunningExperiment? { state.withLock { $0.experiments[model] } }
}

extension ModelControl.State {
    /// If an order ends the model's experiment: what it found. The order is kept and committed after this, so from here on
    /// rewards are unknown: none is joined that these results do not count. `isDryRun`: it goes on, and so do rewards.
    mutating func endExperiment(
        of record: ModelRecord<Servable>, _ exposures: Exposures, isDryRun: Bool
    ) -> [String] {
        guard var running = experiments[record.name], record.split?.experiment?.number != running.number else {
            return []
        }
        if !isDryRun { exposures.close(running.number) }
        running.lastLook(exposures, now: Clock.now())
        experiments[record.name] = nil
        return ["the experiment of model '\(record.name)' is over"] + running.results(of: record.name)
    }
}
