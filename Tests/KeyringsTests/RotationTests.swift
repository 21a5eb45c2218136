// Enters: rings in each state of a rotation. Leaves: the step that comes next.
import Cryptography
import Memory
import Testing

@testable import Keyrings

private func document(_ purpose: KeyPurpose, _ states: [KeyState]) throws -> KeyringDocument {
    let active = try #require(states.firstIndex(of: .active))
    let keys = states.enumerated().map {
        #"{"kid":"k\#($0)","alg":"\#(purpose.algorithms[0].rawValue)","state":"\#($1.rawValue)"}"#
    }
    let text = Place.document(keys.joined(separator: ","), purpose: purpose.rawValue, active: "k\(active)")
    return try KeyringDocument(reading: Array(text.utf8), path: "")
}

@Test(
    arguments: [
        ([.active], .rotate, nil, "vencejo key rotate --ring DIR"),
        ([.active, .verify], .activate, "k1", "vencejo key activate k1 --ring DIR"),
        ([.verify, .active], .retire, "k0", "vencejo key retire k0 --ring DIR"),
        ([.revoked, .active], .delete, "k0", "vencejo key retire k0 --ring DIR"),
        ([.active, .revoked], .delete, "k1", "vencejo key retire k1 --ring DIR"),
        // Old keys of the audit log stay for years, and must not stand in the way of a rotation.
        ([.verify, .verify, .active, .verify], .activate, "k3", "vencejo key activate k3 --ring DIR"),
        ([.verify, .verify, .active], .retire, "k0", "vencejo key retire k0 --ring DIR"),
        ([.verify, .active, .verify, .revoked], .delete, "k3", "vencejo key retire k3 --ring DIR"),
    ] as [([KeyState], RotationStep.Kind, String?, String)])
func nextSteps(states: [KeyState], kind: RotationStep.Kind, kid: String?, command: String) throws {
    for purpose in KeyPurpose.allCases {
        let step = try document(purpose, states).nextStep(ring: "DIR")
        #expect(step.kind == kind && step.kid == kid)
        #expect(step.command == command + (purpose == .model && kind == .rotate ? " --from FILE" : ""))
        #expect(!step.condition.isEmpty)
        if let kid { #expect(step.condition.contains(kid) || step.condition.contains("the ring") || kind == .retire) }
    }
}

@Test func whatMustHaveHappenedBefore() throws {
    func condition(_ purpose: KeyPurpose, _ states: [KeyState]) throws -> String {
        try document(purpose, states).nextStep(ring: "DIR").condition
    }
    #expect(try condition(.sign, [.verify, .active]).hasPrefix("330 s"))
    #expect(try condition(.sign, [.active, .verify]).contains("--purpose verify --kid k1"))
    #expect(try condition(.audit, [.verify, .active]).contains("retention"))
    #expect(try condition(.audit, [.revoked, .active]).contains("lost"))
    let text = Place.document.replacing("\"active\"}", with: "\"active\",\"not_after\":\"2027-02-01T00:00:00Z\"}")
        .replacing(#"{"kid":"old","alg":"A256GCM","state":"verify"},"#, with: "")
    let ending = try KeyringDocument(reading: Array(text.utf8), path: "").nextStep(ring: "DIR")
    #expect(ending.condition.contains("before 2027-02-01T00:00:00Z, when new ends"))
}

@Test(arguments: [
    ("keys/audit", "keys/audit"), ("/etc/a-b_c.d/ä", "'/etc/a-b_c.d/ä'"), ("a b", "'a b'"), ("it's", #"'it'\''s'"#),
    ("", "''"),
    ("$(x)", "'$(x)'"), ("a[b]", "'a[b]'"), ("a@b", "a@b"),
])
func wordsForAShell(text: String, word: String) { #expect(shellWord(text) == word) }

/// The key of sum.golang.org, and that of the examples of golang.org/x/mod/sumdb/note (BSD-3-Clause).
@Test(arguments: [
    "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8",
    "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
])
func verifierKeys(vkey: String) throws {
    let parts = vkey.split(separator: "+", maxSplits: 2).map(String.init)
    let typed = try #require(Base64.decode(parts[2]))
    #expect(CheckpointKey(publicKey: Array(typed.dropFirst())).verifierKey(origin: parts[0]) == vkey)
}

/// RFC 8032, section 7.1, test 1.
@Test func thePublicKeyOfASeed() throws {
    let place = Place()
    defer { place.remove() }
    let seed: [UInt8] = [
        0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec, 0x2c, 0xc4, 0x44, 0x49,
        0xc5, 0x69,
        0x7b, 0x32, 0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60,
    ]
    place.file("new.key", seed)
    place.file(
        "keyring.json",
        Place.document(#"{"kid":"new","alg":"Ed25519","state":"active"}"#, purpose: "checkpoint"))
    let key = try #require(CheckpointKey(try place.load(.checkpoint).active))
    #expect(key.publicKey.hex == "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
    #expect(key.base64 == "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=")
}

@Test(arguments: [
    ("example.com/4f", true), ("a", true), (String(repeating: "a", count: 255), true), ("", false), ("a b", false),
    ("a+b", false), ("a\n", false), ("ä", false), (String(repeating: "a", count: 256), false),
])
func origins(origin: String, isOne: Bool) { #expect(CheckpointKey.isOrigin(origin) == isOne) }
