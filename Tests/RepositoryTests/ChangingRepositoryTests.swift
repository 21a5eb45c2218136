// Enters: folders that others change. Leaves: what is noticed, what is removed, and what is never touched.
import Cryptography
import Foundation
import Memory
import Testing

@testable import Repository

@Test func aStampTellsEveryChange() throws {
    let place = Place()
    defer { place.remove() }
    place.file("m/1/model.onnx", "abc")
    let repository = try Repository(path: place.root)
    func stamp() throws -> VersionStamp { try repository.stamp(model: "m", version: 1) }
    let first = try stamp()
    #expect(try stamp() == first && first.has("model.onnx") && !first.hasManifest)
    #expect(first.entries.map(\.name) == ["model.onnx"] && first.entries.map(\.bytes) == [3])
    place.file("m/1/manifest.json", "{}")
    let second = try stamp()
    #expect(second != first && second.hasManifest)
    // As large as before.
    place.file("m/1/model.onnx", "abd")
    #expect(try stamp() != second)
    #expect(throws: RepositoryError.self) { try repository.stamp(model: "m", version: 2) }
    #expect(throws: RepositoryError.modelName("../m")) { try repository.stamp(model: "../m", version: 1) }
}

@Test func copiesUnderWayAreNotSeen() throws {
    let place = Place()
    defer { place.remove() }
    for name in ["iris.partial", "iris.tmp", ".iris", "_iris", "iris"] { place.file("\(name)/1/model.onnx") }
    for name in ["2.partial", "3.tmp", ".4", "_5"] { place.file("iris/\(name)/model.onnx") }
    let scan = try Repository(path: place.root).scan()
    #expect(scan.models.map(\.name) == ["iris"] && scan.models[0].versions == [1] && scan.problems.isEmpty)
}

@Test(arguments: Resolution.allCases) func aVolumeOfKubernetesThatIsSwapped(resolution: Resolution) throws {
    let place = Place()
    defer { place.remove() }
    place.file("..1/m/1/model.onnx", "old")
    place.link("..data", to: "..1")
    let repository = try Repository(path: place.root, limits: RepositoryLimits(), resolution: resolution)
    #expect(try repository.scan().models.map(\.versions) == [[1]])
    place.file("..2/m/2/model.onnx", "new")
    place.link("..data_tmp", to: "..2")
    #expect(unsafe rename("\(place.root)/..data_tmp", "\(place.root)/..data") == 0)
    try FileManager.default.removeItem(atPath: place.root + "/..1")
    #expect(try repository.scan().models.map(\.versions) == [[2]])
    #expect(try repository.open(model: "m", version: 2).withBytes { $0.text } == "new")
    // One that leads astray is an error, and not followed.
    try FileManager.default.removeItem(atPath: place.root + "/..data")
    place.link("..data", to: "../..")
    #expect(throws: RepositoryError.dataLink(path: place.root, target: "../..")) { try repository.scan() }
}

@Test func theKernelTellsWhoChanged() throws {
    let place = Place()
    defer { place.remove() }
    place.file("a/1/model.onnx")
    place.file("b/1/model.onnx")
    let repository = try Repository(path: place.root)
    let watch = try RepositoryWatch()
    // What is new has to be looked at again.
    #expect(watch.cover(repository, try repository.scan().models).isAny)
    #expect(!watch.cover(repository, try repository.scan().models).isAny)
    #expect(watch.wait(nanoseconds: 0) == [] && !watch.isPartial)
    func told() -> Set<RepositoryWatch.Change> { watch.wait(nanoseconds: 5_000_000_000) }
    place.folder("c")
    #expect(told() == [.init(model: "c", version: nil, isEnd: false)])
    #expect(watch.cover(repository, try repository.scan().models).isAny)
    #expect(!watch.cover(repository, try repository.scan().models).isAny)
    place.folder("a/2")
    #expect(told() == [.init(model: "a", version: 2, isEnd: false)])
    #expect(unsafe rename(place.root + "/a/2", place.root + "/a/3") == 0)
    #expect(
        told() == [.init(model: "a", version: 2, isEnd: false), .init(model: "a", version: 3, isEnd: true)])
    let file = try #require(FileHandle(forWritingAtPath: place.root + "/b/1/model.onnx"))
    try file.write(contentsOf: Data("x".utf8))
    #expect(told() == [.init(model: "b", version: 1, isEnd: false)])
    #expect(watch.isBeingWritten(model: "b", version: 1) && !watch.isBeingWritten(model: "a", version: 1))
    try file.close()
    #expect(told() == [.init(model: "b", version: 1, isEnd: true)] && !watch.isBeingWritten(model: "b", version: 1))
}

@Test func aVersionIsRemovedAndNothingElse() throws {
    let place = Place()
    defer { place.remove() }
    place.file("../secret/kept", "s")
    for version in [1, 2] { place.file("m/\(version)/model.onnx") }
    place.file("m/1/deep/er/file")
    place.link("m/1/link", to: "../../../secret")
    place.link("m/1/filelink", to: "../../../secret/kept")
    // An earlier removal that did not end.
    place.file(".trash/m.1/model.onnx")
    let repository = try Repository(path: place.root)
    try repository.remove(model: "m", version: 1)
    #expect(try repository.scan().models.map(\.versions) == [[2]])
    #expect(try FileManager.default.contentsOfDirectory(atPath: place.root + "/.trash") == [])
    #expect(FileManager.default.fileExists(atPath: place.outside + "/secret/kept"))
}

@Test func whatIsNotRemoved() throws {
    let place = Place()
    defer { place.remove() }
    place.file("../outside/1/model.onnx")
    place.link("linked", to: "../outside")
    place.link("m/1", to: "../../outside/1")
    place.file("m/2")
    place.file("n/1/model.onnx")
    let repository = try Repository(path: place.root)
    for (model, version) in [("linked", 1), ("m", 1), ("m", 2), ("m", 3), ("..", 1), ("../outside", 1), ("n", 0)] {
        #expect(throws: RepositoryError.self) { try repository.remove(model: model, version: Int64(version)) }
    }
    // A trash that leads elsewhere is none.
    place.link(".trash", to: "../outside")
    #expect(throws: RepositoryError.self) { try repository.remove(model: "n", version: 1) }
    #expect(FileManager.default.fileExists(atPath: place.outside + "/outside/1/model.onnx"))
    #expect(FileManager.default.fileExists(atPath: place.root + "/n/1/model.onnx"))
}

@Test func theFilesOfAVersion() throws {
    let place = Place()
    defer { place.remove() }
    place.file("m/1/model.onnx", "abc")
    for name in ["vocabulary.txt", ".hidden", "manifest.json", "manifest.json.new"] { place.file("m/1/\(name)") }
    let files = try Repository.files(in: place.root + "/m/1")
    #expect(files.map(\.name) == ["model.onnx", "vocabulary.txt"] && files.map(\.bytes) == [3, 4])
    #expect(files[0].digest.hex == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
}
