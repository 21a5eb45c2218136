// Enters: experiments, answers, rewards. Leaves: shares and results, also after another start.
import Experiments
import Foundation
import Memory
import Models
import PredictionAPI
import Serving
import Tensors
import Testing

@testable import Control

private func policy(_ change: (inout ExperimentPolicy) -> Void = { _ in }) -> ExperimentPolicy {
    var policy = ExperimentPolicy()
    policy.arms = [2, 1]
    policy.shares = [0, 0]
    policy.joinSeconds = 1
    policy.seed = 7
    change(&policy)
    return policy
}

/// Two versions, of which the second is live.
private func shop(_ place: Place) throws -> Workshop {
    let shop = try Workshop(place)
    try shop.start()
    return shop
}

extension Workshop {
    @discardableResult
    fileprivate func experiment(_ policy: ExperimentPolicy, isDryRun: Bool = false) throws(OrderError) -> Outcome {
        try control.experiment("m", policy, isForced: false, signed("to see", isDryRun: isDryRun))
    }

    /// Answers calls as a shard does, and rewards them: 1 by `version`, 0 by others.
    fileprivate func answer(_ calls: Range<Int>, rewarding version: Int64) throws {
        let entry = try #require(directory.catalog.entry(named: "m"))
        for number in calls {
            let bytes = OwnedBytes("call \(number)")
            defer { withExtendedLifetime(bytes) {} }
            let id = bytes.view
            let lease = try entry.lease(.live, epoch: 1, id: id)
            let arm = try #require(lease.arm)
            control.exposures.answered(
                id, Exposure(experiment: arm.experiment, period: arm.period, arm: arm.number))
            let value = lease.provenance.version == version ? 1.0 : 0
            #expect(control.exposures.reward(id, arm.experiment, value) == .joined)
        }
    }

    fileprivate var found: Experiment? { control.runningExperiment(of: "m")?.experiment }
}

@Test func anExperimentFindsTheBetterVersion() throws {
    let place = try Place(["m": [1, 2]])
    let shop = try shop(place)
    #expect(!shop.control.hasExperiments)
    let outcome = try shop.experiment(policy())
    #expect(outcome.decision.steps.first == "version 1 of model 'm' gets 50 %")
    #expect(shop.control.hasExperiments)
    try shop.answer(0..<400, rewarding: 1)
    let lines = shop.control.lookAtExperiments().lines
    #expect(lines.contains { $0.contains("version 1 of model 'm' is better than version 2") })
    // It is told once.
    #expect(shop.control.lookAtExperiments().lines.isEmpty)
    let results = try #require(shop.found?.armResults)
    #expect(results.map(\.rewarded).reduce(0, +) == 400 && results.map(\.mean) == [1, 0])
    let status = try #require(shop.control.experiment(of: "m"))
    #expect(status.comparisons.map(\.verdict) == [.better] && status.calls == 400 && status.seed == 7)
    // A swap to the better one ends it, and the history keeps why.
    try shop.perform(.swap([Order.Change(model: "m", version: 1)], isForced: false))
    #expect(!shop.control.hasExperiments)
    let event = try #require(shop.control.history("m").last)
    #expect(event.action == .swap && event.steps.contains { $0.contains("is better than version 2") })
}

@Test func whatAdaptsGivesMoreToTheBetterVersion() throws {
    let place = try Place(["m": [1, 2]])
    let shop = try shop(place)
    try shop.experiment(policy { $0.assignment = .thompson })
    try shop.answer(0..<200, rewarding: 1)
    // A period of a second ends.
    #expect(
        comesTrue {
            _ = shop.control.lookAtExperiments()
            return shop.directory.catalog.entry(named: "m")?.split?.shares == [1: 95, 2: 5]
        })
}

