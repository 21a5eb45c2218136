// Enters: labels, golden cases, a shadow's comparison. Leaves: what they say of harm.
import Experiments
import Foundation
import Identity
import Memory
import Models
import Rollout
import Serving
import Tensors
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
        var labels = RolloutLabels(number, live: 1, canary: 2, percent: 25, exposures, now: 0)
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
    let harm = Harm(nil, of: canary, live: servable())
    #expect(harm.absences.count == absences && harm.hints.count == hints, "\(harm)")
}

private func shadow(deciding: Int, varied: Int, disagreeing: Int, failed: Int, live: Servable) -> Servable {
    let canary = servable()
    canary.compared.withLock {
        ($0.live, $0.calls, $0.deciding, $0.varied) = (live.serial, deciding, deciding, varied)
        ($0.disagreeing, $0.failed) = (disagreeing, failed)
    }
    return canary
}

@Test(arguments: [
    // calls that decide, unlike most, decided otherwise, failed
    (0, 0, 0, 0, 0, 0), (99, 50, 0, 0, 0, 1), (100, 50, 1, 0, 1, 0), (100, 50, 2, 0, 0, 1), (400, 200, 4, 0, 1, 0),
    (400, 200, 4, 1, 0, 1),
    // A classifier of fraud: calls that are nearly all decided alike say nothing of the others.
    (1000, 5, 0, 0, 0, 1), (1000, 99, 0, 0, 0, 1), (1000, 100, 0, 0, 1, 0),
])
func aShadowsComparisonSettlesIt(
    deciding: Int, varied: Int, disagreeing: Int, failed: Int, absences: Int, hints: Int
) {
    let live = servable()
    let canary = shadow(deciding: deciding, varied: varied, disagreeing: disagreeing, failed: failed, live: live)
    let harm = Harm(nil, of: canary, live: live)
    #expect(harm.absences.count == absences && harm.hints.count == hints, "\(harm)")
    // What it was compared with is another version than the live one of now.
    let later = Harm(nil, of: canary, live: servable())
    #expect(later.absences.isEmpty && later.hints.isEmpty)
}

/// What a case does not name an output of is not answered as expected.
@Test(
    arguments: [
        ([], 0), (["label"], 0), (["probabilities"], 0), (["label", "probabilities"], 30),
        (["probabilities", "label"], 30),
    ] as [([String], Int)])
func goldenRowsOfAllOutputsCount(outputs: [String], rows: Int) {
    let signature = Signature(
        inputs: [TensorSpecification(name: "X", type: .float32, shape: [-1, 4])],
        outputs: [
            TensorSpecification(name: "label", type: .int64, shape: [-1]),
            TensorSpecification(name: "probabilities", type: .float32, shape: [-1, 3]),
        ])
    var example = GoldenCase(name: "a")
    example.inputs = [NamedTensor(name: "X", type: .float32, shape: [30, 4], content: [])]
    example.outputs = outputs.map { NamedTensor(name: $0, type: .float32, shape: [30], content: []) }
    #expect(example.rows(of: signature) == rows)
}

/// A rollout's labels, and callers that answer as they are told to.
private struct Labelled {
    let exposures = Exposures(bucketBits: 12)
    let number: UInt16
    var labels: RolloutLabels
    var now: Int64 = 0

    init() throws {
        number = try #require(exposures.begin(salt: 1, rewards: RolloutLabels.allowed, isLenient: true))
        labels = RolloutLabels(number, live: 1, canary: 2, percent: 50, exposures, now: 0)
    }

    func answered(_ id: String, arm: UInt8, key: UInt64? = nil) {
        let bytes = OwnedBytes(id)
        withExtendedLifetime(bytes) {
            let exposure = Exposure(experiment: number, period: labels.joining.period, arm: arm)
            exposures.answered(bytes.view, exposure, key: key)
        }
    }

    func reward(_ id: String, _ value: Double) -> RewardOutcome {
        let bytes = OwnedBytes(id)
        return withExtendedLifetime(bytes) { exposures.reward(bytes.view, number, value) }
    }

    /// So many answers of each version, and their labels.
    func label(_ name: String, _ count: Int, live: Double, canary: Double) {
        for call in 0..<count {
            for (arm, value) in [(0, live), (1, canary)] as [(UInt8, Double)] {
                answered("\(name) \(call) \(arm)", arm: arm)
                #expect(reward("\(name) \(call) \(arm)", value) == .joined)
            }
        }
    }

