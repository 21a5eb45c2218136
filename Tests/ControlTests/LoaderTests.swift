// Enters: a plan, and a repository in a temporary folder. Leaves: versions that are ready, or failed with our sentence.
import Foundation
import Glibc
import Memory
import Models
import Reactor
import Serving
import Testing

@testable import Control
@testable import Repository

/// What was reported, from any thread. Not a `Mutex`, whose futex the thread sanitizer does not see.
private final class Reports: @unchecked Sendable {
    private let lock = NSLock()
    private var all: [LoadReport] = []
    func add(_ report: LoadReport) { lock.withLock { all.append(report) } }
    var list: [LoadReport] { lock.withLock { all } }
}

private final class Place {
    let path: String

    init() {
        var template = Array("/tmp/vencejo-control-XXXXXX".utf8CString)
        unsafe path = String(cString: mkdtemp(&template))
    }

    func file(_ name: String, _ content: String = "") throws {
        let url = URL(fileURLWithPath: "\(path)/\(name)")
        try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(content.utf8).write(to: url)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }
}

/// Loads all, and waits.
private func load(_ place: Place, _ plan: Plan, threads: Int) throws -> (Directory<Servable>, [LoadReport]) {
    let directory = Directory<Servable>(plan.descriptions)
    let reports = Reports()
    let loader = Loader(plan, into: directory, from: try Repository(path: place.path), runtime: nil) { reports.add($0) }
    for thread in try loader.start(threads: threads) { thread.join() }
    return (directory, reports.list)
}

/// The log hears what is wrong; callers get a sentence that tells nothing of our files.
private func expectFailure(_ version: Version<Servable>, _ report: LoadReport, log: String) {
    guard case .failed(let sentence) = version.state else {
        Issue.record("version \(version.number) is \(version.state)")
        return
    }
    #expect(report.failure == sentence && report.log == log)
    #expect(!sentence.isEmpty && !sentence.contains("/") && !sentence.contains("\n"))
    #expect(version.model == nil && report.digest.isEmpty)
}

@Test(arguments: [1, 3, 50])
func identityModelsBecomeReady(threads: Int) throws {
    let place = Place()
    let folders = (0..<20).map { folder("m\($0)", $0 % 2 == 0 ? [1, 2, 3] : [7], yaml: "engine=identity") }
    let plan = Plan(Scan(models: folders, problems: []), pairs: pairs)
    let (directory, reports) = try load(place, plan, threads: threads)
    #expect(directory.isLoaded && directory.entries.count == 20)
    for entry in directory.entries {
        for version in entry.versions {
            #expect(version.state == .ready && version.digest.isEmpty)
            guard case .identity? = version.model?.object.engine else {
                Issue.record("\(entry.name) is of another engine")
                continue
            }
        }
    }
    // Each version once; the last one to report knows that all are done.
    #expect(reports.count == 30)
    #expect(Set(reports.map { "\($0.model) \($0.version)" }).count == 30)
    #expect(reports.map(\.finished).sorted() == Array(1...30) && reports.allSatisfy { $0.total == 30 })
    #expect(reports.allSatisfy { $0.failure == nil && $0.log == nil && $0.digest.isEmpty && $0.bytes == 0 })
    #expect(reports.allSatisfy { $0.nanoseconds >= 0 })
    if threads == 1 { #expect(reports.prefix(20).allSatisfy { $0.slot == "blue" } && reports.last?.slot == "green") }
}

@Test func aMissingFileFailsWithASentence() throws {
    let place = Place()
    let plan = Plan(
        Scan(models: [folder("ghost", [2, 3]), folder("same", [], yaml: "engine=identity")], problems: []), pairs: pairs
    )
    let (directory, reports) = try load(place, plan, threads: 2)
    let ghost = try #require(directory.entries.first { $0.name == "ghost" })
    #expect(ghost.versions.count == 2)
    for version in ghost.versions {
        let report = try #require(reports.first { $0.model == "ghost" && $0.version == version.number })
        expectFailure(version, report, log: "'ghost' does not exist in the repository")
    }
    #expect(directory.entries.first { $0.name == "same" }?.live.state == .ready)
    #expect(reports.filter { $0.failure != nil }.count == 2)
}

@Test(arguments: [
    ("bad/1/other.onnx", "x", "'bad/1/model.onnx' does not exist in the repository"),
    ("bad/1/model.onnx", "", "'bad/1/model.onnx' is empty"),
    ("bad/1/model.onnx/x", "", "'bad/1/model.onnx' is a folder, not a regular file"),
])
func aFileThatCannotBeReadFails(file: String, content: String, log: String) throws {
    let place = Place()
    try place.file(file, content)
    let plan = Plan(Scan(models: [folder("bad", [1])], problems: []), pairs: pairs)
    let (directory, reports) = try load(place, plan, threads: 1)
    expectFailure(try #require(directory.entries.first?.live), try #require(reports.first), log: log)
    #expect(directory.isLoaded && reports.count == 1)
}

@Test func aModelWhosePlanFailedIsNotOpened() throws {
    let place = Place()
    try place.file("bad/1/model.onnx", "not looked at")
    let plan = Plan(Scan(models: [folder("bad", [1], yaml: "engine=x")], problems: []), pairs: pairs)
    let (directory, reports) = try load(place, plan, threads: 1)
    expectFailure(
        try #require(directory.entries.first?.live), try #require(reports.first),
        log: "bad/model.yaml: engine is 'x'; allowed is onnx, identity")
    #expect(reports.map(\.bytes) == [0])
}

@Test func nothingToLoadStartsNoThread() throws {
    let place = Place()
    let plan = Plan(Scan(models: [], problems: []), pairs: pairs)
    let loader = Loader(plan, into: Directory(plan.descriptions), from: try Repository(path: place.path), runtime: nil)
    { _ in }
    #expect(try loader.start(threads: 8).isEmpty)
}

@Test func aScanOfARealFolder() throws {
    let place = Place()
    try place.file("same/model.yaml", "engine=identity")
    try place.file("same/2/.keep")
    try place.file("ghost/1/.keep")
    try place.file("hollow/readme.txt", "nothing")
    let plan = Plan(try Repository(path: place.path).scan(), pairs: pairs)
    #expect(plan.models.map(\.name) == ["ghost", "hollow", "same"] && plan.models.map(\.versions) == [[1], [0], [2]])
    let needless = Plan(Scan(models: [folder("same", [2], yaml: "engine=identity")], problems: []), pairs: pairs)
    let (directory, _) = try load(place, needless, threads: 1)
    #expect(directory.entries.first?.live.number == 2 && directory.isLoaded)
}
