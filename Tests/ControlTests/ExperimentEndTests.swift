// Enters: rewards until the moment in which an experiment ends. Leaves: results that count each one that was joined, and no other.
import Experiments
import Foundation
import Memory
import Models
import Serving
import Tensors
import Testing

@testable import Control

/// Two versions, of which the second is live, and an experiment on both. Looks are taken by the tests alone.
private func began(
    _ place: Place, _ change: (inout ExperimentPolicy) -> Void = { _ in }
) throws -> Workshop {
    let shop = try Workshop(place)
    try shop.start()
    var policy = ExperimentPolicy()
    (policy.arms, policy.shares, policy.seed) = ([1, 2], [50, 50], 7)
    change(&policy)
    _ = try shop.control.experiment("m", policy, isForced: false, shop.signed("to see"))
    return shop
}

extension Workshop {
    /// Answers calls as a shard does. - Returns: the experiment's number.
    @discardableResult
    fileprivate func deal(_ calls: Range<Int>) throws -> UInt16 {
        let entry = try #require(directory.catalog.entry(named: "m"))
        for number in calls {
            let bytes = OwnedBytes("call \(number)")
            try withExtendedLifetime(bytes) {
                let arm = try #require(try entry.lease(.live, epoch: 1, id: bytes.view).arm)
                control.exposures.answered(
                    bytes.view, Exposure(experiment: arm.experiment, period: arm.period, arm: arm.number))
            }
        }
        return try #require(entry.experiment)
    }

    fileprivate func reward(_ call: Int, _ experiment: UInt16) -> RewardOutcome {
        let bytes = OwnedBytes("call \(call)")
        return withExtendedLifetime(bytes) { control.exposures.reward(bytes.view, experiment, 1) }
    }

    /// How many rewards (or calls that count) the last event of the history names, of both versions together.
    fileprivate var counted: Int {
        let steps = control.history("m").last?.steps ?? []
        return steps.compactMap {
            $0.firstMatch(of: /^version \d of model 'm' has (\d+) (?:rewards|calls)/).flatMap { Int($0.1) }
        }
        .reduce(0, +)
    }
}

