// Enters: orders. Leaves: what is served then, what the next start begins with, and memory that is free again.
import Foundation
import Memory
import Models
import Reactor
import Serving
import Tensors
import Testing

@testable import Control
@testable import Repository

private func swap(_ model: String, _ version: Int64? = nil, isForced: Bool = false) -> Order {
    .swap([Order.Change(model: model, version: version)], isForced: isForced)
}

private func load(_ model: String, _ version: Int64? = nil) -> Order { .load(model: model, version: version) }

private func unload(_ model: String, _ version: Int64? = nil, isForced: Bool? = nil) -> Order {
    // All of a model that is served goes by force only.
    .unload(model: model, version: version, isForced: isForced ?? (version == nil))
}

private func label(_ model: String, _ label: String, _ version: Int64?) -> Order {
    .label(model: model, label: label, version: version)
}

private func changed(_ model: String, _ from: Int64?, _ to: Int64?) -> [Decision.Change] {
    [Decision.Change(model: model, from: from, to: to)]
}

// MARK: - What orders come to

private struct Done {
    let order: Order
    let changes: [Decision.Change]
    let steps: [String]
    let lines: [String]
    /// The version that the order is about.
    let version: Int64?

    init(
        _ order: Order, _ changes: [Decision.Change], _ steps: [String], _ lines: [String], about version: Int64? = nil
    ) {
        (self.order, self.changes, self.steps, self.lines, self.version) = (order, changes, steps, lines, version)
    }
}

private let day = [
    Done(
        load("m", 1), changed("m", 3, 3),
        ["version 2 of model 'm' goes", "version 1 of model 'm' is ready beside version 3, which answers"],
        ["m 3 blue live", "m 1 green ready"], about: 1),
    Done(
        swap("m"), changed("m", 3, 1), ["version 1 of model 'm' answers instead of version 3, which stays loaded"],
        ["m 1 green live", "m 3 blue ready"]),
    Done(
        .rollback(model: "m"), changed("m", 1, 3),
        ["version 3 of model 'm' answers again instead of version 1, which stays loaded"],
        ["m 3 blue live", "m 1 green ready"]),
    Done(
        .rollback(model: "m"), changed("m", 3, 1),
        ["version 1 of model 'm' answers again instead of version 3, which stays loaded"],
        ["m 1 green live", "m 3 blue ready"]),
    Done(
        label("m", "next", 3), changed("m", 1, 1), ["label 'next' of model 'm' points to version 3"],
        ["m 1 green live", "m 3 blue ready"], about: 3),
    Done(load("m", 1), [], ["version 1 of model 'm' is loaded already"], ["m 1 green live", "m 3 blue ready"]),
    Done(swap("m", 1), [], ["version 1 of model 'm' is live already"], ["m 1 green live", "m 3 blue ready"]),
    Done(unload("m", 3), changed("m", 1, 1), ["version 3 of model 'm' goes"], ["m 1 green live"], about: 3),
    // The highest of the repository.
    Done(
        load("m"), changed("m", 1, 1), ["version 3 of model 'm' is ready beside version 1, which answers"],
        ["m 1 green live", "m 3 blue ready"], about: 3),
    Done(
        unload("m", 1, isForced: true), changed("m", 1, nil), ["version 1 of model 'm' goes"], ["m 3 blue ready"],
        about: 1),
    Done(
        load("m", 2), changed("m", nil, 2), ["version 2 of model 'm' answers"], ["m 2 green live", "m 3 blue ready"],
        about: 2),
    Done(
        unload("m"), changed("m", 2, nil), ["version 2 of model 'm' goes", "version 3 of model 'm' goes"], []),
    Done(load("m", 3), changed("m", nil, 3), ["version 3 of model 'm' answers"], ["m 3 blue live"], about: 3),
]

