// Enters: what a server begins with. Leaves: versions that are ready, or failed with our sentence; and reports.
import Foundation
import Memory
import Models
import Serving
import Tensors
import Testing

@testable import Control
@testable import Repository

/// The log hears what is wrong; callers get a sentence that tells nothing of our files.
private func expectFailure(_ shop: Workshop, _ model: String, _ version: Int64, log: String) throws {
    let report = try #require(
        shop.reports.withLock { $0 }.first { $0.model == model && $0.version == version && $0.failure != nil })
    let standing = try #require(shop.standing(model, version))
    guard case .failed(let sentence) = standing.state else {
        Issue.record("version \(version) is \(standing.state)")
        return
    }
    #expect(report.failure == sentence && report.log == log)
    #expect(!sentence.isEmpty && !sentence.contains("/") && !sentence.contains("\n"))
    #expect(standing.version == nil && report.digest.isEmpty)
    #expect(shop.unexplained.withLock(\.isEmpty))
}

@Test(arguments: [1, 3, 50])
func identityModelsBecomeReady(threads: Int) throws {
    let folders = (0..<20).map { folder("m\($0)", $0 % 2 == 0 ? [1, 2, 3] : [7], yaml: "engine=identity") }
    let shop = try Workshop(Place(), folders: folders)
    #expect(!shop.control.isLoading)
    try shop.start(threads: threads)
    #expect(!shop.control.isLoading && shop.directory.catalog.entries.count == 20)
    for entry in shop.directory.catalog.entries {
        let isEven = entry.standings.count == 2
        #expect(entry.standings.map(\.number) == (isEven ? [3, 2] : [7]))
        #expect(entry.standings.map(\.state) == (isEven ? [.live, .ready] : [.live]))
        #expect(entry.standings.map(\.slot) == (isEven ? [.blue, .green] : [.blue]))
        for standing in entry.standings {
            #expect(standing.version?.digest.isEmpty == true)
            guard case .identity? = standing.version?.model.engine else {
                Issue.record("\(entry.name) is of another engine")
                continue
            }
        }
    }
    // Each version once; the last one to report knows that all are done.
    let reports = shop.reports.withLock { $0 }
    #expect(reports.count == 30)
    #expect(Set(reports.map { "\($0.model) \($0.version)" }).count == 30)
    #expect(reports.compactMap(\.place?.reported).sorted() == Array(1...30))
    #expect(reports.allSatisfy { $0.place?.of == 30 })
    #expect(reports.allSatisfy { $0.failure == nil && $0.log == nil && $0.digest.isEmpty && $0.bytes == 0 })
    #expect(reports.allSatisfy { $0.nanoseconds >= 0 && $0.slot != nil })
    // Those that are to be live come first.
    if threads == 1 {
        #expect(reports.prefix(20).allSatisfy { $0.slot == .blue } && reports[20...].allSatisfy { $0.slot == .green })
    }
    // What nobody decided is not kept: the next start goes by the repository.
    #expect(shop.place.stateBytes == nil && shop.control.history("m0").isEmpty)
}

/// Callers are told so until it is there.
@Test func whatIsOnItsWayIsLoading() throws {
    let shop = try Workshop(Place(["m": [1, 2]]))
    let loads = shop.control.begin(shop.plans)
    #expect(shop.control.isLoading && loads.map(\.version) == [2, 1] && loads.map(\.isLive) == [true, false])
    #expect(shop.lines == ["m 2 blue loading", "m 1 green loading"])
    let entry = try #require(shop.directory.catalog.entry(named: "m"))
    #expect(throws: LeaseError.loading(model: "m", version: 2)) { try entry.lease(.live, epoch: 1) }
    // Whatever comes first is where it belongs.
    shop.control.load(loads[1]) { (1, 2) }
    #expect(shop.lines == ["m 2 blue loading", "m 1 green ready"] && shop.control.isLoading)
    shop.control.load(loads[0]) { (2, 2) }
    #expect(shop.lines == ["m 2 blue live", "m 1 green ready"] && !shop.control.isLoading)
    shop.control.free()
    #expect(shop.control.draining.isEmpty)
}

