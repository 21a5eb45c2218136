// Enters: what answers of one experiment were rewarded with. Leaves: shares that go on, and what is known.
import Experiments
import Foundation
import Memory
import Models
import Reactor

/// An experiment that goes on.
struct RunningExperiment: Sendable {
    var experiment: Experiment
    /// As `Exposures.begin` gave it.
    let number: UInt16
    /// Since 1970, UTC. No two of a model begin at the same time.
    let startedMilliseconds: Int64
    private var joined: JoinPeriods
    /// What was told already, one sentence each.
    private var told: Set<String> = []

    init(_ experiment: Experiment, _ number: UInt16, _ exposures: Exposures, startedMilliseconds: Int64) {
        self.experiment = experiment
        self.number = number
        self.startedMilliseconds = startedMilliseconds
        joined = JoinPeriods(number, joinSeconds: experiment.policy.joinSeconds)
        joined.open(experiment.shares, exposures, now: Clock.now())
    }

    /// How the calls of now are dealt out.
    var split: Split.Experiment {
        Split.Experiment(
            number: number, period: joined.current, isByKey: experiment.policy.assignment == .sticky)
    }

    var shares: [Int64: Int] {
        Dictionary(uniqueKeysWithValues: zip(experiment.policy.arms, experiment.shares))
    }

    /// Adds up what was rewarded. - Returns: whether another period begins, with other shares perhaps.
    mutating func look(_ exposures: Exposures, now: Int64) -> Bool {
        for index in joined.periods.indices
        where joined.periods[index].isExpired || !experiment.policy.isZeroUnlessReported {
            settle(index, exposures)
        }
        joined.expire(exposures, now: now)
        guard joined.isDue(now: now) else { return false }
        _ = experiment.draw()
        joined.open(experiment.shares, exposures, now: now)
        return true
    }

    /// The last look, when the experiment ends: every reward that was joined counts, whether a look was due or not. Shares stay,
    /// and no answer is forgotten, so that the experiment can go on if its end cannot be kept.
    ///
    /// Where what is not rewarded counts as zero, calls whose time is over count as always. Those that could still be rewarded
    /// are told beside the comparison, with the rewards that came of them: see `Experiment.cutOff`.
    mutating func lastLook(_ exposures: Exposures, now: Int64) {
        for index in joined.periods.indices {
            if joined.isOver(joined.periods[index], now: now) || !experiment.policy.isZeroUnlessReported {
                settle(index, exposures)
            } else {
                experiment.cutOff(
                    joined.since(index, exposures).map {
                        Experiment.CutOff(calls: $0.units, rewarded: $0.rewarded, sum: $0.sum)
                    })
            }
        }
    }

    private mutating func settle(_ index: Int, _ exposures: Exposures) {
        let isZeroUnlessReported = experiment.policy.isZeroUnlessReported
        experiment.note(
            joined.since(index, exposures).map {
                Experiment.Settled(
                    count: isZeroUnlessReported ? $0.units : $0.rewarded, sum: $0.sum, squares: $0.squares)
            }, shares: joined.periods[index].shares)
    }

    /// All that was counted, and what is known by that.
    func results(of model: String) -> [String] {
        let unit = experiment.policy.isZeroUnlessReported ? "calls that count" : "rewards"
        let counts = experiment.armResults.map { arm in
            let name = "version \(arm.version) of model '\(model)'"
            let mean = arm.rewarded > 0 ? ", \(short(arm.mean)) in the mean" : ""
            let cut = arm.cutOff
            return "\(name) has \(arm.rewarded) \(unit)\(mean)"
                + (cut.calls == 0 && cut.rewarded == 0
                    ? ""
                    : "; of \(cut.calls) calls whose time was not over \(cut.rewarded) were rewarded, \(short(cut.sum)) "
                        + "together: they are not compared, because the others are not zero yet")
        }
        return counts + findings(of: model)
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

extension RunningExperiment {
    /// What was settled since it was told last.
    mutating func news(of model: String) -> [String] {
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
