// Enters: what is to be served, and bytes that may say it. Leaves: the same again, or a sentence that names the file.
import Foundation
import Memory
import Models
import Serving
import Tensors
import Testing

@testable import Control
@testable import Repository

private final class Thing: Sendable {}

private func event(_ number: Int) -> Desired.Event {
    Desired.Event(
        timeMilliseconds: 1_768_000_000_000 + Int64(number), action: .swap,
        from: number % 2 == 0 ? nil : 1,
        to: Int64(number), epoch: UInt64(number), author: "maria \u{1F99C}", reason: "because \"of\"\n\(number)",
        steps: ["one", ""])
}

private func record(_ change: (inout ModelRecord<Thing>) -> Void = { _ in }) -> ModelRecord<Thing> {
    var record = ModelRecord<Thing>(
        name: "m", slots: [.blue: 3, .green: 2], others: [], live: 3, previous: nil, labels: ["stable": 2])
    change(&record)
    return record
}

private func arrived(_ record: inout ModelRecord<Thing>, _ number: Int64) {
    _ = record.arrived(Version(of: "m", number: number, Thing(), digest: []))
}

@Test func whatIsKeptComesBack() throws {
    let place = Place()
    #expect(try Desired.read(place.state) == nil)
    var desired = Desired()
    for round in 0..<3 {
        try desired.write(to: place.state)
        #expect(try Desired.read(place.state) == desired)
        desired.models["m\(round)"] = Desired.Model(
            slots: ["blue": 3, "shadow": .max], others: [1, 2], live: round == 0 ? nil : 3,
            previous: round == 1 ? 2 : nil,
            labels: ["ñ": 1, "": 2], history: (0..<round).map(event))
    }
    try desired.write(to: place.state)
    #expect(try Desired.read(place.state) == desired)
    // The same is written the same: who compares two files sees what changed.
    let bytes = place.stateBytes
    try desired.write(to: place.state)
    #expect(place.stateBytes == bytes)
}

/// A file that somebody made for us to fill.
@Test func anEmptyFileIsNone() throws {
    let place = Place()
    try place.file(".vencejo.json")
    #expect(try Desired.read(place.state) == nil)
}

@Test(arguments: [
    " ", "{", "null", "[]", "{}", "not JSON", "{\"schema\": 1}", "{\"models\": {}}",
    "{\"schema\": \"1\", \"models\": {}}",
    "{\"schema\": 1, \"models\": {\"m\": {}}}", "{\"schema\": 1, \"models\": []}", "{\"schema\": 1.5, \"models\": {}}",
    "{\"schema\": 2, \"models\": {}}", "{\"schema\": 0, \"models\": {}}", "{\"schema\": 2, \"models\": 7}", "\u{0}",
])
func otherFilesAreRefused(content: String) throws {
    let place = Place()
    try place.file(".vencejo.json", content)
    let error = #expect(throws: StateFileError.self) { try Desired.read(place.state) }
    let sentence = try #require(error?.sentence)
    #expect(sentence.contains("'\(place.state.path)'") && sentence.contains("move it away"), "\(sentence)")
    #expect(sentence.contains("schema") == (content.contains("2, ") || content.contains("0, ")))
    // It is somebody's still.
    #expect(place.stateBytes == Array(content.utf8))
}

@Test func aFileThatCannotBeReadIsRefused() throws {
    let place = Place()
    try place.file(".vencejo.json/x")
    let error = #expect(throws: StateFileError.self) { try Desired.read(place.state) }
    #expect(error?.sentence == "'\(place.state.path)' is a folder, not a regular file")
    var desired = Desired()
    let refused = #expect(throws: StateFileError.self) { try desired.write(to: place.state) }
    #expect(refused?.sentence.hasPrefix("'\(place.state.path)' cannot be written: ") == true)
}

