// Enters: descriptions, and integers for models. Leaves: entries by name, versions in slots.
import Memory
import Tensors
import Testing

@testable import Models

@Test func entriesAreFoundByName() {
    for count in [0, 1, 2, 3, 4, 5, 64, 500] {
        let names = (0..<count).map { "model-\($0)" }
        let directory = Directory<Number>(names.map { ModelDescription(name: $0, versions: [1]) })
        #expect(directory.entries.map(\.name) == names)
        for (position, name) in names.enumerated() {
            #expect(directory.entry(view(name)) === directory.entries[position], "\(name) of \(count)")
            #expect(directory.entries[position].nameView.text == name)
        }
        for name in ["", "model", "model-", "model-\(count)", "Model-0", "model-0 ", "model-0\0", "x"] {
            #expect(directory.entry(view(name)) == nil, "\(name) of \(count)")
        }
    }
}

@Test func namesOfOnePlaceAreToldApart() {
    // In a table of eight places: names whose hashes fall on the same one.
    var names: [String] = []
    var others: [String] = []
    for number in 0..<1000 where names.count < 4 || others.count < 20 {
        let name = "n\(number)"
        guard view(name).fnv1a & 7 == 7 else { continue }
        if names.count < 4 { names.append(name) } else { others.append(name) }
    }
    let directory = Directory<Number>(names.map { ModelDescription(name: $0, versions: [1]) })
    for (position, name) in names.enumerated() { #expect(directory.entry(view(name)) === directory.entries[position]) }
    for name in others { #expect(directory.entry(view(name)) == nil) }
    #expect(names.count == 4 && others.count >= 20)
}

@Test func aModelWithoutAVersionIsLeftOut() {
    let directory = Directory<Number>([
        ModelDescription(name: "empty", versions: []), ModelDescription(name: "full", versions: [3]),
    ])
    #expect(directory.entries.map(\.name) == ["full"])
    #expect(directory.entry(view("empty")) == nil)
    #expect(directory.entry(view("full"))?.live.number == 3)
}

@Test(
    arguments: [
        ([1], [1], [.blue]), ([1, 2], [2, 1], [.blue, .green]), ([2, 1], [2, 1], [.blue, .green]),
        ([3, 10, 7, 9], [10, 9], [.blue, .green]), ([999_999_999, 1], [999_999_999, 1], [.blue, .green]),
    ] as [([Int64], [Int64], [Slot])])
func theTwoHighestAreKept(given: [Int64], numbers: [Int64], slots: [Slot]) throws {
    let directory = Directory<Number>([ModelDescription(name: "m", versions: given)])
    let entry = try #require(directory.entry(view("m")))
    #expect(entry.versions.map(\.number) == numbers)
    #expect(entry.versions.map(\.slot) == slots)
    #expect(entry.live.number == numbers[0])
}

@Test func isLoadedWhenNobodyLoads() {
    let directory = Directory<Number>([
        ModelDescription(name: "a", versions: [1, 2]), ModelDescription(name: "b", versions: [1]),
    ])
    #expect(!directory.isLoaded)
    directory.entries[0].versions[0].becomeReady(1, digest: [])
    directory.entries[0].versions[1].fail("no")
    #expect(!directory.isLoaded)
    directory.entries[1].versions[0].becomeReady(2, digest: [])
    #expect(directory.isLoaded)
    #expect(Directory<Number>([]).isLoaded)
}

@Test func changesAreCounted() {
    let directory = Directory<Number>([ModelDescription(name: "a", versions: [1])])
    #expect(directory.changes == 0)
    directory.entries[0].live.becomeReady(1, digest: [])
    // Told by whoever changed it, when all of it is done.
    #expect(directory.changes == 0)
    for number in 1...5 as ClosedRange<UInt64> {
        directory.changed()
        #expect(directory.changes == number)
    }
}

@Test func aVersionsStates() {
    let directory = Directory<Number>((0..<4).map { ModelDescription(name: "m\($0)", versions: [1]) })
    let versions = directory.entries.map(\.live)
    #expect(versions[0].state == .loading && versions[0].model == nil && versions[0].digest.isEmpty)
    versions[1].becomeReady(17, digest: [1, 2, 3])
    #expect(
        versions[1].state == .ready && versions[1].model?.object.value == 17 && versions[1].digest.array == [1, 2, 3])
    versions[2].fail("a sentence")
    versions[2].fail("another")
    #expect(versions[2].state == .failed("a sentence") && versions[2].model == nil && versions[2].digest.isEmpty)
    // What is ready stays so.
    versions[1].fail("too late")
    #expect(versions[1].state == .ready && versions[1].model?.object.value == 17)
}
