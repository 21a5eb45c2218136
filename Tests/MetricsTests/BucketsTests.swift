import Metrics
import Testing

@Suite struct BucketsTests {
    private let times = Buckets(schema: 3, exponents: -160...56, classic: Catalogue.latencyBounds, divisor: 1e9)

    @Test func aNumberIsInTheFirstBucketWhoseBoundaryIsNotBelowIt() {
        var random = SystemRandomNumberGenerator()
        let near = times.bounds.flatMap { [$0 - 1, $0, $0 + 1] }
        let any = (0..<10_000).map { _ in UInt64.random(in: 0...UInt64.max >> UInt64.random(in: 0..<64), using: &random)
        }
        for number in near + any + [0, 1, .max] {
            #expect(times.bucket(of: number) == times.bounds.firstIndex { $0 >= number } ?? times.bounds.count)
        }
    }
}
