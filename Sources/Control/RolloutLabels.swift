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
    /// Each step begins one, and so does time, so that old answers are known as such. Labels of those before may still come.
    private var joined: JoinPeriods
    private var lookedNanoseconds: Int64 = 0
    /// Labels that came and are not allowed. To leave them out selects by the outcome, so the others are not to be trusted.
    private var refused = 0

    /// What labels may be. Others are unknown and not refused: callers were not told of the rollout.
    static let allowed = 0.0...1.0
    /// A label that comes later is unknown.
    static let joinSeconds = 86_400
    /// A difference of means that matters: two of a hundred labels.
    private static let margin = 0.02
    /// Labels of each version before anything is said.
    private static let labelsMin = 30
    /// Batches of a few labels each would tell less: what is expected of a version is taken from those before.
    private static let lookNanoseconds: Int64 = 1_000_000_000

    init(_ number: UInt16, live: Int64, canary: Int64, percent: Int, _ exposures: Exposures, now: Int64) {
        self.number = number
        var policy = ExperimentPolicy()
        policy.arms = [live, canary].sorted()
        policy.shares = Self.shares(policy.arms, canary: canary, percent: percent)
        policy.baseline = live
        (policy.rewardMin, policy.rewardMax) = (Self.allowed.lowerBound, Self.allowed.upperBound)
        policy.smallestEffect = Self.margin
        experiment = Experiment(policy)
        joined = JoinPeriods(number, joinSeconds: Self.joinSeconds)
        joined.open(policy.shares, exposures, now: now)
    }

    /// How the calls of now are joined. Keys go by the rollout's own salt, as they would without labels.
    var joining: Split.Experiment {
        Split.Experiment(number: number, period: joined.current, isByKey: true)
    }

    private static func shares(_ arms: [Int64], canary: Int64, percent: Int) -> [Int] {
        arms.map { $0 == canary ? percent : 100 - percent }
    }

    /// From now on the canary has this share, and of each key the first answer counts again.
    mutating func step(canary: Int64, percent: Int, _ exposures: Exposures, now: Int64) {
        exposures.forgetKeys(number)
        joined.open(Self.shares(experiment.policy.arms, canary: canary, percent: percent), exposures, now: now)
    }

    /// The live version was loaded anew: what callers told of it before, or will tell, is of another one.
    mutating func beginAnew(_ exposures: Exposures, now: Int64) {
        exposures.forgetAnswers(number)
        let shares = joined.periods.last?.shares ?? experiment.policy.shares
        joined.removeAll()
        experiment = Experiment(experiment.policy)
        joined.open(shares, exposures, now: now)
    }

    /// Adds up what came since the last time, once a second. - Returns: whether another period begins, so that `joining` changed.
    @discardableResult
    mutating func look(_ exposures: Exposures, now: Int64) -> Bool {
        guard now - lookedNanoseconds >= Self.lookNanoseconds else { return false }
        lookedNanoseconds = now
        refused = exposures.losses(number).refusedRewards
        for index in joined.periods.indices {
            experiment.note(
                joined.since(index, exposures).map {
                    Experiment.Settled(count: $0.rewarded, sum: $0.sum, squares: $0.squares)
                }, shares: joined.periods[index].shares)
        }
        joined.expire(exposures, now: now)
        guard joined.isDue(now: now), let last = joined.periods.last else { return false }
        joined.open(last.shares, exposures, now: now)
        return true
    }

    /// `nil`: no labels came, or only of one version.
    var found: Harm.Labels? {
        let outside = "labels outside 0 to 1 came (\(refused)), so the others are not to be trusted"
        let results = experiment.armResults
        guard let comparison = experiment.comparisons.first, results.allSatisfy({ $0.rewarded > 0 }),
            let canary = results.first(where: { $0.version == comparison.version }),
            let live = results.first(where: { $0.version != comparison.version })
        else {
            return refused > 0 ? Harm.Labels(evidence: 1, isWorse: false, isFine: false, finding: outside) : nil
        }
        let isEnough = canary.rewarded >= Self.labelsMin && live.rewarded >= Self.labelsMin
        var finding =
            "its \(canary.rewarded) labels are \(short(canary.mean)) in the mean, the live version's \(live.rewarded) "
            + "\(short(live.mean)); the difference is \(short(comparison.low)) to \(short(comparison.high))"
        if experiment.isRatioWrong {
            finding += "; but labels do not come in the ratio of the calls, and are not to be trusted"
        }
        if refused > 0 { finding += "; but \(outside)" }
        let isTrusted = isEnough && !experiment.isRatioWrong && refused == 0
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
    /// So many of a hundred decide unlike most. Of calls that are all decided alike nothing is learnt of the others.
    private static let variedPercentMin = 10

    /// What labels, golden cases and a shadow's comparison say of a version. `live`: as of now.
    init(_ labels: Labels?, of canary: Servable, live: Servable) {
        self.init()
        self.labels = labels
        let rows = canary.goldenRows
        if rows >= Self.goldenRowsMin {
            absences.append("it answers \(rows) rows of golden cases as expected")
        } else if rows > 0 {
            hints.append("it answers \(rows) rows of golden cases as expected; \(Self.goldenRowsMin) would settle it")
        }
        note(canary.compared.withLock { $0 }, live: live)
        if let labels, !labels.isFine { hints.append(labels.finding) }
    }

    private mutating func note(_ compared: Comparison, live: Servable) {
        guard compared.live == live.serial, compared.deciding > 0 else { return }
        let sentence = "in the shadow it decided otherwise on \(compared.disagreeing) of \(compared.calls) calls"
        guard compared.varied * 100 >= compared.deciding * Self.variedPercentMin else {
            return hints.append("\(sentence), but nearly all of them are decided alike")
        }
        if compared.deciding >= Self.comparedMin, compared.failed == 0,
            compared.disagreeing * 100 <= compared.deciding * Self.disagreeingPercentMax
        {
            absences.append(sentence)
        } else {
            hints.append(sentence)
        }
    }
}
