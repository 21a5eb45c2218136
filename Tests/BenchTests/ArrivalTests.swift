// Enters: rates and seeds. Leaves: when requests are sent.
import Foundation
import Testing

@testable import Bench

private func times(
    _ arrival: Arrival, rate: Double, seed: UInt64 = 1, thread: Int = 0, of threads: Int = 1, count: Int
) -> [Int64] {
    var arrivals = Arrivals(arrival, rate: rate, seed: seed, thread: thread, of: threads)
    return (0..<count).map { _ in arrivals.next() }
}

@Test(arguments: [1, 3, 1000, 76_543.21, 5_000_000])
func constantArrivalsKeepTheRate(rate: Double) {
    let times = times(.constant, rate: rate, count: 10_000)
    #expect(times[0] == 0)
    for (number, time) in times.enumerated() {
        let exact = Double(number) * 1e9 / rate
        #expect(abs(Double(time) - exact) <= 1 + exact * 1e-9, "request \(number)")
    }
}

@Test(arguments: [2, 3, 7])
func threadsTogetherKeepTheGapsEqual(threads: Int) {
    var all: [Int64] = []
    for thread in 0..<threads { all += times(.constant, rate: 1000, thread: thread, of: threads, count: 100) }
    all.sort()
    for (number, time) in all.enumerated() { #expect(abs(time - Int64(number) * 1_000_000) <= 1) }
}

/// Gaps of a Poisson process are exponentially distributed: the mean is 1/rate, of gaps above x there are exp(-x·rate).
@Test(arguments: [10, 1000, 250_000], [1, 2, 99] as [UInt64])
func poissonArrivals(rate: Double, seed: UInt64) {
    let count = 100_000
    let times = times(.poisson, rate: rate, seed: seed, count: count)
    let gaps = zip(times, times.dropFirst()).map { Double($1 - $0) * rate / 1e9 }
    #expect(gaps.allSatisfy { $0 >= 0 })
    #expect(abs(gaps.reduce(0, +) / Double(gaps.count) - 1) < 0.02)
    for limit in [0.1, 0.5, 1, 2, 4] {
        let share = Double(gaps.count { $0 > limit }) / Double(gaps.count)
        // Five standard deviations of the share, and the nanosecond that times are rounded to.
        let expected = exp(-limit)
        let tolerance = 5 * (expected * (1 - expected) / Double(count)).squareRoot() + rate / 1e9
        #expect(abs(share - expected) < tolerance, "gaps above \(limit)")
    }
}

@Test func aSeedNamesARun() {
    #expect(times(.poisson, rate: 100, seed: 5, count: 100) == times(.poisson, rate: 100, seed: 5, count: 100))
    #expect(times(.poisson, rate: 100, seed: 5, count: 100) != times(.poisson, rate: 100, seed: 6, count: 100))
    let threads = (0..<3).map { times(.poisson, rate: 100, thread: $0, of: 3, count: 100) }
    #expect(threads[0] != threads[1] && threads[1] != threads[2])
}
