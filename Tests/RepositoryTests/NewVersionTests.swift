// Enters: files. Leaves: a version that is there whole, or nothing.
import Foundation
import Glibc
import Memory
import Testing

@testable import Repository

private func names(_ path: String) -> [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).sorted()
}

private func text(_ path: String) -> String? {
    FileManager.default.contents(atPath: path).map { String(decoding: $0, as: UTF8.self) }
}

private let files = [
    NewFile(name: "model.onnx", bytes: ByteView("onnx")), NewFile(name: "manifest.json", bytes: ByteView("{}")),
]

@Test func versionsAreAddedOneAfterAnother() throws {
    let place = Place()
    defer { place.remove() }
    let repository = try Repository(path: place.root)
    let configuration = NewFile(name: "config.pbtxt", bytes: ByteView("name: 'm'"))
    #expect(try repository.add(model: "m", version: nil, files: files, configuration: configuration) == 1)
    #expect(try repository.add(model: "m", version: nil, files: files, configuration: configuration) == 2)
    #expect(try repository.add(model: "m", version: 7, files: files) == 7)
    #expect(try repository.nextVersion(of: "m", wanted: nil) == 8)
    #expect(names(place.root) == ["m"] && names(place.root + "/m") == ["1", "2", "7", "config.pbtxt"])
    #expect(names(place.root + "/m/2") == ["manifest.json", "model.onnx"])
    #expect(text(place.root + "/m/7/model.onnx") == "onnx" && text(place.root + "/m/7/manifest.json") == "{}")
    #expect(try repository.scan().problems.isEmpty)
}

@Test func whatIsThereStays() throws {
    let place = Place()
    defer { place.remove() }
    place.file("m/3/model.onnx", "old")
    let repository = try Repository(path: place.root)
    #expect(throws: RepositoryError.versionExists(model: "m", version: 3)) {
        try repository.add(model: "m", version: 3, files: files)
    }
    // It came between the look and the rename.
    place.file("m/4", "a file, which is no version to a look")
    #expect(throws: RepositoryError.versionExists(model: "m", version: 4)) {
        try repository.add(model: "m", version: 4, files: files)
    }
    #expect(names(place.root) == ["m"] && names(place.root + "/m") == ["3", "4"])
    #expect(text(place.root + "/m/3/model.onnx") == "old")
}

@Test(
    arguments: [
        ("../m", 1, RepositoryError.modelName("../m")), (".m", 1, .modelName(".m")),
        ("m", 0, .version(model: "m", version: 0)), ("m", -1, .version(model: "m", version: -1)),
    ] as [(String, Int64, RepositoryError)])
func namesThatAreNone(model: String, version: Int64, error: RepositoryError) throws {
    let place = Place()
    defer { place.remove() }
    let repository = try Repository(path: place.root)
    #expect(throws: error) { try repository.add(model: model, version: version, files: files) }
    #expect(names(place.root).isEmpty)
}

@Test func whatWasBegunIsRemoved() throws {
    let place = Place()
    defer { place.remove() }
    let repository = try Repository(path: place.root)
    // The second file of the same name cannot be written.
    #expect(throws: RepositoryError.self) { try repository.add(model: "m", version: nil, files: files + files) }
    #expect(names(place.root).isEmpty)
}

@Test func whatIsStagedIsARepositoryOfItsOwn() throws {
    let place = Place()
    defer { place.remove() }
    place.file("m/3/model.onnx", "old")
    let repository = try Repository(path: place.root)
    let staged = try repository.stage(model: "m", version: nil)
    try staged.write(files, configuration: NewFile(name: "model.yaml", bytes: ByteView("batching: off")))
    try staged.standIn(for: [1, 3, 4], warmUps: [NewFile(name: "zeros", bytes: ByteView("0000"))])
    // A look at the repository does not find it; in the hidden folder it is all there is.
    #expect(try repository.folder(of: "m")?.versions == [3] && repository.scan().problems.isEmpty)
    let inside = try Repository(path: staged.path)
    let folder = try #require(try inside.folder(of: "m"))
    #expect(folder.versions == [1, 3, 4] && folder.configuration == Array("batching: off".utf8))
    #expect(try inside.warmUpFile(model: "m", name: "zeros") == Array("0000".utf8))
    #expect(try inside.open(model: "m", version: 4).byteCount == 4)
    try staged.put()
    #expect(names(place.root) == ["m"] && names(place.root + "/m") == ["3", "4"])
    #expect(text(place.root + "/m/3/model.onnx") == "old")
    #expect(!staged.discard() && names(place.root + "/m") == ["3", "4"])
}

/// A dry run writes nothing into the repository, which may be read-only.
@Test func whatIsOnlyTriedLiesElsewhere() throws {
    let (place, elsewhere) = (Place(), Place())
    defer {
        place.remove()
        elsewhere.remove()
    }
    place.file("m/3/model.onnx", "old")
    try FileManager.default.setAttributes([.posixPermissions: 0o555], ofItemAtPath: place.root)
    defer { try? FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: place.root) }
    let repository = try Repository(path: place.root)
    let staged = try repository.stage(model: "m", version: nil, triedIn: try Repository(path: elsewhere.root))
    try staged.write(files)
    #expect(staged.version == 4 && !staged.isNew && staged.path.hasPrefix(elsewhere.root + "/.import-"))
    #expect(try Repository(path: staged.path).open(model: "m", version: 4).byteCount == 4)
    #expect(names(place.root) == ["m"] && names(place.root + "/m") == ["3"])
    #expect(staged.discard() && names(elsewhere.root).isEmpty && names(place.root) == ["m"])
}

/// What an import left that was killed goes with the next one. On a shared volume another host's process is not seen, so what is
/// young stays.
@Test func whatAKilledImportLeftIsRemoved() throws {
    let place = Place()
    defer { place.remove() }
    // No process has a number above 2^22.
    let folders = [".import-4194305-1", ".import-4194305-2", ".import-\(getpid())-1", ".import-x-1", ".import-"]
    for name in folders {
        place.file("\(name)/m/1/model.onnx")
        let hours = name.hasSuffix("-2") ? 0.5 : 2
        try FileManager.default.setAttributes(
            [.modificationDate: Date(timeIntervalSinceNow: -3600 * hours)], ofItemAtPath: "\(place.root)/\(name)")
    }
    let repository = try Repository(path: place.root)
    try repository.add(model: "m", version: nil, files: files)
    #expect(names(place.root) == (["m"] + folders.dropFirst()).sorted())
}

@Test func whatIsDiscardedIsGone() throws {
    let place = Place()
    defer { place.remove() }
    let repository = try Repository(path: place.root)
    let staged = try repository.stage(model: "m", version: 2)
    try staged.write(files)
    #expect(staged.discard() && staged.discard() && names(place.root).isEmpty)
    #expect(throws: RepositoryError.self) { try staged.put() }
    #expect(throws: RepositoryError.self) { try staged.write(files) }
    #expect(names(place.root).isEmpty)
}
