// Enters: files and configurations that change under versions that are loaded, and gates that fail. Leaves: what is served.
import Batching
import Foundation
import Memory
import Models
import Repository
import Serving
import Tensors
import Testing

@testable import Control

extension Place {
    /// The file of a version is another one from now on.
    fileprivate func replace(_ version: String, by fixture: String) throws {
        try FileManager.default.removeItem(atPath: "\(path)/\(version)/model.onnx")
        try self.fixture(fixture, as: "\(version)-new")
        try FileManager.default.moveItem(
            atPath: "\(path)/\(version)-new/model.onnx", toPath: "\(path)/\(version)/model.onnx")
        try FileManager.default.removeItem(atPath: "\(path)/\(version)-new")
    }

    /// A golden case that no model passes.
    fileprivate func failingGolden(_ version: String) throws { try file("\(version)/golden/a/input.x.npy", "no array") }
}

extension Workshop {
    fileprivate func digest(_ model: String, _ version: Int64) -> String? {
        standing(model, version)?.version?.digest.array.hex
    }

    fileprivate func load(_ model: String, _ version: Int64, isForced: Bool = false) throws(OrderError) -> Outcome {
        try perform(.load(model: model, version: version, isForced: isForced))
    }
}

/// `lookup`, `diabetes` and `digits` take different inputs, so the second fits only by force.
private func served() throws -> Workshop {
    let place = Place()
    try place.fixture("diabetes/1", as: "m/1")
    let shop = try Workshop(place)
    try shop.start()
    return shop
}

@Test func otherBytesAreLoadedAnew() throws {
    let shop = try served()
    let old = try #require(shop.digest("m", 1))
    #expect(try shop.load("m", 1).decision.steps == ["version 1 of model 'm' is loaded already"])
    try shop.place.replace("m/1", by: "digits/1")
    let epoch = shop.directory.catalog.epoch
    // Its callers would notice, so it takes force; until then nothing changes.
    let error = #expect(throws: OrderError.self) { try shop.load("m", 1) }
    guard case .incompatible(model: "m", version: 1, _)? = error else {
        Issue.record("\(error.debugDescription)")
        return
    }
    #expect(shop.digest("m", 1) == old && shop.directory.catalog.epoch == epoch && shop.lines == ["m 1 blue live"])
    #expect(
        try shop.perform(.load(model: "m", version: 1), isDryRun: true).decision.steps.first?.contains("anew") == true)
    let weak = try shop.weak("m", 1)
    let outcome = try shop.load("m", 1, isForced: true)
    let new = try #require(shop.digest("m", 1))
    #expect(new != old && shop.lines == ["m 1 blue live"] && outcome.epoch == shop.directory.catalog.epoch)
    #expect(outcome.decision.steps.last?.contains("(sha256 \(new.prefix(12)))") == true)
    // History and state name the digest; a rollback finds what it was, in memory.
    let event = try #require(shop.control.history("m").last)
    #expect(event.digest == new && event.isForced == true && event.version == 1 && event.action == .load)
    let kept = try #require(try Desired.read(shop.place.state)?.models["m"])
    #expect(kept.digests == ["1": new] && kept.isForced == true && kept.isByOrder == true)
    #expect(weak.servable != nil && shop.control.previous("m") == 1)
    let back = try shop.perform(.rollback(model: "m"))
    #expect(shop.digest("m", 1) == old && back.decision.steps.first?.contains("answers again") == true)
    #expect(shop.control.history("m").last?.digest == old)
    // And the next order loads what lies there, again.
    _ = try shop.load("m", 1, isForced: true)
    #expect(shop.digest("m", 1) == new)
}

@Test func anotherConfigurationIsLoadedAnew() throws {
    let shop = try served()
    try shop.place.file("m/model.yaml", "version_policy.latest=1")
    #expect(try shop.load("m", 1).decision.steps == ["version 1 of model 'm' is loaded already"])
    try shop.place.file("m/model.yaml", "batching=off")
    #expect(try shop.load("m", 1).decision.changes.count == 1)
    #expect(try shop.load("m", 1).decision.steps == ["version 1 of model 'm' is loaded already"])
    #expect(shop.standing("m", 1)?.version?.model.settings.mode == .off)
    // One that is wrong changes nothing, and says why.
    try shop.place.file("m/model.yaml", "batching=perhaps")
    let error = #expect(throws: OrderError.self) { try shop.load("m", 1) }
    #expect(error?.sentence.contains("batching is 'perhaps'") == true, "\(error?.sentence ?? "")")
    #expect(shop.lines == ["m 1 blue live"] && shop.standing("m", 1)?.renewal == nil)
}

