// Enters: versions that are loaded anew, and such as fail gates. Leaves: what their numbers stand for then, and what is live.
import Memory
import Tensors
import Testing

@testable import Models

private func roster() -> Roster<Number> {
    Roster { live, next in live.value / 100 == next.value / 100 ? [] : ["it is of \(next.value), not of \(live.value)"]
    }
}

/// Its digest is the model's number, over and over.
private func loaded(_ number: Int64, _ model: Int, faults: [String] = []) -> Version<Number> {
    Version(
        of: "m", number: number, Number(model), digest: [UInt8](repeating: UInt8(model % 100), count: 32),
        faults: faults)
}

/// 1 live, 2 ready.
private func two() -> Roster<Number> {
    var roster = roster()
    var record = ModelRecord<Number>(name: "m", labels: ["old": 1])
    for number in [1, 2] as [Int64] {
        record.begin(number)
        _ = record.arrived(loaded(number, 100 + Int(number)))
    }
    roster.models["m"] = record
    return roster
}

extension Roster<Number> {
    /// What version answers, by number.
    fileprivate func model(_ number: Int64) -> Int? { models["m"]?.standing(number)?.version?.model.value }
}

@Test func whatIsLoadedAnewTakesItsOwnPlace() throws {
    var roster = two()
    roster.models["m"]?.beginRenewal(of: 1, load: 9)
    #expect(roster.models["m"]?.standing(1)?.awaits(load: 9) == true)
    #expect(roster.models["m"]?.standing(1)?.awaits(load: 0) == false)
    // Meanwhile it answers as it is.
    #expect(roster.model(1) == 101 && roster.models["m"]?.live == 1)
    let decision = try roster.renew("m", loaded(1, 111), isForced: false)
    #expect(
        decision.steps == [
            "version 1 (sha256 0b0b0b0b0b0b) of model 'm' answers instead of version 1 (sha256 010101010101): it was loaded anew"
        ])
    #expect(decision.changes == [Decision.Change(model: "m", from: 1, to: 1)] && decision.version == 1)
    #expect(roster.model(1) == 111 && roster.model(2) == 102 && roster.models["m"]?.labels == ["old": 1])
    let standings = try #require(roster.models["m"]).standings
    #expect(lines(standings) == ["1 blue live", "2 green ready"])
    #expect(roster.models["m"]?.standing(1)?.renewal == nil)
    // What it was stays in memory for a rollback, which can be taken back as well.
    #expect(roster.versions.map(\.model.value).sorted() == [101, 102, 111])
    for (model, digest, before) in [(101, "01", "0b"), (111, "0b", "01")] {
        let decision = try roster.rollback("m")
        #expect(roster.model(1) == model && roster.models["m"]?.live == 1)
        let (digest, before) = (String(repeating: digest, count: 6), String(repeating: before, count: 6))
        #expect(
            decision.steps == [
                "version 1 (sha256 \(digest)) of model 'm' answers again, instead of what was loaded anew, "
                    + "version 1 (sha256 \(before)); from memory: the next start loads the file that lies there"
            ])
    }
    // Another live version ends that.
    _ = try roster.swap([Order.Change(model: "m", version: 2)], isForced: false)
    #expect(roster.versions.map(\.model.value).sorted() == [102, 111])
    _ = try roster.rollback("m")
    #expect(roster.model(1) == 111 && roster.models["m"]?.live == 1)
}

@Test func whatIsReadyIsLoadedAnewWithoutAWayBack() throws {
    var roster = two()
    roster.models["m"]?.beginRenewal(of: 2, load: 9)
    let decision = try roster.renew("m", loaded(2, 112), isForced: false)
    #expect(decision.steps.first?.contains("is ready instead of version 2") == true)
    #expect(roster.versions.map(\.model.value).sorted() == [101, 112])
    _ = try roster.unload("m", nil, isForced: true)
    #expect(roster.versions.isEmpty)
}

@Test func whatCannotBeLoadedAnewStaysAsItIs() throws {
    var roster = two()
    roster.models["m"]?.beginRenewal(of: 1, load: 9)
    roster.models["m"]?.failed(1, "no")
    roster.models["m"]?.gaveUp(1)
    #expect(roster.model(1) == 101 && roster.models["m"]?.live == 1)
    #expect(roster.models["m"]?.standing(1)?.renewal == nil)
}

