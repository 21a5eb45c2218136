// Enters: by how much one version was better than another, row by row. Leaves: within what the mean may lie.
import Memory

/// The percentile bootstrap (Efron and Tibshirani, 1993): the rows that we have, drawn again and again with replacement, stand for
/// the rows that we might have had. A row's two answers stay together, hence paired.
public enum PairedBootstrap {
    public static let resamples = 2000

    /// 95 of a hundred such intervals hold the true mean, where there are rows enough. `nil`: there is no row.
    /// `seed`: the same seed gives the same interval.
    public static func interval(
        of gains: [Double], resamples: Int = resamples, seed: UInt64
    ) -> ClosedRange<Double>? {
        guard !gains.isEmpty else { return nil }
        var random = SplitMix(seed: seed)
        let means = (0..<resamples).map { _ in
            var sum = 0.0
            for _ in gains.indices { sum += gains[draw(gains.count, &random)] }
            return sum / Double(gains.count)
        }.sorted()
        return quantile(0.025, of: means)...quantile(0.975, of: means)
    }

    /// A number below `count`.
    private static func draw(_ count: Int, _ random: inout SplitMix) -> Int {
        Int(random.next().multipliedFullWidth(by: UInt64(count)).high)
    }

    /// Between two of them in a straight line, as numpy.quantile has it.
    private static func quantile(_ share: Double, of sorted: [Double]) -> Double {
        let position = share * Double(sorted.count - 1)
        let below = Int(position)
        let above = min(below + 1, sorted.count - 1)
        return sorted[below] + (sorted[above] - sorted[below]) * (position - Double(below))
    }
}
