// Enters: bytes, one after the other. Leaves: a file with the old ones or the new ones.
import Foundation
import Glibc
import Testing

@testable import Repository

private func names(in folder: String) -> [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).sorted()
}

@Test(arguments: [0, 1, 5, 4096, 1 << 20])
func whatWasWrittenIsRead(count: Int) throws {
    let place = Place()
    defer { place.remove() }
    let file = KeptFile(path: place.root + "/kept")
    let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31) }
    try file.write(bytes)
    #expect(try file.read() == bytes)
    // Nobody else's business, and nothing is left beside it.
    var info = stat()
    #expect(unsafe stat(file.path, &info) == 0 && info.st_mode & 0o777 == 0o600)
    #expect(names(in: place.root) == ["kept"])
}

@Test func aMissingFileIsNone() throws {
    let place = Place()
    defer { place.remove() }
    #expect(try KeptFile(path: place.root + "/kept").read() == nil)
    #expect(try KeptFile(path: place.root + "/no/folder/kept").read() == nil)
}

/// A shorter one leaves nothing of the longer one; a name in the old file's place is another file.
@Test func itIsReplacedAsAWhole() throws {
    let place = Place()
    defer { place.remove() }
    let file = KeptFile(path: place.root + "/kept")
    let before = [UInt8](repeating: 1, count: 100_000)
    try file.write(before)
    let opened = unsafe open(file.path, O_RDONLY)
    defer { close(opened) }
    try file.write([2, 3])
    #expect(try file.read() == [2, 3])
    // Who has the old one open reads the old one: nothing was written over.
    var read = [UInt8](repeating: 0, count: before.count)
    let count = unsafe Glibc.read(opened, &read, read.count)
    #expect(count == before.count && read == before)
}

/// What a crash left half-written is not the file, and is written over.
@Test(arguments: [0, 3, 100_000])
func whatIsHalfWrittenIsIgnored(count: Int) throws {
    let place = Place()
    defer { place.remove() }
    let file = KeptFile(path: place.root + "/kept")
    func crash() { place.file("kept.new", String(repeating: "x", count: count)) }
    crash()
    #expect(try file.read() == nil)
    try file.write([1, 2])
    crash()
    #expect(try file.read() == [1, 2])
    try file.write([3])
    #expect(try file.read() == [3] && names(in: place.root) == ["kept"])
}

struct UnwritableRow: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let errno: CInt
    let spoil: @Sendable (Place) -> Void
    /// Whose name the error has, beneath the place's outside.
    var path = "repository/kept.new"
}

@Test(arguments: [
    UnwritableRow(testDescription: "a folder in the new one's place", errno: EISDIR) { $0.folder("kept.new") },
    UnwritableRow(testDescription: "a link in the new one's place", errno: ELOOP) {
        $0.link("kept.new", to: "../other")
    },
    UnwritableRow(testDescription: "a folder that nobody may write to", errno: EACCES) {
        unsafe chmod($0.root, 0o500)
    },
])
func theOldBytesStay(row: UnwritableRow) throws {
    // Nothing is forbidden to root.
    if row.errno == EACCES && geteuid() == 0 { return }
    let place = Place()
    defer { place.remove() }
    let file = KeptFile(path: place.root + "/kept")
    try file.write([1, 2, 3])
    row.spoil(place)
    defer { unsafe chmod(place.root, 0o700) }
    let error = #expect(throws: RepositoryError.self) { try file.write([9]) }
    #expect(error == .notWritten(path: place.outside + "/" + row.path, code: row.errno))
    #expect(error?.description.hasPrefix("'\(place.outside)/\(row.path)' cannot be written: ") == true)
    #expect(try file.read() == [1, 2, 3])
    #expect((file.problem == nil) == (row.errno != EACCES))
}

/// Through a link nothing is written, neither to where it leads.
@Test func noLinkIsFollowed() throws {
    let place = Place()
    defer { place.remove() }
    place.link("kept.new", to: "../other")
    #expect(throws: RepositoryError.self) { try KeptFile(path: place.root + "/kept").write([9]) }
    #expect(!FileManager.default.fileExists(atPath: place.outside + "/other"))
}

@Test func whereNothingCanBe() throws {
    let place = Place()
    defer { place.remove() }
    place.file("file")
    for (path, code) in [("no/folder/kept", ENOENT), ("file/kept", ENOTDIR)] {
        let file = KeptFile(path: "\(place.root)/\(path)")
        #expect(file.problem != nil)
        #expect(throws: RepositoryError.notWritten(path: file.path + ".new", code: code)) { try file.write([1]) }
    }
    // A folder has the name.
    place.folder("kept")
    let file = KeptFile(path: place.root + "/kept")
    #expect(throws: RepositoryError.notWritten(path: file.path, code: EISDIR)) { try file.write([1]) }
    #expect(throws: RepositoryError.kind(path: file.path, found: .folder, wanted: .file)) { try file.read() }
    #expect(KeptFile(path: place.root + "/new").problem == nil)
}

@Test func notEveryFileIsRead() throws {
    let place = Place()
    defer { place.remove() }
    place.pipe("pipe")
    place.file("twice")
    place.hardLink("again", to: "twice")
    for (name, error) in [
        ("pipe", { RepositoryError.kind(path: $0, found: .pipe, wanted: .file) }),
        ("twice", { RepositoryError.hardLinks(path: $0, count: 2) }),
    ] {
        let path = "\(place.root)/\(name)"
        #expect(throws: error(path)) { try KeptFile(path: path).read() }
    }
}

/// Relative to the working folder, as an operator may say it.
@Test func itsFolderMayBeLeftOut() {
    #expect((KeptFile(path: "kept").problem == nil) == (unsafe access(".", W_OK | X_OK) == 0))
    #expect((KeptFile(path: "/kept").problem == nil) == (unsafe access("/", W_OK | X_OK) == 0))
}

@Test(arguments: [
    ("real", nil), ("not", "'not' does not exist"), ("file", "'file' is a regular file, not a folder"),
    ("link", "'link' is or passes a symbolic link"), (".hidden", "'.hidden' is no name for a model"),
    ("_own", "'_own' is no name for a model"), ("", "'' is no name for a model"), ("..", "'..' is no name for a model"),
    ("a/b", "'a/b' is no name for a model"), ("real\n", "'real\\n' is no name for a model"),
])
func oneModelsFolder(name: String, error: String?) throws {
    let place = Place()
    defer { place.remove() }
    place.file("real/1/model.onnx")
    place.file("real/3/model.onnx")
    place.file("real/model.yaml", "labels: {}")
    place.file("file")
    place.link("link", to: "real")
    let repository = try Repository(path: place.root)
    if name == "not" {
        #expect(try repository.folder(of: name) == nil)
    } else if let error {
        let thrown = #expect(throws: RepositoryError.self) { try repository.folder(of: name) }
        #expect(thrown?.description.hasPrefix(error) == true, "\(thrown?.description ?? "")")
    } else {
        let folder = try #require(try repository.folder(of: name))
        #expect(folder == (try repository.scan().models.first { $0.name == name }))
        #expect(folder.versions == [1, 3] && folder.configuration == Array("labels: {}".utf8))
        // What was put there since is seen.
        place.file("real/4/model.onnx")
        #expect(try repository.folder(of: name)?.versions == [1, 3, 4])
    }
}