@Test(arguments: ["no model", ""])
func whatCannotBeLoadedAnewGoesOn(content: String) throws {
    let shop = try served()
    let old = shop.digest("m", 1)
    try shop.place.file("m/1/model.onnx", content)
    #expect(throws: OrderError.self) { try shop.load("m", 1) }
    #expect(shop.digest("m", 1) == old && shop.lines == ["m 1 blue live"])
    #expect(shop.reports.withLock { $0.last?.failure } != nil)
    // The next order is not refused for it.
    try shop.place.replace("m/1", by: "diabetes/1")
    #expect(try shop.load("m", 1).decision.steps == ["version 1 of model 'm' is loaded already"])
}

@Test func whatFailsAGateIsNotLoadedAnew() throws {
    let shop = try served()
    try shop.place.file("m/model.yaml", "batching=off")
    try shop.place.failingGolden("m/1")
    let error = #expect(throws: OrderError.self) { try shop.load("m", 1) }
    guard case .unfit? = error else {
        Issue.record("\(error.debugDescription)")
        return
    }
    #expect(shop.standing("m", 1)?.version?.model.settings.mode == .auto)
    _ = try shop.load("m", 1, isForced: true)
    #expect(shop.standing("m", 1)?.version?.model.settings.mode == .off)
}

/// Unloaded while it is loaded anew, it does not come back.
@Test func whatIsUnloadedMeanwhileIsGone() throws {
    let shop = try served()
    try shop.place.file("m/model.yaml", "batching=off")
    shop.meanwhile.withLock {
        $0 = { [unowned shop] () throws(LoadError) in
            let unload = Order.unload(model: "m", version: 1, isForced: true)
            _ = try? shop.control.perform(unload, shop.signed())
        }
    }
    #expect(throws: OrderError.loadFailed(model: "m", version: 1, reason: "it was unloaded meanwhile")) {
        try shop.load("m", 1)
    }
    shop.meanwhile.withLock { $0 = nil }
    #expect(shop.lines.isEmpty)
    _ = try shop.load("m", 1)
    #expect(shop.lines == ["m 1 blue live"])
}

// MARK: - Gates at a start

@Test func theHighestThatPassesItsGatesIsLiveAtAFirstStart() throws {
    let place = Place()
    for version in 1...3 { try place.fixture("diabetes/1", as: "m/\(version)") }
    try place.file("m/model.yaml", "version_policy.latest=3")
    try place.failingGolden("m/3")
    for threads in [1, 3] {
        let shop = try Workshop(place, keeps: false)
        try shop.start(threads: threads)
        #expect(shop.directory.catalog.entry(named: "m")?.live?.number == 2)
        #expect(shop.standing("m", 3)?.state == .ready && shop.standing("m", 3)?.version?.faults.count == 1)
        #expect(shop.warnings.withLock(\.self).contains { $0.contains("version 2 is to answer instead of version 3") })
    }
}

@Test func whatAnOrderMadeLiveIsLiveAgain() throws {
    let place = Place()
    for version in 1...2 { try place.fixture("diabetes/1", as: "m/\(version)") }
    try place.failingGolden("m/2")
    let first = try Workshop(place)
    try first.start()
    #expect(first.directory.catalog.entry(named: "m")?.live?.number == 1)
    // What no order decided is decided anew.
    try first.perform(.label(model: "m", label: "x", version: 2))
    first.control.leave()
    let second = try Workshop(place)
    try second.start()
    #expect(second.directory.catalog.entry(named: "m")?.live?.number == 1)
    #expect(throws: OrderError.self) {
        try second.perform(.swap([Order.Change(model: "m", version: 2)], isForced: false))
    }
    try second.perform(.swap([Order.Change(model: "m", version: 2)], isForced: true))
    second.control.leave()
    let third = try Workshop(place)
    try third.start()
    #expect(third.directory.catalog.entry(named: "m")?.live?.number == 2)
    #expect(third.warnings.withLock(\.self).contains { $0.contains("made it live by force") })
    #expect(third.control.history("m").last?.isForced == true)
}

/// Other models load beside: what is slow, or large, says nothing of the version then.
@Test func timesAndMemoryDoNotDecideAtAStart() throws {
    let place = Place()
    try place.fixture("diabetes/1", as: "m/1")
    try place.file("m/model.yaml", "latency_budget_milliseconds=0.001\nmemory_budget=1")
    let shop = try Workshop(place)
    try shop.start()
    #expect(shop.lines == ["m 1 blue live"] && shop.standing("m", 1)?.version?.faults.isEmpty == true)
    let gates = try #require(shop.reports.withLock { $0.first?.gates }).filter(\.isAskedFor)
    #expect(gates.map(\.name) == [.latency, .memory] && gates.allSatisfy { $0.outcome == .skipped })
}