@Test func aMissingFileFailsWithASentence() throws {
    let shop = try Workshop(Place(), folders: [folder("ghost", [2, 3]), folder("same", [], yaml: "engine=identity")])
    try shop.start(threads: 2)
    for version in [2, 3] as [Int64] {
        try expectFailure(shop, "ghost", version, log: "'ghost' does not exist in the repository")
    }
    #expect(shop.lines == ["ghost 3 blue failed", "ghost 2 green failed", "same 1 blue live"])
    #expect(shop.reports.withLock { $0 }.count { $0.failure != nil } == 2)
}

@Test(arguments: [
    ("bad/1/other.onnx", "x", "'bad/1/model.onnx' does not exist in the repository"),
    ("bad/1/model.onnx", "", "'bad/1/model.onnx' is empty"),
    ("bad/1/model.onnx/x", "", "'bad/1/model.onnx' is a folder, not a regular file"),
])
func aFileThatCannotBeReadFails(file: String, content: String, log: String) throws {
    let place = Place()
    try place.file(file, content)
    let shop = try Workshop(place)
    try shop.start()
    try expectFailure(shop, "bad", 1, log: log)
    #expect(!shop.control.isLoading && shop.reports.withLock { $0 }.count == 1)
}

@Test func aModelWhosePlanFailedIsNotOpened() throws {
    let place = Place()
    try place.file("bad/1/model.onnx", "not looked at")
    try place.file("bad/model.yaml", "engine=x")
    let shop = try Workshop(place)
    try shop.start()
    try expectFailure(shop, "bad", 1, log: "bad/model.yaml: engine is 'x'; allowed is onnx, identity")
    #expect(shop.reports.withLock { $0 }.map(\.bytes) == [0])
}

@Test func aScanOfARealFolder() throws {
    let place = Place()
    try place.add("same", [2])
    try place.file("ghost/1/.keep")
    try place.file("hollow/readme.txt", "nothing")
    try place.fixture("lookup/1", as: "real/3")
    let shop = try Workshop(place)
    #expect(shop.plans.map(\.name) == ["ghost", "hollow", "real", "same"])
    #expect(shop.plans.map(\.versions) == [[1], [], [3], [2]])
    try shop.start(threads: 2)
    #expect(shop.lines == ["ghost 1 blue failed", "hollow 0 blue failed", "real 3 blue live", "same 2 blue live"])
    // Which bytes are served is known.
    let report = try #require(shop.reports.withLock { $0 }.first { $0.model == "real" })
    let digest = try #require(shop.standing("real", 3)?.version?.digest)
    #expect(report.failure == nil && report.bytes > 0 && report.slot == .blue && digest.count == 32)
    #expect(report.digest == digest.array.map { String(format: "%02x", $0) }.joined())
}

@Test func nothingToBeginWith() throws {
    let shop = try Workshop(Place(), folders: [])
    #expect(shop.control.begin([]).isEmpty && shop.directory.catalog.entries.isEmpty)
}

/// Where no order decided the next version answers for the highest, whichever is ready first.
@Test(arguments: [1, 3]) func theNextIsLiveWhereTheHighestFails(threads: Int) throws {
    let place = Place()
    try place.fixture("lookup/1", as: "m/1")
    try place.file("m/2/model.onnx", "no model")
    try place.file("m/3/model.onnx", "no model")
    try place.file("m/model.yaml", "version_policy.latest=3")
    let shop = try Workshop(place)
    try shop.start(threads: threads)
    #expect(shop.lines == ["m 1 - live", "m 3 blue failed", "m 2 green failed"])
    // Which of the two failed last is the threads' matter.
    let warnings = shop.warnings.withLock(\.self)
    #expect(warnings.contains { $0.contains("version 1 is to answer instead of version") })
    // What an order made live is not replaced.
    try shop.perform(.unload(model: "m", version: 1, isForced: true))
    try shop.perform(.load(model: "m", version: 1))
    #expect(shop.standing("m", 1)?.state == .live)
    shop.control.leave()
    try FileManager.default.removeItem(atPath: "\(place.path)/m/1")
    try place.fixture("lookup/1", as: "m/2-new")
    try FileManager.default.removeItem(atPath: "\(place.path)/m/2")
    try FileManager.default.moveItem(atPath: "\(place.path)/m/2-new", toPath: "\(place.path)/m/2")
    let again = try Workshop(place)
    try again.start(threads: threads)
    #expect(again.directory.catalog.entry(named: "m")?.live == nil && again.standing("m", 2)?.state == .ready)
}
