import Foundation
import Memory
import Testing

@testable import Experiments

/// The interval of a difference holds at every look, whatever the rates, and also where shares go by the rewards: in 95 of
/// 100 experiments at least. A hundred looks each; a test that is meant for one look is wrong in far more.
@Test(arguments: [
    (ExperimentPolicy.Assignment.random, [0.05, 0.05]), (.random, [0.5, 0.5]), (.random, [0.01, 0.012]),
    (.random, [0.2, 0.2, 0.2]), (.thompson, [0.05, 0.05]), (.thompson, [0.3, 0.4]), (.epsilonGreedy, [0.1, 0.1]),
])
func intervalsHoldAtEveryLook(_ assignment: ExperimentPolicy.Assignment, _ rates: [Double]) {
    var wrong = 0
    for seed in 0..<100 {
        var simulation = Simulation(assignment, rates: rates, seed: UInt64(seed))
        simulation.run(looks: 100, calls: 50)
        if simulation.wasWrong { wrong += 1 }
    }
    #expect(wrong <= 5)
}

/// The test of the test: looking again and again at what is meant for one look is wrong far more often.
@Test func whoLooksOftenAtAnOrdinaryIntervalIsWrongOften() {
    var wrong = 0
    for seed in 0..<100 {
        var generator = SplitMix(seed: UInt64(seed))
        var counts = [0.0, 0.0]
        var sums = [0.0, 0.0]
        var wasWrong = false
        for call in 1...5000 {
            let arm = Int(generator.next() % 2)
            counts[arm] += 1
            sums[arm] += generator.next() % 20 == 0 ? 1 : 0
            guard call % 25 == 0, counts[0] > 30, counts[1] > 30 else { continue }
            let means = [sums[0] / counts[0], sums[1] / counts[1]]
            let variance = (0..<2).map { means[$0] * (1 - means[$0]) / counts[$0] }.reduce(0, +)
            let difference = means[1] - means[0]
            if difference * difference > 1.96 * 1.96 * variance { wasWrong = true }
        }
        if wasWrong { wrong += 1 }
    }
    #expect(wrong > 20)
}

@Test func aDifferenceIsFound() {
    var found = 0
    for seed in 0..<20 {
        var simulation = Simulation(.random, rates: [0.05, 0.08], seed: UInt64(seed))
        simulation.run(looks: 200, calls: 50)
        if simulation.wasRight { found += 1 }
    }
    #expect(found >= 19)
}

@Test func whatIsNeededIsEnough() throws {
    var simulation = Simulation(.random, rates: [0.05, 0.05], seed: 7)
    simulation.run(looks: 1, calls: 2000)
    guard case .needs(let needed?) = simulation.experiment.comparisons[0].verdict else {
        Issue.record("2000 calls do not settle a difference of a hundredth")
        return
    }
    #expect(needed > 1000 && needed < 50_000)
    simulation.run(looks: 1, calls: needed)
    // The spread is known a little better now; what was needed is right within a tenth.
    switch simulation.experiment.comparisons[0].verdict {
    case .alike: break
    case .needs(let more?): #expect(more < needed / 10)
    case .needs(nil), .better, .worse: Issue.record("\(simulation.experiment.comparisons[0])")
    }
}

@Test func nothingIsKnownBeforeTheFirstReward() {
    let simulation = Simulation(.thompson, rates: [0.1, 0.2, 0.3], seed: 1)
    #expect(simulation.experiment.shares == [34, 33, 33])
    #expect(simulation.experiment.comparisons.map(\.verdict) == [.needs(nil), .needs(nil)])
    #expect(simulation.experiment.comparisons.map(\.low) == [-1, -1])
    #expect(!simulation.experiment.isRatioWrong)
}

/// 20,000 calls, 5 % against 6 %: dealing out alike costs 100 rewards (OPERATIONS, experiments).
@Test(arguments: [(ExperimentPolicy.Assignment.thompson, 50.0), (.epsilonGreedy, 70)])
func banditsCostLessThanDealingOutAlike(_ assignment: ExperimentPolicy.Assignment, _ most: Double) {
    func regret(_ assignment: ExperimentPolicy.Assignment) -> Double {
        (0..<20).reduce(0) { sum, seed in
            var simulation = Simulation(assignment, rates: [0.05, 0.06], seed: UInt64(seed))
            simulation.run(looks: 200, calls: 100)
            return sum + simulation.regret / 20
        }
    }
    #expect(abs(regret(.random) - 100) < 5)
    #expect(regret(assignment) < most)
}

@Test func theSameSeedGivesTheSameShares() {
    func shares(_ seed: UInt64) -> [[Int]] {
        var experiment = Simulation(.thompson, rates: [0.1, 0.1, 0.1], seed: seed).experiment
        let settled = [(10, 1.0), (12, 2), (9, 1)].map { Experiment.Settled(count: $0.0, sum: $0.1, squares: $0.1) }
        return (0..<5).map { _ in
            experiment.note(settled, shares: experiment.shares)
            return experiment.draw()
        }
    }
    #expect(shares(3) == shares(3))
    #expect(shares(3) != shares(4))
    #expect(shares(3).allSatisfy { $0.reduce(0, +) == 100 && $0.allSatisfy { $0 >= 5 } })
}

