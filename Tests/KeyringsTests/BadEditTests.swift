// Enters: what must not be done to a ring. Leaves: why it is refused, and the ring as it was.
import Foundation
import Testing

@testable import Keyrings

struct BadEdit: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let reason: KeyringError.Reason
    let words: [String]
    var prepare: @Sendable (Place) -> Void = { _ in }
    let edit: @Sendable (inout KeyringEditor, Place) throws(KeyringError) -> Void

    init(
        _ description: String, _ reason: KeyringError.Reason, _ words: String...,
        prepare: @escaping @Sendable (Place) -> Void = { _ in },
        edit: @escaping @Sendable (inout KeyringEditor, Place) throws(KeyringError) -> Void
    ) {
        (testDescription, self.reason, self.words) = (description, reason, words)
        (self.prepare, self.edit) = (prepare, edit)
    }
}

@Test(arguments: [
    BadEdit("a kid that is none", .kid, "--kid \"a/b\" must be 1 to 64") { (editor, _) throws(KeyringError) in
        _ = try editor.add("a/b")
    },
    BadEdit("a kid that is taken", .kid, "has a key old already; give another --kid") {
        (editor, _) throws(KeyringError) in _ = try editor.add("old")
    },
    BadEdit("a key that is there already", .repeated, "given\" holds the same key as", "old.key") {
        $0.file("../given", Place.base64(1))
    } edit: { (editor, place) throws(KeyringError) in
        _ = try editor.add("c", from: place.outside + "/given")
    },
    BadEdit("a file of another length", .length, "given\" has 5 bytes") {
        $0.file("../given", "short")
    } edit: { (editor, place) throws(KeyringError) in
        _ = try editor.add("c", from: place.outside + "/given")
    },
    BadEdit("no file", .system, "given\": No such file or directory") { (editor, place) throws(KeyringError) in
        _ = try editor.add("c", from: place.outside + "/given")
    },
    BadEdit("a folder for a file", .kind, "must be a regular file; name the file that holds the key") {
        (editor, place) throws(KeyringError) in _ = try editor.add("c", from: place.outside)
    },
    BadEdit("a file without an end", .kind, "must be a regular file") { (editor, _) throws(KeyringError) in
        _ = try editor.add("c", from: "/dev/zero")
    },
    BadEdit("activate what is not there", .kid, "has no key \"c\"; its keys are old, new, bad") {
        (editor, _) throws(KeyringError) in _ = try editor.activate("c", at: Place.now)
    },
    BadEdit("activate what is active", .state, "the key new", "is active already") {
        (editor, _) throws(KeyringError) in _ = try editor.activate("new", at: Place.now)
    },
    BadEdit("activate what is revoked", .state, "is revoked, and a revoked key never comes back", "vencejo key rotate")
    {
        (editor, _) throws(KeyringError) in _ = try editor.activate("bad", at: Place.now)
    },
    BadEdit("activate too early", .time, "the key old must not be used before 2027-01-15T08:00:00Z") {
        (editor, _) throws(KeyringError) in
        _ = try editor.activate("old", at: UTCTime(seconds: Place.now.seconds - 1))
    },
    BadEdit("activate too late", .time, "the key old must not be used from 2027-01-16T08:00:00Z on") {
        (editor, _) throws(KeyringError) in
        _ = try editor.activate("old", at: UTCTime(seconds: Place.now.seconds + 86_400))
    },
    BadEdit("retire what is active", .state, "is active; make another one active first: vencejo key rotate --ring") {
        (editor, _) throws(KeyringError) in _ = try editor.retire("new")
    },
    BadEdit("retire what is not there", .kid, "has no key \"../a\"") { (editor, _) throws(KeyringError) in
        _ = try editor.retire("../a")
    },
])
func refusedEdits(row: BadEdit) throws {
    let place = Place()
    defer { place.remove() }
    place.putRing()
    place.file("bad.key", Place.key(9))
    place.file(
        "keyring.json",
        Place.document(
            ##"{"kid":"old","alg":"A256GCM","state":"verify","not_before":"2027-01-15T08:00:00Z","not_after":"2027-01-16T08:00:00Z"},"##
                + ##"{"kid":"new","alg":"A256GCM","state":"active"},{"kid":"bad","alg":"A256GCM","state":"revoked"}"##))
    row.prepare(place)
    let before = place.names().map { ($0, place.bytes($0)) }
    let error = #expect(throws: KeyringError.self) {
        try edit(place) { (editor) throws(KeyringError) in try row.edit(&editor, place) }
    }
    #expect(error?.reason == row.reason, "\(error?.sentence ?? "")")
    for words in row.words { #expect(error?.sentence.contains(words) == true, "\(error?.sentence ?? "")") }
    #expect(place.names().map { ($0, place.bytes($0)) }.elementsEqual(before) { $0 == $1 })
}
