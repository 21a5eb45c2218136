// Enters: what lies beside a model. Leaves: its examples, what is refused of them, and what the page cache keeps.
import Foundation
import Glibc
import Testing

@testable import Repository

@Test(
    arguments: [
        ("input.x.npy", true, "x"), ("output.x.npy", false, "x"), ("input.a.b.npy", true, "a.b"),
        ("input.a%2Fb.npy", true, "a/b"), ("input.100%.npy", true, "100%"), ("input.%zz.npy", true, "%zz"),
        ("input.npy", nil, ""), ("input..npy", nil, ""), ("x.npy", nil, ""), ("input.x", nil, ""),
        ("Input.x.npy", nil, ""),
    ] as [(String, Bool?, String)])
func namesOfGoldenFiles(file: String, isInput: Bool?, name: String) {
    let found = Repository.tensor(file)
    #expect(found?.isInput == isInput)
    if isInput != nil { #expect(found?.name == name) }
}

@Test func examplesAreRead() throws {
    let place = Place()
    defer { place.remove() }
    place.file("m/1/model.onnx")
    let repository = try Repository(path: place.root)
    #expect(try repository.golden(model: "m", version: 1).isEmpty)
    place.file("m/1/golden/b/input.x.npy", "bytes")
    place.file("m/1/golden/b/output.y.npy", "more")
    place.file("m/1/golden/a/input.x.npy", "bytes")
    place.folder("m/1/golden/.git")
    let found = try repository.golden(model: "m", version: 1)
    #expect(found.map(\.name) == ["a", "b"])
    #expect(found[1].files.map(\.tensor) == ["x", "y"] && found[1].files.map(\.isInput) == [true, false])
    #expect(found[1].files[1].bytes == Array("more".utf8))
}

@Test(arguments: [
    ("file", "'m/1/golden/x.npy' is a regular file, not a folder"),
    ("name", "'m/1/golden/a/notes.txt' is named neither input.<tensor>.npy nor output.<tensor>.npy"),
    ("link", "'m/1/golden/a/input.x.npy' is or passes a symbolic link"),
    ("large", "'m/1/golden/a/output.y.npy' has 5 bytes, at most 4 are allowed"),
])
func examplesThatAreRefused(what: String, sentence: String) throws {
    let place = Place()
    defer { place.remove() }
    place.file("m/1/model.onnx")
    var limits = RepositoryLimits()
    switch what {
    case "file": place.file("m/1/golden/x.npy")
    case "name": place.file("m/1/golden/a/notes.txt")
    case "link": place.link("m/1/golden/a/input.x.npy", to: "/etc/passwd")
    default:
        limits.goldenBytesMax = 9
        place.file("m/1/golden/a/input.x.npy", "12345")
        place.file("m/1/golden/a/output.y.npy", "12345")
    }
    let repository = try Repository(path: place.root, limits: limits)
    let error = #expect(throws: RepositoryError.self) { try repository.golden(model: "m", version: 1) }
    #expect(error?.description.hasPrefix(sentence) == true, "\(error?.description ?? "")")
}

@Test func aStampTellsThatAFileChanged() throws {
    let place = Place()
    defer { place.remove() }
    let repository = try Repository(path: place.root)
    #expect(repository.fileStamp(model: "m", version: 1) == nil)
    place.file("m/1/model.onnx", "one")
    let first = try #require(repository.fileStamp(model: "m", version: 1))
    #expect(repository.fileStamp(model: "m", version: 1) == first)
    place.file("m/1/model.onnx", "two more")
    #expect(repository.fileStamp(model: "m", version: 1) != first)
}

/// Pages of a file that the page cache holds.
private func cachedPages(_ path: String) -> Int? {
    let file = unsafe open(path, O_RDONLY)
    defer { close(file) }
    var info = stat()
    guard unsafe fstat(file, &info) == 0 else { return nil }
    let size = Int(info.st_size)
    guard let base = unsafe mmap(nil, size, PROT_READ, MAP_SHARED, file, 0), unsafe base != MAP_FAILED else {
        return nil
    }
    defer { unsafe munmap(base, size) }
    var pages = [UInt8](repeating: 0, count: (size + 4095) / 4096)
    guard unsafe mincore(base, size, &pages) == 0 else { return nil }
    return pages.count { $0 & 1 == 1 }
}

@Test(arguments: [(1 << 20, true), (.max, false)])
func largeFilesLeaveThePageCache(cachedBytesMax: Int, leaves: Bool) throws {
    let place = Place()
    defer { place.remove() }
    place.file("m/1/model.onnx")
    let path = "\(place.root)/m/1/model.onnx"
    let bytes = 40 << 20
    try Data(count: bytes).write(to: URL(fileURLWithPath: path))
    // Only pages that are on disk can go.
    let file = unsafe open(path, O_RDONLY)
    fsync(file)
    posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED)
    close(file)
    // A file system that keeps all its files in memory has nothing to leave.
    guard cachedPages(path) == 0 else { return }
    var limits = RepositoryLimits()
    limits.cachedBytesMax = cachedBytesMax
    let model = try Repository(path: place.root, limits: limits).open(model: "m", version: 1)
    #expect(model.byteCount == bytes)
    let pages = try #require(cachedPages(path))
    #expect(leaves ? pages < bytes / 4096 / 10 : pages == bytes / 4096, "\(pages) pages")
}
