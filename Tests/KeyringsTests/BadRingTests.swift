// Enters: rings with one fault each. Leaves: why they are refused.
import Foundation
import Testing

@testable import Keyrings

private let badDocuments: [BadRing] = [
    BadRing("a document that is none", .form, "keyring.json", "at byte 1 a value is expected") {
        $0.file("keyring.json", "x")
    },
    BadRing("unknown names", .form, "keyring.json", "\"note\" is unknown") {
        $0.file("keyring.json", Place.document.replacing("{\"v\":1", with: "{\"note\":0,\"v\":1"))
    },
    BadRing("another purpose", .purpose, "keyring.json", "is a ring for subject-store, and one for audit is needed") {
        $0.file("keyring.json", Place.document.replacing("\"audit\"", with: "\"subject-store\""))
    },
    BadRing("another algorithm", .algorithm, "keyring.json", "the key old is for A256KW", "A256GCM") {
        $0.file("keyring.json", Place.document.replacing("old\",\"alg\":\"A256GCM", with: "old\",\"alg\":\"A256KW"))
    },
    BadRing("a kid twice", .kid, "keyring.json", "lists the key old twice") {
        $0.file("keyring.json", Place.document.replacing("\"kid\":\"new\"", with: "\"kid\":\"old\""))
    },
    BadRing("an active key that is not listed", .active, "keyring.json", "\"active\" is \"other\"") {
        $0.file("keyring.json", Place.document.replacing("\"active\":\"new\"", with: "\"active\":\"other\""))
    },
    BadRing("an active key in another state", .active, "keyring.json", "the key old is named by", "state verify") {
        $0.file("keyring.json", Place.document.replacing("\"active\":\"new\"", with: "\"active\":\"old\""))
    },
    BadRing(
        "a key of tomorrow", .time, "keyring.json", "must not be used before 2027-01-15T08:00:01Z",
        "it is 2027-01-15T08:00:00Z"
    ) {
        $0.file(
            "keyring.json",
            Place.document.replacing("\"verify\"", with: "\"verify\",\"not_before\":\"2027-01-15T08:00:01Z\""))
    },
    BadRing("a key of yesterday", .time, "keyring.json", "the key new must not be used from 2027-01-15T08:00:00Z on") {
        $0.file(
            "keyring.json",
            Place.document.replacing("\"active\"}", with: "\"active\",\"not_after\":\"2027-01-15T08:00:00Z\"}"))
    },
]

private let badVolumes: [BadRing] = [
    BadRing("a volume with a file of its own", .kind, "more.key", "must be a link to ..data/NAME") {
        $0.file("more.key", Place.key(3))
    },
    BadRing("a link out of the volume", .kind, "more.key", "is a symbolic link to \"../secret\"") {
        $0.link("more.key", to: "../secret")
    },
    BadRing("a link to another key", .kind, "more.key", "is a symbolic link to \"..data/old.key\"") {
        $0.link("more.key", to: "..data/old.key")
    },
    BadRing("..data leads out", .kind, "..data", "leads to \"../elsewhere\", and must lead to a folder beside it") {
        $0.rename("..1", to: "../elsewhere")
        $0.delete("..data")
        $0.link("..data", to: "../elsewhere")
    },
    BadRing("..data leads up", .kind, "..data", "leads to \"..\"") {
        $0.delete("..data")
        $0.link("..data", to: "..")
    },
    BadRing("..data leads to a file", .kind, "..data", "leads to \"..2\"") {
        $0.file("..2", "")
        $0.delete("..data")
        $0.link("..data", to: "..2")
    },
    BadRing("..data leads to a link", .kind, "..data", "leads to \"..2\"") {
        $0.rename("..1", to: "../elsewhere")
        $0.link("..2", to: "../elsewhere")
        $0.delete("..data")
        $0.link("..data", to: "..2")
    },
    BadRing("..data leads nowhere", .system, "..2", "No such file") {
        $0.delete("..data")
        $0.link("..data", to: "..2")
    },
    BadRing("a link inside", .kind, "old.key", "is a symbolic link to") {
        $0.delete("..1/old.key")
        $0.link("..1/old.key", to: "new.key")
    },
    BadRing("a key that others can read, in a volume", .permissions, "old.key", "defaultMode: 0400") {
        $0.chmod("..1/old.key", 0o444)
    },
    BadRing("a folder inside that others can write to", .permissions, "..1", "mode 0777") { $0.chmod("..1", 0o777) },
]

private func check(_ row: BadRing, _ place: Place) throws {
    _ = try place.load()
    row.spoil(place)
    let error = #expect(throws: KeyringError.self) { try place.load() }
    let sentence = error?.sentence ?? ""
    #expect(error?.reason == row.reason, "\(sentence)")
    let path = row.file.isEmpty ? place.ring : "\(place.ring)/\(row.file)"
    #expect(sentence.contains("\"\(path)\""), "\(sentence)")
    for words in row.words { #expect(sentence.contains(words), "\(sentence)") }
    place.chmod(".", 0o700)
}

@Test(arguments: badFiles + badDocuments) func refused(row: BadRing) throws {
    let place = Place()
    defer { place.remove() }
    place.putRing()
    try check(row, place)
}

@Test(arguments: badVolumes) func refusedVolumes(row: BadRing) throws {
    let place = Place()
    defer { place.remove() }
    place.folder("..1")
    place.putRing("..1")
    place.link("..data", to: "..1")
    for name in ["keyring.json", "old.key", "new.key"] { place.link(name, to: "..data/\(name)") }
    try check(row, place)
}