@Test func aFileCutShortIsRefused() throws {
    let place = Place()
    var desired = Desired()
    desired.note(record(), event(1))
    try desired.write(to: place.state)
    let whole = try #require(place.stateBytes)
    for count in stride(from: 1, to: whole.count, by: 7) {
        try Data(whole.prefix(count)).write(to: URL(fileURLWithPath: place.state.path))
        #expect(throws: StateFileError.self) { try Desired.read(place.state) }
    }
}

@Test func historiesAreBounded() {
    var desired = Desired()
    for number in 0..<250 {
        desired.note(record(), event(number))
        #expect(desired.models["m"]?.history.count == min(100, number + 1))
    }
    #expect(desired.models["m"]?.history == (150..<250).map(event))
}

@Test(
    arguments: [
        // What is on its way is to be there at the next start, and live.
        (record(), ["blue": 3, "green": 2], 3, nil),
        (record { arrived(&$0, 2) }, ["blue": 3, "green": 2], 3, nil),
        (record { arrived(&$0, 3) }, ["blue": 3, "green": 2], 3, nil),
        // Its next start may find the file that is missing now.
        (record { $0.failed(3, "no file") }, ["blue": 3, "green": 2], 3, nil),
        // Somebody's order that has not been carried out is not kept.
        (
            record {
                arrived(&$0, 3)
                $0.begin(9)
            }, ["blue": 3, "green": 2], 3, nil
        ),
        (
            record {
                arrived(&$0, 3)
                $0.begin(9)
                arrived(&$0, 9)
            }, ["blue": 3, "green": 9], 3, nil
        ),
        (
            record {
                arrived(&$0, 3)
                $0.begin(9)
                $0.failed(9, "no")
            }, ["blue": 3, "green": 2], 3, nil
        ),
        (ModelRecord(name: "m"), [:], nil, nil),
    ] as [(ModelRecord<Thing>, [String: Int64], Int64?, Int64?)])
private func whatARecordIsKeptAs(
    record: ModelRecord<Thing>, slots: [String: Int64], live: Int64?, previous: Int64?
) throws {
    var desired = Desired()
    desired.note(record, event(0))
    let model = try #require(desired.models["m"])
    #expect(model.slots == slots && model.others.isEmpty && model.live == live && model.previous == previous)
    #expect(model.labels == record.labels && model.history == [event(0)])
    // And the way back: all of it on its way.
    let again: ModelRecord<Thing> = model.record("m")
    #expect(again.wanted == live && again.live == nil && again.previous == previous && again.labels == record.labels)
    var found: [String: Int64] = [:]
    for standing in again.standings {
        #expect(standing.state == .loading)
        found["\(standing.slot.map { "\($0.name)" } ?? "-")"] = standing.number
    }
    #expect(found == slots)
}

/// What stands in no place, and a place that we do not know.
@Test func othersComeBackToo() {
    let model = Desired.Model(slots: ["green": 2, "violet": 9], others: [5], live: 2, previous: 5, labels: [:])
    let record: ModelRecord<Thing> = model.record("m")
    #expect(record.standings.map(\.number).sorted() == [2, 5])
    #expect(record.standing(5)?.slot == nil && record.standing(2)?.slot == .green)
    #expect(record.wanted == 2 && record.previous == 5)
}

/// Who edits the file by hand gets a server that starts, whatever the shares are then.
@Test(
    arguments: [
        (["1": 90, "2": 10], [1: 90, 2: 10]), (["1": 90, "2": 20], nil), (["1": 110, "2": -10], nil),
        (["1": 100, "2": 0], nil),
        (["1": 50, "x": 50], nil), ([:], nil),
    ] as [([String: Int], [Int64: Int]?)])
func keptShares(shares: [String: Int], split: [Int64: Int]?) {
    var model = Desired.Model()
    model.slots = ["blue": 1, "green": 2]
    model.live = 1
    model.shares = shares
    model.mirrorPercent = 1000
    var record: ModelRecord<Thing> = model.record("m")
    #expect(record.split?.shares == split && record.mirrorPercent == 100)
    // What was being rolled out is not.
    model.rollout = 2
    record = model.record("m")
    #expect(record.split == nil)
}
