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
    /// The last one goes on; those before wait for rewards.
    private var periods: [Period]
    /// What was told already, one sentence each.
    private var told: Set<String> = []

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
        for index in periods.indices where periods[index].isExpired || !experiment.policy.isZeroUnlessReported {
            settle(index, exposures)
        }
        periods.removeAll(where: \.isExpired)
        for index in periods.indices where isOver(periods[index], now: now) {
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

    /// The last look, when the experiment ends: every reward that was joined counts, whether a look was due or not. Shares stay,
    /// and no answer is forgotten, so that the experiment can go on if its end cannot be kept.
    ///
    /// Where what is not rewarded counts as zero, calls whose time is over count as always. Those that could still be rewarded
    /// are told beside the comparison, with the rewards that came of them: see `Experiment.cutOff`.
    mutating func lastLook(_ exposures: Exposures, now: Int64) {
        for index in periods.indices {
            if isOver(periods[index], now: now) || !experiment.policy.isZeroUnlessReported {
                settle(index, exposures)
            } else {
                experiment.cutOff(
                    since(index, exposures).map {
                        Experiment.CutOff(calls: $0.units, rewarded: $0.rewarded, sum: $0.sum)
                    })
            }
        }
    }

    /// No reward of its calls is joined any more, or at the next look none will be.
    private func isOver(_ period: Period, now: Int64) -> Bool {
        let join = Int64(experiment.policy.joinSeconds) * 1_000_000_000
        return period.isExpired || period.ended.map { now - $0 >= join } ?? false
    }

    private mutating func settle(_ index: Int, _ exposures: Exposures) {
        let isZeroUnlessReported = experiment.policy.isZeroUnlessReported
        experiment.note(
            since(index, exposures).map {
                Experiment.Settled(
                    count: isZeroUnlessReported ? $0.units : $0.rewarded, sum: $0.sum, squares: $0.squares)
            }, shares: periods[index].shares)
    }

    /// What came since the last look, by arm.
    private mutating func since(_ index: Int, _ exposures: Exposures) -> [Totals] {
        let totals = experiment.policy.arms.indices.map {
            exposures.totals(number, period: periods[index].number, arm: $0)
        }
        defer { periods[index].read = totals }
        return zip(totals, periods[index].read).map { $0 - $1 }
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
