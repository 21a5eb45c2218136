// Enters: a repository that changes, and times made up. Leaves: what is loaded at each look.
import Cryptography
import Foundation
import Memory
import Models
import Repository
import Testing

@testable import Control

private let second: Int64 = 1_000_000_000

/// A watcher whose clock is the test's.
private final class Watched {
    let shop: Workshop
    let watcher: Watcher
    let lines = Lock<[String]>([])
    var now: Int64 = 0

    init(_ place: Place, isStarted: Bool = true) throws {
        shop = try Workshop(place)
        watcher = Watcher(
            shop.control, pollNanoseconds: 15 * second, worksBeside: { _ in },
            log: { [lines] line in lines.withLock { $0.append(line) } })
        watcher.begin(at: 0)
        if isStarted { try shop.start() }
    }

    /// What stands after a look, so long after the last one. `told`: the kernel told that these models were copied.
    @discardableResult
    func look(after seconds: Double, told: [String] = []) -> [String] {
        now += Int64(seconds * 1e9)
        _ = watcher.look(Set(told.map { .init(model: $0, version: nil, isEnd: true) }), at: now)
        return shop.lines
    }

    var log: [String] { lines.withLock { $0 } }
}

@Test func aNewVersionIsTakenWhenItsFolderIsAtRest() throws {
    let watched = try Watched(Place(["m": [1, 2]]))
    let before = ["m 2 blue live", "m 1 green ready"]
    #expect(watched.look(after: 15) == before)
    try watched.shop.place.add("m", [3])
    #expect(watched.look(after: 15) == before)
    try watched.shop.place.file("m/3/more")
    #expect(watched.look(after: 15) == before)
    #expect(watched.look(after: 14) == before)
    #expect(watched.look(after: 1) == ["m 3 green live", "m 2 blue ready"])
    #expect(watched.look(after: 15) == ["m 3 green live", "m 2 blue ready"])
    #expect(watched.shop.control.history("m").map(\.action) == [.load, .swap])
}

@Test func aSecondIsEnoughWhereTheKernelTells() throws {
    let watched = try Watched(Place(["m": [1]]))
    watched.look(after: 15)
    try watched.shop.place.add("m", [2])
    #expect(watched.look(after: 0.2, told: ["m"]) == ["m 1 blue live"])
    #expect(watched.look(after: 0.9) == ["m 1 blue live"])
    #expect(watched.look(after: 0.1) == ["m 2 green live", "m 1 blue ready"])
}

/// As long as whoever writes has not closed the file, only looks count.
@Test func aCopyThatIsNotOverIsNotTakenAfterASecond() throws {
    let watched = try Watched(Place(["m": [1]]))
    watched.look(after: 15)
    try watched.shop.place.add("m", [2])
    #expect(watched.look(after: 0.2) == ["m 1 blue live"])
    #expect(watched.look(after: 14) == ["m 1 blue live"])
    // It is told now, and nothing changed since the last look.
    #expect(watched.look(after: 0.1, told: ["m"]) == ["m 1 blue live"])
    #expect(watched.look(after: 1) == ["m 2 green live", "m 1 blue ready"])
}

/// Between the look that finds a model's folder and the call that listens to it a version may be moved there, of which the kernel tells nothing.
@Test func aVersionThatCameBeforeItsModelWasListenedToIsTakenSoon() throws {
    let watched = try Watched(Place(["m": [1]]))
    watched.look(after: 15)
    try watched.shop.place.add("fresh", [7])
    #expect(watched.look(after: 1) == ["m 1 blue live"])
    #expect(watched.look(after: 2.9) == ["m 1 blue live"])
    #expect(watched.look(after: 0.1) == ["fresh 7 blue live", "m 1 blue live"])
    // One that is written to is not taken before its writer is done, or a poll has passed.
    try watched.shop.place.add("slow", [1])
    #expect(watched.look(after: 1).count == 2)
    try watched.shop.place.file("slow/1/more")
    watched.now += second
    _ = watched.watcher.look([.init(model: "slow", version: 1, isEnd: false)], at: watched.now)
    #expect(watched.look(after: 14.9).count == 2)
    #expect(watched.look(after: 0.1).count == 3)
}

