// Enters: labels, golden cases, a shadow's comparison. Leaves: what they say of harm.
import Experiments
import Foundation
import Identity
import Memory
import Rollout
import Serving
import TestSupport
import Testing

@testable import Control

/// Answers of an iris classifier: 1 is live, 2 was retrained on more rows, 3 on wrong labels (Fixtures/make_retrained.py).
struct Retrained: Decodable {
    let labels: [Int]
    let probabilities: [String: [[Float]]]

    static let all: Retrained = {
        do {
            return try JSONDecoder().decode(Retrained.self, from: Fixtures.data("retrained/rows.json"))
        } catch {
            fatalError("Fixtures/retrained/rows.json: \(error)")
        }
    }()
}

/// How many labels it takes, 100 a second, a quarter of them of the version that is rolled out.
@Test(arguments: [(1, true), (2, true), (3, false)])
func labelsThatAreNeeded(classifier: Int, isFine: Bool) throws {
    var needed: [Int] = []
    for seed in 0..<20 as Range<UInt64> {
        var random = SplitMix(seed: seed)
        let exposures = Exposures(bucketBits: 12)
        let number = try #require(exposures.begin(salt: seed, rewards: 0...1, isLenient: true))
        var labels = RolloutLabels(number, live: 1, canary: 2, percent: 25, exposures)
        var (second, found) = (0, Harm.Labels?.none)
        // As in a step of three: 1600 : 1 settles it.
        while !(found?.isFine ?? false), !(found.map { $0.isWorse && $0.evidence >= 1600 } ?? false), second < 1000 {
            second += 1
            for call in 0..<100 {
                let id = OwnedBytes("\(second) \(call)")
                defer { withExtendedLifetime(id) {} }
                let isCanary = random.next() % 4 == 0
                let row = Int(random.next() % UInt64(Retrained.all.labels.count))
                let numbers = try #require(Retrained.all.probabilities[isCanary ? "\(classifier)" : "1"]?[row])
                exposures.answered(id.view, Exposure(experiment: number, period: 0, arm: isCanary ? 1 : 0))
                let isRight = numbers.indices.max { numbers[$0] < numbers[$1] } == Retrained.all.labels[row]
                #expect(exposures.reward(id.view, number, isRight ? 1 : 0) == .joined)
            }
            labels.look(exposures, now: Int64(second) * 1_000_000_000)
            found = labels.found
        }
        #expect(found?.isFine == isFine && found?.isWorse == !isFine, "seed \(seed): \(found?.finding ?? "none")")
        needed.append(100 * second)
    }
    print("classifier \(classifier): \(needed.sorted()[10]) labels in the median, \(needed.max() ?? 0) at most")
}

private func servable() -> Servable { Servable(name: "m", engine: .identity(IdentityModel())) }

@Test(arguments: [(0, 0, 0), (29, 0, 1), (30, 1, 0), (150, 1, 0)])
func goldenRowsSettleIt(rows: Int, absences: Int, hints: Int) {
    let canary = servable()
    canary.passedGolden(rows: rows)
    let harm = Harm(nil, of: canary)
    #expect(harm.absences.count == absences && harm.hints.count == hints, "\(harm)")
}

@Test(arguments: [
    // calls that decide, decided otherwise, failed
    (0, 0, 0, 0, 0), (99, 0, 0, 0, 1), (100, 1, 0, 1, 0), (100, 2, 0, 0, 1), (400, 4, 0, 1, 0), (400, 4, 1, 0, 1),
])
func aShadowsComparisonSettlesIt(deciding: Int, disagreeing: Int, failed: Int, absences: Int, hints: Int) {
    let canary = servable()
    canary.compared.withLock {
        ($0.calls, $0.deciding, $0.disagreeing, $0.failed) = (deciding, deciding, disagreeing, failed)
    }
    let harm = Harm(nil, of: canary)
    #expect(harm.absences.count == absences && harm.hints.count == hints, "\(harm)")
}
