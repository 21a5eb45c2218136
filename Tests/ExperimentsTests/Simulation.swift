import Memory
import TestSupport

@testable import Experiments

/// Calls that are dealt out by an experiment, and rewarded at once with 0 or 1, under a seed.
struct Simulation {
    var experiment: Experiment
    /// How often each version is rewarded.
    var rates: [Double]
    var calls = 0
    var rewards = 0.0
    /// What the rewards of all calls would have been with the best version, less what they were expected to be.
    var regret = 0.0
    /// A comparison was ever settled wrongly.
    var wasWrong = false
    var wasRight = false
    private var generator: SplitMix

    init(_ assignment: ExperimentPolicy.Assignment, rates: [Double], seed: UInt64, smallestEffect: Double = 0.01) {
        var policy = ExperimentPolicy()
        policy.assignment = assignment
        policy.arms = rates.indices.map { Int64($0 + 1) }
        policy.baseline = 1
        policy.shares = ExperimentPolicy.equalShares(rates.count)
        policy.seed = seed
        policy.smallestEffect = smallestEffect
        precondition(policy.problem == nil, "\(policy.problem ?? "")")
        experiment = Experiment(policy)
        self.rates = rates
        generator = SplitMix(seed: SplitMix.mixed(seed) ^ 0x5eed)
    }

    /// `looks` times so many calls, a look after each. `lost`: the part of an arm's rewards that never comes.
    /// `draws`: every so many looks the shares are drawn anew.
    mutating func run(looks: Int, calls each: Int, draws: Int = 10, lost: [Double]? = nil) {
        for look in 0..<looks {
            var settled = rates.map { _ in Experiment.Settled(count: 0, sum: 0, squares: 0) }
            let shares = experiment.shares
            for _ in 0..<each {
                var point = generator.fraction() * 100
                var arm = 0
                while arm < shares.count - 1, point >= Double(shares[arm]) {
                    point -= Double(shares[arm])
                    arm += 1
                }
                calls += 1
                regret += (rates.max() ?? 0) - rates[arm]
                if let lost, generator.fraction() < lost[arm] { continue }
                let reward = generator.fraction() < rates[arm] ? 1.0 : 0
                settled[arm].count += 1
                settled[arm].sum += reward
                settled[arm].squares += reward * reward
            }
            experiment.note(settled, shares: shares)
            if look % draws == draws - 1 { _ = experiment.draw() }
            for comparison in experiment.comparisons {
                let truth = rates[Int(comparison.version) - 1] - rates[0]
                if !(comparison.low...comparison.high ~= truth) { wasWrong = true }
                if comparison.verdict == (truth > 0 ? .better : .worse), truth != 0 { wasRight = true }
            }
        }
    }
}
