// Enters: entries, with integers for models. Leaves: the same by name, and their versions in order.
import Memory
import Tensors
import TestSupport
import Testing

@testable import Models

private func catalog(_ names: [String]) -> Catalog<Number> {
    Catalog(epoch: 1, names.map { Entry(name: $0, standings: [standing(1, .blue, .live, of: $0)], labels: [:]) })
}

@Test func entriesAreFoundByName() {
    for count in [0, 1, 2, 3, 4, 5, 64, 500] {
        let names = (0..<count).map { "model-\($0)" }
        var random = SplitMix(seed: UInt64(count))
        let catalog = catalog(names.shuffled(using: &random))
        #expect(catalog.entries.map(\.name) == names.sorted(), "\(count) names")
        for (position, name) in names.sorted().enumerated() {
            #expect(catalog.entry(view(name)) === catalog.entries[position], "\(name) of \(count)")
            #expect(catalog.entry(named: name) === catalog.entries[position])
            #expect(catalog.entries[position].nameView.text == name)
        }
        for name in ["", "model", "model-", "model-\(count)", "Model-0", "model-0 ", "model-0\0", "x"] {
            #expect(catalog.entry(view(name)) == nil, "\(name) of \(count)")
            #expect(catalog.entry(named: name) == nil)
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
    let catalog = catalog(names)
    for name in names { #expect(catalog.entry(view(name))?.name == name) }
    for name in others { #expect(catalog.entry(view(name)) == nil) }
    #expect(names.count == 4 && others.count >= 20)
}

@Test(
    arguments: [
        ([], [], nil),
        ([standing(1, .blue, .live)], ["1 blue live"], 1),
        ([standing(1, .blue, .ready), standing(2, .green, .ready)], ["2 green ready", "1 blue ready"], nil),
        (
            [standing(9, .green, .ready), standing(10, nil, .loading), standing(2, .blue, .live)],
            ["2 blue live", "10 - loading", "9 green ready"], 2
        ),
        (
            [standing(3, nil, .failed("no")), standing(4, .blue, .warming)], ["4 blue warming", "3 - failed(\"no\")"],
            nil
        ),
    ] as [([Standing<Number>], [String], Int64?)])
func theLiveOneComesFirstAndThenTheHighest(given: [Standing<Number>], ordered: [String], live: Int64?) {
    let entry = Entry(name: "m", standings: given, labels: [:])
    #expect(lines(entry.standings) == ordered)
    #expect(entry.live?.number == live)
    for standing in given {
        #expect(entry.standing(standing.number)?.state == standing.state)
        if let slot = standing.slot { #expect(entry.standing(in: slot)?.number == standing.number) }
    }
    #expect(entry.standing(77) == nil && entry.standing(in: .shadow) == nil)
}