    @discardableResult
    mutating func look(after seconds: Int64 = 1) -> Bool {
        now += seconds * 1_000_000_000
        return labels.look(exposures, now: now)
    }
}

/// To leave out what is not allowed selects by the outcome.
@Test func labelsOutsideTheirRangeMakeTheOthersWorthNothing() throws {
    var labelled = try Labelled()
    labelled.answered("large", arm: 1)
    #expect(labelled.reward("large", 37.5) == .unknown)
    labelled.look()
    let words = "labels outside 0 to 1 came (1), so the others are not to be trusted"
    #expect(labelled.labels.found == Harm.Labels(evidence: 1, isWorse: false, isFine: false, finding: words))
    labelled.label("bad", 500, live: 1, canary: 0)
    labelled.look()
    let found = try #require(labelled.labels.found)
    #expect(!found.isWorse && !found.isFine && found.finding.hasSuffix("; but \(words)"))
}

/// What callers told of the live version before it was loaded anew is of another one, and so is what they tell later of that.
@Test func labelsBeginAnewWithTheLiveVersion() throws {
    var labelled = try Labelled()
    labelled.label("old", 500, live: 1, canary: 0)
    labelled.answered("late", arm: 0)
    labelled.look()
    #expect(labelled.labels.found?.isWorse == true)
    let before = labelled.labels.joining.period
    labelled.labels.beginAnew(labelled.exposures, now: labelled.now)
    #expect(labelled.labels.joining.period != before)
    #expect(labelled.labels.found == nil && labelled.reward("late", 1) == .unknown)
    labelled.label("new", 500, live: 0.5, canary: 0.5)
    labelled.look()
    let found = try #require(labelled.labels.found)
    #expect(found.isFine && found.finding.hasPrefix("its 500 labels are 0.5 in the mean"), "\(found)")
}

/// Each step and each stretch of time has a period of its own; labels come to all of them, for a day.
@Test func labelsAreJoinedForADay() throws {
    var labelled = try Labelled()
    labelled.answered("first", arm: 0)
    labelled.answered("second", arm: 0)
    let early = labelled.look(after: 400)
    let due = labelled.look(after: 32)
    #expect(!early && due && labelled.labels.joining.period == 1)
    labelled.labels.step(canary: 2, percent: 50, labelled.exposures, now: labelled.now)
    #expect(labelled.labels.joining.period == 2)
    #expect(labelled.reward("first", 1) == .joined)
    // Numbers go round, and all that are in use at a time are different.
    for _ in 0..<199 { labelled.look(after: 432) }
    #expect(labelled.labels.joining.period == 201)
    #expect(labelled.reward("second", 1) == .joined)
    labelled.answered("third", arm: 0)
    for _ in 0..<300 { labelled.look(after: 432) }
    #expect(labelled.reward("third", 1) == .unknown)
    labelled.label("last", 500, live: 1, canary: 1)
    labelled.look()
    #expect(labelled.labels.found?.isFine == true, "\(String(describing: labelled.labels.found))")
}

/// More steps than there are numbers: what is oldest is given up.
@Test func periodsAreNeverMoreThanTheirNumbers() throws {
    var labelled = try Labelled()
    labelled.answered("first", arm: 0)
    for step in 0..<300 {
        labelled.labels.step(canary: 2, percent: 1 + step % 99, labelled.exposures, now: labelled.now)
    }
    #expect(labelled.reward("first", 1) == .unknown)
    labelled.label("last", 100, live: 1, canary: 1)
    labelled.look()
    #expect(labelled.labels.found != nil)
}

/// Of each key the first answer of each step counts.
@Test func aKeyCountsOnceForEachStep() throws {
    var labelled = try Labelled()
    for step in 0..<3 {
        let period = labelled.labels.joining.period
        for call in 0..<4 {
            labelled.answered("\(step) \(call)", arm: 1, key: 7)
            #expect(labelled.reward("\(step) \(call)", 1) == .joined)
        }
        #expect(labelled.exposures.totals(labelled.number, period: period, arm: 1).rewarded == 1)
        labelled.labels.step(canary: 2, percent: 60, labelled.exposures, now: labelled.now)
    }
}
