// Enters: what an operator wants of a ring. Leaves: what lies in its folder then.
import Cryptography
import Foundation
import Glibc
import Testing

@testable import Keyrings

private func step(_ place: Place) throws -> RotationStep {
    try KeyringEditor(path: place.ring, purpose: nil).document.map { $0.nextStep(ring: "ring") }.unwrapped
}

extension Optional {
    fileprivate var unwrapped: Wrapped { get throws { try #require(self) } }
}

@Test func aRotationFromItsBeginningToItsEnd() throws {
    let place = Place()
    defer { place.remove() }
    #expect(try edit(place, .audit) { (editor) throws(KeyringError) in try editor.add("a") }.state == .active)
    #expect(place.names() == ["a.key", "keyring.json"] && place.bytes("a.key").count == 32)
    #expect(place.mode("a.key") == 0o600 && place.mode("keyring.json") == 0o600 && place.mode(".") == 0o700)
    #expect(
        place.text("keyring.json") == Place.document(#"{"kid":"a","alg":"A256GCM","state":"active"}"#, active: "a"))
    #expect(try step(place).command == "vencejo key rotate --ring ring")
    #expect(try edit(place) { (editor) throws(KeyringError) in try editor.add("b") }.state == .verify)
    #expect(try step(place).command == "vencejo key activate b --ring ring")
    #expect(try place.load().contents == ["a": place.bytes("a.key"), "b": place.bytes("b.key")])
    #expect(try edit(place) { (editor) throws(KeyringError) in try editor.activate("b", at: Place.now) } == "a")
    #expect(try place.load().active.kid == "b" && place.load()["a"]?.entry.state == .verify)
    #expect(try step(place).command == "vencejo key retire a --ring ring")
    #expect(try edit(place) { (editor) throws(KeyringError) in try editor.retire("a") } == .revoked)
    #expect(try place.load()["a"]?.entry.state == .revoked && place.names().contains("a.key"))
    #expect(try step(place).kind == .delete && step(place).command == "vencejo key retire a --ring ring")
    #expect(try edit(place) { (editor) throws(KeyringError) in try editor.retire("a") } == .deleted)
    #expect(place.names() == ["b.key", "keyring.json"])
    #expect(try place.load().keys.map(\.kid) == ["b"])
    #expect(try step(place).kind == .rotate)
    #expect(place.mode("keyring.json") == 0o600)
}

@Test(arguments: KeyPurpose.allCases) func aKeyOfEachPurpose(purpose: KeyPurpose) throws {
    let place = Place()
    defer { place.remove() }
    place.file("../given", purpose.isSecret ? Place.base64(1) : PEM.p384, mode: 0o644)
    _ = try edit(place, purpose) { (editor) throws(KeyringError) in
        try editor.add("given", from: place.outside + "/given")
    }
    #expect(place.bytes("given.key") == (purpose.isSecret ? Place.key(1) : Array(PEM.p384.utf8)))
    #expect(try place.load(purpose).active.entry.algorithm == (purpose == .model ? .es384 : purpose.algorithms[0]))
    if purpose.isSecret {
        _ = try edit(place) { (editor) throws(KeyringError) in try editor.add("drawn") }
        #expect(try place.load(purpose).contents["drawn"] != Place.key(1))
    } else {
        let error = #expect(throws: KeyringError.self) {
            try edit(place) { (editor) throws(KeyringError) in try editor.add("drawn") }
        }
        #expect(error?.reason == .state && error?.sentence.contains("--from FILE") == true)
    }
}

/// Times are looked at by servers; else an operator whose key has expired could not rotate.
@Test func anExpiredRingIsRotated() throws {
    let place = Place()
    defer { place.remove() }
    place.putRing()
    let expired = Place.document.replacing("\"active\"}", with: "\"active\",\"not_after\":\"2020-01-01T00:00:00Z\"}")
    place.file("keyring.json", expired)
    #expect(throws: KeyringError.self) { try place.load() }
    _ = try edit(place) { (editor) throws(KeyringError) in
        _ = try editor.add("next")
        _ = try editor.activate("next", at: Place.now)
        return try editor.retire("new")
    }
    #expect(try place.load().active.kid == "next")
}

@Test func aBadRingIsNotChanged() throws {
    let place = Place()
    defer { place.remove() }
    place.putRing()
    place.file("old.key", Place.key(2))
    let error = #expect(throws: KeyringError.self) { _ = try KeyringEditor(path: place.ring, purpose: nil) }
    #expect(error?.reason == .repeated)
    place.putRing()
    let other = #expect(throws: KeyringError.self) { _ = try KeyringEditor(path: place.ring, purpose: .sign) }
    #expect(other?.reason == .purpose)
}

@Test func whereNoRingCanBeMade() throws {
    let place = Place()
    defer { place.remove() }
    let missing = #expect(throws: KeyringError.self) { _ = try KeyringEditor(path: place.ring, purpose: nil) }
    #expect(missing?.reason == .missing)
    place.file("notes.txt", "")
    let taken = #expect(throws: KeyringError.self) { _ = try KeyringEditor(path: place.ring, purpose: .audit) }
    #expect(taken?.sentence.contains("holds \"notes.txt\" and no keyring.json") == true)
    for (path, purpose, reason) in [
        ("/no", nil, KeyringError.Reason.folder), ("/no/ring", .audit, .folder), ("/ring/notes.txt", .audit, .folder),
    ] as [(String, KeyPurpose?, KeyringError.Reason)] {
        let error = #expect(throws: KeyringError.self) {
            _ = try KeyringEditor(path: place.outside + path, purpose: purpose)
        }
        #expect(error?.reason == reason, "\(error?.sentence ?? "")")
    }
    #expect(!FileManager.default.fileExists(atPath: place.outside + "/no"))
}

@Test func aFolderIsMadeForItsOwnerAlone() throws {
    let place = Place()
    defer { place.remove() }
    var editor = try KeyringEditor(path: place.ring + "/deep", purpose: .checkpoint)
    let entry = try editor.add("a")
    #expect(entry.algorithm == .ed25519 && place.mode("deep") == 0o700 && place.mode("deep/a.key") == 0o600)
}

@Test func oneCommandAtATime() throws {
    let place = Place()
    defer { place.remove() }
    place.putRing()
    do {
        let editor = try KeyringEditor(path: place.ring, purpose: nil)
        let error = #expect(throws: KeyringError.self) { _ = try KeyringEditor(path: place.ring, purpose: nil) }
        #expect(error?.reason == .busy && editor.purpose == .audit)
    }
    _ = try KeyringEditor(path: place.ring, purpose: nil)
}

@Test func aMountedVolumeIsNotChanged() throws {
    let place = Place()
    defer { place.remove() }
    place.folder("..1")
    place.putRing("..1")
    place.link("..data", to: "..1")
    for name in ["keyring.json", "old.key", "new.key"] { place.link(name, to: "..data/\(name)") }
    _ = try place.load()
    let error = #expect(throws: KeyringError.self) { _ = try KeyringEditor(path: place.ring, purpose: nil) }
    #expect(error?.reason == .kind && error?.sentence.contains("Secret") == true)
}

/// What an interrupted command left is overwritten, and goes.
@Test func leftovers() throws {
    let place = Place()
    defer { place.remove() }
    place.putRing()
    place.file(".key.new", Place.key(9))
    place.file(".keyring.json.new", "{")
    _ = try edit(place) { (editor) throws(KeyringError) in try editor.add("next") }
    #expect(place.names() == ["keyring.json", "new.key", "next.key", "old.key"])
    // A key that got its name and is not listed is never overwritten.
    place.file("last.key", Place.key(8))
    let error = #expect(throws: KeyringError.self) {
        try edit(place) { (editor) throws(KeyringError) in try editor.add("last") }
    }
    #expect(error?.reason == .unlisted && place.bytes("last.key") == Place.key(8))
    place.delete("last.key")
    // A deletion that was interrupted is done again.
    place.file(
        "keyring.json",
        Place.document.replacing("verify", with: "revoked").replacing(
            "},{", with: #"},{"kid":"next","alg":"A256GCM","state":"verify"},{"#))
    place.delete("old.key")
    _ = try place.load()
    #expect(try edit(place) { (editor) throws(KeyringError) in try editor.retire("old") } == .deleted)
    #expect(try place.load().keys.map(\.kid) == ["next", "new"])
}

/// A ring that the server's group reads stays one.
@Test func newFilesHaveTheModeOfTheRing() throws {
    let place = Place()
    defer { place.remove() }
    place.putRing()
    for name in place.names() { place.chmod(name, 0o640) }
    _ = try edit(place) { (editor) throws(KeyringError) in try editor.add("next") }
    #expect(place.names().map(place.mode) == [0o640, 0o640, 0o640, 0o640])
    // Given to another user by root, else refused.
    guard geteuid() == 0 else { return }
    #expect(unsafe chown(place.ring + "/keyring.json", 12345, 23456) == 0)
    _ = try edit(place) { (editor) throws(KeyringError) in try editor.add("last") }
    for name in ["keyring.json", "last.key"] {
        var status = stat()
        #expect(unsafe stat("\(place.ring)/\(name)", &status) == 0)
        #expect(status.st_uid == 12345 && status.st_gid == 23456)
    }
}

/// A server that reads the ring while commands change it sees one state or the next.
@Test func readersBesideAWriter() async throws {
    let place = Place()
    defer { place.remove() }
    place.putRing()
    let reader = Task.detached {
        var reasons: Set<KeyringError.Reason> = []
        repeat {
            do throws(KeyringError) {
                _ = try KeyringFolder(path: place.ring, purpose: .audit).load(at: Place.now)
            } catch { reasons.insert(error.reason) }
        } while !Task.isCancelled
        return reasons
    }
    for number in 0..<50 {
        _ = try edit(place) { (editor) throws(KeyringError) in
            _ = try editor.add("k\(number)")
            _ = try editor.activate("k\(number)", at: Place.now)
            return try editor.retire(number == 0 ? "new" : "k\(number - 1)")
        }
    }
    reader.cancel()
    // It may change in each of three attempts, which is no fault of the ring.
    #expect(await reader.value.isSubset(of: [.changed]))
    #expect(try place.load().active.kid == "k49")
}
