// Enters: failures, and versions with faults. Leaves: how long to wait, and which swaps are refused.
import Memory
import Tensors
import Testing

@testable import Models

@Test(arguments: [(1, 1), (2, 2), (3, 4), (4, 8), (5, 16), (9, 256), (10, 300), (11, 300), (1000, 300)])
func waitsDouble(failures: Int, seconds: Int64) {
    for seed: UInt64 in 0..<200 {
        let wait = RetryPolicy.backOff(failures, seed: seed)
        #expect(wait >= seconds * 800_000_000)
        #expect(wait <= min(300_000_000_000, seconds * 1_200_000_000))
        #expect(wait == RetryPolicy.backOff(failures, seed: seed))
    }
    #expect(RetryPolicy.backOff(0, seed: 7) == 0)
}

/// Many that failed together do not come back together.
@Test func waitsDiffer() {
    let waits = (0..<200).map { RetryPolicy.backOff(3, seed: $0) }
    #expect(Set(waits).count > 100)
    #expect(waits.min() ?? 0 < 3_300_000_000 && waits.max() ?? 0 > 4_700_000_000)
}

@Test(arguments: [(0, true), (1, true), (4, true), (5, false), (6, false)])
func itIsTriedFourTimesMore(failures: Int, isTried: Bool) {
    #expect((RetryPolicy.wait(afterFailures: failures, seed: 1) != nil) == isTried)
}

private func roster(faults: [String], live: Bool = true) -> (Roster<Number>, gone: [Int64]) {
    var roster = Roster<Number> { (_, _) in [] }
    var record = ModelRecord<Number>(name: "m")
    if live {
        record.begin(1)
        _ = record.arrived(Version(of: "m", number: 1, 1, digest: []))
    }
    record.begin(2)
    let version = Version<Number>(of: "m", number: 2, 2, digest: [], faults: faults)
    let gone = record.arrived(version, mayGoLive: faults.isEmpty)
    roster.models["m"] = record
    return (roster, gone)
}

private func swap(_ roster: inout Roster<Number>, isForced: Bool = false) throws(OrderError) {
    _ = try roster.swap([Order.Change(model: "m", version: 2)], isForced: isForced)
}

@Test func faultsNeedForce() throws {
    var (roster, _) = roster(faults: ["golden: it is wrong"])
    let error = #expect(throws: OrderError.self) { try swap(&roster) }
    #expect(error == .unfit(model: "m", version: 2, faults: ["golden: it is wrong"]))
    #expect(
        error?.sentence
            == "version 2 of model 'm' did not pass its gates: golden: it is wrong; say force to make it live all the same"
    )
    #expect(roster.models["m"]?.live == 1)
    try swap(&roster, isForced: true)
    #expect(roster.models["m"]?.live == 2)
    // Back to what was live before nothing is asked.
    _ = try roster.rollback("m")
    _ = try roster.rollback("m")
    #expect(roster.models["m"]?.live == 2)
}

@Test(arguments: [true, false])
func faultsKeepAVersionFromBecomingLiveByItself(isFit: Bool) throws {
    var (roster, _) = roster(faults: isFit ? [] : ["latency: it is slow"], live: false)
    #expect(roster.models["m"]?.live == (isFit ? 2 : nil))
    // Nor is it kept as the one that is to be live.
    roster.models["m"]?.stopWaiting(for: 2)
    #expect(roster.models["m"]?.wanted == (isFit ? 2 : nil))
    #expect(roster.models["m"]?.serving == [2])
    try swap(&roster, isForced: true)
    #expect(roster.models["m"]?.live == 2)
}

@Test func whatFailedIsLeftAlone() {
    var record = ModelRecord<Number>(name: "m")
    record.begin(1)
    record.gaveUp(1)
    #expect(record.standing(1)?.state == .loading)
    record.failed(1, "why")
    record.gaveUp(1)
    #expect(record.standing(1)?.state == .quarantined("why"))
    record.begin(1)
    #expect(record.standing(1)?.state == .loading)
}
