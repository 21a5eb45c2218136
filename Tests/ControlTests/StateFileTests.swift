// Enters: two servers over one state file. Leaves: which of them keeps what it is ordered to.
import Models
import Testing

@testable import Control
@testable import Repository

private func swap(_ version: Int64) -> Order { .swap([Order.Change(model: "m", version: version)], isForced: false) }

private func kept(_ place: Place) throws -> Int64? { try Desired.read(place.state)?.models["m"]?.live }

/// As at a rolling restart: the old one ends after the new one has begun.
@Test func theSecondKeepsNothingUntilTheFirstHasLeft() throws {
    let place = try Place(["m": [1, 2]])
    let first = try Workshop(place)
    try first.start()
    try first.perform(swap(1))
    let second = try Workshop(place)
    try second.start()
    #expect(
        second.lines == ["m 1 blue live", "m 2 green ready"] || second.lines == ["m 1 green live", "m 2 blue ready"])
    let error = #expect(throws: OrderError.self) { try second.perform(swap(2)) }
    #expect(error?.sentence.contains("another process keeps '\(place.state.path)': order that one") == true)
    #expect(second.directory.catalog.entry(named: "m")?.live?.number == 1)
    // What nobody orders is done, and not kept.
    var byItself = second.signed()
    byItself.isUrgent = true
    _ = try second.control.perform(swap(2), byItself)
    #expect(second.directory.catalog.entry(named: "m")?.live?.number == 2)
    #expect(try kept(place) == 1)
    first.control.leave()
    #expect(throws: OrderError.self) { try first.perform(swap(2)) }
    try second.perform(.label(model: "m", label: "stable", version: 2))
    #expect(try kept(place) == 2)
}

@Test func whatTheFirstWasOrderedToIsNotWrittenOver() throws {
    let place = try Place(["m": [1, 2]])
    let first = try Workshop(place)
    try first.start()
    let second = try Workshop(place)
    try second.start()
    try first.perform(swap(1))
    first.control.leave()
    let error = #expect(throws: OrderError.self) { try second.perform(.label(model: "m", label: "x", version: 2)) }
    #expect(error?.sentence.contains("restart this server") == true)
    #expect(try kept(place) == 1)
    second.control.leave()
    let third = try Workshop(place)
    try third.start()
    try third.perform(swap(2))
    #expect(try kept(place) == 2)
}

/// Histories that are too long lose their beginnings, so that the next start can read the file.
@Test func whatIsKeptIsNeverTooLargeToBeRead() throws {
    var desired = Desired()
    let event = Desired.Event(
        timeMilliseconds: 0, action: .swap, from: 1, to: 2, epoch: 1, author: "maria",
        reason: String(repeating: "x", count: 1000), steps: [])
    for name in 0..<10 {
        desired.models["m\(name)"] = Desired.Model(live: 2, history: Array(repeating: event, count: 100))
    }
    let all = desired.encoded(within: .max)?.count ?? 0
    let count = desired.encoded(within: all / 3)?.count ?? .max
    #expect(count <= all / 3)
    #expect(desired.models.values.allSatisfy { $0.history.count == 25 && $0.live == 2 })
    let least = desired.encoded(within: 5000)
    #expect(least != nil && desired.models["m0"]?.history.isEmpty == true)
    let none = desired.encoded(within: 100)
    #expect(none == nil)
}

@Test func anEventHasABound() throws {
    var desired = Desired()
    let record = ModelRecord<Nothing>(name: "m")
    let steps = (0..<1000).map { "version \($0) of model 'm' goes" }
    desired.note(
        record,
        Desired.Event(
            timeMilliseconds: 0, action: .swap, from: 1, to: 2, epoch: 1, author: "", reason: "", steps: steps))
    let kept = try #require(desired.models["m"]?.history.first?.steps)
    #expect(kept.count == 33 && kept.last == "and 968 more")
}

private final class Nothing: Sendable {}