@Test func aVersionWhoseRewardsGetLostIsSeen() {
    var alarms = 0
    var found = 0
    for seed in 0..<100 {
        var simulation = Simulation(.random, rates: [0.5, 0.5], seed: UInt64(seed))
        simulation.run(looks: 200, calls: 100)
        if simulation.experiment.isRatioWrong { alarms += 1 }
        var lossy = Simulation(.thompson, rates: [0.5, 0.5], seed: UInt64(seed))
        lossy.run(looks: 100, calls: 100, lost: [0, 0.2])
        if lossy.experiment.isRatioWrong { found += 1 }
    }
    #expect(alarms == 0)
    #expect(found >= 95)
}

@Test func whatIsKeptGoesOnAsItWas() throws {
    var simulation = Simulation(.thompson, rates: [0.1, 0.2], seed: 5)
    simulation.run(looks: 20, calls: 50)
    let kept = try JSONDecoder().decode(Experiment.self, from: JSONEncoder().encode(simulation.experiment))
    #expect(kept == simulation.experiment)
    simulation.run(looks: 20, calls: 50)
    #expect(kept != simulation.experiment)
}

@Test(arguments: [
    ([0.5, 0.5], 5, [50, 50]), ([1, 0], 5, [95, 5]), ([0.333, 0.333, 0.334], 1, [33, 33, 34]),
    ([0, 0, 0, 1], 25, [25, 25, 25, 25]), ([0.005, 0.995], 1, [1, 99]),
])
func sharesAreWholePercent(_ parts: [Double], _ floor: Int, _ shares: [Int]) {
    #expect(Allocation.rounded(parts, floorPercent: floor) == shares)
}

struct BadPolicy: CustomTestStringConvertible, Sendable {
    let testDescription: String
    let policy: ExperimentPolicy

    init(_ words: String, _ change: (inout ExperimentPolicy) -> Void) {
        testDescription = words
        var policy = ExperimentPolicy()
        policy.arms = [1, 2]
        policy.shares = [50, 50]
        policy.baseline = 1
        precondition(policy.problem == nil)
        change(&policy)
        self.policy = policy
    }
}

@Test(arguments: [
    BadPolicy("1 version; allowed are 2 to 8") { $0.arms = [1] },
    BadPolicy("named twice") { $0.arms = [1, 1] },
    BadPolicy("compared with version 9") { $0.baseline = 9 },
    BadPolicy("version 1 has no share") { $0.shares = [0, 100] },
    BadPolicy("a share of -1 %; allowed are 1 to 99") { $0.shares = [-1, 101] },
    BadPolicy("99 % together") { $0.shares = [50, 49] },
    BadPolicy("rewards from 1.0 to 1.0") { $0.rewardMin = 1 },
    BadPolicy("rewards from nan") { $0.rewardMin = .nan },
    BadPolicy("smallest effect of 0.0") { $0.smallestEffect = 0 },
    BadPolicy("smallest effect of 2.0") { $0.smallestEffect = 2 },
    BadPolicy("joined for 0 s") { $0.joinSeconds = 0 },
    BadPolicy("is to count as 0") {
        $0.rewardMin = 1
        $0.rewardMax = 5
        $0.isZeroUnlessReported = true
    },
    BadPolicy("epsilon of 0 %") {
        $0.assignment = .epsilonGreedy
        $0.epsilonPercent = 0
    },
    BadPolicy("allowed are 1 to 50") {
        $0.assignment = .thompson
        $0.floorPercent = 51
    },
])
func whatIsWrongWithAPolicyIsSaid(_ row: BadPolicy) throws {
    let problem = try #require(row.policy.problem)
    #expect(problem.contains(row.testDescription))
}

/// All at once, or one by one: evidence is the same.
@Test func evidenceDoesNotDependOnWhenOneLooks() {
    var once = SampleRatio(arms: 2)
    once.note([100, 200], shares: [0.5, 0.5])
    var often = SampleRatio(arms: 2)
    for _ in 0..<100 { often.note([1, 2], shares: [0.5, 0.5]) }
    #expect(abs(once.evidence / often.evidence - 1) < 1e-9)
    #expect(once.evidence > SampleRatio.evidenceMax)
}

@Test(arguments: [
    ("\"shares\":[50,50]", "\"shares\":[]"), ("\"joinSeconds\":3600", "\"joinSeconds\":0"),
    ("\"logs\":[0,", "\"logs\":["),
])
func whatDoesNotFitTogetherIsNotWhole(_ old: String, _ new: String) throws {
    let experiment = Simulation(.random, rates: [0.1, 0.2], seed: 5).experiment
    #expect(experiment.isWhole)
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    let text = String(decoding: try encoder.encode(experiment), as: UTF8.self)
    let edited = text.replacingOccurrences(of: old, with: new)
    #expect(edited != text)
    #expect(try !JSONDecoder().decode(Experiment.self, from: Data(edited.utf8)).isWhole)
}
