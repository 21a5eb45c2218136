// Enters: orders that divide calls, with integers for models. Leaves: who gets which calls.
import Memory
import Tensors
import TestSupport
import Testing

@testable import Models

/// Versions 1 and 2 of `m` fit each other, 3 does not; 1 is live.
private func roster() -> Roster<Number> {
    var roster = Roster<Number> { live, next in live.value == next.value ? [] : ["it is another"] }
    var record = ModelRecord<Number>(
        name: "m", slots: [.blue: 1, .green: 2, .shadow: 3], others: [], live: 1, previous: nil, labels: [:])
    record.begin(4)
    for (number, model) in [(1, 7), (2, 7), (3, 8)] as [(Int64, Int)] {
        _ = record.arrived(Version(of: "m", number: number, Number(model), digest: []))
    }
    roster.models["m"] = record
    return roster
}

private func shares(_ parts: (Int64, Int)...) -> [Share] { parts.map { Share(version: $0.0, percent: $0.1) } }

extension Roster<Number> {
    /// Percent by version, of many calls.
    fileprivate func dealt(_ lot: (UInt64) -> Lot = { .chance($0) }) throws -> [Int64: Int] {
        let entry = try #require(entries.first)
        var counts: [Int64: Int] = [:]
        for number in 0..<10_000 as Range<UInt64> {
            let lease = try entry.lease(.live, epoch: 1, lot: lot(number))
            counts[lease.provenance.version, default: 0] += 1
            let percent = entry.split?.shares[lease.provenance.version] ?? 0
            #expect(lease.shareMillionths == UInt32(percent) * 10_000)
        }
        return counts.mapValues { ($0 + 50) / 100 }
    }
}

@Test func callsAreDividedExactly() throws {
    var roster = roster()
    #expect(try roster.dealt() == [1: 100])
    let decision = try roster.weights("m", shares((1, 60), (2, 40)), isForced: false, salt: 1)
    #expect(decision.steps == ["version 2 of model 'm' gets 40 %", "version 1 of model 'm' gets 60 %"])
    #expect(try roster.dealt() == [1: 60, 2: 40])
    // By keys it is so on the whole.
    let byKey = try roster.dealt { .key($0 &* 0x1234_5678_9abc_def1) }
    #expect(abs((byKey[2] ?? 0) - 40) <= 2)
    _ = try roster.weights("m", shares((1, 20), (2, 30), (3, 50)), isForced: true, salt: 9)
    #expect(try roster.dealt() == [1: 20, 2: 30, 3: 50])
    _ = try roster.weights("m", shares((1, 100)), isForced: false, salt: 1)
    #expect(try roster.dealt() == [1: 100] && roster.models["m"]?.split == nil)
}

@Test func whoNamesAVersionGetsIt() throws {
    var roster = roster()
    _ = try roster.weights("m", shares((2, 100)), isForced: false, salt: 1)
    let entry = try #require(roster.entries.first)
    for number in 0..<100 as Range<UInt64> {
        #expect(try entry.lease(.number(1), epoch: 1, lot: .chance(number)).provenance.version == 1)
        #expect(try entry.lease(.slot(.blue), epoch: 1, lot: .chance(number)).draw == .none)
        let lease = try entry.lease(.live, epoch: 1, lot: .chance(number))
        #expect(lease.provenance.version == 2 && lease.draw == .byChance)
        #expect(try entry.lease(.live, epoch: 1, lot: .key(number)).draw == .byKey)
    }
}

/// As a share grows nobody who has the new version is sent back; and another salt deals otherwise.
@Test func keysStay() throws {
    var roster = roster()
    func newOnes(_ salt: UInt64, _ percent: Int) throws -> Set<UInt64> {
        _ = try roster.rollout("m", 2, percent: percent, isForced: false, salt: salt)
        let entry = try #require(roster.entries.first)
        return try Set((0..<1000).filter { try entry.lease(.live, epoch: 1, lot: .key($0)).provenance.version == 2 })
    }
    let few = try newOnes(5, 5)
    let more = try newOnes(6, 25)
    let most = try newOnes(7, 50)
    #expect(few.isSubset(of: more) && more.isSubset(of: most) && few.count < more.count)
    _ = try roster.abort("m")
    #expect(try newOnes(6, 25) != more)
}

