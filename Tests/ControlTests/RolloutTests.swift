// Enters: rollouts, answers, labels. Leaves: which go on, which wait, which are taken back, and what the history says of it.
import Experiments
import Foundation
import Memory
import Models
import PredictionAPI
import Reactor
import Rollout
import Serving
import Tensors
import TestSupport
import Testing

@testable import Control

private func policy(_ change: (inout RolloutPolicy) -> Void = { _ in }) -> RolloutPolicy {
    var policy = RolloutPolicy()
    (policy.percents, policy.stepSeconds, policy.stepCalls) = ([50], 0, 100)
    change(&policy)
    return policy
}

/// A control over versions 1, which is live, and 2; and callers.
private final class Rolling {
    let shop: Workshop
    /// Which of the classifiers version 2 answers as.
    let classifier: Int
    private var random: SplitMix
    private var calls = 0

    init(_ classifier: Int, seed: UInt64 = 1) throws {
        shop = try Workshop(Place(["m": [1, 2]]))
        self.classifier = classifier
        random = SplitMix(seed: seed)
        try shop.start()
        try shop.perform(.swap([Order.Change(model: "m", version: 1)], isForced: false))
    }

    @discardableResult
    func rollout(
        _ policy: RolloutPolicy, version: Int64? = nil, reason: String = "", isDryRun: Bool = false
    ) throws(OrderError) -> Outcome {
        try shop.control.rollout("m", version, policy, isForced: false, shop.signed(reason, isDryRun: isDryRun))
    }

    var running: RunningRollout? { try? shop.control.traffic(of: "m").models[0].rollout }
    var events: [Desired.Event] { shop.control.history("m") }
    var status: StatusResponse.Rollout? { running.map { StatusResponse.Rollout($0) } }

    /// Answers so many calls as a shard does, and looks after each ten. `isLabelled`: callers tell which answers were right.
    func answer(_ count: Int, isLabelled: Bool = false) throws {
        for number in 0..<count {
            let entry = try #require(shop.directory.catalog.entry(named: "m"))
            let epoch = shop.directory.catalog.epoch
            calls += 1
            let id = OwnedBytes("call \(calls)")
            defer { withExtendedLifetime(id) {} }
            let lease = try entry.lease(.live, epoch: epoch, lot: .chance(random.next()), id: id.view)
            let row = Int(random.next() % UInt64(Retrained.all.labels.count))
            let numbers = try #require(
                Retrained.all.probabilities[lease.provenance.version == 1 ? "1" : "\(classifier)"]?[row])
            var arena = Arena(bytesMax: 1 << 16)
            var outputs = List<Tensor>()
            try outputs.append(Value("probabilities", [1, 3], floats: numbers).tensor(in: &arena), in: &arena)
            lease.model.object.seen.answered(outputs, nanoseconds: 1_000_000)
            if let arm = lease.arm {
                shop.control.exposures.answered(
                    id.view, Exposure(experiment: arm.experiment, period: arm.period, arm: arm.number))
                let isRight = numbers.indices.max { numbers[$0] < numbers[$1] } == Retrained.all.labels[row]
                if isLabelled { _ = shop.control.exposures.reward(id.view, arm.experiment, isRight ? 1 : 0) }
            }
            if number % 10 == 9 { _ = shop.control.judge() }
        }
    }

    /// Answers until that holds.
    func until(isLabelled: Bool = false, _ condition: () -> Bool) throws {
        // Labels are added up once a second.
        let end = Clock.now() + 60_000_000_000
        while !condition(), Clock.now() < end { try answer(20, isLabelled: isLabelled) }
        #expect(condition(), "\(events)")
    }
}