@Test(arguments: [
    Order.abort(model: "m"), .swap([Order.Change(model: "m", version: 2)], isForced: false),
    .swap([Order.Change(model: "m", version: 1)], isForced: true),
    .unload(model: "m", version: 1, isForced: true), .unload(model: "m", version: nil, isForced: true),
])
func rewardsThatNoLookSawCount(_ end: Order) throws {
    let place = try Place(["m": [1, 2]])
    let shop = try began(place)
    let experiment = try shop.deal(0..<100)
    for call in 0..<60 { #expect(shop.reward(call, experiment) == .joined) }
    _ = shop.control.lookAtExperiments()
    for call in 60..<90 { #expect(shop.reward(call, experiment) == .joined) }
    let outcome = try shop.perform(end)
    #expect(outcome.decision.steps.contains("the experiment of model 'm' is over"))
    #expect(shop.counted == 90)
    // It can be rewarded no more, and is told so.
    #expect(shop.reward(95, experiment) == .unknown)
}

/// Whatever the moment in which the order comes: what callers were told is what the history counts.
@Test(arguments: 0..<10) func noRewardIsJoinedAndDropped(_ round: Int) throws {
    let place = try Place(["m": [1, 2]])
    let shop = try began(place)
    let calls = 4000
    let experiment = try shop.deal(0..<calls)
    let joined = Lock(0)
    let begun = Lock(0)
    DispatchQueue.concurrentPerform(iterations: 3) { thread in
        if thread == 0 {
            // It ends when rewards are on their way; at other times in each round.
            _ = comesTrue { begun.withLock { $0 } >= 100 * round }
            #expect(throws: Never.self) { try shop.perform(.abort(model: "m")) }
            return
        }
        for call in stride(from: thread - 1, to: calls, by: 2) {
            if shop.reward(call, experiment) == .joined { joined.withLock { $0 += 1 } }
            begun.withLock { $0 += 1 }
        }
    }
    #expect(shop.counted == joined.withLock { $0 })
}

@Test func anEndThatCannotBeKeptEndsNothing() throws {
    let place = try Place(["m": [1, 2]])
    let shop = try began(place)
    let experiment = try shop.deal(0..<20)
    for call in 0..<10 { #expect(shop.reward(call, experiment) == .joined) }
    try place.refuse(true)
    #expect(throws: OrderError.self) { try shop.perform(.abort(model: "m")) }
    try place.refuse(false)
    #expect(shop.control.hasExperiments)
    for call in 10..<15 { #expect(shop.reward(call, experiment) == .joined) }
    // A question is no order: the same is told, and nothing ends.
    let dry = try shop.perform(.abort(model: "m"), isDryRun: true)
    #expect(dry.decision.steps.contains { $0.hasPrefix("version 1 of model 'm' has ") })
    for call in 15..<18 { #expect(shop.reward(call, experiment) == .joined) }
    try shop.perform(.abort(model: "m"))
    #expect(shop.counted == 18)
}

/// Ten of a hundred calls were rewarded, and the others may be: they are not zero yet. What is compared are calls whose time is
/// over, and the ten are told beside.
@Test func whatCouldStillBeRewardedIsToldBeside() throws {
    let place = try Place(["m": [1, 2]])
    let shop = try began(place) { $0.isZeroUnlessReported = true }
    let experiment = try shop.deal(0..<100)
    for call in 0..<10 { #expect(shop.reward(call, experiment) == .joined) }
    try shop.perform(.abort(model: "m"))
    let steps = try #require(shop.control.history("m").last?.steps)
    #expect(shop.counted == 0)
    let cut = steps.compactMap { step in
        step.firstMatch(of: /of (\d+) calls whose time was not over (\d+) were rewarded, (\d+) together/).map {
            [Int($0.1) ?? 0, Int($0.2) ?? 0, Int($0.3) ?? 0]
        }
    }
    #expect(cut.count == 2 && (0..<3).map { column in cut.reduce(0) { $0 + $1[column] } } == [100, 10, 10])
    // Neither better nor worse, and no alarm: the ten alone would be no fair sample.
    #expect(steps.contains { $0.contains("is open") } && !steps.contains { $0.contains("not to be trusted") })
}

@Test func callsWhoseTimeIsOverCountAsZeroAtTheEnd() throws {
    let place = try Place(["m": [1, 2]])
    let shop = try began(place) {
        $0.isZeroUnlessReported = true
        $0.joinSeconds = 1
    }
    let experiment = try shop.deal(0..<100)
    for call in 0..<10 { #expect(shop.reward(call, experiment) == .joined) }
    // The period ends after a second; a second later its time is over, and no look has counted it.
    #expect(comesTrue { shop.control.lookAtExperiments().hasCommitted })
    Thread.sleep(forTimeInterval: 1.1)
    try shop.deal(100..<130)
    try shop.perform(.abort(model: "m"))
    let steps = try #require(shop.control.history("m").last?.steps)
    #expect(shop.counted == 100)
    let cut = steps.compactMap { $0.firstMatch(of: /of (\d+) calls whose time was not over/).flatMap { Int($0.1) } }
    #expect(cut.reduce(0, +) == 30)
}

@Test(arguments: [false, true]) func theServersEndKeepsWhatWasJoined(_ isZeroUnlessReported: Bool) throws {
    let place = try Place(["m": [1, 2]])
    let first = try began(place) { $0.isZeroUnlessReported = isZeroUnlessReported }
    let experiment = try first.deal(0..<100)
    for call in 0..<80 { #expect(first.reward(call, experiment) == .joined) }
    #expect(first.control.closeExperiments() == nil)
    #expect(first.reward(90, experiment) == .unknown)
    first.control.leave()
    // The thread that looks goes on until the process ends; it finds nothing twice.
    _ = first.control.lookAtExperiments()
    let known = first.control.runningExperiment(of: "m")?.experiment.armResults

    let second = try Workshop(place)
    try second.start()
    let found = try #require(second.control.runningExperiment(of: "m")?.experiment.armResults)
    #expect(found == known)
    #expect(found.reduce(0) { $0 + $1.rewarded } == (isZeroUnlessReported ? 0 : 80))
    #expect(found.reduce(0) { $0 + $1.cutOff.rewarded } == (isZeroUnlessReported ? 80 : 0))
    try second.deal(100..<110)
    let next = try #require(second.directory.catalog.entry(named: "m")?.experiment)
    for call in 100..<105 { #expect(second.reward(call, next) == .joined) }
    try second.perform(.abort(model: "m"))
    #expect(second.counted == (isZeroUnlessReported ? 0 : 85))
}
