// Enters: experiments that are ordered, and what answers were rewarded with. Leaves: shares that go on, and results.
public import Experiments
import Foundation
import Memory
public import Models
import Reactor
import Serving
import Tensors

/// An experiment that goes on.
struct RunningExperiment: Sendable {
    var experiment: Experiment
    /// As `Exposures.begin` gave it.
    let number: UInt16
    /// Since 1970, UTC. No two of a model begin at the same time.
    let startedMilliseconds: Int64
    /// The last one goes on; those before wait for rewards.
    private var periods: [Period]
    /// What was told already, one sentence each.
    fileprivate var told: Set<String> = []

    /// A stretch of time in which the shares stay.
    private struct Period: Sendable {
        let number: UInt8
        let shares: [Int]
        let began: Int64
        var ended: Int64?
        /// Rewards come too late from now on.
        var isExpired = false
        /// As of the last look, by arm.
        var read: [Totals]
    }

    init(_ experiment: Experiment, _ number: UInt16, _ exposures: Exposures, startedMilliseconds: Int64) {
        self.experiment = experiment
        self.number = number
        self.startedMilliseconds = startedMilliseconds
        periods = []
        open(0, exposures, now: Clock.now())
    }

    /// How the calls of now are dealt out.
    var split: Split.Experiment {
        Split.Experiment(
            number: number, period: periods.last?.number ?? 0, isByKey: experiment.policy.assignment == .sticky)
    }

    var shares: [Int64: Int] {
        Dictionary(uniqueKeysWithValues: zip(experiment.policy.arms, experiment.shares))
    }

    private mutating func open(_ period: UInt8, _ exposures: Exposures, now: Int64) {
        let read = experiment.policy.arms.indices.map { exposures.totals(number, period: period, arm: $0) }
        periods.append(Period(number: period, shares: experiment.shares, began: now, read: read))
    }

    /// So that all periods that wait for rewards have a number.
    private var periodNanoseconds: Int64 {
        Int64((experiment.policy.joinSeconds + 199) / 200) * 1_000_000_000
    }

    /// Adds up what was rewarded. - Returns: whether another period begins, with other shares perhaps.
    mutating func look(_ exposures: Exposures, now: Int64) -> Bool {
        let isZeroUnlessReported = experiment.policy.isZeroUnlessReported
        for index in periods.indices where periods[index].isExpired || !isZeroUnlessReported {
            let totals = experiment.policy.arms.indices.map {
                exposures.totals(number, period: periods[index].number, arm: $0)
            }
            let settled = zip(totals, periods[index].read).map { (totals, read) in
                Experiment.Settled(
                    count: isZeroUnlessReported ? totals.units - read.units : totals.rewarded - read.rewarded,
                    sum: totals.sum - read.sum, squares: totals.squares - read.squares)
            }
            periods[index].read = totals
            experiment.note(settled, shares: periods[index].shares)
        }
        periods.removeAll(where: \.isExpired)
        let join = Int64(experiment.policy.joinSeconds) * 1_000_000_000
        for index in periods.indices where periods[index].ended.map({ now - $0 >= join }) ?? false {
            exposures.expire(number, period: periods[index].number)
            periods[index].isExpired = true
        }
        guard let last = periods.indices.last, now - periods[last].began >= periodNanoseconds else { return false }
        periods[last].ended = now
        let next = (Int(periods[last].number) + 1) % Exposures.periodsMax
        _ = experiment.draw()
        open(UInt8(next), exposures, now: now)
        return true
    }

    /// What is known, one sentence for each version but the baseline.
    func findings(of model: String) -> [String] {
        var sentences = experiment.comparisons.map { comparison in
            let name = "version \(comparison.version) of model '\(model)'"
            let interval = "\(short(comparison.low)) to \(short(comparison.high))"
            let baseline = experiment.policy.baseline
            return switch comparison.verdict {
            case .better: "\(name) is better than version \(baseline): its rewards are \(interval) more"
            case .worse:
                "\(name) is worse than version \(baseline): its rewards are \(short(-comparison.high)) to "
                    + "\(short(-comparison.low)) less"
            case .alike: "\(name) differs from version \(baseline) by less than matters: \(interval)"
            case .needs(let needed):
                "\(name) against version \(baseline) is open (\(interval)): "
                    + (needed.map { "needs \($0) more rewards" } ?? "there are no rewards yet")
            }
        }
        if experiment.isRatioWrong {
            sentences.append(
                "model '\(model)': rewards do not come in the ratio in which calls were dealt out (evidence "
                    + "\(short(experiment.ratioEvidence)) : 1): answers or rewards of a version get lost, and the comparison is not to be trusted"
            )
        }
        return sentences
    }

    private func short(_ number: Double) -> String { String(format: "%.4g", number) }
}

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
    public func keepExperiments() -> String? {
        state.withLock { state in
            for (model, running) in state.experiments {
                state.desired.models[model]?.experiment = running.experiment
            }
            guard let file, !state.experiments.isEmpty else { return nil }
            do throws(StateFileError) { try file.write(&state.desired) } catch { return error.sentence }
            return nil
        }
    }

    func runningExperiment(of model: String) -> RunningExperiment? { state.withLock { $0.experiments[model] } }
}

extension RunningExperiment {
    /// What was settled since it was told last.
    fileprivate mutating func news(of model: String) -> [String] {
        var lines: [String] = []
        for comparison in experiment.comparisons {
            if case .needs = comparison.verdict { continue }
            lines.append("\(comparison.version) \(comparison.verdict)")
        }
        if experiment.isRatioWrong { lines.append("ratio") }
        guard lines.contains(where: { !told.contains($0) }) else { return [] }
        told.formUnion(lines)
        return findings(of: model)
    }
}

extension ModelControl.State {
    /// If an order ends the model's experiment: what it found.
    mutating func endExperiment(of record: ModelRecord<Servable>) -> [String] {
        guard let running = experiments[record.name], record.split?.experiment?.number != running.number else {
            return []
        }
        experiments[record.name] = nil
        return ["the experiment of model '\(record.name)' is over"] + running.findings(of: record.name)
    }
}