@Test func aRetrainedModelWaitsAndIsAccepted() throws {
    let rolling = try Rolling(2)
    try rolling.rollout(policy { $0.percents = [40, 50] })
    try rolling.until { rolling.running?.waitingMilliseconds != nil }
    let event = try #require(rolling.events.last)
    #expect((event.action, event.author, event.version) == (.rollout, "vencejo", 2))
    #expect(event.reason.hasPrefix("its answers are distributed otherwise than the live version's, by "))
    #expect(event.steps[0].contains("\"vencejo rollout m --version 2 --accept answers\" lets it go on"))
    // It is told once, and nothing else changes.
    let count = rolling.events.count
    try rolling.answer(200)
    #expect(rolling.events.count == count && rolling.shop.control.waitingUnlessBusy == ["m"])
    #expect(rolling.shop.directory.catalog.entry(named: "m")?.split?.shares == [1: 60, 2: 40])
    let status = try #require(rolling.status)
    #expect(status.isWaiting && status.verdict.hasPrefix("waits for a decision: its answers") && status.accepted == [])
    #expect(status.decideUntilMilliseconds == (rolling.running?.waitingMilliseconds ?? 0) + 86_400_000)

    let plain = policy { $0 = RolloutPolicy() }
    #expect(throws: OrderError.rolloutIsOn(model: "m", version: 2)) { try rolling.rollout(plain) }
    var acceptance = RolloutPolicy()
    acceptance.accepted = [.answers]
    try rolling.rollout(acceptance, isDryRun: true)
    #expect(rolling.running?.judge.isAccepted == false && rolling.events.count == count)
    // What was judged before that ends nothing after it.
    let judged = try #require(rolling.running)
    func carryOut() throws {
        try rolling.shop.control.state.withLock { (state) throws(OrderError) in
            try state.checkUndecided(judged, of: "m")
        }
    }
    try carryOut()
    try rolling.rollout(acceptance, version: 2, reason: "retrained on October")
    #expect(throws: OrderError.rolloutIsOn(model: "m", version: 2)) { try carryOut() }
    let accepted = try #require(rolling.events.last)
    #expect((accepted.action, accepted.author, accepted.reason) == (.rollout, "maria", "retrained on October"))
    #expect(accepted.steps == ["that the answers of version 2 of model 'm' differ is accepted: it goes on"])
    #expect(rolling.shop.control.waitingUnlessBusy == [] && rolling.status?.accepted == ["answers"])
    #expect(try rolling.rollout(acceptance).decision.changes == [])
    try rolling.until { rolling.running == nil }
    #expect(rolling.shop.lines.first == "m 2 blue live")
    #expect(rolling.events.suffix(2).map(\.action) == [.rollout, .promote])
    #expect(rolling.events.last?.reason == "all steps were passed; its answers differ, but that was accepted")
}

@Test func withoutADecisionItIsTakenBack() throws {
    let rolling = try Rolling(2)
    try rolling.rollout(policy { $0.decideSeconds = 1 })
    try rolling.until { rolling.running == nil }
    let event = try #require(rolling.events.last)
    #expect(
        event.action == .abort && event.reason.hasPrefix("no decision came within 1 s: its answers are distributed"))
    #expect(rolling.shop.directory.catalog.entry(named: "m")?.live?.number == 1)
    // An acceptance that comes too late is of the rollout that begins then.
    var acceptance = RolloutPolicy()
    acceptance.accepted = [.answers]
    #expect(try rolling.rollout(acceptance).decision.steps.last == "that its answers differ is accepted")
}

/// An acceptance that names another version is not of the rollout that is on.
@Test func anAcceptanceIsOfItsVersion() throws {
    let rolling = try Rolling(2)
    try rolling.rollout(policy())
    var acceptance = RolloutPolicy()
    acceptance.accepted = [.answers]
    #expect(throws: OrderError.self) { try rolling.rollout(acceptance, version: 1) }
    #expect(rolling.running?.judge.isAccepted == false)
}

/// Where a smaller reward is better, labels are not to be judged: then none are joined.
@Test func labelsThatAreNotJudgedAreNotJoined() throws {
    let rolling = try Rolling(2)
    try rolling.rollout(policy { $0.gates.removeAll { $0 == .labels } })
    #expect(rolling.running != nil && rolling.running?.labels == nil)
    #expect(rolling.shop.directory.catalog.entry(named: "m")?.experiment == nil)
    #expect(rolling.events.last?.steps.contains("judged are errors, refusals, latency, answers, shapes") == true)
}

