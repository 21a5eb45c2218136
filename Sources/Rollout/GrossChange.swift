// Enters: by bins, what two versions answered whose answers differ. Leaves: whether no training could have meant that.
import Glibc

/// Changes that are no other opinion but a fault. They are looked for only where there is evidence enough that the answers differ at
/// all (`ShiftEvidence`), so a version like the live one is called faulty no more often than evidence deceives.
enum GrossChange {
    /// A version that gives nine of ten rows the same answer gives it to 50 in a row once in 200 times.
    static let answersMin = 50
    /// So many answers that are too large, and at least one in a hundred: heavy tails give one now and then.
    private static let largeMin = 5
    private static let largeFactor = 10.0

    /// `live`, `canary`: by `Bins.value`. `nil`: the answers differ as trained models' may.
    static func found(live: [Int], canary: [Int], evidenceMax: Double) -> String? {
        // Of a few answers nothing is known of how large they may be, nor of how much they vary.
        guard live.reduce(0, +) >= answersMin else { return nil }
        return tooLarge(live, canary) ?? constant(live, canary, evidenceMax)
    }

    private static func tooLarge(_ live: [Int], _ canary: [Int]) -> String? {
        let known = live.indices.filter { live[$0] > 0 }.map { Bins.magnitudes(ofValue: $0).upperBound }
        guard let largest = known.max(), largest.isFinite else { return nil }
        let total = canary.reduce(0, +)
        let large = canary.indices.reduce(0) { sum, bin in
            Bins.magnitudes(ofValue: bin).lowerBound >= largeFactor * largest ? sum + canary[bin] : sum
        }
        guard large >= largeMin, large * 100 >= total else { return nil }
        return "\(large) of \(total) answers are more than ten times as large as any of the live version's"
    }

    private static func constant(_ live: [Int], _ canary: [Int], _ evidenceMax: Double) -> String? {
        let total = canary.reduce(0, +)
        guard total >= answersMin, let bin = canary.indices.first(where: { canary[$0] > 0 }), canary[bin] == total,
            Bins.magnitudes(ofValue: bin).upperBound.isFinite
        else { return nil }
        // If it varied as the live version does, so many answers would hardly be all alike.
        let most = Double(live.max() ?? 0) / Double(max(1, live.reduce(0, +)))
        guard most > 0, -Double(total) * log(most) >= log(evidenceMax) else { return nil }
        return "all \(total) answers are alike, and the live version's are not"
    }
}

extension Bins {
    /// What numbers lie in a bin of `value`, without their signs.
    static func magnitudes(ofValue bin: Int) -> Range<Double> {
        func bound(_ place: Int) -> Double { ldexp(1 + Double(place % 16) / 16, Int32(place / 16 - 12)) }
        guard bin > 0 else { return 0..<bound(0) }
        let half = (valueCount - 1) / 2
        let place = (bin - 1) % half
        return bound(place)..<(place == half - 1 ? .infinity : bound(place + 1))
    }
}