@Test func bytesThatChangedWhileNoServerRanAreSaid() throws {
    let shop = try served()
    try shop.perform(.label(model: "m", label: "x", version: 1))
    shop.control.leave()
    try shop.place.replace("m/1", by: "digits/1")
    let again = try Workshop(shop.place)
    try again.start()
    #expect(again.lines == ["m 1 blue live"])
    #expect(
        again.warnings.withLock(\.self).contains {
            $0.contains("its file is not what was served when the server ended")
        })
}

/// An order is kept with the file that it was given for: another one has to pass its gates.
@Test func otherBytesAreNotWhatAnOrderMadeLive() throws {
    let place = Place()
    for version in 1...2 { try place.fixture("diabetes/1", as: "m/\(version)") }
    let first = try Workshop(place)
    try first.start()
    try first.perform(.swap([Order.Change(model: "m", version: 1)], isForced: false))
    try first.perform(.swap([Order.Change(model: "m", version: 2)], isForced: false))
    first.control.leave()
    try place.replace("m/2", by: "digits/1")
    try place.failingGolden("m/2")
    let second = try Workshop(place)
    try second.start()
    #expect(second.directory.catalog.entry(named: "m")?.live?.number == 1)
}

/// Times are not measured at a start; what was found of them before holds on for swaps.
@Test func whatFailedABudgetStillNeedsForceAfterARestart() throws {
    let place = Place()
    try place.fixture("diabetes/1", as: "m/1")
    let first = try Workshop(place)
    try first.start()
    try place.fixture("diabetes/1", as: "m/2")
    try place.file("m/model.yaml", "latency_budget_milliseconds=0.001")
    try first.perform(.load(model: "m", version: 2))
    let swap = Order.swap([Order.Change(model: "m", version: 2)], isForced: false)
    #expect(throws: OrderError.self) { try first.perform(swap) }
    first.control.leave()
    let second = try Workshop(place)
    try second.start()
    #expect(second.standing("m", 2)?.version?.faults.first?.hasPrefix("latency: ") == true)
    #expect(throws: OrderError.self) { try second.perform(swap) }
    #expect(second.directory.catalog.entry(named: "m")?.live?.number == 1)
}

/// A golden case that is mended is reason enough to load it anew.
@Test func whatWasMendedIsLoadedAnew() throws {
    let place = Place()
    try place.fixture("diabetes/1", as: "m/1")
    try place.failingGolden("m/1")
    let shop = try Workshop(place)
    try shop.start()
    #expect(shop.lines == ["m 1 blue ready"])
    // None is live, and none was wanted: kept so, the next start decides anew.
    try shop.perform(.label(model: "m", label: "x", version: 1))
    try FileManager.default.removeItem(atPath: "\(place.path)/m/1/golden")
    let outcome = try shop.perform(.load(model: "m", version: 1))
    #expect(shop.lines == ["m 1 blue live"] && outcome.decision.changes.first?.to == 1)
}

@Test func whatNoOrderLeftWithoutALiveVersionIsChosenAnew() throws {
    let place = Place()
    try place.fixture("diabetes/1", as: "m/1")
    try place.failingGolden("m/1")
    let first = try Workshop(place)
    try first.start()
    try first.perform(.label(model: "m", label: "x", version: 1))
    first.control.leave()
    try FileManager.default.removeItem(atPath: "\(place.path)/m/1/golden")
    let second = try Workshop(place)
    try second.start()
    #expect(second.lines == ["m 1 blue live"])
    // And what an order left so stays so.
    try second.perform(.load(model: "m", version: 1))
    try second.perform(.unload(model: "m", version: 1, isForced: true))
    second.control.leave()
    let third = try Workshop(place)
    try third.start()
    #expect(third.lines.isEmpty)
}

/// Files of before it was kept which version an order made live.
@Test func anOlderStateFileKeepsWhatItsOrdersDecided() throws {
    func event(_ trigger: Trigger?, _ from: Int64?, _ to: Int64?) -> Desired.Event {
        Desired.Event(
            timeMilliseconds: 1, action: .swap, from: from, to: to, epoch: 1, author: "", reason: "", steps: [],
            trigger: trigger)
    }
    for (events, wasOrdered) in [
        ([event(.cli, 1, 2)], true), ([event(nil, 1, 2)], true), ([event(.watch, 1, 2)], false),
        ([event(.cli, 1, 2), event(.watch, 2, 3), event(.cli, 3, 3)], false), ([], false),
        ([event(.watch, nil, 1), event(.api, 1, nil)], true),
    ] {
        #expect(Desired.Model(live: 2, history: events).wasOrdered == wasOrdered, "\(events)")
    }
}
