// Enters: what each version was rewarded with. Leaves: the shares that the next calls are dealt out by.
import Glibc
import Memory

/// What a version was rewarded with, from 0 to 1.
struct Reward {
    /// How many rewards there were, and their sum.
    var count: Double
    var sum: Double

    var mean: Double { count > 0 ? sum / count : 0 }
}

enum Allocation {
    /// Draws of Thompson sampling for one set of shares.
    private static let draws = 2000

    /// Most to the best so far, `epsilonPercent` to all alike. Of equals the first; without any reward all get the same.
    static func epsilonGreedy(_ rewards: [Reward], epsilonPercent: Int, floorPercent: Int) -> [Int] {
        guard rewards.contains(where: { $0.count > 0 }) else { return ExperimentPolicy.equalShares(rewards.count) }
        var best = 0
        for index in rewards.indices where rewards[index].mean > rewards[best].mean { best = index }
        let epsilon = Double(epsilonPercent) / 100
        return rounded(
            rewards.indices.map { epsilon / Double(rewards.count) + ($0 == best ? 1 - epsilon : 0) },
            floorPercent: floorPercent)
    }

    /// Each version's share is how likely it is to have the highest mean: Beta(1 + successes, 1 + failures), where a reward
    /// between 0 and 1 is so much of a success (Agrawal and Goyal, "Analysis of Thompson sampling", COLT 2012).
    static func thompson(_ rewards: [Reward], floorPercent: Int, seed: UInt64) -> [Int] {
        var generator = SplitMix(seed: seed)
        var wins = [Int](repeating: 0, count: rewards.count)
        for _ in 0..<draws {
            var (best, highest) = (0, -1.0)
            for (index, reward) in rewards.enumerated() {
                let sum = min(max(0, reward.sum), reward.count)
                let drawn = beta(1 + sum, 1 + reward.count - sum, &generator)
                if drawn > highest { (best, highest) = (index, drawn) }
            }
            wins[best] += 1
        }
        return rounded(wins.map { Double($0) / Double(draws) }, floorPercent: floorPercent)
    }

    /// Whole percent, 100 together, none below the floor: what is beyond the floors goes by `parts`.
    static func rounded(_ parts: [Double], floorPercent: Int) -> [Int] {
        let free = Double(100 - floorPercent * parts.count)
        let exact = parts.map { Double(floorPercent) + free * $0 }
        var shares = exact.map { Int($0) }
        // Who lost most by rounding down gets the rest, one by one.
        let order = exact.indices.sorted { exact[$0] - Double(shares[$0]) > exact[$1] - Double(shares[$1]) }
        for index in order.prefix(max(0, 100 - shares.reduce(0, +))) { shares[index] += 1 }
        return shares
    }

    private static func beta(_ a: Double, _ b: Double, _ generator: inout SplitMix) -> Double {
        let x = gamma(a, &generator)
        return x / (x + gamma(b, &generator))
    }

    /// `shape` is 1 or more (Marsaglia and Tsang, "A simple method for generating gamma variables", 2000).
    private static func gamma(_ shape: Double, _ generator: inout SplitMix) -> Double {
        let d = shape - 1 / 3.0
        let c = 1 / (9 * d).squareRoot()
        while true {
            let x = normal(&generator)
            let v = (1 + c * x) * (1 + c * x) * (1 + c * x)
            if v > 0, log(unit(&generator)) < x * x / 2 + d - d * v + d * log(v) { return d * v }
        }
    }

    /// Box and Muller, 1958.
    private static func normal(_ generator: inout SplitMix) -> Double {
        (-2 * log(unit(&generator))).squareRoot() * cos(2 * .pi * unit(&generator))
    }

    /// Above 0, below 1.
    private static func unit(_ generator: inout SplitMix) -> Double {
        (Double(generator.next() >> 11) + 0.5) * 0x1p-53
    }
}
