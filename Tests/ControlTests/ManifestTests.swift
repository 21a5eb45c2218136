// Enters: the bytes of a manifest. Leaves: what it says, or a sentence; and whether a version fits it.
import Cryptography
import Foundation
import Memory
import Testing

@testable import Control
@testable import Repository

private let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

@Test func aManifestComesBackAsItWasWritten() throws {
    var manifest = Manifest(files: [.init(name: "model.onnx", bytes: 3, sha256: abc)])
    #expect(try Manifest(manifest.encoded, path: "p") == manifest)
    manifest.created = "2026-10-01T12:00:00Z"
    (manifest.author, manifest.reason, manifest.parent) = ("maria", "retrained", "iris/6")
    (manifest.tags, manifest.metrics) = (["data": "october"], ["auc": 0.5])
    #expect(try Manifest(manifest.encoded, path: "p") == manifest)
}

@Test(
    arguments: [
        ("", "'m/1/manifest.json' is no manifest: write it with \"vencejo manifest\""),
        ("[]", "'m/1/manifest.json' is no manifest: write it with \"vencejo manifest\""),
        (#"{"schema": 2}"#, "'m/1/manifest.json' has the schema 2; known is 1"),
        (
            #"{"schema": 1, "files": [{"name": 3}]}"#,
            "'m/1/manifest.json' lacks something, or holds something else: write it with \"vencejo manifest\""
        ),
    ])
func bytesThatAreNoManifest(text: String, sentence: String) {
    let error = #expect(throws: ManifestError.self) { try Manifest(Array(text.utf8), path: "m/1/manifest.json") }
    #expect(error?.sentence == sentence)
}

@Test(
    arguments: [
        ([("model.onnx", 3)], true), ([("model.onnx", 4)], false), ([("model.onnx", 3), ("more", 1)], false),
        ([], true),
    ] as [([(String, Int)], Bool)])
func aVersionIsWholeWhenItsManifestSaysSo(files: [(String, Int)], isWhole: Bool) throws {
    let place = Place()
    try place.file("m/1/model.onnx", "abc")
    let stamp = try Repository(path: place.path).stamp(model: "m", version: 1)
    let manifest = Manifest(files: files.map { .init(name: $0.0, bytes: $0.1, sha256: abc) })
    #expect(manifest.isFulfilled(by: stamp) == isWhole)
}

/// Whoever loads it is told, whatever the mode.
@Test(arguments: [true, false]) func anotherFileThanTheManifestNamesIsNotLoaded(isRight: Bool) throws {
    let place = Place()
    try place.fixture("lookup/1", as: "m/1")
    let facts = try #require(Repository.files(in: place.path + "/m/1").first)
    var manifest = Manifest(files: [.init(name: facts.name, bytes: facts.bytes, sha256: facts.digest.hex)])
    if !isRight { manifest.files[0].sha256 = abc }
    manifest.author = "maria"
    try place.file("m/1/manifest.json", String(decoding: manifest.encoded, as: UTF8.self))
    let shop = try Workshop(place)
    try shop.start()
    let report = try #require(shop.reports.withLock { $0 }.first)
    if isRight {
        #expect(shop.lines == ["m 1 blue live"] && report.manifest?.author == "maria")
    } else {
        #expect(shop.lines == ["m 1 blue failed"])
        #expect(report.failure == "its file is not what its manifest.json says; the server's log says how")
        #expect(
            report.log
                == "'m/1/manifest.json' names a model.onnx of sha256 \(abc), and the file's is \(facts.digest.hex): "
                + "copy it again, or write the manifest anew")
    }
}
