// Enters: rewards, as they come, and the shares by which their calls were dealt out. Leaves: shares for the next calls, and
// which version is better, as far as is known.
import Glibc
import Memory

/// One experiment. Whoever looks may look as often as he likes.
public struct Experiment: Codable, Sendable, Equatable {
    public let policy: ExperimentPolicy
    /// Percent, in the order of the policy's arms.
    public private(set) var shares: [Int]
    /// How often shares were drawn.
    private var draws: UInt64 = 0
    private var arms: [Arm]
    /// Each arm against the baseline; the baseline's own is empty.
    private var differences: [Difference]
    private var ratio: SampleRatio
    /// By arm; `nil`: no call was cut off, or this was kept by a server that did not count them.
    private var cutOff: [CutOff]?

    /// Calls of one version that could still be rewarded when the experiment was cut off, and the rewards that had come.
    public struct CutOff: Codable, Sendable, Equatable {
        public var calls: Int
        public var rewarded: Int
        public var sum: Double

        public init(calls: Int = 0, rewarded: Int = 0, sum: Double = 0) {
            (self.calls, self.rewarded, self.sum) = (calls, rewarded, sum)
        }
    }

    private struct Arm: Codable, Sendable, Equatable {
        var count = 0.0
        var sum = 0.0
        /// Squares of what rewards were more or less than expected.
        var misses = 0.0
    }

    /// What became of the calls of one period since the last look, by arm: rewards, and what they add up to.
    public struct Settled: Sendable, Equatable {
        public var count: Int
        public var sum: Double
        public var squares: Double

        public init(count: Int, sum: Double, squares: Double) {
            self.count = count
            self.sum = sum
            self.squares = squares
        }
    }

    public init(_ policy: ExperimentPolicy) {
        self.policy = policy
        shares = policy.shares
        arms = [Arm](repeating: Arm(), count: policy.arms.count)
        differences = [Difference](repeating: Difference(), count: policy.arms.count)
        ratio = SampleRatio(arms: policy.arms.count)
    }

    /// Whether all of it fits together; what was kept may have been written by somebody else.
    public var isWhole: Bool {
        policy.problem == nil
            && [shares.count, arms.count, differences.count].allSatisfy { $0 == policy.arms.count }
            && ratio.isOf(arms: arms.count) && cutOff.map { $0.count == arms.count } ?? true
            && shares.allSatisfy { 1...99 ~= $0 } && shares.reduce(0, +) == 100
    }

    /// `shares`: percent, by which the calls of these rewards were dealt out.
    public mutating func note(_ settled: [Settled], shares: [Int]) {
        guard settled.contains(where: { $0.count > 0 }) else { return }
        let parts = shares.map { Double($0) / 100 }
        ratio.note(settled.map { Double($0.count) }, shares: parts)
        let expected = settled.indices.map { self.expected($0, settled) }
        for index in settled.indices {
            arms[index].count += Double(settled[index].count)
            arms[index].sum += settled[index].sum
            let miss = settled[index].squares - 2 * expected[index] * settled[index].sum
            arms[index].misses += miss + Double(settled[index].count) * expected[index] * expected[index]
        }
        let batches = settled.indices.map { index in
            Difference.Batch(
                count: Double(settled[index].count), sum: settled[index].sum, expected: expected[index],
                share: parts[index])
        }
        let all = batches.reduce(0) { $0 + $1.count }
        for index in settled.indices where index != policy.baselineIndex {
            differences[index].note(batches[index], against: batches[policy.baselineIndex], all: all)
            differences[index].look(doubt(of: index))
        }
    }

    /// Where what is not rewarded counts as zero: calls whose time was not over at the end. They take no part in the comparison.
    /// To take those alone that were rewarded would select by the outcome: every version's mean would be that of its good calls,
    /// and the sample ratio would be wrong. To take the others as zeros would be untrue: their rewards may be on their way.
    public mutating func cutOff(_ calls: [CutOff]) {
        guard calls.contains(where: { $0.calls > 0 || $0.rewarded > 0 }) else { return }
        cutOff = zip(cutOff ?? calls.map { _ in CutOff() }, calls).map { before, now in
            CutOff(
                calls: before.calls + now.calls, rewarded: before.rewarded + now.rewarded, sum: before.sum + now.sum)
        }
    }

