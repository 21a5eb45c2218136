// Enters: a good ring. Leaves: it after each thing that must not be, and what is said then.
import Foundation
import Testing

@testable import Keyrings

struct BadRing: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let reason: KeyringError.Reason
    /// The file that the sentence names, and what else is in it.
    let file: String
    let words: [String]
    let spoil: @Sendable (Place) -> Void

    init(
        _ description: String, _ reason: KeyringError.Reason, _ file: String, _ words: String...,
        spoil: @escaping @Sendable (Place) -> Void
    ) {
        (testDescription, self.reason, self.file, self.words, self.spoil) = (description, reason, file, words, spoil)
    }
}

let badFiles: [BadRing] = [
    BadRing("a key that others can read", .permissions, "old.key", "readable by others (mode 0604)", "chmod 0600") {
        $0.chmod("old.key", 0o604)
    },
    BadRing("a key that others can write", .permissions, "old.key", "writable by others than its owner (mode 0602)") {
        $0.chmod("old.key", 0o602)
    },
    BadRing("a key that the group can write", .permissions, "old.key", "(mode 0620)") { $0.chmod("old.key", 0o620) },
    BadRing("a key that the group can read", .groupReadable, "old.key", "readable by its group (mode 0640)") {
        $0.chmod("old.key", 0o640)
    },
    BadRing("a document that others can read", .permissions, "keyring.json", "(mode 0644)") {
        $0.chmod("keyring.json", 0o644)
    },
    BadRing("a folder that others can write to", .permissions, "", "mode 0722", "chmod go-w") { $0.chmod(".", 0o722) },
    BadRing("a folder that the group can write to", .permissions, "", "mode 0770") { $0.chmod(".", 0o770) },
    BadRing("a key of 31 bytes", .length, "old.key", "has 31 bytes; a key is 32 raw bytes, or 45 bytes of base64") {
        $0.file("old.key", Array(Place.key(1).dropLast()))
    },
    BadRing("a key of 33 bytes", .length, "old.key", "has 33 bytes") { $0.file("old.key", Place.key(1) + [10]) },
    BadRing("an empty key", .length, "old.key", "has 0 bytes") { $0.file("old.key", "") },
    BadRing("base64 without a newline", .length, "old.key", "has 44 bytes") {
        $0.file("old.key", String(Place.base64(1).dropLast()))
    },
    BadRing("base64 and another byte", .encoding, "old.key", "not canonical base64 of 32 bytes") {
        $0.file("old.key", String(Place.base64(1).dropLast()) + "x")
    },
    BadRing("base64 of 33 bytes", .encoding, "old.key", "not canonical base64") {
        $0.file("old.key", Data(Place.key(1) + [1]).base64EncodedString() + "\n")
    },
    BadRing("base64 of 31 bytes", .encoding, "old.key", "not canonical base64") {
        $0.file("old.key", Data(Place.key(1).dropLast()).base64EncodedString() + "\n")
    },
    // Of the last character two bits belong to no byte.
    BadRing("base64 that is not canonical", .encoding, "old.key", "not canonical base64") {
        var text = Array(Place.base64(1).utf8)
        text[42] += 1
        $0.file("old.key", text)
    },
    BadRing("a key of zeros", .zero, "old.key", "is all zeros") {
        $0.file("old.key", [UInt8](repeating: 0, count: 32))
    },
    BadRing("zeros in base64", .zero, "old.key", "is all zeros") {
        $0.file("old.key", String(repeating: "A", count: 43) + "=\n")
    },
    BadRing("a key twice", .repeated, "new.key", "holds the same key as", "old.key") {
        $0.file("new.key", Place.key(1))
    },
    BadRing("a key twice, once in base64", .repeated, "new.key", "holds the same key as") {
        $0.file("new.key", Place.base64(1))
    },
    BadRing("a revoked key under another kid", .repeated, "new.key", "holds the same key as") {
        $0.file("new.key", Place.key(1))
        $0.file("keyring.json", Place.document.replacing("verify", with: "revoked"))
    },
    BadRing("a large key", .large, "old.key", "has 4097 bytes, and must have at most 4096") {
        $0.file("old.key", [UInt8](repeating: 1, count: 4097))
    },
    BadRing("a large document", .large, "keyring.json", "has 262145 bytes, and must have at most 262144") {
        $0.file("keyring.json", Place.document + String(repeating: " ", count: 262_145 - Place.document.utf8.count))
    },
    BadRing("too many files", .large, "", "holds more than 1088 files") {
        for number in 0..<1088 { $0.file("\(number).key", "") }
    },
    BadRing("a key that is not listed", .unlisted, "more.key", "is not listed in keyring.json", "delete the file") {
        $0.file("more.key", Place.key(3))
    },
    BadRing("another file", .name, "old.key.bak", "is neither keyring.json nor KID.key") {
        $0.file("old.key.bak", Place.key(3))
    },
    BadRing("a kid that is none", .name, "a b.key", "is neither keyring.json nor KID.key") {
        $0.file("a b.key", Place.key(3))
    },
    BadRing("a folder in the ring", .name, "more", "is neither keyring.json nor KID.key") { $0.folder("more") },
    BadRing("no document", .missing, "keyring.json", "so the folder is no ring", "vencejo key generate") {
        $0.delete("keyring.json")
    },
    BadRing("no file of a listed key", .missing, "old.key", "keyring.json lists the key old as verify") {
        $0.delete("old.key")
    },
    BadRing("a pipe", .kind, "old.key", "is a named pipe, and must be a regular file") {
        $0.delete("old.key")
        $0.pipe("old.key")
    },
    BadRing("a folder for a key", .kind, "old.key", "is a folder, and must be a regular file") {
        $0.delete("old.key")
        $0.folder("old.key")
    },
    BadRing("a link", .kind, "old.key", "is a symbolic link to \"../secret\"") {
        $0.file("../secret", Place.key(1))
        $0.delete("old.key")
        $0.link("old.key", to: "../secret")
    },
    BadRing("a link for the document", .kind, "keyring.json", "is a symbolic link to") {
        $0.rename("keyring.json", to: "../keyring.json")
        $0.link("keyring.json", to: "../keyring.json")
    },
]
