// Enters: measurements. Leaves: the report's keys, which programs rely on, and what it warns of.
import Foundation
import GRPC
import Testing

@testable import Bench

private let plan = Plan(
    rate: 1000, arrival: .poisson, seed: 1, warmUpNanoseconds: 0, durationNanoseconds: 1_000_000_000, connections: 1,
    inFlight: 8, threads: 1, deadlineNanoseconds: nil, patienceNanoseconds: 1)

private func measurement(
    latency: Int64 = 1_000_000, late: Int64 = 1000, server: Int64? = 5_000_000, streamsMax: Int = 128,
    _ change: (inout Tally) -> Void = { _ in }
) -> Bench.Measurement {
    var tally = Tally(window: 0..<1_000_000_000)
    for number in 0..<1000 as Range<Int64> {
        tally.sent(intended: number * 900_000, now: number * 900_000 + late, waited: false)
        tally.answered(intended: number * 900_000, now: number * 900_000 + latency, .ok)
    }
    change(&tally)
    return Bench.Measurement(
        tally, plan, Run.Times(generator: 2_000_000, server: server), streamsMax: streamsMax)
}

private func json(_ value: some Encodable) throws -> [String: Any] {
    let encoder = JSONEncoder()
    encoder.keyEncodingStrategy = .convertToSnakeCase
    return try #require(try JSONSerialization.jsonObject(with: encoder.encode(value)) as? [String: Any])
}

@Test func theKeysOfAReport() throws {
    let report = ServerReport(
        measurement { tally in
            tally.answered(intended: 5, now: 6, .resourceExhausted)
            tally.keep("too much", of: .resourceExhausted)
            tally.keep("too much again", of: .resourceExhausted)
        }, endpoint: "here:1", plan: plan)
    let document = try json(report)
    #expect(
        Set(document.keys) == [
            "endpoint", "requests_per_second", "latency_microseconds", "statuses", "errors", "waited_for_in_flight",
            "unsent", "reconnects", "generator", "server_cpu_microseconds_per_request", "warnings",
        ])
    let latency = try #require(document["latency_microseconds"] as? [String: Double])
    #expect(Set(latency.keys) == ["min", "mean", "p50", "p90", "p99", "p99.9", "p99.99", "max"])
    #expect(latency["p50"] == 1000 && latency["mean"] == 1000 && latency["max"] == 1000)
    let generator = try #require(document["generator"] as? [String: Any])
    #expect(Set(generator.keys) == ["cpu_microseconds_per_request", "late_microseconds", "was_late"])
    #expect(document["statuses"] as? [String: Int] == ["OK": 1000, "RESOURCE_EXHAUSTED": 1])
    let errors = try #require(document["errors"] as? [[String: Any]])
    #expect(errors.count == 1 && errors[0]["message"] as? String == "too much" && errors[0]["count"] as? Int == 1)
    // 1001 answers in a second of 5 ms and of 2 ms.
    #expect(document["server_cpu_microseconds_per_request"] as? Double == 5)
    #expect(generator["cpu_microseconds_per_request"] as? Double == 2)
}

struct WarningRow: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var latency: Int64 = 1_000_000
    var late: Int64 = 1000
    var streamsMax = 128
    var isClosed = false
    var change: @Sendable (inout Tally) -> Void = { _ in }
    /// Beginnings, or none.
    var warning: String?
}

@Test(arguments: [
    WarningRow(testDescription: "nothing"),
    WarningRow(testDescription: "a tenth is allowed", late: 100_000),
    WarningRow(testDescription: "more than a tenth", late: 101_000, warning: "the generator was late"),
    WarningRow(
        testDescription: "more than a millisecond", latency: 1_000_000_000, late: 1_010_000,
        warning: "the generator was late"),
    WarningRow(testDescription: "a closed loop", late: 900_000, isClosed: true, warning: "closed loop"),
    WarningRow(
        testDescription: "waited", change: { $0.sent(intended: 1, now: 2, waited: true) }, warning: "1 requests waited"),
    WarningRow(testDescription: "unsent", change: { $0.abandoned(intended: 1) }, warning: "1 requests were never sent"),
    WarningRow(testDescription: "streams", streamsMax: 7, warning: "the server takes 7 requests"),
    WarningRow(testDescription: "lost", change: { $0.reconnects = 2 }, warning: "connections were lost 2 times"),
])
func warnings(row: WarningRow) {
    var plan = plan
    if row.isClosed { plan.rate = nil }
    let measurement = measurement(latency: row.latency, late: row.late, streamsMax: row.streamsMax, row.change)
    let warnings = ServerReport(measurement, endpoint: "", plan: plan).warnings
    #expect(warnings.count == (row.warning == nil ? 0 : 1), "\(warnings)")
    if let warning = row.warning { #expect(warnings.first?.hasPrefix(warning) == true, "\(warnings)") }
}

@Test(
    arguments: [
        ([(2, 4)], [2, 2, 2]), ([(1, 1), (1, 3), (1, 2)], [2, 1, 3]), ([(4, 1), (1, 1)], [0.625, 0.25, 1]),
        ([(1, nil), (1, 1)], nil), ([(0, 1)], nil), ([], nil),
    ] as [([(Double?, Double?)], [Double]?)])
func ratios(pairs: [(Double?, Double?)], expected: [Double]?) {
    let ratio = Ratio(pairs.map { (first: $0.0, second: $0.1) })
    #expect(ratio.map { [$0.median, $0.min, $0.max] } == expected)
}

@Test func aComparisonIsOfRounds() throws {
    let rounds = [2, 3, 7].map { factor in
        (
            first: ServerReport(measurement(), endpoint: "a", plan: plan),
            second: ServerReport(
                measurement(latency: 1_000_000 * factor, server: nil), endpoint: "b", plan: plan)
        )
    }
    let comparison = Comparison(rounds)
    #expect(comparison.latencyP50?.median == 3 && comparison.latencyP50?.max == 7)
    #expect(comparison.latencyP99?.min == 2 && comparison.serverCpuPerRequest == nil)
    #expect(
        Set(try json(comparison).keys) == ["rounds", "latency_p50", "latency_p99", "requests_per_second"])
}

@Test func roundsAreAddedUp() {
    var all = measurement(latency: 1_000_000)
    all.merge(measurement(latency: 3_000_000) { $0.answered(intended: 1, now: 2, .unavailable) })
    let report = ServerReport(all, endpoint: "", plan: plan)
    #expect(report.statuses == ["OK": 2000, "UNAVAILABLE": 1] && report.requestsPerSecond == 1000)
    #expect(report.latencyMicroseconds?.mean == 2000 && report.serverCpuMicrosecondsPerRequest == 5)
}
