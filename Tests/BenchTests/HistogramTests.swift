// Enters: seeded values. Leaves: what the histogram says of them, against what sorting says.
import Memory
import Testing

@testable import Bench

struct Distribution: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var value: @Sendable (inout SplitMix) -> Int64
}

private let distributions = [
    Distribution(testDescription: "small numbers") { Int64($0.next() % 2000) },
    Distribution(testDescription: "microseconds") { 50_000 + Int64($0.next() % 200_000) },
    Distribution(testDescription: "all sizes") { Int64($0.next() >> (22 + $0.next() % 42)) },
    Distribution(testDescription: "one of a hundred is a thousand times longer") {
        ($0.next() % 100 == 0 ? 1_000_000_000 : 1_000_000) + Int64($0.next() % 1000)
    },
    Distribution(testDescription: "all the same") { _ in 123_456_789 },
]

@Test(arguments: distributions)
func percentilesAreExactToThreeDigits(row: Distribution) {
    var random = SplitMix(seed: 7)
    var histogram = Histogram()
    var values: [Int64] = []
    for _ in 0..<20_000 {
        values.append(row.value(&random))
        histogram.record(nanoseconds: values[values.count - 1])
    }
    values.sort()
    for percent in [0.1, 1, 25, 50, 90, 99, 99.9, 99.99, 100] {
        let exact = values[max(0, Int((percent / 100 * Double(values.count)).rounded(.up)) - 1)]
        let found = histogram.nanoseconds(percentile: percent)
        #expect(found >= exact && Double(found - exact) <= Double(exact) / 1000, "\(percent) %: \(found), \(exact)")
    }
    #expect(histogram.count == 20_000)
    #expect(histogram.minNanoseconds == values[0] && histogram.maxNanoseconds == values[values.count - 1])
    let mean = values.reduce(0.0) { $0 + Double($1) } / Double(values.count)
    #expect(abs(histogram.meanNanoseconds - mean) <= mean / 1e9)
}

@Test func bucketsFollowEachOtherWithoutAGap() {
    var last = Histogram.index(0)
    #expect(last == 0)
    var value: Int64 = 0
    while value <= Histogram.nanosecondsMax {
        let index = Histogram.index(value)
        #expect(index == last || index == last + 1, "\(value)")
        last = index
        value += max(1, value >> 11)
    }
}

@Test func aMergedHistogramIsTheHistogramOfAll() {
    var random = SplitMix(seed: 3)
    var parts = [Histogram(), Histogram(), Histogram()]
    var all = Histogram()
    for number in 0..<3000 {
        let value = Int64(random.next() >> 30)
        parts[number % 2].record(nanoseconds: value)  // The last part stays empty.
        all.record(nanoseconds: value)
    }
    var merged = Histogram()
    for part in parts { merged.merge(part) }
    #expect(merged.percentileDistribution == all.percentileDistribution)
}

@Test func whatIsTooLongOrNegativeIsCounted() {
    var histogram = Histogram()
    histogram.record(nanoseconds: .max)
    histogram.record(nanoseconds: -5)
    #expect(histogram.count == 2 && histogram.minNanoseconds == 0)
    #expect(histogram.maxNanoseconds == Histogram.nanosecondsMax)
    #expect(Histogram().nanoseconds(percentile: 99) == 0)
}

/// What the plotters of HdrHistogram read: four columns, percentiles that rise to 1, and lines that begin with "#".
@Test(arguments: distributions)
func theDistributionIsWrittenAsHdrHistogramDoes(row: Distribution) throws {
    var random = SplitMix(seed: 11)
    var histogram = Histogram()
    for _ in 0..<5000 { histogram.record(nanoseconds: row.value(&random)) }
    let lines = histogram.percentileDistribution.split(separator: "\n")
    #expect(lines[0].split(separator: " ") == ["Value", "Percentile", "TotalCount", "1/(1-Percentile)"])
    var last = (value: -1.0, percentile: -1.0, count: 0)
    for line in lines.dropFirst() where !line.hasPrefix("#") {
        let columns = line.split(separator: " ")
        try #require(columns.count == 4)
        let (value, percentile, count) = (Double(columns[0]) ?? -1, Double(columns[1]) ?? -1, Int(columns[2]) ?? -1)
        #expect(value >= last.value && percentile > last.percentile && count >= last.count, "\(line)")
        // So many values do not pass this one, and it is not a later percentile's.
        #expect(Double(count) / 5000 >= percentile - 1e-9, "\(line)")
        let exact = Double(histogram.nanoseconds(percentile: percentile * 100)) / 1_000_000
        #expect(abs(value - exact) <= max(1e-6, exact / 500), "\(line)")
        last = (value, percentile, count)
    }
    #expect(last.percentile == 1 && last.count == 5000)
    #expect(lines.contains { $0.hasPrefix("#[Unit") && $0.contains("ms") })
}