@Test func aDaysOrders() throws {
    let shop = try Workshop(Place(["m": [1, 2, 3]]))
    try shop.start()
    #expect(shop.lines == ["m 3 blue live", "m 2 green ready"])
    var expected: [Desired.Event] = []
    for (number, done) in day.enumerated() {
        let before = shop.directory.catalog.epoch
        let outcome = try shop.perform(done.order, reason: "\(number)")
        #expect(outcome.decision == Decision(changes: done.changes, steps: done.steps, version: done.version))
        #expect(shop.lines == done.lines, "\(done.order)")
        // It holds from the commit that it names, and somebody waited until it held for all.
        #expect(outcome.epoch == shop.directory.catalog.epoch)
        #expect((outcome.spreadNanoseconds > 0) == !(done.changes.isEmpty && done.order.action == .load))
        #expect(shop.spreads.withLock { $0.last } == outcome.epoch)
        // What was replaced is free when the order has been carried out.
        #expect(shop.control.draining.isEmpty)
        #expect((outcome.epoch == before) == done.changes.isEmpty)
        guard let change = done.changes.first else { continue }
        expected.append(
            Desired.Event(
                timeMilliseconds: shop.signed().timeMilliseconds, action: done.order.action, from: change.from,
                to: change.to,
                epoch: outcome.epoch, author: "maria", reason: "\(number)", steps: done.steps,
                // A swap is about what is live then.
                version: done.version ?? (change.from == change.to ? nil : change.to), trigger: .api,
                isForced: done.order.isForced ? true : nil))
        #expect(shop.control.history("m") == expected)
        #expect(try Desired.read(shop.place.state)?.models["m"]?.history == expected)
    }
    #expect(shop.control.history("n").isEmpty && shop.control.previous("n") == nil)
}

/// A candidate takes nobody's place, and nobody's calls.
@Test func aLoadIntoTheShadow() throws {
    let shop = try Workshop(Place(["m": [1, 2, 3, 4]]))
    #expect(throws: OrderError.unknownModel("n")) { try shop.perform(.load(model: "n", version: 1, isShadow: true)) }
    try shop.start()
    let before = ["m 4 blue live", "m 3 green ready"]
    let order = Order.load(model: "m", version: 1, isShadow: true)
    _ = try shop.perform(order, isDryRun: true)
    #expect(shop.lines == before)
    let outcome = try shop.perform(order)
    #expect(shop.lines == before + ["m 1 shadow ready"])
    #expect(
        outcome.decision.steps == [
            "version 1 of model 'm' is ready in the slot shadow, beside version 4, which answers"
        ])
    // The next one takes the shadow, and what was repeated is not repeated to it unasked.
    try shop.perform(.shadow(model: "m", version: nil, percent: 20))
    #expect(shop.directory.catalog.entry(named: "m")?.mirrorPercent == 20)
    try shop.perform(.load(model: "m", version: 2, isShadow: true))
    #expect(shop.lines == before + ["m 2 shadow ready"])
    #expect(shop.directory.catalog.entry(named: "m")?.mirrorPercent == 0)
    // It is kept for the next start.
    #expect(try Desired.read(shop.place.state)?.models["m"]?.slots == ["blue": 4, "green": 3, "shadow": 2])
    let again = try shop.perform(.load(model: "m", version: 3, isShadow: true))
    #expect(
        again.decision.steps == [
            "version 3 of model 'm' is loaded already; \"vencejo shadow\" moves it to the shadow"
        ])
    try shop.perform(unload("m"))
    #expect(throws: OrderError.noLive(model: "m")) { try shop.perform(order) }
}

