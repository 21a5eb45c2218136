// Enters: counts and gains. Leaves: what statsmodels and scipy say of them.
import Memory
import TestSupport
import Testing

@testable import Rollout

/// `statsmodels.stats.contingency_tables.mcnemar([[10, b], [c, 10]], exact=True).pvalue`, which is
/// `scipy.stats.binomtest(min(b, c), b + c, 0.5).pvalue`.
@Test(arguments: [
    (0, 0, 1), (0, 1, 1), (1, 0, 1), (5, 5, 1), (3, 9, 0.14599609375), (9, 3, 0.14599609375), (0, 10, 0.001953125),
    (2, 14, 0.004180908203125), (121, 59, 4.4344492637551645e-06), (1000, 1100, 0.03072070786424249),
    (30000, 30500, 0.042485574410371825), (0, 2000, 0), (7, 7000, 0),
])
func mcNemar(onlyFirst: Int, onlySecond: Int, p: Double) {
    let found = McNemar.p(onlyFirst: onlyFirst, onlySecond: onlySecond)
    #expect(abs(found - p) <= 1e-9 * p + 1e-300, "\(found)")
    #expect(found == McNemar.p(onlyFirst: onlySecond, onlySecond: onlyFirst))
}

struct GainsRow: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var gains: [Double]
    var seed: UInt64
    /// `numpy.quantile(means, [0.025, 0.975])` of 2000 resamples, drawn by the same words (SplitMix64, the upper half of
    /// word × rows).
    var exact: ClosedRange<Double>
    /// `scipy.stats.bootstrap((gains,), numpy.mean, n_resamples=200000, method="percentile")`.
    var scipy: ClosedRange<Double>
}

private let decisions = [Double](repeating: 0, count: 50).indices.map { [1.0, 0, 0, -1, 1, 1, 0, 0, 1, 0][$0 % 10] }
private let numbers = (0..<40).map { Double(($0 * 37) % 17 - 7) / 10 }

@Test(arguments: [
    GainsRow(
        testDescription: "decisions", gains: decisions, seed: 1, exact: 0.12...0.48, scipy: 0.12...0.48),
    GainsRow(
        testDescription: "numbers", gains: numbers, seed: 1, exact: -0.062499999999999986...0.2425,
        scipy: -0.06...0.245),
    GainsRow(
        testDescription: "another seed", gains: numbers, seed: 7, exact: -0.055...0.245, scipy: -0.06...0.245),
    GainsRow(testDescription: "one row", gains: [0.25], seed: 1, exact: 0.25...0.25, scipy: 0.25...0.25),
    GainsRow(
        testDescription: "all the same", gains: [Double](repeating: 0.5, count: 20), seed: 1, exact: 0.5...0.5,
        scipy: 0.5...0.5),
])
func bootstrap(row: GainsRow) throws {
    let found = try #require(PairedBootstrap.interval(of: row.gains, seed: row.seed))
    #expect(
        abs(found.lowerBound - row.exact.lowerBound) < 1e-12 && abs(found.upperBound - row.exact.upperBound) < 1e-12)
    // 2000 resamples are not 200000.
    #expect(abs(found.lowerBound - row.scipy.lowerBound) < 0.01 && abs(found.upperBound - row.scipy.upperBound) < 0.01)
}

@Test func noRowsHaveNoInterval() { #expect(PairedBootstrap.interval(of: [], seed: 1) == nil) }

/// Of a true mean of 0.1 95 of a hundred intervals hold it; of 400 that is 380 ± 9 (two standard deviations).
@Test func intervalsHoldTheMeanAsOftenAsTheySay() {
    var dice = SplitMix(seed: 3)
    let held = (0..<400).count { number in
        let gains = (0..<200).map { _ in 0.1 + dice.normal() }
        return PairedBootstrap.interval(of: gains, resamples: 400, seed: UInt64(number))?.contains(0.1) ?? false
    }
    #expect((362...396).contains(held), "\(held)")
}
