// Enters: rewards of two versions, as they come. Leaves: by how much their means differ, at every moment.
import Glibc

// Who gets a call is a coin with a known bias, so each reward tells of both means without bias: what a version was expected to
// bring, and where the coin fell on it, what was missing, divided by the chance of that (Robins, Rotnitzky and Zhao, 1994;
// what is expected goes by the past alone). That holds for shares that change with what was rewarded as well. The mean of such
// numbers has a confidence sequence: an interval that may be looked at after every reward. Its form is the mixture of
// sequential probability ratio tests (Robbins, 1970; Johari, Pekelis and Walsh, "Always valid inference", 2015), valid as far
// as the sum is normal.

/// One version against the baseline.
struct Difference: Codable, Sendable, Equatable {
    private var count = 0.0
    private var sum = 0.0
    /// For the version and the baseline: over all rewards, one divided by the chance that it had of the call.
    private var weight = 0.0
    private var baselineWeight = 0.0
    /// The least that it ever was.
    private(set) var pValue = 1.0

    /// Rewards of one version in a batch.
    struct Batch {
        var count: Double
        var sum: Double
        /// What was expected of it before, and the chance of a call to be its.
        var expected: Double
        var share: Double

        /// What was missing at what was expected, as far as the coin's chance goes.
        fileprivate var missing: Double { (sum - count * expected) / share }
    }

    /// `all`: rewards of all versions.
    mutating func note(_ version: Batch, against baseline: Batch, all: Double) {
        count += all
        sum += all * (version.expected - baseline.expected) + version.missing - baseline.missing
        weight += all / version.share
        baselineWeight += all / baseline.share
    }

    var mean: Double { count > 0 ? sum / count : 0 }

    /// What is to be said of the mean.
    struct Doubt {
        /// Of a single reward, on the whole: about what was expected of the version, and of the baseline.
        var spread: Double
        var baselineSpread: Double
        var alpha: Double
        var smallestEffect: Double

        /// Half the width of the interval that holds at all moments but for `alpha`, of a mean that varies by `v`.
        fileprivate func radius(_ v: Double) -> Double {
            let t = smallestEffect * smallestEffect
            return (v * (v + t) / t * (2 * log(1 / alpha) + log((v + t) / v))).squareRoot()
        }
    }

    /// Of the mean: what a martingale's is, the sum of what each step can be expected to add.
    private func variance(_ doubt: Doubt) -> Double {
        (doubt.spread * weight + doubt.baselineSpread * baselineWeight) / (count * count)
    }

    /// Looks: how likely so much is without a difference.
    mutating func look(_ doubt: Doubt) {
        guard count > 0 else { return }
        let (v, t) = (variance(doubt), doubt.smallestEffect * doubt.smallestEffect)
        let log = 0.5 * Glibc.log(v / (v + t)) + t * mean * mean / (2 * v * (v + t))
        pValue = min(pValue, exp(-min(log, 700)))
    }

    /// Half the width of the interval. Infinite without a reward.
    func radius(_ doubt: Doubt) -> Double { count > 0 ? doubt.radius(variance(doubt)) : .infinity }

    /// How many rewards more until the interval reaches no further than the smallest effect to each side, if they spread as
    /// those so far; `nil`: there is none so far.
    func needed(_ doubt: Doubt) -> Int? {
        guard count > 0 else { return nil }
        let one = variance(doubt) * count
        func isEnough(_ total: Double) -> Bool { doubt.radius(one / total) <= doubt.smallestEffect }
        if isEnough(count) { return 0 }
        var (low, high) = (count, 2 * count)
        while !isEnough(high), high < 1e15 { (low, high) = (high, 2 * high) }
        while high - low > 1 {
            let middle = (low + high) / 2
            if isEnough(middle) { high = middle } else { low = middle }
        }
        return Int((high - count).rounded(.up))
    }
}

/// Whether rewards come from the versions in the ratio in which calls were dealt out. If they do not, answers of one of them get
/// lost, or their rewards, and what is left is no fair sample (Fabijan et al., "Diagnosing sample ratio mismatch", KDD 2019).
struct SampleRatio: Codable, Sendable, Equatable {
    /// One rather waits than sounds a false alarm.
    static let evidenceMax = 2000.0
    /// By how much a version's rewards may be too many or too few; the capital is divided among these bets, as in
    /// Rollout/Evidence.swift.
    private static let ratios = [0.02, 0.5, 0.8, 0.9, 0.95, 0.98, 1.02, 1.05, 1.1, 1.25, 2]
    /// What each bet has won, a logarithm: for each version all ratios.
    private var logs: [Double]
    private var highest = 0.0

    init(arms: Int) { logs = [Double](repeating: 0, count: arms * Self.ratios.count) }

    func isOf(arms: Int) -> Bool { logs.count == arms * Self.ratios.count }

    /// - Parameters:
    ///   - counts: rewards since the last time, by version.
    ///   - shares: what part of the calls was meant for each.
    mutating func note(_ counts: [Double], shares: [Double]) {
        let total = counts.reduce(0, +)
        for arm in counts.indices {
            for (index, ratio) in Self.ratios.enumerated() {
                // Who bets that the version gets `ratio` times its share, and the others theirs.
                logs[arm * Self.ratios.count + index] +=
                    counts[arm] * log(ratio) - total * log(1 + shares[arm] * (ratio - 1))
            }
        }
        let largest = logs.max() ?? 0
        let mean = largest + log(logs.reduce(0) { $0 + exp($1 - largest) } / Double(logs.count))
        highest = max(highest, mean)
    }

    /// So much to one against that the ratio is as it should be, at most so far.
    var evidence: Double { exp(min(highest, 700)) }
}
