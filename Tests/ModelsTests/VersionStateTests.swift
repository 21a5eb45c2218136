// Enters: a state and what happens. Leaves: the state then, or that it cannot happen there. Every pair.
import Memory
import Tensors
import Testing

@testable import Models

private let states: [VersionState] = [
    .absent, .loading, .warming, .ready, .live, .draining, .failed("why"), .quarantined("why"),
]
private let events: [VersionEvent] = [
    .load, .loaded, .warmed, .promoted, .demoted, .unload, .freed, .fail("how"), .gaveUp, .forgotten,
]

/// What can happen; nothing else can.
private let allowed: [(VersionState, VersionEvent, VersionState)] = [
    (.absent, .load, .loading),
    (.loading, .loaded, .warming),
    (.loading, .fail("how"), .failed("how")),
    (.warming, .warmed, .ready),
    (.warming, .fail("how"), .failed("how")),
    (.ready, .promoted, .live),
    (.ready, .unload, .draining),
    (.live, .demoted, .ready),
    (.live, .unload, .draining),
    (.draining, .freed, .absent),
    (.failed("why"), .load, .loading),
    (.failed("why"), .gaveUp, .quarantined("why")),
    (.failed("why"), .forgotten, .absent),
    (.quarantined("why"), .load, .loading),
    (.quarantined("why"), .forgotten, .absent),
]

@Test(arguments: states, events)
func everyStateAndEvent(state: VersionState, event: VersionEvent) {
    let expected = allowed.first { $0.0 == state && $0.1 == event }?.2
    #expect(state.after(event) == expected)
}

@Test func theTablesHoldEveryCase() {
    #expect(Set(states.map(number(of:))) == Set(0...7))
    #expect(Set(events.map(number(of:))) == Set(0...9))
}

/// A case that is added does not compile until it has a number here, and a place above.
private func number(of state: VersionState) -> Int {
    switch state {
    case .absent: 0
    case .loading: 1
    case .warming: 2
    case .ready: 3
    case .live: 4
    case .draining: 5
    case .failed: 6
    case .quarantined: 7
    }
}

private func number(of event: VersionEvent) -> Int {
    switch event {
    case .load: 0
    case .loaded: 1
    case .warmed: 2
    case .promoted: 3
    case .demoted: 4
    case .unload: 5
    case .freed: 6
    case .fail: 7
    case .gaveUp: 8
    case .forgotten: 9
    }
}

@Test func whoServesAndWhoComes() {
    #expect(states.filter(\.isServing) == [.ready, .live])
    #expect(states.filter(\.isComing) == [.loading, .warming])
}

/// A model is there exactly while it takes calls.
@Test func aStandingsWay() {
    var standing = Standing<Number>(loading: 4, slot: .green)
    #expect(standing.state == .loading && standing.version == nil && standing.number == 4 && standing.slot == .green)
    let version = Version(of: "m", number: 4, Number(17), digest: [1, 2, 3])
    var (cold, warm) = (standing, standing)
    warm.note(.loaded)
    #expect(warm.state == .warming && warm.version == nil)
    // Whether its warm-up was told or not.
    cold.becomeReady(version)
    warm.becomeReady(version)
    #expect(cold.state == .ready && warm.state == .ready && cold.version === version && warm.version === version)
    #expect(version.name.text == "m" && version.model.value == 17 && version.digest.array == [1, 2, 3])
    warm.note(.promoted)
    #expect(warm.state == .live && warm.version === version)
    warm.note(.unload)
    #expect(warm.state == .draining && warm.version == nil)
    standing.note(.fail("no"))
    #expect(standing.state == .failed("no") && standing.version == nil)
}
