import Cryptography
import Memory
import Testing

@testable import Repository

@Test(arguments: Resolution.allCases) func anOrdinaryRepository(resolution: Resolution) throws {
    let place = Place()
    defer { place.remove() }
    place.file("tickets/1/model.onnx", "abc")
    place.file("tickets/10/model.onnx", "second")
    place.file("tickets/2/model.onnx", "third")
    place.file("digits/3/model.onnx")
    place.file("digits/model.yaml", "engine: onnx\n")
    place.file("echo/model.yaml", "engine: identity\n")
    place.file("README.md")
    let repository = try Repository(path: place.root, limits: RepositoryLimits(), resolution: resolution)

    let scan = try repository.scan()
    #expect(scan.models.map(\.name) == ["digits", "echo", "tickets"])
    #expect(scan.models.map(\.versions) == [[3], [], [1, 2, 10]])
    #expect(scan.models.map(\.configuration) == [Array("engine: onnx\n".utf8), Array("engine: identity\n".utf8), nil])
    #expect(scan.models.allSatisfy { $0.failure == nil && $0.problems.isEmpty } && scan.problems.isEmpty)

    let file = try repository.open(model: "tickets", version: 1)
    #expect(file.withBytes { $0.text } == "abc" && file.withBytes { $0.isAligned(to: 4096) })
    #expect(file.digest.hex == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
}

@Test(arguments: [1, 4095, 4096, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 5 << 20])
func sizesAroundAPageAndAStep(count: Int) throws {
    let place = Place()
    defer { place.remove() }
    let content = String(repeating: "0123456789", count: count / 10 + 1).prefix(count)
    place.file("m/1/model.onnx", String(content))
    let file = try Repository(path: place.root).open(model: "m", version: 1)
    #expect(file.byteCount == count)
    #expect(file.withBytes { $0.array } == Array(content.utf8))
    #expect(file.digest == file.withBytes { SHA256.digest(of: $0) })
}

@Test func namesThatAreNoVersionAreIgnored() throws {
    let place = Place()
    defer { place.remove() }
    for name in ["-1", "+1", "latest", ".1", "_1", "version", "v"] { place.file("m/\(name)/model.onnx") }
    // Times, as exporters for TensorFlow Serving number their versions.
    for name in ["1700000000", "1764518400123", "9223372036854775807"] { place.file("m/\(name)/model.onnx") }
    place.file("m/labels.txt")
    place.file("m/3.txt")
    let model = try #require(Repository(path: place.root).scan().models.first)
    #expect(
        model.versions == [1_700_000_000, 1_764_518_400_123, .max] && model.problems.isEmpty && model.failure == nil)
}

/// A folder that is passed over although it looks like a version is reported.
@Test(arguments: ["0", "01", "1.0", "v1", "V2", "1 ", "2-final", "9223372036854775808", "99999999999999999999"])
func namesThatResembleVersionsAreReported(name: String) throws {
    let place = Place()
    defer { place.remove() }
    place.file("m/1/model.onnx")
    place.file("m/\(name)/model.onnx")
    let model = try #require(Repository(path: place.root).scan().models.first)
    #expect(model.versions == [1] && model.failure == nil && model.problems.count == 1)
    #expect(
        model.problems.first?.hasPrefix("'m/\(name)' is passed over: a version's folder must be named by a number")
            == true)
}

@Test func versionsThatAreNoFoldersAreReported() throws {
    let place = Place()
    defer { place.remove() }
    place.file("m/1/model.onnx")
    place.file("m/2")
    place.link("m/3", to: "1")
    let model = try #require(Repository(path: place.root).scan().models.first)
    #expect(model.versions == [1])
    #expect(
        model.problems == [
            "'m/2' is a regular file, not a folder",
            "'m/3' is or passes a symbolic link, which are not followed inside the repository; put the file itself there",
        ])
}

