// Enters: folders, good and bad. Leaves: rings, or why they are refused.
import Foundation
import Glibc
import Testing

@testable import Keyrings

@Test func aRing() throws {
    let place = Place()
    defer { place.remove() }
    place.putRing()
    place.file("old.key", Place.base64(1), mode: 0o400)
    // No part of the ring: what editors and commands leave, what Kubernetes makes.
    place.file(".new.key.swp", "", mode: 0o644)
    place.folder("..2027")
    let ring = try place.load()
    #expect(ring.purpose == .audit && ring.keys.map(\.kid) == ["old", "new"] && ring.active.kid == "new")
    #expect(ring.contents == ["old": Place.key(1), "new": Place.key(2)])
    #expect(try place.load(nil).keys.count == 2)
    // Its secrets are not in what a log would print.
    let printed = "\(ring)" + String(reflecting: ring)
    #expect(
        printed.contains("old") && !printed.contains("[1, 2, 3") && !printed.contains("\(Place.base64(1).prefix(8))"))
}

@Test func whatAKeyMayDo() throws {
    let place = Place()
    defer { place.remove() }
    place.file(
        "keyring.json",
        Place.document(
            ##"{"kid":"gone","alg":"A256GCM","state":"revoked"},{"kid":"bad","alg":"A256GCM","state":"revoked","not_after":"2020-01-01T00:00:00Z"},"##
                + ##"{"kid":"new","alg":"A256GCM","state":"active","not_after":"2027-02-01T00:00:00Z"},"##
                + ##"{"kid":"old","alg":"A256GCM","state":"verify","not_before":"2027-01-15T08:00:00Z"}"##))
    for (number, kid) in ["bad", "new", "old"].enumerated() { place.file("\(kid).key", Place.key(UInt8(number))) }
    let ring = try place.load()
    // A revoked key is loaded, for what looks at all of them, and its file may be gone.
    #expect(ring.keys.map(\.kid) == ["gone", "bad", "new", "old"] && ring["gone"]?.material == nil)
    #expect(ring["bad"]?.secret != nil && ring["no"] == nil)
    for (kid, isUsed) in [("gone", false), ("bad", false), ("new", true), ("old", true), ("no", false)] {
        #expect((ring.key(kid, at: Place.now) != nil) == isUsed)
    }
    #expect(ring.key("old", at: UTCTime(seconds: Place.now.seconds - 1)) == nil)
    let end = try #require(UTCTime("2027-02-01T00:00:00Z"))
    #expect(ring.key("new", at: end) == nil && ring.key("new", at: UTCTime(seconds: end.seconds - 1)) != nil)
}

@Test func publicKeys() throws {
    let place = Place()
    defer { place.remove() }
    let rows = [
        ("a", "ES256", PEM.p256), ("b", "ES384", PEM.p384), ("c", "ES512", PEM.p521), ("d", "ES256", PEM.anotherP256),
    ]
    place.file(
        "keyring.json",
        Place.document(
            rows.map { #"{"kid":"\#($0.0)","alg":"\#($0.1)","state":"\#($0.0 == "a" ? "active" : "verify")"}"# }
                .joined(separator: ","), purpose: "model", active: "a"))
    for (kid, _, pem) in rows { place.file("\(kid).key", pem) }
    let ring = try place.load(.model)
    #expect(ring.contents == Dictionary(uniqueKeysWithValues: rows.map { ($0.0, Array($0.2.utf8)) }))
    #expect(ring.active.secret == nil && CheckpointKey(ring.active) == nil)
}

@Test func aVolumeOfKubernetes() throws {
    let place = Place()
    defer { place.remove() }
    place.chmod(".", 0o1777)
    place.folder("..2027_01_01")
    place.putRing("..2027_01_01")
    place.link("..data", to: "..2027_01_01")
    for name in ["keyring.json", "old.key", "new.key", "removed.key"] { place.link(name, to: "..data/\(name)") }
    let loaded = try KeyringFolder(path: place.ring, purpose: .audit).load(at: Place.now)
    #expect(loaded.isMounted && loaded.ring.contents == ["old": Place.key(1), "new": Place.key(2)])
    // With an fsGroup.
    for name in ["keyring.json", "old.key", "new.key"] { place.chmod("..2027_01_01/\(name)", 0o440) }
    #expect(try place.load(mayBeGroupReadable: true).keys.count == 2)
    let error = #expect(throws: KeyringError.self) { try place.load() }
    #expect(error?.reason == .groupReadable)
    // A swap: the links stay as they are.
    place.folder("..2027_02_02")
    place.file("..2027_02_02/keyring.json", Place.document(#"{"kid":"new","alg":"A256GCM","state":"active"}"#))
    place.file("..2027_02_02/new.key", Place.key(3))
    place.link("..data_tmp", to: "..2027_02_02")
    place.rename("..data_tmp", to: "..data")
    #expect(try place.load().contents == ["new": Place.key(3)])
}

@Test(arguments: [
    (PEM.ed25519, KeyringError.Reason.encoding, "is no PEM public key of P-256, P-384 or P-521"),
    (PEM.p256 + "x", .encoding, "is no PEM"),
    ("", .encoding, "is no PEM"), (PEM.p384, .algorithm, "is a key for ES384, and keyring.json says ES256 of new"),
    // With other line ends it is the same key.
    (PEM.anotherP256.replacing("\n", with: "\r\n"), .repeated, "holds the same key as"),
])
func badPublicKeys(pem: String, reason: KeyringError.Reason, words: String) throws {
    let place = Place()
    defer { place.remove() }
    place.file(
        "keyring.json",
        Place.document(
            #"{"kid":"old","alg":"ES256","state":"verify"},{"kid":"new","alg":"ES256","state":"active"}"#,
            purpose: "model"))
    place.file("old.key", PEM.anotherP256)
    place.file("new.key", PEM.p256)
    _ = try place.load(.model)
    place.file("new.key", pem)
    let error = #expect(throws: KeyringError.self) { try place.load(.model) }
    #expect(error?.reason == reason && error?.sentence.contains(words) == true, "\(error?.sentence ?? "")")
}

@Test func aKeyOfOnePurposeIsRefusedForAnother() throws {
    for purpose in KeyPurpose.allCases {
        let place = Place()
        defer { place.remove() }
        place.file("new.key", purpose.isSecret ? Place.key(1) : Array(PEM.p256.utf8))
        place.file(
            "keyring.json",
            Place.document(
                #"{"kid":"new","alg":"\#(purpose.algorithms[0].rawValue)","state":"active"}"#,
                purpose: purpose.rawValue))
        for wanted in KeyPurpose.allCases {
            if wanted == purpose {
                #expect(try place.load(wanted).purpose == purpose)
            } else {
                let error = #expect(throws: KeyringError.self) { try place.load(wanted) }
                #expect(error?.reason == .purpose)
            }
        }
    }
}

/// What another command does between two system calls of a load.
@Test func aRingThatChangesWhileItIsRead() throws {
    let place = Place()
    defer { place.remove() }
    place.putRing()
    let folder = KeyringFolder(path: place.ring, purpose: .audit)
    var left = 0
    func load(changes: Int, _ change: () -> Void) throws -> Keyring {
        left = changes
        return try folder.load(at: Place.now) {
            if left > 0 { change() }
            left -= 1
        }.ring
    }
    // Else the new document would be read with the names, or the keys, of before.
    func addKey() {
        place.file("next\(left).key", Place.key(UInt8(100 + left)))
        let entry = #",{"kid":"next\#(left)","alg":"A256GCM","state":"verify"}]}"#
        place.file("keyring.json", place.text("keyring.json").replacing("]}", with: entry))
    }
    #expect(try load(changes: 2, addKey).keys.count == 4)
    var number: UInt8 = 50
    func replaceKey() {
        number += 1
        place.file("new.key", Place.key(number))
    }
    #expect(try load(changes: 1, replaceKey).contents["new"] == Place.key(51))
    for change in [addKey, replaceKey] {
        let error = #expect(throws: KeyringError.self) { try load(changes: 3, change) }
        #expect(error?.reason == .changed)
        place.putRing()
        for name in place.names() where name.hasPrefix("next") { place.delete(name) }
    }
    #expect(try load(changes: 0, {}).keys.count == 2)
}

@Test func noRingThere() throws {
    let place = Place()
    defer { place.remove() }
    place.file("file", "")
    for (path, words) in [("no", "does not exist; make it with vencejo key generate"), ("file", "is no folder")] {
        let folder = KeyringFolder(path: "\(place.ring)/\(path)", purpose: nil)
        let error = #expect(throws: KeyringError.self) { try folder.load(at: Place.now) }
        #expect(error?.reason == .folder && error?.sentence.contains(words) == true)
    }
}

/// The limit of keys is one that can be reached.
@Test func manyKeys() throws {
    let place = Place()
    defer { place.remove() }
    let kids = (0..<KeyringDocument.keysMax).map { "\($0)" + String(repeating: "k", count: 60) }
    place.file(
        "keyring.json",
        Place.document(
            kids.map { #"{"kid":"\#($0)","alg":"HS256","state":"\#($0 == kids[0] ? "active" : "verify")"}"# }
                .joined(separator: ","), purpose: "verify", active: kids[0]))
    for (number, kid) in kids.enumerated() {
        place.file("\(kid).key", Place.key(1).dropLast(2) + [UInt8(number >> 8), UInt8(number & 255)])
    }
    #expect(try place.load(.verify).keys.count == 1024)
}