@Test func aRolloutEndsWithASwapAnUnloadOrAnAbort() throws {
    for end in [
        .promote(model: "m"), .abort(model: "m"), .swap([Order.Change(model: "m", version: 2)], isForced: false),
        .unload(model: "m", version: 2, isForced: true),
    ] as [Order] {
        var roster = roster()
        _ = try roster.rollout("m", 2, percent: 5, isForced: false, salt: 1)
        #expect(roster.models["m"]?.rollout == 2)
        #expect(try roster.dealt() == [1: 95, 2: 5])
        _ = try roster.decide(end)
        #expect(roster.models["m"]?.rollout == nil && roster.models["m"]?.split == nil)
        #expect(try roster.dealt().count == 1)
    }
}

/// A rollout joins its calls with rewards by a number, as an experiment does, and stays a rollout.
@Test func aRolloutWithLabelsIsNoExperiment() throws {
    var roster = roster()
    for (step, percent) in [5, 25].enumerated() {
        let labels = Split.Experiment(number: 17, period: UInt8(step), isByKey: true)
        _ = try roster.rollout("m", 2, percent: percent, isForced: false, salt: 1, labels: labels)
        let entry = try #require(roster.entries.first)
        #expect(entry.experiment == 17)
        let arm = try #require(try entry.lease(.live, epoch: 1, lot: .chance(0)).arm)
        #expect(arm.experiment == 17 && Int(arm.period) == step)
        // Keys stay with their versions.
        #expect(try entry.lease(.live, epoch: 1, lot: .key(7), id: view("1")).draw == .byKey)
    }
    let isOn = OrderError.rolloutIsOn(model: "m", version: 2)
    #expect(throws: isOn) { try roster.weights("m", shares((1, 100)), isForced: true, salt: 1) }
    #expect(throws: isOn) { try beginExperiment(&roster) }
    // It is no choice between the versions, as it would be for an experiment.
    #expect(try roster.decide(.swap([Order.Change(model: "m", version: 1)], isForced: false)).changes == [])
    let remark = try roster.remark("m", "it waits")
    #expect(remark.steps == ["it waits"] && remark.version == 2)
    #expect(remark.changes == [Decision.Change(model: "m", from: 1, to: 1)])
    #expect(roster.models["m"]?.rollout == 2)
    _ = try roster.abort("m")
    #expect(throws: OrderError.noRollout(model: "m")) { try roster.remark("m", "it waits") }
}

/// A version that comes meanwhile takes nobody's place who has a share.
@Test func whoHasAShareKeepsItsPlace() throws {
    var roster = roster()
    _ = try roster.rollout("m", 2, percent: 5, isForced: false, salt: 1)
    roster.models["m"]?.begin(9)
    #expect(roster.models["m"]?.arrived(Version(of: "m", number: 9, Number(7), digest: [])) == [])
    #expect(roster.models["m"]?.standing(2)?.slot == .green && roster.models["m"]?.standing(9)?.slot == nil)
}

private func beginExperiment(_ roster: inout Roster<Number>, isByKey: Bool = false, salt: UInt64 = 5) throws {
    _ = try roster.experiment(
        "m", [1: 50, 2: 50], Split.Experiment(number: 17, period: 3, isByKey: isByKey), isForced: false, salt: salt)
}

/// The same ids and salt deal out the same way, whatever chance says.
@Test func anExperimentDealsOutByIds() throws {
    // Each time other lots: the words go on.
    var random = SplitMix(seed: 1)
    func dealt(_ salt: UInt64) throws -> [UInt8?] {
        var roster = roster()
        try beginExperiment(&roster, salt: salt)
        let entry = try #require(roster.entries.first)
        return try (0..<1000).map { number in
            let id = view("order-\(number)")
            let lease = try entry.lease(.live, epoch: 1, lot: .chance(random.next()), id: id)
            #expect(lease.draw == .byChance && lease.arm?.experiment == 17 && lease.arm?.period == 3)
            #expect(lease.arm.map { Int64($0.number) + 1 } == lease.provenance.version)
            return lease.arm?.number
        }
    }
    let first = try dealt(5)
    #expect(try dealt(5) == first)
    #expect(try dealt(6) != first)
    #expect(abs(first.count { $0 == 1 } - 500) < 80)
}

@Test func aStickyExperimentDealsOutByKeys() throws {
    var roster = roster()
    try beginExperiment(&roster, isByKey: true)
    let entry = try #require(roster.entries.first)
    for key in 0..<100 as Range<UInt64> {
        let arms = try Set(
            (0..<20).map { number in
                let lease = try entry.lease(.live, epoch: 1, lot: .key(key), id: view("\(number)"))
                #expect(lease.draw == .byKey)
                return try #require(lease.arm).number
            })
        #expect(arms.count == 1)
    }
    // Who asks for a version by its number is not part of it.
    #expect(try entry.lease(.number(1), epoch: 1, id: view("1")).arm == nil)
}

