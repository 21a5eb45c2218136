// Enters: a histogram's buckets. Leaves: a quantile, to within the width of a bucket.

import Glibc

/// The number that a part `rank` (0 to 1) of what was counted is not above, in the cells' unit; `nil`: nothing was counted.
///
/// Inside a bucket numbers are taken to lie evenly on a logarithmic scale, as Prometheus does for native histograms.
public func quantile(_ rank: Double, _ counts: some Collection<UInt64>, _ buckets: Buckets) -> Double? {
    let total = counts.reduce(0, &+)
    guard total > 0 else { return nil }
    let wanted = rank * Double(total)
    var before: UInt64 = 0
    for (position, count) in counts.enumerated() where count > 0 {
        guard Double(before &+ count) >= wanted else {
            before &+= count
            continue
        }
        // Above the last boundary nothing is known but that.
        guard position < buckets.bounds.count else { break }
        let upper = Double(buckets.bounds[position])
        let lower = position == 0 ? 0 : Double(buckets.bounds[position - 1])
        let part = (wanted - Double(before)) / Double(count)
        guard lower > 0 else { return upper * part }
        return lower * pow(upper / lower, part)
    }
    return buckets.bounds.last.map(Double.init)
}
