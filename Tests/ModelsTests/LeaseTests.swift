// Enters: a selector. Leaves: a lease of the model that was meant, or what is in the way.
import Memory
import Tensors
import TestSupport
import Testing

@testable import Models

/// `pets` has 3 (live), 2, 7 (loading) and 4 in no slot; `swapped` has 2 live; `broken` has one that failed and one that is
/// ready; `slow` loads, `warm` almost has; `idle` has two that are ready and none that is live; `bare` has none.
private let house = Catalog<Number>(
    epoch: 41,
    [
        Entry(
            name: "pets",
            standings: [
                standing(3, .blue, .live, of: "pets", 30), standing(2, .green, .ready, of: "pets", 20),
                standing(4, nil, .ready, of: "pets", 40), standing(7, nil, .loading, of: "pets"),
            ], labels: ["stable": 2, "old": 1, "canary": 3, "next": 7]),
        Entry(name: "lone", standings: [standing(1, .blue, .live, of: "lone", 10)], labels: [:]),
        Entry(
            name: "swapped",
            standings: [standing(1, .blue, .ready, of: "swapped", 11), standing(2, .green, .live, of: "swapped", 12)],
            labels: [:]),
        Entry(
            name: "broken",
            standings: [
                standing(4, .blue, .failed("its file is damaged"), of: "broken"),
                standing(3, .green, .ready, of: "broken", 33),
                standing(2, nil, .quarantined("it failed five times"), of: "broken"),
            ], labels: [:]),
        Entry(
            name: "slow",
            standings: [standing(5, .blue, .loading, of: "slow"), standing(6, nil, .failed("no"), of: "slow")],
            labels: [:]),
        Entry(name: "warm", standings: [standing(8, .blue, .warming, of: "warm")], labels: [:]),
        Entry(
            name: "idle",
            standings: [standing(1, .blue, .ready, of: "idle", 1), standing(2, .green, .ready, of: "idle", 2)],
            labels: [:]),
        Entry(name: "bare", standings: [], labels: [:]),
    ])

struct LeaseRow: Sendable, CustomTestStringConvertible {
    var name: String
    var selector: VersionSelector
    var model: Int
    var version: Int64
    var slot: Slot?
    var testDescription: String { "\(name) \(model)" }
}

@Test(arguments: [
    LeaseRow(name: "pets", selector: .live, model: 30, version: 3, slot: .blue),
    LeaseRow(name: "pets", selector: .number(3), model: 30, version: 3, slot: .blue),
    LeaseRow(name: "pets", selector: .number(2), model: 20, version: 2, slot: .green),
    LeaseRow(name: "pets", selector: .number(4), model: 40, version: 4, slot: nil),
    LeaseRow(name: "pets", selector: .label(ByteView("stable")), model: 20, version: 2, slot: .green),
    LeaseRow(name: "pets", selector: .label(ByteView("canary")), model: 30, version: 3, slot: .blue),
    LeaseRow(name: "pets", selector: .slot(.blue), model: 30, version: 3, slot: .blue),
    LeaseRow(name: "pets", selector: .slot(.green), model: 20, version: 2, slot: .green),
    LeaseRow(name: "lone", selector: .live, model: 10, version: 1, slot: .blue),
    LeaseRow(name: "swapped", selector: .live, model: 12, version: 2, slot: .green),
    LeaseRow(name: "swapped", selector: .slot(.blue), model: 11, version: 1, slot: .blue),
    LeaseRow(name: "broken", selector: .number(3), model: 33, version: 3, slot: .green),
    LeaseRow(name: "idle", selector: .number(1), model: 1, version: 1, slot: .blue),
])
func leases(row: LeaseRow) throws {
    let lease = try house.lease(view(row.name), row.selector)
    #expect(lease.model.object.value == row.model)
    #expect(lease.provenance.model.text == row.name)
    #expect(lease.provenance.version == row.version && lease.provenance.slot == row.slot)
    #expect(lease.provenance.artifactDigest.array == [UInt8](repeating: UInt8(row.model), count: 32))
    #expect(lease.provenance.epoch == 41)
}

