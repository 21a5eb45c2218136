import Foundation
import Memory
import TestSupport
import Testing

@testable import ServerMetrics

@Suite struct BucketsTests {
    private let times = Buckets(schema: 3, exponents: -160...56, classic: Catalogue.latencyBounds, divisor: 1e9)
    private let rows = Buckets(schema: 0, exponents: -1...10, classic: (0...10).map { Double(1 << $0) }, divisor: 1)

    private func shown(_ numbers: [UInt64], _ buckets: Buckets, divisor: Double) -> ShownHistogram {
        var cells = [UInt64](repeating: 0, count: buckets.bounds.count + 2)
        for number in numbers {
            cells[buckets.bucket(of: number)] += 1
            cells[cells.count - 1] += number
        }
        return ShownHistogram(buckets: buckets, cells: cells[...], divisor: divisor)
    }

    @Test func aNumberIsInTheFirstBucketWhoseBoundaryIsNotBelowIt() {
        var random = SplitMix(seed: 1)
        let near = times.bounds.flatMap { [$0 - 1, $0, $0 + 1] }
        let any = (0..<10_000).map { _ in UInt64.random(in: 0...UInt64.max >> UInt64.random(in: 0..<64), using: &random)
        }
        for number in near + any + [0, 1, .max] {
            #expect(times.bucket(of: number) == times.bounds.firstIndex { $0 >= number } ?? times.bounds.count)
        }
    }

    @Test(arguments: [(3, -160...56, 1e9), (0, -1...10, 1), (8, -256...512, 1e9)])
    func boundariesArePowersOfTwoToTheirSchema(schema: Int, exponents: ClosedRange<Int>, divisor: Double) {
        let buckets = Buckets(schema: schema, exponents: exponents, classic: [], divisor: divisor)
        for (place, exponent) in exponents.enumerated() {
            let exact = pow(2, Double(exponent) * pow(2, -Double(schema)))
            let boundary = Buckets.boundary(schema: schema, exponent: exponent)
            #expect(abs(boundary / exact - 1) < 1e-13)
            let bound = Double(buckets.bounds[buckets.native[place]])
            #expect(bound <= exact * divisor * (1 + 1e-12) && bound > exact * divisor * (1 - 1e-12) - 1)
            if exponent % (1 << schema) == 0 { #expect(boundary == exact) }
        }
    }

    /// What is counted once is exact in both ways of showing it.
    @Test func bothViewsSayHowManyWereNotAbove() {
        var random = SplitMix(seed: 2)
        let edges = Catalogue.latencyBounds.flatMap { le in
            [-1.0, 0, 1].map { UInt64((le * 1e9).rounded() + $0) }
        }
        let long = (0..<20_000).map { _ in UInt64(exp2(random.unit() * 50)) } + edges + [0, .max >> 20]
        let few = (0..<2000).map { _ in UInt64(random.unit() * 1200) } + (0...1025)
        for (numbers, buckets, divisor) in [(long, times, 1e9), (few, rows, 1.0)] {
            let shown = shown(numbers, buckets, divisor: divisor)
            #expect(shown.count == UInt64(numbers.count))
            #expect(shown.sum == Double(numbers.reduce(0, +)) / divisor)
            for (name, count) in zip(buckets.names, shown.classicCounts) {
                #expect(count == UInt64(numbers.count { $0 <= UInt64((name * divisor).rounded(.down)) }), "le \(name)")
            }
            var below: UInt64 = 0
            for (place, count) in shown.nativeCounts.enumerated() {
                below += count
                let isLast = place == buckets.native.count
                let bound = isLast ? UInt64.max : buckets.bounds[buckets.native[place]]
                #expect(below == UInt64(numbers.count { $0 <= bound }), "native \(place)")
            }
        }
    }

    private static let samples: [(name: String, seconds: @Sendable (inout SplitMix) -> Double)] = [
        ("lognormal around 3 ms", { 0.003 * exp(0.5 * $0.normal()) }),
        (
            "bimodal, 2 % at 120 ms",
            { $0.unit() < 0.02 ? 0.12 * exp(0.05 * $0.normal()) : 0.003 * exp(0.2 * $0.normal()) }
        ),
        ("heavy tail", { 0.002 * pow($0.unit(), -1 / 1.2) }),
    ]

    /// As Prometheus reads native histograms: between two boundaries by their exponents.
    @Test(arguments: samples.indices, [0.5, 0.99, 0.999])
    func quantilesAreCloseToTheExactOnes(sample: Int, quantile: Double) {
        var random = SplitMix(seed: 3)
        let numbers = (0..<50_000).map { _ in UInt64(Self.samples[sample].seconds(&random) * 1e9) }.sorted()
        let exact = Double(numbers[Int((quantile * Double(numbers.count)).rounded(.up)) - 1]) / 1e9
        let counts = shown(numbers, times, divisor: 1e9).nativeCounts.map { Double($0) }
        let rank = quantile * Double(numbers.count)
        var (below, place) = (0.0, 0)
        while below + counts[place] < rank {
            below += counts[place]
            place += 1
        }
        let part = (rank - below) / counts[place]
        let estimate = exp2((Double(times.firstExponent + place - 1) + part) / 8)
        #expect(abs(estimate / exact - 1) <= 0.05, "\(Self.samples[sample].name): \(estimate) for \(exact)")
    }
}
