// Enters: folders that change, and what time it is. Leaves: which ring is in force, and what was told. No clock, no sleep.
import Foundation
import Glibc
import Testing

@testable import Keyrings

private let second: Int64 = 1_000_000_000

extension KeyringWatch {
    /// At so many seconds of a clock that began with the watch.
    fileprivate mutating func look(second number: Double) -> Outcome {
        look(at: Place.now, nanoseconds: Int64(number * Double(second)))
    }
}

private func watch(_ place: Place) throws(KeyringError) -> KeyringWatch {
    try KeyringWatch(KeyringFolder(path: place.ring, purpose: .audit), at: Place.now, nanoseconds: 0)
}

private func reason(_ outcome: KeyringWatch.Outcome) -> KeyringError.Reason? {
    if case .refused(let error) = outcome { error.reason } else { nil }
}

@Test func aChangeIsReadWhenTheFolderRests() throws {
    let place = Place()
    defer { place.remove() }
    place.putRing()
    var watch = try watch(place)
    #expect(watch.look(second: 1) == .unchanged && watch.ring.active.kid == "new")
    place.file("next.key", Place.key(3))
    #expect(watch.look(second: 2) == .unchanged)
    // A second change begins the second anew.
    let entry = #",{"kid":"next","alg":"A256GCM","state":"verify"}]}"#
    place.file("keyring.json", Place.document.replacing("]}", with: entry))
    #expect(watch.look(second: 2.9) == .unchanged && watch.look(second: 3.8) == .unchanged)
    #expect(watch.look(second: 3.9) == .reloaded([KeyringChange(kid: "next", action: .added)]))
    #expect(watch.ring.keys.map(\.kid) == ["old", "new", "next"] && watch.ring["next"]?.secret != nil)
    #expect(watch.look(second: 10) == .unchanged)
    // The same bytes once more.
    place.file("next.key", Place.key(3))
    #expect(watch.look(second: 11) == .unchanged && watch.look(second: 12) == .reloaded([]))
}

