// Enters: bins of answers. Leaves: which changes are faults, and which another opinion.
import Memory
import Testing

@testable import Rollout

private func bins(_ numbers: [Double]) -> [Int] {
    numbers.reduce(into: [Int](repeating: 0, count: Bins.valueCount)) { $0[Bins.value($1)] += 1 }
}

private func many(_ number: Double, _ count: Int) -> [Double] { [Double](repeating: number, count: count) }

private let varied = (0..<100).map { 0.1 + Double($0) / 100 }

struct ChangeRow: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let live: [Double]
    let canary: [Double]
    /// `nil`: no fault.
    let words: String?

    init(_ name: String, live: [Double] = varied, _ canary: [Double], _ words: String? = nil) {
        (testDescription, self.live, self.canary, self.words) = (name, live, canary, words)
    }
}

@Test(arguments: [
    ChangeRow("shifted", varied.map { $0 + 5 }), ChangeRow("the other sign", varied.map { -$0 }),
    ChangeRow("five times as large", varied.map { $0 * 5 }),
    ChangeRow(
        "a hundred times as large", varied.map { $0 * 100 }, "98 of 100 answers are more than ten times as large"),
    ChangeRow("beyond all bins", many(1e30, 5), "5 of 5 answers"), ChangeRow("-1e30", many(-1e30, 5), "5 of 5 answers"),
    ChangeRow("too few to say", many(1e30, 4)),
    ChangeRow("heavy tails", varied + varied + many(500, 4)),
    ChangeRow("one in a hundred", many(0.2, 495) + many(500, 5), "5 of 500 answers"),
    ChangeRow("fewer", many(0.2, 500) + many(500, 5)),
    ChangeRow("always zero", many(0, 50), "all 50 answers are alike"),
    ChangeRow("always the same", many(-3, 60), "all 60 answers are alike"),
    ChangeRow("as few as by chance", many(0, 49)),
    ChangeRow("all but one", many(0, 400) + [1]),
    ChangeRow("both are always the same", live: many(2, 500), many(3, 500)),
    // Nine of ten answers of the live version are alike: 50 are by chance once in 200 times, 80 once in 4600.
    ChangeRow("hardly varied", live: many(1, 90) + varied.prefix(10), many(1, 60)),
    ChangeRow("hardly varied, for long", live: many(1, 90) + varied.prefix(10), many(1, 80), "all 80 answers"),
    // The last bin holds all that is larger, so nothing can be said of how large, nor of how alike.
    ChangeRow("prices", live: varied.map { $0 * 1e6 }, many(5e6, 100)),
    ChangeRow("nothing", []), ChangeRow("no live answers", live: [], many(1, 100)),
    ChangeRow("few live answers", live: many(0.001, 49), many(5, 100)),
    ChangeRow("enough live answers", live: many(0.001, 50), many(5, 100), "100 of 100 answers"),
])
func changes(row: ChangeRow) {
    let found = GrossChange.found(live: bins(row.live), canary: bins(row.canary), evidenceMax: 1600)
    if let words = row.words {
        #expect(found?.contains(words) ?? false, "\(found ?? "none")")
    } else {
        #expect(found == nil)
    }
}

/// Every number lies within what its bin is said to hold.
@Test func binsHoldTheirNumbers() {
    var dice = SplitMix(seed: 3)
    for _ in 0..<10_000 {
        let number = Double(bitPattern: dice.next() & ~(0x7ff << 52) | (1000 + dice.next() % 60) << 52)
        #expect(Bins.magnitudes(ofValue: Bins.value(number)).contains(abs(number)), "\(number)")
    }
    #expect(Bins.magnitudes(ofValue: Bins.value(0)) == 0..<0x1p-12)
    #expect(Bins.magnitudes(ofValue: Bins.value(.greatestFiniteMagnitude)).upperBound == .infinity)
}
