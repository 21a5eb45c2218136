// Enters: a selector. Leaves: a lease of the model that was meant, or what is in the way.
import Memory
import Tensors
import Testing

@testable import Models

/// `pets` has 3 (blue) and 2 (green), `lone` 1, `broken` 4 (failed) and 3 (ready), `slow` loads.
private func house() -> Directory<Number> {
    let directory = Directory<Number>([
        ModelDescription(name: "pets", versions: [1, 2, 3], labels: ["stable": 2, "old": 1, "canary": 3]),
        ModelDescription(name: "lone", versions: [1]), ModelDescription(name: "broken", versions: [3, 4]),
        ModelDescription(name: "slow", versions: [5]),
    ])
    for (name, number, model) in [("pets", 3, 30), ("pets", 2, 20), ("lone", 1, 10), ("broken", 3, 33)] {
        let version = directory.entry(view(name))!.versions.first { $0.number == number }!
        version.becomeReady(Number(model), digest: [UInt8](repeating: UInt8(model), count: 32))
    }
    directory.entry(view("broken"))!.live.fail("its file is damaged")
    return directory
}

struct LeaseRow: Sendable, CustomTestStringConvertible {
    var name: String
    var selector: VersionSelector
    var model: Int
    var version: Int64
    var slot: Slot
    var testDescription: String { "\(name) \(model)" }
}

@Test(arguments: [
    LeaseRow(name: "pets", selector: .live, model: 30, version: 3, slot: .blue),
    LeaseRow(name: "pets", selector: .number(3), model: 30, version: 3, slot: .blue),
    LeaseRow(name: "pets", selector: .number(2), model: 20, version: 2, slot: .green),
    LeaseRow(name: "pets", selector: .label(ByteView("stable")), model: 20, version: 2, slot: .green),
    LeaseRow(name: "pets", selector: .label(ByteView("canary")), model: 30, version: 3, slot: .blue),
    LeaseRow(name: "pets", selector: .slot(.blue), model: 30, version: 3, slot: .blue),
    LeaseRow(name: "pets", selector: .slot(.green), model: 20, version: 2, slot: .green),
    LeaseRow(name: "lone", selector: .live, model: 10, version: 1, slot: .blue),
    LeaseRow(name: "broken", selector: .number(3), model: 33, version: 3, slot: .green),
])
func leases(row: LeaseRow) throws {
    let directory = house()
    let lease = try directory.lease(view(row.name), row.selector)
    #expect(lease.model.object.value == row.model)
    #expect(lease.provenance.model.text == row.name)
    #expect(lease.provenance.version == row.version && lease.provenance.slot == row.slot)
    #expect(lease.provenance.artifactDigest.array == [UInt8](repeating: UInt8(row.model), count: 32))
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
        name: "pets", selector: .number(9), error: .unknownVersion(model: "pets", version: 9, loaded: [2, 3])),
    // On the disk, and not among the two highest.
    LeaseErrorRow(
        name: "pets", selector: .number(1), error: .unknownVersion(model: "pets", version: 1, loaded: [2, 3])),
    LeaseErrorRow(
        name: "pets", selector: .number(-1), error: .unknownVersion(model: "pets", version: -1, loaded: [2, 3])),
    LeaseErrorRow(
        name: "pets", selector: .label(ByteView("old")),
        error: .unknownVersion(model: "pets", version: 1, loaded: [2, 3])),
    LeaseErrorRow(
        name: "pets", selector: .label(ByteView("Stable")),
        error: .unknownLabel(model: "pets", label: "Stable", known: ["canary", "old", "stable"])),
    LeaseErrorRow(
        name: "lone", selector: .label(ByteView("x")), error: .unknownLabel(model: "lone", label: "x", known: [])),
    LeaseErrorRow(name: "pets", selector: .slot(.shadow), error: .emptySlot(model: "pets", slot: .shadow)),
    LeaseErrorRow(name: "lone", selector: .slot(.green), error: .emptySlot(model: "lone", slot: .green)),
    LeaseErrorRow(name: "slow", selector: .live, error: .loading(model: "slow", version: 5)),
    LeaseErrorRow(name: "slow", selector: .slot(.blue), error: .loading(model: "slow", version: 5)),
    LeaseErrorRow(
        name: "broken", selector: .live, error: .failed(model: "broken", version: 4, reason: "its file is damaged")),
])
func whatIsInTheWay(row: LeaseErrorRow) {
    let directory = house()
    #expect(throws: row.error) { try directory.lease(view(row.name), row.selector) }
}

@Test func aVersionIsFoundWhateverItsState() throws {
    let directory = house()
    #expect(try directory.entry(view("slow"))?.version(.live).state == .loading)
    #expect(try directory.entry(view("broken"))?.version(.live).state == .failed("its file is damaged"))
    #expect(try directory.entry(view("pets"))?.version(.slot(.green)).state == .ready)
}
