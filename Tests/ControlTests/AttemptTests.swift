// Enters: loads that fail, and processes that end while they load. Leaves: what may be tried again, and when.
import Foundation
import Memory
import Models
import Testing

@testable import Control
@testable import Repository

private let key = Attempts.Key(model: "m", version: 3)

/// A clock that stands still.
private final class Hands: Sendable {
    let time = Lock<Int64>(0)
    var now: @Sendable () -> Int64 { { [self] in time.withLock { $0 } } }
    func move(_ nanoseconds: Int64) { time.withLock { $0 += nanoseconds } }
}

private func place() throws -> Place {
    let place = Place()
    try place.file("m/3/model.onnx", "one")
    return place
}

/// As the next process finds it.
private func attempts(_ place: Place, _ hands: Hands = Hands()) throws -> Attempts {
    Attempts(beside: place.state, try Repository(path: place.path), now: hands.now)
}

private func marker(_ place: Place) -> String? {
    FileManager.default.contents(atPath: place.state.path + ".loading").map { String(decoding: $0, as: UTF8.self) }
}

@Test func waitsGrowUntilItIsLeftAlone() throws {
    let (place, hands) = (try place(), Hands())
    let attempts = try attempts(place, hands)
    #expect(attempts.next(key) == .now)
    for failures in 1...4 {
        #expect(attempts.failed(key, "it is broken") == nil)
        guard case .after(let nanoseconds) = attempts.next(key) else {
            return #expect(Bool(false), "failure \(failures)")
        }
        let seconds = Int64(1) << (failures - 1)
        #expect(nanoseconds >= seconds * 800_000_000 && nanoseconds <= seconds * 1_200_000_000)
        hands.move(nanoseconds - 1)
        #expect(attempts.next(key) == .after(nanoseconds: 1))
        hands.move(1)
        #expect(attempts.next(key) == .now)
    }
    let sentence = try #require(attempts.failed(key, "it is broken"))
    #expect(sentence.hasPrefix("it is broken (5 times in a row; ") && sentence.contains("vencejo load"))
    #expect(attempts.next(key) == .never(sentence) && attempts.quarantine(key) == sentence)
    // Another version is none of its business.
    #expect(attempts.next(Attempts.Key(model: "m", version: 4)) == .now)
    // The next process tries it again.
    #expect(try Attempts(beside: place.state, Repository(path: place.path)).next(key) == .now)
}

@Test(arguments: ["an order", "a load that goes well", "a new file"])
func whatEndsIt(end: String) throws {
    let place = try place()
    let attempts = try attempts(place)
    for _ in 0..<5 { _ = attempts.failed(key, "it is broken") }
    #expect(attempts.quarantine(key) != nil)
    switch end {
    case "an order": attempts.lift(key)
    case "a new file": try place.file("m/3/model.onnx", "another")
    default: attempts.ended(key)
    }
    #expect(attempts.quarantine(key) == nil && attempts.next(key) == .now)
    // From the beginning.
    for _ in 0..<4 { #expect(attempts.failed(key, "it is broken") == nil) }
}

@Test func whatIsUnderWayWhenAProcessEndsIsSuspected() throws {
    let place = try place()
    let first = try attempts(place)
    #expect(marker(place) == nil)
    first.begin(key)
    #expect(marker(place)?.contains("\"isUnderWay\" : true") == true)
    // The process ends here.
    let second = try attempts(place)
    #expect(second.isSuspect(key) && second.quarantine(key) == nil)
    #expect(!second.isSuspect(Attempts.Key(model: "m", version: 2)))
    second.begin(key)
    let third = try attempts(place)
    #expect(third.quarantine(key)?.hasPrefix("the last 2 processes ended while they loaded it; ") == true)
    // It stays so.
    #expect(try attempts(place).quarantine(key) != nil)
    try place.file("m/3/model.onnx", "another")
    #expect(try attempts(place).quarantine(key) == nil)
    #expect(marker(place) == nil)
}

@Test(arguments: [true, false])
func whatEndsWellIsForgotten(succeeds: Bool) throws {
    let place = try place()
    try attempts(place).begin(key)
    let second = try attempts(place)
    second.begin(key)
    if succeeds { second.ended(key) } else { _ = second.failed(key, "it is broken") }
    let third = try attempts(place)
    // A failure is no crash; the one before it still counts.
    #expect(third.isSuspect(key) != succeeds && third.quarantine(key) == nil)
    #expect((marker(place) == nil) == succeeds)
}

@Test func whoIsAskedToEndBlamesNobody() throws {
    let place = try place()
    let first = try attempts(place)
    first.begin(key)
    first.leave()
    #expect(marker(place) == nil)
    // A load that ends meanwhile writes nothing any more.
    first.begin(key)
    #expect(marker(place) == nil)
    #expect(try !attempts(place).isSuspect(key))
}

@Test(arguments: ["", "{", "{\"schema\": 2, \"attempts\": []}", "[]"])
func aMarkerThatIsNoneIsNothing(content: String) throws {
    let place = try place()
    try place.file(".vencejo.json.loading", content)
    #expect(try !attempts(place).isSuspect(key))
}

@Test func withoutAFileNoAttemptIsKept() throws {
    let place = try place()
    let first = Attempts(beside: nil, try Repository(path: place.path))
    first.begin(key)
    #expect(marker(place) == nil)
}

// MARK: - With a control around it

@Test func aVersionThatIsLeftAloneIsNotLoadedAtStart() throws {
    let place = try Place(["m": [2, 3], "n": [1]])
    for _ in 0..<2 { try attempts(place).begin(key) }
    let shop = try Workshop(place)
    try shop.start()
    #expect(shop.standing("m", 3)?.state.isQuarantined == true)
    // Nobody ordered it to be live: the next one is.
    #expect(shop.lines.filter { !$0.hasPrefix("m 3") } == ["m 2 green live", "n 1 blue live"])
    let nextTry = shop.control.nextTry("m", 3)
    #expect(nextTry.isNever)
    // Nobody ordered it.
    #expect(throws: OrderError.self) {
        try shop.control.perform(.load(model: "m", version: 3), shop.signed(), isByItself: true)
    }
    #expect(shop.standing("m", 3)?.state.isQuarantined == true)
    try shop.perform(.load(model: "m", version: 3))
    #expect(shop.standing("m", 3)?.state.isServing == true && shop.control.nextTry("m", 3) == .now)
    #expect(marker(place) == nil)
}

@Test func aLoadThatFailsOftenIsLeftAlone() throws {
    let place = Place()
    try place.file("m/1/model.onnx", "no model")
    let shop = try Workshop(place)
    try shop.start()
    #expect(shop.lines == ["m 1 blue failed"])
    for failures in 2...5 {
        #expect(throws: OrderError.self) {
            try shop.control.perform(.load(model: "m", version: 1), shop.signed(), isByItself: true)
        }
        #expect(shop.standing("m", 1)?.state.isQuarantined == (failures == 5))
    }
    // By order it begins anew.
    #expect(throws: OrderError.self) { try shop.perform(.load(model: "m", version: 1)) }
    #expect(shop.standing("m", 1)?.state.isQuarantined == false)
}

extension VersionState {
    fileprivate var isQuarantined: Bool {
        if case .quarantined = self { return true }
        return false
    }
}

extension NextTry {
    fileprivate var isNever: Bool {
        if case .never = self { return true }
        return false
    }
}
