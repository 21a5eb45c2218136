import Foundation
import Memory
import Testing

@testable import Experiments

/// One experiment, and calls by the names of their ids.
private struct Bench {
    let exposures: Exposures
    let experiment: UInt16

    init(bucketBits: Int = 10, isLenient: Bool = false) throws {
        exposures = Exposures(bucketBits: bucketBits)
        experiment = try #require(exposures.begin(salt: 42, rewards: 0...1, isLenient: isLenient))
    }

    func answered(_ id: String, arm: UInt8 = 0, period: UInt8 = 0, key: UInt64? = nil, of other: UInt16? = nil) {
        let bytes = OwnedBytes(id)
        withExtendedLifetime(bytes) {
            exposures.answered(
                bytes.view, Exposure(experiment: other ?? experiment, period: period, arm: arm), key: key)
        }
    }

    func reward(_ id: String, _ value: Double = 1, of other: UInt16? = nil) -> RewardOutcome {
        let bytes = OwnedBytes(id)
        return withExtendedLifetime(bytes) { exposures.reward(bytes.view, other ?? experiment, value) }
    }

    func totals(_ arm: Int = 0, period: UInt8 = 0) -> Totals {
        exposures.totals(experiment, period: period, arm: arm)
    }
}

@Test func aRewardFindsItsAnswerOnce() throws {
    let bench = try Bench()
    bench.answered("a", arm: 1, period: 3)
    bench.answered("b", arm: 0, period: 3)
    #expect(bench.reward("a", 0.25) == .joined)
    #expect(bench.reward("a", 0.25) == .repeated)
    #expect(bench.reward("c") == .unknown)
    #expect(bench.reward("") == .unknown)
    var expected = Totals()
    expected.units = 1
    #expect(bench.totals(0, period: 3) == expected)
    expected.rewarded = 1
    expected.sum = 0.25
    expected.squares = 0.0625
    #expect(bench.totals(1, period: 3) == expected)
    #expect(bench.exposures.losses(bench.experiment) == Losses(calls: 2, unknownRewards: 2))
}

@Test func whatCannotBeJoinedIsCounted() throws {
    let bench = try Bench()
    bench.answered("")
    bench.answered("a")
    bench.answered("a", arm: 1)
    #expect(bench.reward("a") == .joined)
    #expect(bench.totals(0).rewarded == 1 && bench.totals(1).units == 0)
    #expect(bench.exposures.losses(bench.experiment) == Losses(calls: 3, withoutId: 1, repeatedIds: 1))
}

