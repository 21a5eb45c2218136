// Enters: rewards of a rollout's calls. Leaves: whether they, golden cases or a shadow speak of harm.
import Experiments
import Foundation
import Memory
import Models
import Rollout
import Serving
import Tensors

/// What callers tell by Feedback of the calls of a rollout, added up as an experiment's rewards are: the live version is the baseline.
struct RolloutLabels: Sendable {
    /// As `Exposures.begin` gave it.
    let number: UInt16
    private var experiment: Experiment
    /// By step, which is the number of the period: labels of a step may come when the next has begun.
    private var periods: [Period] = []
    private var lookedNanoseconds: Int64 = 0

    private struct Period: Sendable {
        let shares: [Int]
        /// As of the last look, by arm.
        var read: [Totals]
    }

    /// What labels may be. Others are passed over: callers were not told of the rollout.
    static let allowed = 0.0...1.0
    /// A difference of means that matters: two of a hundred labels.
    private static let margin = 0.02
    /// Labels of each version before anything is said.
    private static let labelsMin = 30
    /// Batches of a few labels each would tell less: what is expected of a version is taken from those before.
    private static let lookNanoseconds: Int64 = 1_000_000_000

    init(_ number: UInt16, live: Int64, canary: Int64, percent: Int, _ exposures: Exposures) {
        self.number = number
        var policy = ExperimentPolicy()
        policy.arms = [live, canary].sorted()
        policy.shares = Self.shares(policy.arms, canary: canary, percent: percent)
        policy.baseline = live
        (policy.rewardMin, policy.rewardMax) = (Self.allowed.lowerBound, Self.allowed.upperBound)
        policy.smallestEffect = Self.margin
        experiment = Experiment(policy)
        open(policy.shares, exposures)
    }

    /// How the calls of now are joined. Keys go by the rollout's own salt, as they would without labels.
    var joining: Split.Experiment {
        Split.Experiment(number: number, period: UInt8(periods.count - 1), isByKey: true)
    }

    private static func shares(_ arms: [Int64], canary: Int64, percent: Int) -> [Int] {
        arms.map { $0 == canary ? percent : 100 - percent }
    }

    private mutating func open(_ shares: [Int], _ exposures: Exposures) {
        let period = UInt8(periods.count)
        periods.append(
            Period(shares: shares, read: shares.indices.map { exposures.totals(number, period: period, arm: $0) }))
    }

    /// From now on the canary has this share.
    mutating func step(canary: Int64, percent: Int, _ exposures: Exposures) {
        open(Self.shares(experiment.policy.arms, canary: canary, percent: percent), exposures)
    }

    /// Adds up what came since the last time, once a second.
    mutating func look(_ exposures: Exposures, now: Int64) {
        guard now - lookedNanoseconds >= Self.lookNanoseconds else { return }
        lookedNanoseconds = now
        for period in periods.indices {
            let totals = periods[period].read.indices.map {
                exposures.totals(number, period: UInt8(period), arm: $0)
            }
            let settled = zip(totals, periods[period].read).map { (totals, read) in
                Experiment.Settled(
                    count: totals.rewarded - read.rewarded, sum: totals.sum - read.sum,
                    squares: totals.squares - read.squares)
            }
            periods[period].read = totals
            experiment.note(settled, shares: periods[period].shares)
        }
    }

    /// `nil`: no labels came, or only of one version.
    var found: Harm.Labels? {
        let results = experiment.armResults
        guard let comparison = experiment.comparisons.first, results.allSatisfy({ $0.rewarded > 0 }),
            let canary = results.first(where: { $0.version == comparison.version }),
            let live = results.first(where: { $0.version != comparison.version })
        else { return nil }
        let isEnough = canary.rewarded >= Self.labelsMin && live.rewarded >= Self.labelsMin
        var finding =
            "its \(canary.rewarded) labels are \(short(canary.mean)) in the mean, the live version's \(live.rewarded) "
            + "\(short(live.mean)); the difference is \(short(comparison.low)) to \(short(comparison.high))"
        if experiment.isRatioWrong {
            finding += "; but labels do not come in the ratio of the calls, and are not to be trusted"
        }
        let isTrusted = isEnough && !experiment.isRatioWrong
        return Harm.Labels(
            evidence: 1 / max(comparison.pValue, 1e-15), isWorse: isTrusted && comparison.high < 0,
            isFine: isTrusted && comparison.low >= -Self.margin, finding: finding)
    }

    private func short(_ number: Double) -> String { String(format: "%.3g", number) }
}

extension Harm {
    /// Of 30 rows that are all answered as expected a tenth at most is wrong elsewhere, with 95 % confidence (the rule of three:
    /// 3/n); a tenth is also what answers may differ by without a word (`RolloutPolicy.shiftMargin`).
    private static let goldenRowsMin = 30
    /// Calls of a shadow that are compared, and of those so many of a hundred that may be decided otherwise.
    private static let comparedMin = 100
    private static let disagreeingPercentMax = 1

    /// What labels, golden cases and a shadow's comparison say of a version.
    init(_ labels: Labels?, of canary: Servable) {
        self.init()
        self.labels = labels
        let rows = canary.goldenRows
        if rows >= Self.goldenRowsMin {
            absences.append("it answers \(rows) rows of golden cases as expected")
        } else if rows > 0 {
            hints.append("it answers \(rows) rows of golden cases as expected; \(Self.goldenRowsMin) would settle it")
        }
        let compared = canary.compared.withLock { $0 }
        let sentence =
            "in the shadow it decided otherwise on \(compared.disagreeing) of \(compared.deciding) calls"
        if compared.deciding >= Self.comparedMin, compared.failed == 0,
            compared.disagreeing * 100 <= compared.deciding * Self.disagreeingPercentMax
        {
            absences.append(sentence)
        } else if compared.deciding > 0 {
            hints.append(sentence)
        }
        if let labels, !labels.isFine { hints.append(labels.finding) }
    }
}