@Test func whatBecameOfKeys() throws {
    let place = Place()
    defer { place.remove() }
    place.putRing()
    var watch = try watch(place)
    place.file("old.key", Place.key(9))
    place.file("next.key", Place.key(3))
    place.delete("new.key")
    place.file(
        "keyring.json",
        Place.document(
            ##"{"kid":"new","alg":"A256GCM","state":"revoked"},{"kid":"old","alg":"A256GCM","state":"verify"},"##
                + ##"{"kid":"next","alg":"A256GCM","state":"active"}"##, active: "next"))
    #expect(watch.look(second: 1) == .unchanged)
    let changes: [(String, KeyringChange.Action)] = [
        ("new", .revoked), ("old", .replaced), ("next", .added), ("next", .activated),
    ]
    #expect(watch.look(second: 2) == .reloaded(changes.map { KeyringChange(kid: $0, action: $1) }))
    place.delete("old.key")
    place.file(
        "keyring.json",
        Place.document(##"{"kid":"next","alg":"A256GCM","state":"active"}"##, active: "next"))
    #expect(watch.look(second: 3) == .unchanged)
    #expect(
        watch.look(second: 4)
            == .reloaded([KeyringChange(kid: "new", action: .removed), KeyringChange(kid: "old", action: .removed)]))
    place.file("last.key", Place.key(4))
    place.file(
        "keyring.json",
        Place.document(
            ##"{"kid":"next","alg":"A256GCM","state":"verify"},{"kid":"last","alg":"A256GCM","state":"active"}"##,
            active: "last"))
    #expect(watch.look(second: 5) == .unchanged)
    #expect(
        watch.look(second: 6)
            == .reloaded([
                KeyringChange(kid: "next", action: .verify), KeyringChange(kid: "last", action: .added),
                KeyringChange(kid: "last", action: .activated),
            ]))
}

@Test func aBadRingKeepsTheOldOne() throws {
    let place = Place()
    defer { place.remove() }
    place.putRing()
    var watch = try watch(place)
    place.chmod("new.key", 0o604)
    #expect(watch.look(second: 1) == .unchanged && reason(watch.look(second: 2)) == .permissions)
    #expect(watch.ring.contents["new"] == Place.key(2) && watch.refusal?.reason == .permissions)
    // Told once, though it is tried again each minute.
    #expect(watch.look(second: 3) == .unchanged && watch.look(second: 62) == .unchanged)
    // Another fault.
    place.file("new.key", "short")
    #expect(watch.look(second: 70) == .unchanged && reason(watch.look(second: 71)) == .length)
    place.delete("keyring.json")
    #expect(watch.look(second: 80) == .unchanged && reason(watch.look(second: 81)) == .missing)
    #expect(unsafe rename(place.ring, place.outside + "/elsewhere") == 0)
    #expect(watch.look(second: 90) == .unchanged && reason(watch.look(second: 91)) == .folder)
    #expect(watch.ring.contents["new"] == Place.key(2))
    place.folder("")
    place.putRing()
    #expect(watch.look(second: 100) == .unchanged && watch.look(second: 101) == .reloaded([]) && watch.refusal == nil)
}

/// The folder stays as it is, and the time comes.
@Test func whatWasRefusedIsTriedAgain() throws {
    let place = Place()
    defer { place.remove() }
    place.putRing()
    var watch = try watch(place)
    place.file("old.key", Place.key(7))
    place.file(
        "keyring.json",
        Place.document.replacing("\"verify\"", with: "\"verify\",\"not_before\":\"2027-01-15T08:02:00Z\""))
    func look(_ second: Int64) -> KeyringWatch.Outcome {
        watch.look(at: UTCTime(seconds: Place.now.seconds + second), nanoseconds: second * 1_000_000_000)
    }
    #expect(look(1) == .unchanged && reason(look(2)) == .time)
    for time in [30, 61, 62, 119, 121] as [Int64] { #expect(look(time) == .unchanged, "\(time)") }
    #expect(look(122) == .reloaded([KeyringChange(kid: "old", action: .replaced)]))
}

@Test func aSwapOfKubernetes() throws {
    let place = Place()
    defer { place.remove() }
    place.folder("..1")
    place.putRing("..1")
    place.link("..data", to: "..1")
    for name in ["keyring.json", "old.key", "new.key"] { place.link(name, to: "..data/\(name)") }
    var watch = try watch(place)
    for number in 2..<20 {
        place.folder("..\(number)")
        place.file("..\(number)/keyring.json", Place.document)
        place.file("..\(number)/old.key", Place.key(1))
        place.file("..\(number)/new.key", Place.key(UInt8(number)))
        place.link("..data_tmp", to: "..\(number)")
        let time = Double(number * 10)
        #expect(watch.look(second: time) == .unchanged)
        place.rename("..data_tmp", to: "..data")
        try FileManager.default.removeItem(atPath: "\(place.ring)/..\(number - 1)")
        #expect(watch.look(second: time + 1) == .unchanged)
        let changes = number == 2 ? [] : [KeyringChange(kid: "new", action: .replaced)]
        #expect(watch.look(second: time + 2) == .reloaded(changes))
        #expect(watch.ring.contents["new"] == Place.key(UInt8(number)))
    }
}

@Test func anOperatorAsks() throws {
    let place = Place()
    defer { place.remove() }
    place.putRing()
    var watch = try watch(place)
    place.file("new.key", Place.key(5))
    #expect(
        watch.reload(at: Place.now, nanoseconds: 1) == .reloaded([KeyringChange(kid: "new", action: .replaced)]))
    #expect(watch.look(second: 5) == .unchanged)
    place.file("new.key", "")
    // Each time it is asked it answers.
    for _ in 0..<2 { #expect(reason(watch.reload(at: Place.now, nanoseconds: 6 * second)) == .length) }
    #expect(watch.ring.contents["new"] == Place.key(5))
    place.file("new.key", Place.key(5))
    #expect(watch.reload(at: Place.now, nanoseconds: 7 * second) == .reloaded([]) && watch.refusal == nil)
}

@Test func aWatchBeginsWithAGoodRing() {
    let place = Place()
    defer { place.remove() }
    #expect(throws: KeyringError.self) { try watch(place) }
}

@Test func debounce() {
    func seen(_ target: String) -> ReloadDebounce.Seen { .stamp(KeyringStamp(dataTarget: target, files: [])) }
    let failure = ReloadDebounce.Seen.failure(.busy("ring"))
    var debounce = ReloadDebounce(seen("a"), at: 0)
    let rows: [(ReloadDebounce.Seen, Int64, Bool)] = [
        (seen("a"), 0, false), (seen("a"), 100 * second, false), (seen("b"), 101 * second, false),
        (seen("b"), 102 * second - 1, false), (seen("b"), 102 * second, true), (seen("b"), 103 * second, true),
        // What changes all the time is not read, what is as before is not read.
        (seen("c"), 104 * second, false), (seen("d"), 105 * second, false), (seen("c"), 106 * second, false),
        (seen("a"), 107 * second, false), (seen("a"), 109 * second, false), (seen("c"), 110 * second, false),
        (failure, 111 * second, false), (failure, 112 * second, true),
    ]
    for (seen, time, isDue) in rows { #expect(debounce.isDue(seen, at: time) == isDue, "\(time)") }
    debounce.settle(failure, isRefused: true, at: 112 * second)
    let retries = [172 * second - 1, 172 * second].map { debounce.isDue(failure, at: $0) }
    #expect(retries == [false, true])
    debounce.settle(seen("e"), isRefused: false, at: 180 * second)
    let isDue = debounce.isDue(seen("e"), at: 1000 * second)
    #expect(!isDue)
}