/// An answer says by which commit it was given, and which version gave it.
@Test func leasesFollowOrders() throws {
    let shop = try Workshop(Place(["m": [1, 2]]))
    try shop.start()
    func live() throws -> Provenance {
        let catalog = shop.directory.catalog
        return try catalog.lease(try #require(catalog.entry(named: "m")).nameView, .live).provenance
    }
    #expect(try live().version == 2 && live().slot == .blue && live().epoch == shop.directory.catalog.epoch)
    let outcome = try shop.perform(swap("m"))
    #expect(try live().version == 1 && live().slot == .green && live().epoch == outcome.epoch)
}

@Test func severalModelsChangeInOneCommit() throws {
    let shop = try Workshop(Place(["a": [1, 2], "b": [1, 2], "c": [1, 2]]))
    try shop.start()
    let before = shop.directory.catalog
    let outcome = try shop.perform(
        .swap([Order.Change(model: "a"), Order.Change(model: "c", version: 1)], isForced: false))
    #expect(outcome.decision.changes == changed("a", 2, 1) + changed("c", 2, 1))
    #expect(shop.directory.catalog.epoch == before.epoch + 1)
    #expect(
        shop.lines == [
            "a 1 green live", "a 2 blue ready", "b 2 blue live", "b 1 green ready", "c 1 green live", "c 2 blue ready",
        ])
    // Each has it in its history, with all that was done.
    for name in ["a", "c"] { #expect(shop.control.history(name).map(\.steps) == [outcome.decision.steps]) }
    #expect(shop.control.history("b").isEmpty)
    // One that is wrong keeps the others from changing.
    #expect(throws: OrderError.self) {
        try shop.perform(.swap([Order.Change(model: "b"), Order.Change(model: "a", version: 9)], isForced: false))
    }
    #expect(shop.directory.catalog.epoch == before.epoch + 1)
}

private let orders = [
    load("m", 1), load("new"), swap("m"), unload("m", 2), unload("m"), label("m", "x", 3), .rollback(model: "back"),
    swap("m", 3), load("m", 3),
]