@Test func anExperimentGoesOnUntilItsVersionsAreDividedNoMore() throws {
    for end in [
        .abort(model: "m"), .swap([Order.Change(model: "m", version: 2)], isForced: false),
        .swap([Order.Change(model: "m", version: 1)], isForced: false), .unload(model: "m", version: 2, isForced: true),
    ] as [Order] {
        var roster = roster()
        try beginExperiment(&roster)
        roster.goOn("m", [1: 20, 2: 80], Split.Experiment(number: 17, period: 4, isByKey: false))
        #expect(try roster.dealt() == [1: 20, 2: 80])
        #expect(roster.entries.first?.experiment == 17)
        let isOn = OrderError.experimentIsOn(model: "m")
        #expect(throws: isOn) { try beginExperiment(&roster) }
        #expect(throws: isOn) { try roster.weights("m", shares((1, 100)), isForced: true, salt: 1) }
        #expect(throws: isOn) { try roster.rollout("m", 2, percent: 5, isForced: false, salt: 1) }
        _ = try roster.decide(end)
        #expect(roster.models["m"]?.split == nil)
        // What is over does not come back.
        roster.goOn("m", [1: 20, 2: 80], Split.Experiment(number: 17, period: 5, isByKey: false))
        #expect(roster.models["m"]?.split == nil)
    }
}

@Test func experimentsThatCannotBe() throws {
    var roster = roster()
    func refused(_ shares: [Int64: Int], isForced: Bool = false, _ error: OrderError) {
        #expect(throws: error) {
            try roster.experiment(
                "m", shares, Split.Experiment(number: 1, period: 0, isByKey: false), isForced: isForced, salt: 1)
        }
    }
    refused([1: 50, 3: 50], .incompatible(model: "m", version: 3, differences: ["it is another"]))
    refused([1: 50, 4: 50], .busy(model: "m", version: 4))
    refused([1: 50, 8: 50], isForced: true, .versionNotLoaded(model: "m", version: 8, loaded: [1, 2, 3]))
    _ = try roster.rollout("m", 2, percent: 5, isForced: false, salt: 1)
    refused([1: 50, 2: 50], .rolloutIsOn(model: "m", version: 2))
}

/// After a start the shares hold from when all of their versions are there.
@Test func sharesComeBackWhole() throws {
    var record = ModelRecord<Number>(
        name: "m", slots: [.blue: 1, .green: 2], others: [], live: 1, previous: nil, labels: [:],
        split: Split(shares: [1: 50, 2: 50], salt: 1))
    _ = record.arrived(Version(of: "m", number: 1, Number(7), digest: []))
    #expect(record.entry.split == nil && record.live == 1)
    _ = record.arrived(Version(of: "m", number: 2, Number(7), digest: []))
    #expect(record.entry.split?.shares == [1: 50, 2: 50])
}

@Test func divisionsThatCannotBe() throws {
    var roster = roster()
    func weights(_ parts: (Int64, Int)..., error: OrderError) {
        #expect(throws: error) {
            try roster.weights("m", parts.map { Share(version: $0.0, percent: $0.1) }, isForced: false, salt: 1)
        }
    }
    weights(error: .badShares("the shares are 0 % together; they must be 100 %"))
    weights((1, 99), error: .badShares("the shares are 99 % together; they must be 100 %"))
    weights((1, 101), (2, -1), error: .badShares("version 1 is given 101 %; allowed are 0 to 100"))
    weights((1, 50), (1, 50), error: .badShares("version 1 is named twice"))
    weights((1, 50), (8, 50), error: .versionNotLoaded(model: "m", version: 8, loaded: [1, 2, 3]))
    weights((1, 50), (4, 50), error: .busy(model: "m", version: 4))
    weights((1, 50), (3, 50), error: .incompatible(model: "m", version: 3, differences: ["it is another"]))
    #expect(throws: OrderError.noRollout(model: "m")) { try roster.promote("m") }
    #expect(throws: OrderError.noRollout(model: "m")) { try roster.abort("m") }
    #expect(throws: OrderError.alreadyLive(model: "m", version: 1)) {
        try roster.rollout("m", 1, percent: 5, isForced: false, salt: 1)
    }
    _ = try roster.rollout("m", nil, percent: 5, isForced: false, salt: 1)
    let isOn = OrderError.rolloutIsOn(model: "m", version: 2)
    #expect(throws: isOn) { try roster.rollout("m", 3, percent: 5, isForced: true, salt: 1) }
    #expect(throws: isOn) { try roster.weights("m", [Share(version: 1, percent: 100)], isForced: true, salt: 1) }
    _ = try roster.unload("m", nil, isForced: true)
    #expect(throws: OrderError.self) {
        try roster.weights("m", [Share(version: 1, percent: 100)], isForced: true, salt: 1)
    }
}