    private func doubt(of index: Int) -> Difference.Doubt {
        // All intervals together are to hold.
        Difference.Doubt(
            spread: spread(index), baselineSpread: spread(policy.baselineIndex),
            alpha: (1 - ExperimentPolicy.confidence) / Double(arms.count - 1), smallestEffect: policy.smallestEffect)
    }

    /// By how much a reward of an arm misses what was expected, squared; at first as much as it can.
    private func spread(_ index: Int) -> Double {
        let range = policy.rewardMax - policy.rewardMin
        return (max(0, arms[index].misses) + range * range / 4) / (arms[index].count + 1)
    }

    /// What an arm is thought to bring: its mean so far. Where that is little the batch itself says it too: its first thousand
    /// rewards should not count as if nothing had been known of them.
    private func expected(_ index: Int, _ settled: [Settled]) -> Double {
        let isLittle = arms[index].count < Self.countMin
        func mean(_ index: Int) -> (count: Double, sum: Double) {
            (
                arms[index].count + (isLittle ? Double(settled[index].count) : 0),
                arms[index].sum + (isLittle ? settled[index].sum : 0)
            )
        }
        let all = arms.indices.map(mean)
        let common = all.reduce(0) { $0 + $1.sum } / max(1, all.reduce(0) { $0 + $1.count })
        return (all[index].sum + 10 * common) / (all[index].count + 10)
    }

    private static let countMin = 100.0

    /// The shares for what comes next.
    public mutating func draw() -> [Int] {
        let range = policy.rewardMax - policy.rewardMin
        let rewards = arms.map { Reward(count: $0.count, sum: ($0.sum - $0.count * policy.rewardMin) / range) }
        switch policy.assignment {
        case .random, .sticky: break
        case .epsilonGreedy:
            shares = Allocation.epsilonGreedy(
                rewards, epsilonPercent: policy.epsilonPercent, floorPercent: policy.floorPercent)
        case .thompson:
            draws += 1
            shares = Allocation.thompson(
                rewards, floorPercent: policy.floorPercent, seed: SplitMix.mixed(policy.seed &+ draws))
        }
        return shares
    }

    // MARK: - Results

    public struct ArmResult: Sendable, Equatable {
        public var version: Int64
        public var percent: Int
        public var rewarded: Int
        public var mean: Double
        public var cutOff: CutOff
    }

    /// One version against the baseline.
    public struct Comparison: Sendable, Equatable {
        public enum Verdict: Sendable, Equatable {
            case better, worse
            /// They differ by less than matters.
            case alike
            /// So many rewards more, at most, until that is settled; `nil`: nothing is known yet.
            case needs(Int?)
        }

        public var version: Int64
        /// Of the means: the version's, less the baseline's.
        public var difference: Double
        public var low: Double
        public var high: Double
        /// Valid at every moment.
        public var pValue: Double
        public var verdict: Verdict
    }

    public var armResults: [ArmResult] {
        arms.indices.map { index in
            ArmResult(
                version: policy.arms[index], percent: shares[index], rewarded: Int(arms[index].count),
                mean: arms[index].count > 0 ? arms[index].sum / arms[index].count : 0,
                cutOff: cutOff?[index] ?? CutOff())
        }
    }

    public var comparisons: [Comparison] {
        arms.indices.filter { $0 != policy.baselineIndex }.map { compare($0) }
    }

    private func compare(_ index: Int) -> Comparison {
        let (difference, doubt) = (differences[index], doubt(of: index))
        let range = policy.rewardMax - policy.rewardMin
        let radius = difference.radius(doubt)
        // No two means differ by more than rewards can.
        let low = max(-range, difference.mean - radius)
        let high = min(range, difference.mean + radius)
        let verdict: Comparison.Verdict
        if low > 0 {
            verdict = .better
        } else if high < 0 {
            verdict = .worse
        } else if -policy.smallestEffect <= low && high <= policy.smallestEffect {
            verdict = .alike
        } else {
            verdict = .needs(difference.needed(doubt))
        }
        return Comparison(
            version: policy.arms[index], difference: difference.mean, low: low, high: high, pValue: difference.pValue,
            verdict: verdict)
    }

    /// So much to one against that rewards come in the ratio in which calls were dealt out; and from when on that is an alarm.
    public var ratioEvidence: Double { ratio.evidence }
    public static var ratioEvidenceMax: Double { SampleRatio.evidenceMax }
    public var isRatioWrong: Bool { ratioEvidence >= Self.ratioEvidenceMax }
}