@Test(arguments: orders)
func aDryRunChangesNothing(order: Order) throws {
    let place = try Place(["m": [1, 2, 3], "back": [1, 2]])
    let shop = try Workshop(place)
    try shop.start()
    try shop.perform(swap("back"))
    try place.add("new", [1])
    let (catalog, bytes, reports) = (shop.directory.catalog, place.stateBytes, shop.reports.withLock { $0.count })
    let spreads = shop.spreads.withLock { $0 }
    let would = try shop.perform(order, isDryRun: true)
    #expect(shop.directory.catalog === catalog && place.stateBytes == bytes)
    #expect(shop.reports.withLock { $0.count } == reports && shop.control.history("m").isEmpty)
    #expect(would.epoch == catalog.epoch && would.spreadNanoseconds == 0 && !would.decision.steps.isEmpty)
    // Nobody waited for the order; that memory is freed afterwards is something else.
    #expect(shop.spreads.withLock { $0 }.count == spreads.count + 1)
    // What would be done is what is done; but a load tells then what goes for it.
    let done = try shop.perform(order)
    if order.action != .load { #expect(done.decision == would.decision) }
}

@Test(
    arguments: [
        (load("dogs"), .unknownModel("dogs")), (load(""), .unknownModel("")), (load("../m"), .unknownModel("../m")),
        (load(".hidden"), .unknownModel(".hidden")),
        (load("m", 9), .unknownVersion(model: "m", version: 9, available: [1, 2])),
        (load("m", -1), .unknownVersion(model: "m", version: -1, available: [1, 2])),
        (load("m", 0), .unknownVersion(model: "m", version: 0, available: [1, 2])),
        (load("hollow"), .noVersion(model: "hollow")),
        (load("link"), .repository(reason: RepositoryError.symbolicLink(path: "link").description)),
        (swap("dogs"), .notLoaded(model: "dogs", known: ["hollow", "m"])),
        (.rollback(model: "m"), .nothingBefore(model: "m")), (unload("m", 2), .isLive(model: "m", version: 2)),
        (label("m", "7", 1), .badLabel("7")), (.swap([], isForced: false), .noModel),
    ] as [(Order, OrderError)])
func ordersThatCannotBe(order: Order, error: OrderError) throws {
    let place = try Place(["m": [1, 2]])
    try place.file("hollow/readme.txt")
    let shop = try Workshop(place)
    try shop.start()
    try place.add(".hidden", [1])
    try FileManager.default.createSymbolicLink(atPath: place.path + "/link", withDestinationPath: "m")
    let catalog = shop.directory.catalog
    for isDryRun in [true, false] {
        #expect(throws: error) { try shop.perform(order, isDryRun: isDryRun) }
    }
    #expect(shop.directory.catalog === catalog && place.stateBytes == nil)
}

/// What was put into the repository since it was read.
@Test func newModelsAreLoaded() throws {
    let place = try Place(["m": [1]])
    let shop = try Workshop(place)
    try shop.start()
    #expect(throws: OrderError.unknownModel("n")) { try shop.perform(load("n")) }
    try place.add("n", [4, 5])
    try place.file("n/model.yaml", "engine=identity\nlabels.old=4")
    try shop.perform(load("n", 4))
    try shop.perform(load("n"))
    try place.file("m/2/.keep")
    try shop.perform(load("m"))
    #expect(shop.lines == ["m 1 blue live", "m 2 green ready", "n 4 blue live", "n 5 green ready"])
    #expect(shop.directory.catalog.entry(named: "n")?.labels == ["old": 4])
    let reports = shop.reports.withLock { $0 }.suffix(3)
    #expect(reports.map { "\($0.model) \($0.version)" } == ["n 4", "n 5", "m 2"])
    #expect(reports.allSatisfy { $0.place == nil && $0.failure == nil && $0.slot != nil })
}

/// Callers of the live version must not notice a swap, unless somebody says so.
@Test func aSwapThatCallersWouldNotice() throws {
    let place = Place()
    try place.fixture("lookup/1", as: "m/1")
    try place.fixture("digits/1", as: "m/2")
    let shop = try Workshop(place)
    try shop.start()
    let catalog = shop.directory.catalog
    let error = #expect(throws: OrderError.self) { try shop.perform(swap("m")) }
    guard case .incompatible("m", 1, let differences) = error else {
        Issue.record("\(String(describing: error))")
        return
    }
    #expect(differences.contains("input 'image' is gone") && differences.contains("input 'place' is new"))
    #expect(shop.directory.catalog === catalog)
    try shop.perform(swap("m", isForced: true))
    // Back again nobody needs to be asked.
    try shop.perform(.rollback(model: "m"))
    #expect(shop.lines == ["m 2 blue live", "m 1 green ready"])
}

// MARK: - Loads that fail

/// What is served goes on being served; what failed is told, to callers too, until it is loaded or unloaded.
@Test func aLoadThatFails() throws {
    let place = try Place(["m": [1]])
    try place.file("m/model.yaml", "engine=onnx")
    try place.fixture("lookup/1", as: "m/1")
    let shop = try Workshop(place)
    try shop.start()
    try place.file("m/2/model.onnx", "no model")
    for _ in 0..<2 {
        let error = #expect(throws: OrderError.self) { try shop.perform(load("m")) }
        guard case .loadFailed("m", 2, let reason) = error, let report = shop.reports.withLock({ $0.last }) else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(report.failure == reason && report.log?.isEmpty == false && !reason.contains("/"))
        #expect(shop.lines == ["m 1 blue live", "m 2 - failed"])
        #expect(shop.standing("m", 2)?.state == .failed(reason))
    }
    // Nothing of it is kept.
    #expect(place.stateBytes == nil && shop.control.history("m").isEmpty)
    try FileManager.default.removeItem(atPath: place.path + "/m/2")
    try place.fixture("lookup/1", as: "m/2")
    try shop.perform(load("m"))
    #expect(shop.lines == ["m 1 blue live", "m 2 green ready"])
}

/// While it is on its way, other orders are answered, and whoever unloads it has the last word.
@Test(arguments: [true, false])
func aVersionIsUnloadedWhileItLoads(loadSucceeds: Bool) throws {
    let place = Place()
    try place.fixture("lookup/1", as: "m/1")
    let shop = try Workshop(place)
    try shop.start()
    try place.fixture("lookup/1", as: "m/2")
    let seen = Lock<[String]>([])
    let unloaded = Lock<UInt64>(0)
    shop.meanwhile.withLock {
        $0 = { [unowned shop] () throws(LoadError) in
            var lines = shop.lines
            for order in [load("m", 2), swap("m", 2)] {
                do throws(OrderError) { try shop.perform(order) } catch { lines.append(error.sentence) }
            }
            do throws(OrderError) { try shop.perform(unload("m", 2)) } catch { lines.append(error.sentence) }
            lines += shop.lines
            seen.withLock { $0 = lines }
            unloaded.withLock { $0 = shop.directory.catalog.epoch }
            if !loadSucceeds { throw LoadError(sentence: "it does not fit", log: "a log") }
        }
    }
    let reason = loadSucceeds ? "it was unloaded meanwhile" : "it does not fit"
    #expect(throws: OrderError.loadFailed(model: "m", version: 2, reason: reason)) { try shop.perform(load("m", 2)) }
    let busy = "version 2 of model 'm' is being loaded: wait until it is ready"
    #expect(seen.withLock { $0 } == ["m 1 blue live", "m 2 - loading", busy, busy, "m 1 blue live"])
    // A load that was overtaken commits nothing; what is left of it is the history of the unload.
    #expect(unloaded.withLock(\.self) == shop.directory.catalog.epoch)
    #expect(shop.lines == ["m 1 blue live"] && shop.control.history("m").map(\.action) == [.unload])
    #expect(shop.reports.withLock { $0.last }?.failure == reason && shop.control.draining.isEmpty)
    shop.meanwhile.withLock { $0 = nil }
    try shop.perform(load("m", 2))
    #expect(shop.lines == ["m 1 blue live", "m 2 green ready"])
}

/// A version of the start that somebody unloads before its turn has come.
@Test func aFirstLoadThatNobodyWantsAnyMore() throws {
    let shop = try Workshop(Place(["m": [1, 2]]))
    let loads = shop.control.begin(shop.plans)
    shop.control.load(loads[0]) { (1, 2) }
    try shop.perform(unload("m", 1))
    shop.control.load(loads[1]) { (2, 2) }
    #expect(shop.lines == ["m 2 blue live"] && !shop.control.isLoading)
    #expect(shop.reports.withLock { $0.last }?.failure == "it was unloaded meanwhile")
}

// MARK: - What is kept

@Test func whatWasKeptIsWhatTheNextStartBeginsWith() throws {
    let place = try Place(["a": [1, 2, 3], "b": [1, 2], "c": [1], "d": [1, 2]])
    let first = try Workshop(place)
    try first.start()
    // `a` is swapped, `b` has lost its second, `c` is gone; `d` nobody touched.
    try first.perform(load("a", 1))
    try first.perform(swap("a"))
    try first.perform(label("a", "stable", 3))
    try first.perform(unload("b", 1))
    try first.perform(unload("c"))
    // A new version and a new model do not come by themselves where somebody decided; a new model has nobody decided on.
    try place.file("a/4/.keep")
    try place.file("d/3/.keep")
    try place.add("e", [7])
    first.control.leave()
    let second = try Workshop(place)
    try second.start(threads: 2)
    #expect(
        second.lines == [
            "a 1 green live", "a 3 blue ready", "b 2 blue live", "d 3 blue live", "d 2 green ready", "e 7 blue live",
        ])
    #expect(second.directory.catalog.entry(named: "a")?.labels == ["stable": 3])
    for name in ["a", "b", "c", "d"] { #expect(second.control.history(name) == first.control.history(name)) }
    #expect(first.control.history("a").map(\.action) == [.load, .swap, .label])
    // There is a way back still.
    #expect(second.control.previous("a") == 3)
    try second.perform(.rollback(model: "a"))
    try second.perform(load("c"))
    #expect(second.lines.prefix(2) == ["a 3 blue live", "a 1 green ready"] && second.lines.contains("c 1 blue live"))
}

/// Somebody who touches a model before its first version is there does not take its place from it.
@Test(arguments: [true, false])
func whatIsOnItsWayIsKept(isThere: Bool) throws {
    let place = try Place(["m": [1, 2]])
    let first = try Workshop(place)
    let loads = first.control.begin(first.plans)
    if isThere { first.control.load(loads[0]) { (1, 2) } }
    try first.perform(label("m", "old", 1))
    let second = try Workshop(place)
    try second.start()
    #expect(second.lines == ["m 2 blue live", "m 1 green ready"])
    #expect(second.directory.catalog.entry(named: "m")?.labels == ["old": 1])
}

/// A version that was served and is not in the repository any more.
@Test func whatIsGoneFailsAtTheNextStart() throws {
    let place = Place()
    try place.fixture("lookup/1", as: "m/1")
    try place.fixture("lookup/1", as: "m/2")
    let first = try Workshop(place)
    try first.start()
    try first.perform(swap("m"))
    try FileManager.default.removeItem(atPath: place.path + "/m/1")
    first.control.leave()
    let second = try Workshop(place)
    try second.start()
    #expect(second.lines == ["m 2 blue ready", "m 1 green failed"])
    // Who is wanted is chosen by whoever is asked, not by us.
    try second.perform(swap("m", 2))
    #expect(second.lines == ["m 2 blue live", "m 1 green failed"])
}

/// What was kept in no slot stands in none again.
@Test func aFileFromAHandIsServed() throws {
    let place = try Place(["m": [1, 2, 3]])
    var desired = Desired()
    desired.models["m"] = Desired.Model(slots: ["green": 1], others: [3], live: 1, previous: 3)
    try desired.write(to: place.state)
    let shop = try Workshop(place)
    try shop.start()
    #expect(shop.lines == ["m 1 green live", "m 3 - ready"] && shop.control.previous("m") == 3)
}

private let decisions = [
    swap("m"), unload("m", 1), unload("m"), label("m", "x", 1), .rollback(model: "back"),
    .swap([Order.Change(model: "m"), Order.Change(model: "back")], isForced: false),
]

@Test(arguments: decisions)
func whatCannotBeKeptDoesNotHappen(order: Order) throws {
    let place = try Place(["m": [1, 2], "back": [1, 2]])
    let shop = try Workshop(place)
    try shop.start()
    try shop.perform(swap("back"))
    let (catalog, bytes, history) = (shop.directory.catalog, place.stateBytes, shop.control.history("back"))
    try place.refuse(true)
    let error = #expect(throws: OrderError.self) { try shop.perform(order) }
    #expect(error == .notKept(reason: "'\(place.state.path).new' cannot be written: Is a directory"))
    #expect(shop.directory.catalog === catalog && place.stateBytes == bytes && shop.control.draining.isEmpty)
    #expect(shop.control.history("back") == history && shop.control.history("m").isEmpty)
    // And when it can be kept again, all is as it was.
    try place.refuse(false)
    try shop.perform(order)
    #expect(shop.directory.catalog.epoch == catalog.epoch + 1 && place.stateBytes != bytes)
}

@Test func aLoadThatCannotBeKept() throws {
    let place = try Place(["m": [1, 2, 3]])
    let shop = try Workshop(place)
    try shop.start()
    let before = try shop.weak("m", 2)
    try place.refuse(true)
    let error = #expect(throws: OrderError.self) { try shop.perform(load("m", 1)) }
    #expect(error == .notKept(reason: "'\(place.state.path).new' cannot be written: Is a directory"))
    // What was served still is; nobody who calls learns where our files lie.
    #expect(shop.lines == ["m 3 blue live", "m 2 green ready", "m 1 - failed"])
    #expect(shop.standing("m", 1)?.state == .failed("that it is loaded could not be kept for the next start"))
    #expect(shop.reports.withLock { $0.last }?.log?.contains(place.state.path) == true)
    #expect(before.servable != nil && place.stateBytes == nil)
    try place.refuse(false)
    try shop.perform(load("m", 1))
    #expect(shop.lines == ["m 3 blue live", "m 1 green ready"] && before.servable == nil)
}

@Test func withoutAFileNothingIsKept() throws {
    let place = try Place(["m": [1, 2]])
    let shop = try Workshop(place, keeps: false)
    try shop.start()
    try shop.perform(swap("m"))
    #expect(shop.lines == ["m 1 green live", "m 2 blue ready"] && place.stateBytes == nil)
    #expect(shop.control.history("m").map(\.action) == [.swap])
}

// MARK: - What is freed

@Test(
    arguments: [
        (load("m", 1), 2), (unload("m", 2), 2), (unload("m", 3, isForced: true), 3), (unload("m"), 2), (unload("m"), 3),
    ] as [(Order, Int64)])
func whatGoesIsFreed(order: Order, gone: Int64) throws {
    let shop = try Workshop(Place(["m": [1, 2, 3], "n": [1]]))
    try shop.start()
    let (going, staying) = (try shop.weak("m", gone), try shop.weak("n", 1))
    // Who asked is told before anything is freed, which may take long.
    _ = try shop.control.perform(order, shop.signed())
    #expect(going.servable != nil && shop.control.draining.contains { $0.model == "m" && $0.version == gone })
    shop.control.free()
    #expect(going.servable == nil && staying.servable != nil)
    #expect(shop.control.draining.isEmpty)
}

@Test func whatStaysIsNotFreed() throws {
    let shop = try Workshop(Place(["m": [1, 2]]))
    try shop.start()
    let versions = try [shop.weak("m", 1), shop.weak("m", 2)]
    for order in [swap("m"), .rollback(model: "m"), label("m", "x", 1), swap("m", 2)] {
        try shop.perform(order)
        #expect(versions.allSatisfy { $0.servable != nil })
    }
}

/// An executor has a call of a version that is unloaded: it stays until the call is delivered, and other orders are answered
/// meanwhile.
@Test func nothingIsFreedWhileACallNeedsIt() throws {
    let shop = try Workshop(Place(["m": [1, 2], "n": [1, 2]]))
    try shop.start()
    let version = try shop.weak("m", 1)
    let call = try HeldCall(shop, "m", 1)
    let events = Lock<[String]>([])
    func start(_ name: String, _ order: Order) throws -> Reactor.Thread.Handle {
        try Reactor.Thread.start(name) {
            if (try? shop.control.perform(order, shop.signed())) != nil {
                events.withLock { $0.append("\(name) is answered") }
            }
            shop.control.free()
            events.withLock { $0.append("\(name) is over") }
        }
    }
    let before = shop.spreads.withLock { $0.count }
    let unloading = try start("unload", unload("m", 1))
    // Once for the commit, once more before it is freed: then there is nothing left to wait for but the call.
    #expect(comesTrue { shop.spreads.withLock { $0.count } >= before + 2 })
    #expect(events.withLock { $0 } == ["unload is answered"])
    #expect(shop.lines == ["m 2 blue live", "n 2 blue live", "n 1 green ready"])
    #expect(shop.control.draining.map(\.model) == ["m"] && shop.control.draining.map(\.version) == [1])
    let swapping = try start("swap", swap("n"))
    #expect(comesTrue { events.withLock { $0.contains("swap is answered") } })
    #expect(!comesTrue(withinMilliseconds: 50) { events.withLock { $0.count } > 2 })
    #expect(version.servable != nil)
    events.withLock { $0.append("the call is delivered") }
    call.deliver()
    unloading.join()
    swapping.join()
    #expect(events.withLock { $0[..<3] } == ["unload is answered", "swap is answered", "the call is delivered"])
    #expect(events.withLock { Set($0[3...]) } == ["unload is over", "swap is over"])
    #expect(version.servable == nil && shop.control.draining.isEmpty)
}

// MARK: - All at once

/// A reader, as a shard is one: what it says is that it holds nothing of an earlier commit.
private final class Reader: Sendable {
    let announced = Lock<UInt64>(0)
    let faults = Lock<[String]>([])
    let isOver = Lock(false)
    let turns = Lock(0)

    func run(_ directory: Directory<Servable>) {
        while !isOver.withLock({ $0 }) {
            let catalog = directory.pinned
            let epoch = catalog.object.epoch
            announced.withLock { $0 = epoch }
            for entry in catalog.object.entries {
                guard let lease = try? catalog.object.lease(entry.nameView, .live) else { continue }
                let isWhole =
                    lease.provenance.epoch == epoch && lease.provenance.model == entry.nameView
                    && lease.model.object.name == entry.name && lease.provenance.version == entry.live?.number
                if !isWhole { faults.withLock { $0.append("\(entry.name) as of \(epoch)") } }
            }
            turns.withLock { $0 += 1 }
        }
        announced.withLock { $0 = .max }
    }
}

private func anOrder(_ random: inout SplitMix) -> Order {
    let model = ["a", "b"].randomElement(using: &random) ?? "a"
    let version = Int64.random(in: 1...4, using: &random)
    return switch Int.random(in: 0..<8, using: &random) {
    case 0...2: load(model, version)
    case 3: swap(model)
    case 4: .swap(["a", "b"].map { Order.Change(model: $0) }, isForced: false)
    case 5: .rollback(model: model)
    case 6: unload(model, version, isForced: Bool.random(using: &random))
    default: Bool.random(using: &random) ? unload(model) : label(model, "x", version)
    }
}

/// Whoever reads sees whole commits; what is over is freed; and what was kept is what is served.
@Test func manyOrdersAtOnce() throws {
    let place = try Place(["a": [1, 2, 3, 4], "b": [1, 2, 3, 4]])
    let readers = [Reader(), Reader()]
    let shop = try Workshop(place) { epoch in
        for reader in readers {
            if !comesTrue({ reader.announced.withLock { $0 } >= epoch }) { Issue.record("a reader does not go on") }
        }
        return 0
    }
    let reading = try readers.map { reader in
        try Reactor.Thread.start("reader") { [directory = shop.directory] in reader.run(directory) }
    }
    try shop.start(threads: 2)
    let done = Lock(0)
    let ordering = try (0..<3).map { seed in
        try Reactor.Thread.start("orders-\(seed)") {
            var random = SplitMix(seed: UInt64(seed))
            for _ in 0..<40 {
                let order = anOrder(&random)
                do throws(OrderError) {
                    try shop.perform(order)
                    done.withLock { $0 += 1 }
                } catch {
                    if error.sentence.isEmpty { Issue.record("no sentence for \(order), seed \(seed)") }
                }
            }
        }
    }
    for handle in ordering { handle.join() }
    for reader in readers { reader.isOver.withLock { $0 = true } }
    for handle in reading { handle.join() }
    for reader in readers {
        #expect(reader.faults.withLock { $0 } == [] && reader.turns.withLock { $0 } > 0)
    }
    #expect(done.withLock { $0 } > 10 && shop.control.draining.isEmpty && !shop.control.isLoading)
    let versions = shop.directory.catalog.entries.flatMap(\.standings)
    #expect(versions.allSatisfy { $0.state.isServing })
    let again = try Workshop(place)
    try again.start()
    #expect(again.lines == shop.lines)
    for name in ["a", "b"] { #expect(again.control.previous(name) == shop.control.previous(name)) }
}
