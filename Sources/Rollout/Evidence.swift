// Enters: which of two versions got which calls. Leaves: how strongly that speaks against the two being alike.
import Glibc

// Who gets a call is a coin that we throw ourselves, with a share that is known: if the two versions are alike, then whatever
// is noticed of an answer says nothing of how the coin fell. Whoever bets on the coin, going by the past only, wins nothing in
// the long run then: the chance that his capital ever reaches k times what he began with is at most 1/k, however often one
// looks (Ville, 1939; Ramdas et al., "Game-theoretic statistics and safe anytime-valid inference", 2023). The capital is the
// evidence. No sample size is to be fixed before, and to look at every moment costs nothing.

/// Whether bad events fall on the canary more often than calls do.
public struct EventEvidence: Sendable {
    /// How much worse the canary may be; the capital is divided among these bets.
    private static let ratios = [1.5, 2, 4, 8, 32, 128]
    private var logs = [Double](repeating: 0, count: ratios.count)

    public init() {}

    /// So many bad events since the last time. `share`: of these calls, the part that was meant for the canary, 0 to 1.
    public mutating func note(canary: Int, live: Int, share: Double) {
        guard canary + live > 0, share > 0, share < 1 else { return }
        for (index, ratio) in Self.ratios.enumerated() {
            logs[index] += gain(canary, live, ratio: ratio, share: share)
        }
    }

    /// The natural logarithm of the capital; it began with 0.
    public var log: Double { logMean(logs) }
}

/// Whether the two versions' answers are distributed otherwise, whatever the way.
public struct ShiftEvidence: Sendable {
    /// Bins are put together until about so many are left: each costs evidence.
    private static let groups = 16
    /// Answers of each version before a bet is placed.
    private static let answersMin = 8
    private static let caution = 8.0
    private var canary: [Int]
    private var live: [Int]
    private(set) var log = 0.0
    /// Neighbouring bins have something in common, as numbers do, and hashes do not.
    private let isOrdered: Bool

    public init(bins: Int, isOrdered: Bool) {
        canary = [Int](repeating: 0, count: bins)
        live = canary
        self.isOrdered = isOrdered
    }

    /// So many answers in each bin since the last time.
    public mutating func note(canary more: [Int], live others: [Int], share: Double) {
        let (canaryTotal, liveTotal) = (canary.reduce(0, +), live.reduce(0, +))
        if share > 0, share < 1, min(canaryTotal, liveTotal) >= Self.answersMin {
            for group in grouped(canaryTotal + liveTotal) {
                let (moreHere, othersHere) = (more[group].reduce(0, +), others[group].reduce(0, +))
                guard moreHere + othersHere > 0 else { continue }
                let (canaryHere, liveHere) = (Double(canary[group].reduce(0, +)), Double(live[group].reduce(0, +)))
                // What both have in common weighs as much as some answers.
                let common = (canaryHere + liveHere + 0.5) / (Double(canaryTotal + liveTotal) + 1)
                let rateOfCanary = (canaryHere + Self.caution * common) / (Double(canaryTotal) + Self.caution)
                let rateOfLive = (liveHere + Self.caution * common) / (Double(liveTotal) + Self.caution)
                let ratio = rateOfCanary / rateOfLive
                log += gain(moreHere, othersHere, ratio: ratio, share: share)
            }
        }
        for bin in canary.indices {
            canary[bin] += more[bin]
            live[bin] += others[bin]
        }
    }

    /// Neighbours together, each group with about as many answers as another: by the past alone.
    private func grouped(_ total: Int) -> [Range<Int>] {
        guard isOrdered else { return canary.indices.map { $0..<$0 + 1 } }
        var groups: [Range<Int>] = []
        var (begin, held) = (0, 0)
        for bin in canary.indices {
            held += canary[bin] + live[bin]
            if held * Self.groups >= total || bin == canary.count - 1 {
                groups.append(begin..<bin + 1)
                (begin, held) = (bin + 1, 0)
            }
        }
        return groups
    }

    /// By how much the shares of bins differ, all together: 0 alike, 1 nothing in common (total variation).
    public var distance: Double {
        let (canaryTotal, liveTotal) = (canary.reduce(0, +), live.reduce(0, +))
        guard canaryTotal > 0, liveTotal > 0 else { return 0 }
        var sum = 0.0
        for group in grouped(canaryTotal + liveTotal) {
            sum += abs(
                Double(canary[group].reduce(0, +)) / Double(canaryTotal)
                    - Double(live[group].reduce(0, +)) / Double(liveTotal))
        }
        return sum / 2
    }
}

/// What is won on so many throws by who bets that the canary's rate is `ratio` times the live version's; a logarithm.
private func gain(_ canary: Int, _ live: Int, ratio: Double, share: Double) -> Double {
    let bet = ratio * share / (ratio * share + 1 - share)
    let won = Double(canary) * log(bet / share)
    return won + Double(live) * log((1 - bet) / (1 - share))
}

/// The logarithm of the mean of what these are the logarithms of.
private func logMean(_ logs: [Double]) -> Double {
    guard let largest = logs.max(), largest.isFinite else { return -.infinity }
    return largest + log(logs.reduce(0) { $0 + exp($1 - largest) } / Double(logs.count))
}
