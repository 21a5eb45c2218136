// Enters: statuses of collectors. Leaves: which are tried again.
import Testing

@testable import Telemetry

private func isLater(_ verdict: Verdict) -> Bool {
    if case .later = verdict { true } else { false }
}

/// Exactly those that OTLP lists.
@Test(arguments: 0...17) func statusesOfGRPC(code: Int) {
    let listed = [1, 4, 10, 11, 14, 15]
    #expect(isLater(.ofGRPC(code: code, message: "", retryNanoseconds: nil)) == listed.contains(code))
    let asked = Verdict.ofGRPC(code: code, message: "slow", retryNanoseconds: 7)
    #expect(isLater(asked) == (listed + [8]).contains(code))
    if isLater(asked) { #expect(asked == .later(afterNanoseconds: 7, reason: "gRPC status \(code): slow")) }
}

@Test(arguments: [301, 400, 401, 403, 404, 408, 413, 429, 500, 501, 502, 503, 504, 505])
func statusesOfHTTP(status: Int) {
    let verdict = Verdict.ofHTTP(status: status, retryAfter: nil, reason: "", body: [], now: 0)
    #expect(isLater(verdict) == [429, 502, 503, 504].contains(status))
}

@Test(
    arguments: [
        ("0", 0), ("120", 120_000_000_000), ("99999999999999", .max), ("-1", nil), ("1.5", nil), ("", 0), ("soon", nil),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 37_000_000_000), ("Sun, 06 Nov 1994 08:48:37 GMT", 0),
        ("Thu, 29 Feb 1996 00:00:00 GMT", 41_440_260_000_000_000),
        ("Fri, 01 Mar 1996 00:00:00 GMT", 41_526_660_000_000_000),
        ("Sunday, 06-Nov-94 08:49:37 GMT", nil), ("Sun, 06 Nov 1994 08:49:37 CET", nil),
        ("Sun, 36 Nov 1994 08:49:37 GMT", nil),
        ("Sun, 06 Nov 1994 08:49 GMT", nil), ("Fri, 31 Dec 9999 23:59:59 GMT", 2_147_483_647_000_000_000),
    ] as [(String, Int64?)])
func retryAfter(value: String, nanoseconds: Int64?) {
    // 1994-11-06T08:49:00Z
    #expect(RetryAfter.nanoseconds(value, now: 784_111_740) == (value.isEmpty ? nil : nanoseconds))
}
