import Foundation
import Memory
import Testing

@testable import Keyrings

@Test(
    arguments: [
        ("1970-01-01T00:00:00Z", 0), ("1970-01-01T00:00:59Z", 59), ("1970-12-31T23:59:59Z", 31_535_999),
        ("1972-02-29T00:00:00Z", 68_169_600), ("2000-02-29T12:00:00Z", 951_825_600),
        ("2026-11-30T14:16:05Z", 1_796_048_165),
        ("2100-03-01T00:00:00Z", 4_107_542_400), ("9999-12-31T23:59:59Z", 253_402_300_799),
    ] as [(String, Int64)])
func moments(text: String, seconds: Int64) {
    #expect(UTCTime(text)?.seconds == seconds)
    #expect(UTCTime(seconds: seconds).description == text)
}

@Test(arguments: [
    "", "1969-12-31T23:59:59Z", "0000-01-01T00:00:00Z", "2027-00-01T00:00:00Z", "2027-13-01T00:00:00Z",
    "2027-01-00T00:00:00Z", "2027-01-32T00:00:00Z", "2027-04-31T00:00:00Z", "2027-02-29T00:00:00Z",
    "2100-02-29T00:00:00Z", "2027-01-01T24:00:00Z", "2027-01-01T00:60:00Z", "2027-01-01T00:00:60Z",
    "2027-01-01 00:00:00Z", "2027-01-01T00:00:00", "2027-01-01T00:00:00z", "2027-01-01T00:00:00+00:00",
    "2027-1-01T00:00:00Z", "2027-01-01T00:00:0aZ", " 2027-01-01T00:00:00Z", "2027-01-01T00:00:00Z\n",
    "10000-01-01T00:00:00Z",
])
func noMoments(text: String) { #expect(UTCTime(text) == nil) }

@Test func outsideTheYearsIsTheNearest() {
    #expect(UTCTime(seconds: -1).seconds == 0 && UTCTime(seconds: .max).description == "9999-12-31T23:59:59Z")
}

/// Each day of 400 years and random moments, against Foundation.
@Test func likeFoundation() {
    let style = Date.ISO8601FormatStyle()
    var random = SplitMix(seed: 6)
    for day in 0..<1000 {
        for seconds in [Int64(day) * 146 * 86_400, Int64(random.next() % 253_402_300_800)] {
            let time = UTCTime(seconds: seconds)
            #expect(time.description == Date(timeIntervalSince1970: Double(seconds)).formatted(style))
            #expect(UTCTime(time.description) == time)
        }
    }
}