@Test func aVersionWithAManifestIsTakenAtOnce() throws {
    let place = Place()
    try place.fixture("lookup/1", as: "m/1")
    let watched = try Watched(place)
    watched.look(after: 15)
    try place.fixture("lookup/1", as: "m/2")
    let facts = try Repository.files(in: place.path + "/m/2")
    var manifest = Manifest(
        files: facts.map { .init(name: $0.name, bytes: $0.bytes, sha256: $0.digest.hex) }
            + [.init(name: "late", bytes: 2, sha256: "")])
    try place.file("m/2/manifest.json", String(decoding: manifest.encoded, as: UTF8.self))
    // What it names is not all there.
    #expect(watched.look(after: 1, told: ["m"]) == ["m 1 blue live"])
    try place.file("m/2/late", "ok")
    #expect(watched.look(after: 0.1, told: ["m"]) == ["m 2 green live", "m 1 blue ready"])
    // One whose digest is wrong fails, and is tried again when it has changed.
    try place.fixture("lookup/1", as: "m/3")
    manifest.files = [.init(name: "model.onnx", bytes: facts[0].bytes, sha256: "00")]
    try place.file("m/3/manifest.json", String(decoding: manifest.encoded, as: UTF8.self))
    let failed = ["m 2 green live", "m 3 - failed", "m 1 blue ready"]
    for _ in 0..<3 { #expect(watched.look(after: 15) == failed) }
    #expect(watched.shop.reports.withLock { $0 }.count { $0.version == 3 } == 1)
    manifest.files[0].sha256 = facts[0].digest.hex
    try place.file("m/3/manifest.json", String(decoding: manifest.encoded, as: UTF8.self))
    #expect(watched.look(after: 15) == ["m 3 blue live", "m 2 green ready"])
}

@Test func modelsComeAndGo() throws {
    let watched = try Watched(Place(["m": [1]]))
    try watched.shop.place.add("n", [4, 5, 6])
    watched.look(after: 15)
    #expect(watched.look(after: 15) == ["m 1 blue live", "n 6 blue live", "n 5 green ready"])
    try FileManager.default.removeItem(atPath: watched.shop.place.path + "/n")
    #expect(watched.look(after: 15).count == 3)
    #expect(watched.look(after: 0.9).count == 3)
    #expect(watched.look(after: 0.1) == ["m 1 blue live"])
    // It may come back.
    try watched.shop.place.add("n", [7])
    watched.look(after: 15)
    #expect(watched.look(after: 15) == ["m 1 blue live", "n 7 blue live"])
}

@Test func whatDisappearsGoesUnlessItIsLive() throws {
    let watched = try Watched(Place(["m": [1, 2]]))
    watched.look(after: 15)
    for version in [1, 2] {
        try FileManager.default.removeItem(atPath: watched.shop.place.path + "/m/\(version)")
    }
    try watched.shop.place.file("m/0/keeps the folder")
    try watched.shop.place.add("n", [1])
    // The engine identity without any folder has version 1.
    try watched.shop.place.add("m", [9])
    watched.look(after: 15)
    watched.look(after: 15)
    #expect(watched.shop.lines.prefix(2) == ["m 9 green live", "n 1 blue live"])
    try FileManager.default.removeItem(atPath: watched.shop.place.path + "/m/9")
    try watched.shop.place.add("m", [8])
    for _ in 0..<3 { watched.look(after: 15) }
    #expect(watched.shop.lines.first == "m 9 green live")
    #expect(watched.log.count { $0.contains("version 9 of model 'm' is live and its folder is gone") } == 1)
}

@Test func anEmptyRepositoryIsTakenForOneThatIsLost() throws {
    let watched = try Watched(Place(["m": [1]]))
    try FileManager.default.removeItem(atPath: watched.shop.place.path + "/m")
    for _ in 0..<3 { #expect(watched.look(after: 15) == ["m 1 blue live"]) }
    #expect(watched.log.count { $0.contains("the repository is empty") } == 1)
}

@Test func anOrderPinsAndHandsBack() throws {
    let watched = try Watched(Place(["m": [1, 2]]))
    watched.look(after: 15)
    try watched.shop.perform(.swap([Order.Change(model: "m", version: 1)], isForced: false))
    try watched.shop.place.add("m", [3])
    watched.look(after: 15)
    #expect(watched.look(after: 15) == ["m 1 green live", "m 3 blue ready"])
    #expect(watched.log.contains { $0.contains("version 1 of model 'm' stays live, as an order wanted") })
    // So it is after the next start.
    #expect(try Desired.read(watched.shop.place.state)?.models["m"]?.isPinned == true)
    watched.shop.control.leave()
    let again = try Watched(watched.shop.place)
    again.look(after: 15)
    #expect(again.look(after: 15) == ["m 1 green live", "m 3 blue ready"])
    try again.shop.perform(.swap([Order.Change(model: "m", version: 3)], isForced: false))
    try again.shop.place.add("m", [4])
    again.look(after: 15)
    #expect(again.look(after: 15) == ["m 4 green live", "m 3 blue ready"])
}

/// A version that does not pass its gates is loaded beside, and takes nobody's way back.
@Test func aVersionThatCannotBecomeLiveLeavesTheWayBack() throws {
    let watched = try Watched(Place(["m": [1, 2]]))
    watched.look(after: 15)
    try watched.shop.place.add("m", [3])
    watched.look(after: 15)
    #expect(watched.look(after: 15) == ["m 3 green live", "m 2 blue ready"])
    try watched.shop.place.file("m/4/golden/a/input.x.npy", "no array")
    watched.look(after: 15)
    for _ in 0..<3 {
        #expect(watched.look(after: 15) == ["m 3 green live", "m 4 blue ready", "m 2 - ready"])
        #expect(watched.shop.control.previous("m") == 2)
    }
    // Nor does it when it comes again beside a better one.
    try watched.shop.place.file("m/5/.keep")
    watched.look(after: 15)
    #expect(watched.look(after: 15) == ["m 5 blue live", "m 4 green ready", "m 3 - ready"])
    try watched.shop.perform(.rollback(model: "m"))
    #expect(watched.shop.lines == ["m 3 - live", "m 5 blue ready", "m 4 green ready"])
}

@Test func whatAnOrderUnloadsStaysSo() throws {
    let watched = try Watched(Place(["m": [1, 2, 3], "n": [1]]))
    watched.look(after: 15)
    try watched.shop.perform(.load(model: "m", version: 1))
    try watched.shop.perform(.unload(model: "n", version: nil, isForced: true))
    for _ in 0..<3 { #expect(watched.look(after: 15) == ["m 3 blue live", "m 1 green ready"]) }
    watched.shop.control.leave()
    let again = try Watched(watched.shop.place)
    for _ in 0..<3 { #expect(again.look(after: 15) == ["m 3 blue live", "m 1 green ready"]) }
    try again.shop.perform(.load(model: "n", version: nil))
    try again.shop.place.add("n", [2])
    again.look(after: 15)
    #expect(again.look(after: 15).suffix(2) == ["n 2 green live", "n 1 blue ready"])
}

@Test func morePlacesThanTwo() throws {
    let place = try Place(["m": [1, 2, 3, 4]])
    try place.file("m/model.yaml", "engine=identity\nversion_policy.latest=3")
    let watched = try Watched(place)
    #expect(watched.look(after: 15) == ["m 4 blue live", "m 3 green ready", "m 2 - ready"])
    try place.add("m", [])
    try place.file("m/model.yaml", "engine=identity\nversion_policy.latest=3")
    try place.file("m/5/.keep")
    watched.look(after: 15)
    #expect(watched.look(after: 15) == ["m 5 green live", "m 4 blue ready", "m 3 - ready"])
    // The next start finds the same.
    let again = try Watched(place)
    #expect(again.look(after: 15) == ["m 5 green live", "m 4 blue ready", "m 3 - ready"])
}

@Test func oldVersionsAreRemoved() throws {
    let place = try Place(["m": [1, 2, 3, 4, 5]])
    try place.file("m/model.yaml", "engine=identity\nkeep=3\nlabels.old=1")
    let watched = try Watched(place)
    watched.look(after: 1)
    watched.look(after: 15)
    let left = try FileManager.default.contentsOfDirectory(atPath: place.path + "/m").sorted()
    #expect(left == ["1", "3", "4", "5", "model.yaml"])
    #expect(watched.log == ["repository watch: version 2 of model 'm' was removed: its model.yaml keeps 3"])
}

@Test(arguments: RepositoryMode.allCases) func whatAStartLoads(mode: RepositoryMode) throws {
    let shop = try Workshop(Place(["a": [1], "b": [1], "c": [1]]))
    var kept = Desired()
    kept.models["b"] = Desired.Model()
    func names(_ named: Set<String>) -> [String] { shop.plans.begun(mode, named: named, kept: kept).map(\.name) }
    let all = ["a", "b", "c"]
    #expect(names([]) == (mode == .explicit ? ["b"] : all))
    #expect(names(["c"]) == (mode == .explicit ? ["b", "c"] : all))
    #expect(names(["*"]) == all)
}

@Test func nothingIsLoadedWhereNothingChanges() throws {
    let place = try Place(["m": [1, 2, 3]])
    let shop = try Workshop(place, mode: .fixed)
    try shop.start()
    for order in [Order.load(model: "m", version: 1), .unload(model: "m", version: 2, isForced: true)] {
        let error = #expect(throws: OrderError.self) { try shop.perform(order) }
        #expect(
            error?.sentence
                == "the server does not \(order.action.rawValue) models: it runs with --repository-mode none; start it with "
                + "explicit or watch")
    }
    try shop.perform(.swap([Order.Change(model: "m", version: 2)], isForced: false))
    try shop.perform(.rollback(model: "m"))
    try shop.perform(.label(model: "m", label: "old", version: 2))
    #expect(shop.lines == ["m 3 blue live", "m 2 green ready"])
}