// MARK: - Shadow

extension Roster<Number> {
    /// How many of 1000 calls are repeated.
    fileprivate func repeated(_ selector: VersionSelector = .live) throws -> Int {
        let entry = try #require(entries.first)
        return try (0..<1000 as Range<UInt64>).count { number in
            // Digits that say nothing of one another.
            let lot = Lot.chance(number &* 0x9e37_79b9_7f4a_7c15)
            return try entry.lease(selector, epoch: 1, lot: lot).mirror?.object.value == 8
        }
    }
}

@Test func aShadowRepeatsItsShareOfTheLiveOnesCalls() throws {
    var roster = roster()
    #expect(try roster.repeated() == 0)
    let decision = try roster.decide(.shadow(model: "m", version: 3, percent: 20))
    #expect(decision.steps == ["version 3 of model 'm' repeats 20 % of version 1's calls"])
    #expect(try 150...250 ~= roster.repeated())
    #expect(try roster.repeated(.number(1)) == 0)
    _ = try roster.decide(.shadow(model: "m", version: nil, percent: 100))
    #expect(try roster.repeated() == 1000)
    // What another version answers is not repeated: it is compared with the live one.
    _ = try roster.weights("m", shares((1, 50), (2, 50)), isForced: false, salt: 1)
    #expect(try 400...600 ~= roster.repeated())
    let end = try roster.decide(.shadow(model: "m", version: nil, percent: 0))
    #expect(try roster.repeated() == 0)
    // Its place is taken.
    #expect(end.steps.last?.contains("stays loaded in the slot shadow, because version 2 stands in green") == true)
    #expect(roster.models["m"]?.standing(3)?.slot == .shadow)
}

@Test func aShadowThatRepeatsNothingHasAPlaceAgain() throws {
    var roster = roster()
    _ = try roster.decide(.shadow(model: "m", version: 2, percent: 20))
    #expect(roster.models["m"]?.standing(2)?.slot == .shadow && roster.models["m"]?.standing(3)?.slot == nil)
    let end = try roster.decide(.shadow(model: "m", version: nil, percent: 0))
    #expect(end.steps == ["no call of model 'm' is repeated", "version 2 of model 'm' stands in green again"])
    #expect(roster.models["m"]?.standing(2)?.slot == .green && end.version == 2)
    // So that it is the one beside the live one.
    #expect(try roster.swap([Order.Change(model: "m")], isForced: false).changes.first?.to == 2)
}

@Test func aShadowThatBecomesLiveLeavesItsSlot() throws {
    var roster = roster()
    _ = try roster.decide(.shadow(model: "m", version: 3, percent: 20))
    _ = try roster.swap([Order.Change(model: "m", version: 3)], isForced: true)
    #expect(roster.models["m"]?.standing(3)?.slot == .green && roster.models["m"]?.mirrorPercent == 0)
    #expect(roster.models["m"]?.standing(2)?.slot == nil && roster.models["m"]?.standing(1)?.slot == .blue)
}

@Test func shadowsThatCannotBe() throws {
    var roster = roster()
    #expect(throws: OrderError.badShares("a share of 101 %; allowed are 0 to 100")) {
        try roster.shadow("m", 3, percent: 101)
    }
    #expect(throws: OrderError.alreadyLive(model: "m", version: 1)) { try roster.shadow("m", 1, percent: 1) }
    #expect(throws: OrderError.versionNotLoaded(model: "m", version: 7, loaded: [1, 2, 3])) {
        try roster.shadow("m", 7, percent: 1)
    }
    _ = try roster.rollout("m", 2, percent: 5, isForced: false, salt: 1)
    #expect(throws: OrderError.rolloutIsOn(model: "m", version: 2)) { try roster.shadow("m", 2, percent: 1) }
    _ = try roster.shadow("m", 3, percent: 5)
    _ = try roster.unload("m", 3, isForced: false)
    #expect(roster.models["m"]?.mirrorPercent == 0)
}