@Test func whatNobodyRewardsCountsAsZeroWhereThatIsSaid() throws {
    let place = try Place(["m": [1, 2]])
    let shop = try shop(place)
    try shop.experiment(policy { $0.isZeroUnlessReported = true })
    let entry = try #require(shop.directory.catalog.entry(named: "m"))
    for number in 0..<100 {
        let bytes = OwnedBytes("\(number)")
        defer { withExtendedLifetime(bytes) {} }
        let id = bytes.view
        let arm = try #require(try entry.lease(.live, epoch: 1, id: id).arm)
        let exposure = Exposure(experiment: arm.experiment, period: arm.period, arm: arm.number)
        shop.control.exposures.answered(id, exposure)
        if number % 10 == 0 { _ = shop.control.exposures.reward(id, arm.experiment, 1) }
    }
    _ = shop.control.lookAtExperiments()
    #expect(shop.found?.armResults.map(\.rewarded) == [0, 0])
    // The period ends after a second, and another second later so does the waiting.
    #expect(
        comesTrue {
            _ = shop.control.lookAtExperiments()
            return shop.found?.armResults.map(\.rewarded).reduce(0, +) == 100
        })
    let sum = shop.found?.armResults.reduce(0) { $0 + Double($1.rewarded) * $1.mean } ?? 0
    #expect(abs(sum - 10) < 1e-9)
    let experiment = try #require(entry.experiment)
    let late = OwnedBytes("1")
    withExtendedLifetime(late) {
        #expect(shop.control.exposures.reward(late.view, experiment, 1) == .unknown)
    }
}

@Test func anExperimentGoesOnAfterAStart() throws {
    let place = try Place(["m": [1, 2]])
    let first = try shop(place)
    try first.experiment(policy { $0.assignment = .thompson })
    try first.answer(0..<300, rewarding: 1)
    _ = first.control.lookAtExperiments()
    #expect(first.control.keepExperiments() == nil)
    let known = try #require(first.found?.armResults)
    first.control.leave()

    let second = try Workshop(place)
    try second.start()
    #expect(second.found?.armResults == known)
    #expect(second.directory.catalog.entry(named: "m")?.experiment != nil)
    try second.answer(300..<310, rewarding: 1)
    _ = second.control.lookAtExperiments()
    #expect(second.found?.armResults.map(\.rewarded).reduce(0, +) == 310)
    try second.perform(.abort(model: "m"))
    second.control.leave()

    let third = try Workshop(place)
    try third.start()
    #expect(!third.control.hasExperiments && third.directory.catalog.entry(named: "m")?.split == nil)
}

@Test func whatCannotBeAnExperimentChangesNothing() throws {
    let place = try Place(["m": [1, 2]])
    let shop = try shop(place)
    let lines = shop.lines
    #expect(throws: OrderError.badPolicy("an experiment with 1 version; allowed are 2 to 8")) {
        try shop.experiment(
            policy {
                $0.arms = [2]
                $0.shares = [0]
            })
    }
    #expect(throws: OrderError.versionNotLoaded(model: "m", version: 9, loaded: [1, 2])) {
        try shop.experiment(policy { $0.arms = [2, 9] })
    }
    try shop.experiment(policy(), isDryRun: true)
    #expect(!shop.control.hasExperiments && shop.lines == lines)
    // What was refused holds no place.
    for _ in 0..<40 { _ = try? shop.experiment(policy { $0.arms = [2, 9] }) }
    for _ in 0..<40 {
        try shop.experiment(policy())
        try shop.perform(.abort(model: "m"))
    }
    #expect(!shop.control.hasExperiments)
}

/// Who edits the file by hand is not to stop the server.
@Test func anExperimentThatWasEditedIsOver() throws {
    let place = try Place(["m": [1, 2]])
    let first = try shop(place)
    try first.experiment(policy())
    first.control.leave()
    let path = place.path + "/.vencejo.json"
    let text = try String(contentsOfFile: path, encoding: .utf8)
    let edited = text.replacingOccurrences(of: "\"joinSeconds\" : 1,", with: "\"joinSeconds\" : 0,")
    #expect(edited != text)
    try edited.write(toFile: path, atomically: true, encoding: .utf8)
    let second = try Workshop(place)
    try second.start()
    #expect(!second.control.hasExperiments && second.lines.contains("m 2 blue live"))
}