@Test func ofAKeyTheFirstCallCounts() throws {
    let bench = try Bench()
    bench.answered("a", key: 7)
    bench.answered("b", key: 7)
    bench.answered("c", key: 8)
    for id in ["a", "b", "c"] { #expect(bench.reward(id) == .joined) }
    #expect(bench.totals().units == 2 && bench.totals().rewarded == 2)
    // A key is remembered longer than its calls.
    bench.exposures.expire(bench.experiment, period: 0)
    bench.answered("d", period: 1, key: 7)
    #expect(bench.totals(period: 1).units == 0)
}

@Test func whatIsTooLateIsUnknown() throws {
    let bench = try Bench()
    bench.answered("old", period: 0)
    bench.answered("new", period: 1)
    bench.exposures.expire(bench.experiment, period: 0)
    #expect(bench.reward("old") == .unknown)
    #expect(bench.reward("new") == .joined)
    #expect(bench.totals(period: 0).units == 1)
}

/// Callers were not told that it goes on, so none of their rewards is refused.
@Test func whatIsNotAllowedIsUnknownWhereNothingIsRefused() throws {
    let bench = try Bench()
    let lenient = try #require(bench.exposures.begin(salt: 43, rewards: 0...1, isLenient: true))
    #expect(bench.exposures.rewards(of: lenient) == nil)
    bench.answered("a", of: lenient)
    for value in [37.5, -1, .infinity, .nan] { #expect(bench.reward("a", value, of: lenient) == .unknown) }
    #expect(bench.reward("a", 0.5, of: lenient) == .joined)
    // An id that no answer had says nothing of what labels of this model are.
    #expect(bench.reward("b", 37.5, of: lenient) == .unknown)
    #expect(bench.exposures.losses(lenient) == Losses(calls: 1, unknownRewards: 5, refusedRewards: 4))
    // The place forgets it.
    bench.exposures.end(lenient)
    let next = try #require(bench.exposures.begin(salt: 44, rewards: 0...1))
    #expect(bench.exposures.rewards(of: next) == 0...1)
}

@Test func experimentsKnowNothingOfEachOther() throws {
    let bench = try Bench()
    let other = try #require(bench.exposures.begin(salt: 43, rewards: -5...5))
    #expect(other != bench.experiment)
    #expect(bench.exposures.rewards(of: other) == -5...5)
    bench.answered("a")
    #expect(bench.reward("a", of: other) == .unknown)
    bench.exposures.end(other)
    #expect(bench.exposures.rewards(of: other) == nil)
    #expect(bench.reward("a") == .joined)
    // The place is taken again, by another number: calls that were dealt out by the one before belong to nobody.
    let next = try #require(bench.exposures.begin(salt: 44, rewards: 0...1))
    #expect(next != other && Int(next) % Exposures.experimentsMax == Int(other) % Exposures.experimentsMax)
    bench.answered("late", of: other)
    #expect(bench.reward("late", of: next) == .unknown)
    #expect(bench.exposures.losses(next).calls == 0)
}

@Test func thereAreSoManyExperimentsAtMost() throws {
    let exposures = Exposures(bucketBits: 4)
    var numbers: Set<UInt16> = []
    for salt in 0..<Exposures.experimentsMax {
        numbers.insert(try #require(exposures.begin(salt: UInt64(salt), rewards: 0...1)))
    }
    #expect(numbers.count == Exposures.experimentsMax)
    #expect(exposures.begin(salt: 99, rewards: 0...1) == nil)
    exposures.end(3)
    #expect(exposures.begin(salt: 99, rewards: 0...1) != nil)
}

/// 128 places, a thousand answers: the latest stay.
@Test func theOldestAreForgottenWhereThereIsNoRoom() throws {
    let bench = try Bench(bucketBits: 4)
    for number in 0..<1000 { bench.answered("\(number)", period: UInt8(number / 10)) }
    let losses = bench.exposures.losses(bench.experiment)
    #expect(losses.forgotten == 1000 - 128)
    let kept = (0..<1000).filter { bench.reward("\($0)") == .joined }
    #expect(kept.count == 128)
    #expect(kept.allSatisfy { $0 > 600 })
}

/// 128 places, 2000 answers of one period without a reward: each place is taken in its turn, so late ones are mostly there.
@Test(arguments: [false, true]) func newAnswersAreKeptWhereAllAreOfOnePeriod(isLenient: Bool) throws {
    let bench = try Bench(bucketBits: 4, isLenient: isLenient)
    for number in 0..<2000 { bench.answered("\(number)") }
    let kept = (1900..<2000).count { bench.reward("\($0)") == .joined }
    #expect(kept > 50, "\(kept) of the last 100")
}

/// A rollout of another model, with ten times as many answers and a key for each call: an experiment loses nothing by it, whatever
/// its period is, and whichever comes first.
@Test(arguments: [false, true], [0, 1, 100, 254] as [UInt8])
func aRolloutTakesNoPlaceOfAnExperiment(isFirst: Bool, period: UInt8) throws {
    let bench = try Bench(bucketBits: 4)
    let rollout = try #require(bench.exposures.begin(salt: 43, rewards: 0...1, isLenient: true))
    func roll() {
        for number in 0..<1000 { bench.answered("r\(number)", key: UInt64(number), of: rollout) }
    }
    if isFirst { roll() }
    // Few enough that no bucket of eight is full of them.
    for number in 0..<40 { bench.answered("\(number)", period: period) }
    roll()
    #expect((0..<40).allSatisfy { bench.reward("\($0)") == .joined })
    #expect(bench.exposures.losses(bench.experiment).forgotten == 0)
    // What has its reward makes room for answers that wait for theirs.
    bench.answered("r", of: rollout)
    #expect(bench.reward("r", of: rollout) == .joined)
}

/// Periods of two experiments have nothing to do with each other: the newcomer's own oldest answer goes.
@Test func anotherExperimentsPeriodIsNoAge() throws {
    let bench = try Bench(bucketBits: 4)
    let other = try #require(bench.exposures.begin(salt: 43, rewards: 0...1))
    for number in 0..<20 { bench.answered("\(number)", period: 200) }
    for number in 0..<2000 { bench.answered("o\(number)", period: UInt8(number / 10), of: other) }
    #expect((0..<20).allSatisfy { bench.reward("\($0)") == .joined })
}

@Test func keysThatAreForgottenCountAgain() throws {
    let bench = try Bench(isLenient: true)
    bench.answered("a", key: 7)
    bench.answered("b", key: 7)
    bench.exposures.forgetKeys(bench.experiment)
    for id in ["c", "d"] { bench.answered(id, period: 1, key: 7) }
    for id in ["a", "b", "c", "d"] { #expect(bench.reward(id) == .joined) }
    #expect(bench.totals().rewarded == 1 && bench.totals(period: 1).rewarded == 1)
    bench.answered("e", period: 1, key: 8)
    bench.exposures.forgetAnswers(bench.experiment)
    #expect(bench.reward("e") == .unknown)
    bench.answered("f", period: 2, key: 8)
    #expect(bench.reward("f") == .joined && bench.totals(period: 2).rewarded == 1)
}

/// Also where they meet in a few places all the time: there is always room in a bucket of eight for what four wait for.
@Test(arguments: [4, 14]) func manyThreadsLoseNothing(bucketBits: Int) throws {
    let bench = try Bench(bucketBits: bucketBits)
    let threads = 4
    let each = 10_000
    DispatchQueue.concurrentPerform(iterations: threads) { thread in
        for number in 0..<each {
            bench.answered("\(thread)/\(number)", arm: UInt8(thread % 2))
            #expect(bench.reward("\(thread)/\(number)", 0.5) == .joined)
        }
    }
    #expect(bench.totals(0).rewarded + bench.totals(1).rewarded == threads * each)
    #expect(bench.totals(0).sum == Double(threads * each) / 4)
}

@Test func afterTheCloseRewardsAreUnknown() throws {
    let bench = try Bench()
    for id in ["a", "b", "c"] { bench.answered(id) }
    #expect(bench.reward("a") == .joined)
    bench.exposures.close(bench.experiment)
    #expect(bench.reward("b") == .unknown && bench.reward("a") == .unknown)
    #expect(bench.totals().rewarded == 1 && bench.exposures.losses(bench.experiment).unknownRewards == 2)
    bench.exposures.close(bench.experiment)
    bench.exposures.reopen(bench.experiment)
    #expect(bench.reward("b") == .joined && bench.reward("a") == .repeated)
    bench.exposures.end(bench.experiment)
    // What ended is not opened again, and the next one in its place is open.
    bench.exposures.reopen(bench.experiment)
    #expect(bench.reward("c") == .unknown)
    for _ in 0..<Exposures.experimentsMax {
        let next = try #require(bench.exposures.begin(salt: 1, rewards: 0...1))
        bench.answered("d", of: next)
        #expect(bench.reward("d", of: next) == .joined)
    }
}

/// Every reward that was joined is in the sums when `close` returns, whichever thread brought it.
@Test(arguments: 0..<20) func theCloseWaitsForRewardsOnTheirWay(_ round: Int) throws {
    let bench = try Bench(bucketBits: 12)
    let each = 2000
    for thread in 0..<3 { for number in 0..<each { bench.answered("\(thread)/\(number)") } }
    let joined = Lock(0)
    let summed = Lock(Totals())
    DispatchQueue.concurrentPerform(iterations: 4) { thread in
        if thread == 3 {
            while joined.withLock({ $0 }) < round * 100 {}
            bench.exposures.close(bench.experiment)
            return summed.withLock { $0 = bench.totals() }
        }
        for number in 0..<each where bench.reward("\(thread)/\(number)", 0.5) == .joined { joined.withLock { $0 += 1 } }
    }
    let totals = summed.withLock { $0 }
    #expect(totals.rewarded == joined.withLock { $0 } && totals.sum == Double(totals.rewarded) / 2)
}