/// The live version loaded anew is another one: its labels are of a new period, which shards deal calls out to.
@Test func aLiveVersionLoadedAnewHasLabelsOfItsOwn() throws {
    let rolling = try Rolling(1)
    try rolling.rollout(policy { $0.stepCalls = 1_000_000 })
    try rolling.answer(20)
    let entry = try #require(rolling.shop.directory.catalog.entry(named: "m"))
    let before = try #require(try entry.lease(.live, epoch: 1).arm)
    rolling.shop.control.state.withLock { $0.rollouts["m"]?.live = UInt64.max }
    #expect(rolling.shop.control.judge().hasCommitted)
    let after = try #require(
        try rolling.shop.directory.catalog.entry(named: "m")?.lease(.live, epoch: 1).arm)
    #expect(after.experiment == before.experiment && after.period != before.period)
    #expect(!rolling.shop.control.judge().hasCommitted)
}

/// Labels settle it without an operator, both ways.
@Test(arguments: [(2, OrderAction.promote), (3, .abort)])
func labelsDecide(classifier: Int, end: OrderAction) throws {
    let rolling = try Rolling(classifier)
    try rolling.rollout(policy { $0.stepCalls = 500 })
    var labels = ""
    try rolling.until(isLabelled: true) {
        labels = rolling.status?.gates.first { $0.name == "labels" }?.finding ?? labels
        return rolling.running == nil
    }
    let event = try #require(rolling.events.last)
    print("classifier \(classifier): \(event.action.rawValue): \(event.reason)")
    #expect(event.action == end && event.author == "vencejo" && event.reason.contains("labels are"))
    #expect(!labels.isEmpty)
    // Its place among those that are joined with rewards is free again.
    for _ in 0..<40 {
        try rolling.rollout(policy(), version: end == .promote ? 1 : 2)
        #expect(rolling.running?.labels != nil)
        try rolling.shop.perform(.abort(model: "m"))
    }
}

@Test func rewardsThatAreNoLabelsArePassedOver() throws {
    let rolling = try Rolling(2)
    try rolling.rollout(policy())
    let entry = try #require(rolling.shop.directory.catalog.entry(named: "m"))
    let id = OwnedBytes("order 1")
    defer { withExtendedLifetime(id) {} }
    let arm = try #require(try entry.lease(.live, epoch: 1, id: id.view).arm)
    let exposures = rolling.shop.control.exposures
    exposures.answered(id.view, Exposure(experiment: arm.experiment, period: arm.period, arm: arm.number))
    #expect(entry.experiment == arm.experiment && exposures.rewards(of: arm.experiment) == nil)
    #expect(exposures.reward(id.view, arm.experiment, 37.5) == .unknown)
    #expect(exposures.reward(id.view, arm.experiment, 1) == .joined)
}

/// A rollout joins its calls with rewards as an experiment does, and is none.
@Test func aRolloutIsNoExperiment() throws {
    let rolling = try Rolling(2)
    try rolling.rollout(policy())
    #expect(!rolling.shop.control.hasExperiments && rolling.shop.control.experiment(of: "m") == nil)
    // A swap to the version that is live already leaves it alone.
    #expect(
        try rolling.shop.perform(.swap([Order.Change(model: "m", version: 1)], isForced: false)).decision.changes == [])
    #expect(rolling.running != nil)
    #expect(throws: OrderError.rolloutIsOn(model: "m", version: 2)) {
        try rolling.shop.perform(.weights(model: "m", [Share(version: 1, percent: 100)], isForced: false))
    }
    try rolling.shop.perform(.promote(model: "m"))
    #expect(rolling.running == nil && rolling.shop.directory.catalog.entry(named: "m")?.split == nil)
}

@Test func policiesAsMessages() throws {
    var message = RolloutPolicyMessage()
    #expect(try RolloutPolicy(message) == RolloutPolicy())
    (message.decideSeconds, message.gates, message.accepted) = (60, ["latency"], ["answers"])
    let policy = try RolloutPolicy(message)
    #expect(policy.decideSeconds == 60 && policy.gates == [.latency] && policy.accepted == [.answers])
    message.accepted = ["errors"]
    #expect(throws: OrderError.badPolicy("'errors' cannot be accepted: only answers can")) {
        try RolloutPolicy(message)
    }
    (message.gates, message.accepted) = (["memory"], [])
    #expect(throws: OrderError.self) { try RolloutPolicy(message) }
}