@Test func whatIsLoadedAnewPassesItsGatesAndFitsItsCallers() throws {
    let unfit = loaded(1, 111, faults: ["golden: no"])
    var roster = two()
    #expect(throws: OrderError.unfit(model: "m", version: 1, faults: ["golden: no"])) {
        try roster.renew("m", unfit, isForced: false)
    }
    #expect(throws: OrderError.incompatible(model: "m", version: 1, differences: ["it is of 211, not of 101"])) {
        try roster.renew("m", loaded(1, 211), isForced: false)
    }
    #expect(roster.model(1) == 101)
    for forced in [unfit, loaded(1, 211)] {
        _ = try roster.renew("m", forced, isForced: true)
        #expect(roster.model(1) == forced.model.value)
    }
}

/// There a number is what is compared.
@Test func whatIsRolledOutOrInAnExperimentIsNotLoadedAnew() throws {
    var roster = two()
    _ = try roster.rollout("m", 2, percent: 5, isForced: false, salt: 1)
    #expect(throws: OrderError.rolloutIsOn(model: "m", version: 2)) { try roster.checkRenewal("m", 2) }
    #expect(throws: OrderError.rolloutIsOn(model: "m", version: 2)) {
        try roster.renew("m", loaded(2, 112), isForced: true)
    }
    try roster.checkRenewal("m", 1)
    _ = try roster.abort("m")
    let experiment = Split.Experiment(number: 1, period: 0, isByKey: false)
    _ = try roster.experiment("m", [1: 50, 2: 50], experiment, isForced: false, salt: 1)
    for number in [1, 2] as [Int64] {
        #expect(throws: OrderError.experimentIsOn(model: "m")) { try roster.checkRenewal("m", number) }
    }
}

/// Other bytes than those that were live before are no way back.
@Test func aWayBackGoesWithItsBytes() throws {
    var roster = two()
    _ = try roster.swap([Order.Change(model: "m", version: 2)], isForced: false)
    #expect(roster.models["m"]?.previous == 1)
    roster.models["m"]?.beginRenewal(of: 1, load: 9)
    _ = try roster.renew("m", loaded(1, 111), isForced: false)
    #expect(roster.models["m"]?.previous == nil)
    #expect(throws: OrderError.nothingBefore(model: "m")) { try roster.rollback("m") }
}

/// What failed its gates, so that none is live, and is mended.
@Test func whatIsMendedBecomesLiveWhereNoneIs() throws {
    var roster = roster()
    var record = ModelRecord<Number>(name: "m")
    record.begin(1)
    _ = record.arrived(loaded(1, 101, faults: ["golden: no"]), mayGoLive: false)
    record.stopWaiting(for: 1)
    roster.models["m"] = record
    let decision = try roster.renew("m", loaded(1, 111), isForced: false)
    #expect(roster.models["m"]?.live == 1 && decision.changes == [Decision.Change(model: "m", from: nil, to: 1)])
}

// MARK: - Gates where no order decided

/// Versions 1 to 3 are on their way, 3 is to be live. `unfit`: which fail a gate; `order`: in which they come.
@Test(
    arguments: [
        ([3, 2, 1], [], 3), ([3, 2, 1], [3], 2), ([3, 2, 1], [3, 2], 1), ([3, 2, 1], [3, 2, 1], nil),
        ([1, 2, 3], [3], 2), ([1, 2, 3], [3, 2], 1), ([2, 1, 3], [3], 2), ([1, 3, 2], [3, 2], 1), ([1, 3, 2], [3], 2),
        ([2, 3, 1], [1], 3),
    ] as [([Int64], Set<Int64>, Int64?)])
func theHighestThatPassesIsLive(order: [Int64], unfit: Set<Int64>, live: Int64?) {
    var record = ModelRecord<Number>(
        name: "m", slots: [.blue: 3, .green: 2], others: [1], live: 3, previous: nil, labels: [:])
    for number in order {
        let isFit = !unfit.contains(number)
        _ = record.arrived(loaded(number, 101, faults: isFit ? [] : ["golden: no"]), takesSlot: false, mayGoLive: isFit)
        if !isFit { _ = record.handOn(from: number, among: [1, 2, 3]) }
    }
    #expect(record.live == live)
    #expect(record.serving == [1, 2, 3])
}

/// Loads of orders, and versions that the policy does not want, are no heirs; and the heir gets all calls.
@Test func whatIsNoHeirIsNotLive() {
    var record = ModelRecord<Number>(
        name: "m", slots: [.blue: 3, .green: 2], others: [1], live: 3, previous: nil, labels: [:],
        split: Split(shares: [3: 90, 1: 10], salt: 1))
    record.begin(4, load: 7)
    _ = record.arrived(loaded(1, 101), takesSlot: false)
    _ = record.arrived(loaded(2, 101))
    record.failed(3, "no")
    #expect(record.handOn(from: 3, among: [2, 3, 4]) == 2)
    #expect(record.live == 2 && record.split == nil)
    #expect(record.handOn(from: 3, among: [1, 2, 3]) == nil)
}