@Test func whatIsNoModelIsIgnoredOrReported() throws {
    let place = Place()
    defer { place.remove() }
    for name in ["..wrong", ".git", "_staging", ".m", "good"] { place.file("\(name)/1/model.onnx") }
    for name in ["with space", "line\nbreak", "accént", String(repeating: "n", count: 129)] { place.folder(name) }
    place.link("linked", to: "good")
    place.pipe("pipe")
    place.file("stray.onnx")
    place.file("notes.txt")
    let scan = try Repository(path: place.root).scan()
    #expect(scan.models.map(\.name) == ["good"])
    let allowed = "is no name for a model: 1 to 128 of A-Z a-z 0-9 . _ - are, except '.' and '..'"
    #expect(
        scan.problems == [
            "'acc\\u{00E9}nt' \(allowed)",
            "'line\\nbreak' \(allowed)",
            "'linked' is or passes a symbolic link, which are not followed inside the repository; put the file itself there",
            "'\(String(repeating: "n", count: 128))…' \(allowed)",
            "'pipe' is a named pipe, not a folder",
            "'stray.onnx' is a regular file, not a folder",
            "'with space' \(allowed)",
        ])
}

@Test func configurationsThatAreNotRead() throws {
    let place = Place()
    defer { place.remove() }
    place.file("large/1/model.onnx")
    place.file("large/model.yaml", String(repeating: "#", count: (1 << 20) + 1))
    place.link("linked/model.yaml", to: "../../secret")
    place.folder("folder/model.yaml")
    place.pipe("pipe/model.yaml")
    place.file("empty/model.yaml", "")
    let models = try Repository(path: place.root).scan().models
    let failures = Dictionary(uniqueKeysWithValues: models.map { ($0.name, $0.failure?.description) })
    #expect(failures["large"] == "'large/model.yaml' has 1048577 bytes, at most 1048576 are allowed")
    #expect(failures["linked"]??.hasPrefix("'linked/model.yaml' is or passes a symbolic link") == true)
    #expect(failures["folder"] == "'folder/model.yaml' is a folder, not a regular file")
    #expect(failures["pipe"] == "'pipe/model.yaml' is a named pipe, not a regular file")
    #expect(failures["empty"] == .some(nil))
    #expect(models.filter { $0.configuration != nil }.map(\.name) == ["empty"])
}

@Test func foldersAreBounded() throws {
    let place = Place()
    defer { place.remove() }
    for name in ["a", "b", "c"] { place.folder(name) }
    for version in 1...4 { place.folder("b/\(version)") }
    var limits = RepositoryLimits()
    limits.entriesMax = 3
    let models = try Repository(path: place.root, limits: limits).scan().models
    #expect(models.map(\.failure) == [nil, .tooManyEntries(path: "b", entriesMax: 3), nil])
    limits.entriesMax = 2
    let small = try Repository(path: place.root, limits: limits)
    let error = #expect(throws: RepositoryError.self) { try small.scan() }
    #expect(error?.description == "the folder '.' has more than 2 entries, which is the limit")
}

@Test func theRootItself() throws {
    let place = Place()
    defer { place.remove() }
    place.file("m/1/model.onnx")
    place.link("../linked", to: "repository")
    #expect(try Repository(path: place.outside + "/linked").scan().models.map(\.name) == ["m"])

    func error(_ path: String) -> String? {
        #expect(throws: RepositoryError.self) { try Repository(path: path) }?.description
    }
    #expect(error("/nowhere/at/all") == "the repository '/nowhere/at/all' cannot be opened: No such file or directory")
    #expect(error("") == "the repository '' cannot be opened: No such file or directory")
    let file = place.root + "/m/1/model.onnx"
    #expect(error(file) == "the repository '\(file)' is not a folder; give the folder that holds the models")
}

@Test(arguments: Resolution.allCases) func aKubernetesVolume(resolution: Resolution) throws {
    let place = Place()
    defer { place.remove() }
    place.file("..2026_01_31_12_00_00.1/m/1/model.onnx", "old")
    place.link("..data", to: "..2026_01_31_12_00_00.1")
    place.link("m", to: "..data/m")
    let repository = try Repository(path: place.root, limits: RepositoryLimits(), resolution: resolution)
    let scan = try repository.scan()
    #expect(scan.models.map(\.name) == ["m"] && scan.problems.isEmpty)
    #expect(try repository.open(model: "m", version: 1).withBytes { $0.text } == "old")
}

@Test(arguments: ["/etc", "..", "../beside", "missing", "model.onnx"]) func aDataLinkThatLeadsAstray(target: String)
    throws
{
    let place = Place()
    defer { place.remove() }
    place.folder("../beside/m/1")
    place.file("model.onnx")
    place.link("..data", to: target)
    let error = #expect(throws: RepositoryError.self) { try Repository(path: place.root) }
    #expect(
        error?.description
            == "'..data' in the repository '\(place.root)' leads to '\(target)', not to a folder beside it")
}
