import Glibc
import Testing

@testable import Repository

/// One thing that somebody may put where `m/1/model.onnx` should be, and what we then say.
struct Hostile: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let error: String
    let make: @Sendable (Place) -> Void

    init(_ name: String, _ error: String, _ make: @escaping @Sendable (Place) -> Void) {
        testDescription = name
        self.error = error
        self.make = make
    }
}

private let notFollowed =
    "is or passes a symbolic link, which are not followed inside the repository; put the file itself there"

private let hostile: [Hostile] = [
    Hostile("model file is a link inside", "'m/1/model.onnx' \(notFollowed)") {
        $0.file("m/1/real.onnx")
        $0.link("m/1/model.onnx", to: "real.onnx")
    },
    Hostile("model file is a link outside", "'m/1/model.onnx' \(notFollowed)") {
        $0.link("m/1/model.onnx", to: "/etc/passwd")
    },
    Hostile("model file is a link by ..", "'m/1/model.onnx' \(notFollowed)") {
        $0.link("m/1/model.onnx", to: "../../../secret")
    },
    Hostile("model file is a link to nothing", "'m/1/model.onnx' \(notFollowed)") {
        $0.link("m/1/model.onnx", to: "nothing")
    },
    Hostile("model file is a magic link", "'m/1/model.onnx' \(notFollowed)") {
        $0.link("m/1/model.onnx", to: "/proc/self/fd/0")
    },
    Hostile("version is a link", "'m/1' \(notFollowed)") {
        $0.file("m/real/model.onnx")
        $0.link("m/1", to: "real")
    },
    Hostile("model is a link", "'m' \(notFollowed)") {
        $0.file("real/1/model.onnx")
        $0.link("m", to: "real")
    },
    Hostile(
        "model file has a second name",
        "'m/1/model.onnx' has 2 hard links, at most 1 is allowed; copy the file instead of linking it"
    ) {
        $0.file("elsewhere")
        $0.hardLink("m/1/model.onnx", to: "elsewhere")
    },
    Hostile("model file is a pipe", "'m/1/model.onnx' is a named pipe, not a regular file") {
        $0.pipe("m/1/model.onnx")
    },
    Hostile("model file is a socket", "'m/1/model.onnx' is a socket, not a regular file") {
        $0.socket("m/1/model.onnx")
    },
    Hostile("model file is a folder", "'m/1/model.onnx' is a folder, not a regular file") {
        $0.folder("m/1/model.onnx")
    },
    Hostile("version is a file", "'m/1' is a regular file, not a folder") { $0.file("m/1") },
    Hostile("version is a pipe", "'m/1' is a named pipe, not a folder") { $0.pipe("m/1") },
    Hostile("model file is empty", "'m/1/model.onnx' is empty") { $0.file("m/1/model.onnx", "") },
    Hostile("model file is over the limit", "'m/1/model.onnx' has 65 bytes, at most 64 are allowed") {
        $0.file("m/1/model.onnx", String(repeating: "x", count: 65))
    },
    Hostile("no model file", "'m/1/model.onnx' does not exist in the repository") { $0.folder("m/1") },
    Hostile("no version", "'m/1' does not exist in the repository") { $0.folder("m") },
    Hostile("no model", "'m' does not exist in the repository") { _ in },
]

@Test(.timeLimit(.minutes(1)), arguments: hostile, Resolution.allCases)
func hostileLayoutsAreRefused(_ hostile: Hostile, _ resolution: Resolution) throws {
    let place = Place()
    defer { place.remove() }
    hostile.make(place)
    var limits = RepositoryLimits()
    limits.modelBytesMax = 64
    let repository = try Repository(path: place.root, limits: limits, resolution: resolution)
    let error = #expect(throws: RepositoryError.self) { try repository.open(model: "m", version: 1) }
    #expect(error?.description == hostile.error)
    // Whatever it is, a scan survives it.
    _ = try repository.scan()
}

@Test(arguments: [
    "", ".", "..", "a/b", "../m", "m ", "m\n", "m\0", "mé", "m\u{7f}", String(repeating: "m", count: 129),
])
func namesThatAreNoModel(name: String) throws {
    let place = Place()
    defer { place.remove() }
    place.file("m/1/model.onnx")
    let repository = try Repository(path: place.root)
    let error = #expect(throws: RepositoryError.self) { try repository.open(model: name, version: 1) }
    #expect(error == .modelName(name))
    #expect(error?.description.utf8.allSatisfy { 0x20..<0x7f ~= $0 || name.utf8.count > 128 } == true)
}

@Test(arguments: [0, -1, Int64.min])
func versionsThatAreNone(version: Int64) throws {
    let place = Place()
    defer { place.remove() }
    let repository = try Repository(path: place.root)
    let error = #expect(throws: RepositoryError.self) { try repository.open(model: "m", version: version) }
    #expect(error?.description == "version \(version) of 'm' must be between 1 and 9223372036854775807")
}

@Test func aFileThatGrowsWhileItIsRead() throws {
    let place = Place()
    defer { place.remove() }
    place.file("m/1/model.onnx")
    let path = place.root + "/m/1/model.onnx"
    precondition(unsafe truncate(path, 128 << 20) == 0)
    let repository = try Repository(path: place.root)
    // The file is open and its size known after a few microseconds; hashing 128 MiB takes tens of milliseconds.
    let writer = Writer(path: path)
    let error = #expect(throws: RepositoryError.self) { try repository.open(model: "m", version: 1) }
    writer.stop()
    #expect(
        error?.description == "'m/1/model.onnx' changed while it was read; write it beside and rename it into place")
}