struct LeaseErrorRow: Sendable, CustomTestStringConvertible {
    var name: String
    var selector: VersionSelector
    var error: LeaseError
    var testDescription: String { "\(error)" }
}

@Test(arguments: [
    LeaseErrorRow(name: "dogs", selector: .live, error: .unknownModel("dogs")),
    LeaseErrorRow(name: "", selector: .live, error: .unknownModel("")),
    LeaseErrorRow(name: "Pets", selector: .number(3), error: .unknownModel("Pets")),
    LeaseErrorRow(
        name: "pets", selector: .number(9), error: .unknownVersion(model: "pets", version: 9, loaded: [2, 3, 4, 7])),
    LeaseErrorRow(
        name: "pets", selector: .number(-1), error: .unknownVersion(model: "pets", version: -1, loaded: [2, 3, 4, 7])),
    LeaseErrorRow(
        name: "pets", selector: .label(ByteView("old")),
        error: .unknownVersion(model: "pets", version: 1, loaded: [2, 3, 4, 7])),
    LeaseErrorRow(
        name: "pets", selector: .label(ByteView("Stable")),
        error: .unknownLabel(model: "pets", label: "Stable", known: ["canary", "next", "old", "stable"])),
    LeaseErrorRow(name: "pets", selector: .label(ByteView("next")), error: .loading(model: "pets", version: 7)),
    LeaseErrorRow(name: "pets", selector: .number(7), error: .loading(model: "pets", version: 7)),
    LeaseErrorRow(
        name: "lone", selector: .label(ByteView("x")), error: .unknownLabel(model: "lone", label: "x", known: [])),
    LeaseErrorRow(name: "pets", selector: .slot(.shadow), error: .emptySlot(model: "pets", slot: .shadow)),
    LeaseErrorRow(name: "lone", selector: .slot(.green), error: .emptySlot(model: "lone", slot: .green)),
    // Who names none is told of the one that is coming, not of the one that failed.
    LeaseErrorRow(name: "slow", selector: .live, error: .loading(model: "slow", version: 5)),
    LeaseErrorRow(name: "slow", selector: .slot(.blue), error: .loading(model: "slow", version: 5)),
    LeaseErrorRow(name: "slow", selector: .number(6), error: .failed(model: "slow", version: 6, reason: "no")),
    LeaseErrorRow(name: "warm", selector: .live, error: .loading(model: "warm", version: 8)),
    LeaseErrorRow(
        name: "broken", selector: .live, error: .failed(model: "broken", version: 4, reason: "its file is damaged")),
    LeaseErrorRow(
        name: "broken", selector: .slot(.blue),
        error: .failed(model: "broken", version: 4, reason: "its file is damaged")),
    LeaseErrorRow(
        name: "broken", selector: .number(2),
        error: .failed(model: "broken", version: 2, reason: "it failed five times")),
    LeaseErrorRow(name: "idle", selector: .live, error: .noLiveVersion(model: "idle", loaded: [1, 2])),
    LeaseErrorRow(name: "bare", selector: .live, error: .noLiveVersion(model: "bare", loaded: [])),
    LeaseErrorRow(name: "bare", selector: .number(1), error: .unknownVersion(model: "bare", version: 1, loaded: [])),
])
func whatIsInTheWay(row: LeaseErrorRow) {
    #expect(throws: row.error) { try house.lease(view(row.name), row.selector) }
}

@Test func aVersionIsFoundWhateverItsState() throws {
    #expect(try house.entry(view("slow"))?.standing(.live).state == .loading)
    #expect(try house.entry(view("broken"))?.standing(.live).state == .failed("its file is damaged"))
    #expect(try house.entry(view("pets"))?.standing(.slot(.green)).state == .ready)
    #expect(try house.entry(view("pets"))?.standing(.label(ByteView("next"))).state == .loading)
}

/// As if it had never been there: its memory is about to go.
@Test func whatDrainsIsNotLeased() {
    var leaving = standing(1, .blue, .live)
    leaving.note(.unload)
    let entry = Entry(name: "m", standings: [leaving], labels: [:])
    #expect(throws: LeaseError.self) { try entry.lease(.number(1), epoch: 1) }
    #expect(throws: LeaseError.self) { try entry.lease(.live, epoch: 1) }
}
