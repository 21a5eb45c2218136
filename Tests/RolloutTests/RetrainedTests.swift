// Enters: answers of classifiers that were really trained (Fixtures/retrained). Leaves: what a rollout makes of them.
import Foundation
import Memory
import Tensors
import TestSupport
import Testing

@testable import Rollout

/// Versions of an iris classifier: 1 is live (97.33 % of the rows are right), 2 was retrained on more rows (98.67 %), 3 on wrong
/// labels (72 %).
struct Retrained: Decodable {
    let labels: [Int]
    private let probabilities: [String: [[Float]]]

    static let all: Retrained = {
        do {
            return try JSONDecoder().decode(Retrained.self, from: Fixtures.data("retrained/rows.json"))
        } catch {
            fatalError("Fixtures/retrained/rows.json: \(error)")
        }
    }()

    /// What a version answers to a row: a label and three probabilities, as scikit-learn's models do.
    func answer(_ version: Int, _ row: Int, in arena: inout Arena) throws -> List<Tensor> {
        guard let numbers = probabilities["\(version)"]?[row] else { preconditionFailure("no version \(version)") }
        let label = Int64(numbers.indices.max { numbers[$0] < numbers[$1] } ?? 0)
        var outputs = List<Tensor>()
        try outputs.append(Value("label", .int64, [1], raw([label])).tensor(in: &arena), in: &arena)
        try outputs.append(Value("probabilities", [1, 3], floats: numbers).tensor(in: &arena), in: &arena)
        return outputs
    }

    func accuracy(_ version: Int) -> Double {
        let right = labels.indices.count { row in
            let numbers = probabilities["\(version)"]?[row] ?? []
            return numbers.indices.max { numbers[$0] < numbers[$1] } == labels[row]
        }
        return Double(right) / Double(labels.count)
    }
}

/// A rollout of one of them, 20 calls between two looks, rows drawn by chance.
private struct Traffic {
    var judge: Judge
    var dice: SplitMix
    let version: Int
    private let live = Seen()
    private let canary = Seen()
    /// Answers of the new version.
    private(set) var answers = 0
    private(set) var looks = 0

    init(_ version: Int, seed: UInt64, _ change: (inout RolloutPolicy) -> Void = { _ in }) {
        var policy = policy(200)
        change(&policy)
        judge = Judge(policy, now: 0)
        dice = SplitMix(seed: seed)
        self.version = version
    }

    /// Until it is over, waits, or that many looks have passed.
    mutating func run(looks most: Int = 2000) throws -> Verdict {
        while looks < most {
            var arena = Arena(bytesMax: 1 << 20)
            for _ in 0..<20 {
                let row = Int(dice.next() % UInt64(Retrained.all.labels.count))
                let isNew = dice.fraction() * 100 < Double(judge.percent)
                let outputs = try Retrained.all.answer(isNew ? version : 1, row, in: &arena)
                (isNew ? canary : live).answered(outputs, nanoseconds: 1_000_000 + Int64(dice.next() % 500_000))
                if isNew { answers += 1 }
            }
            looks += 1
            let verdict = judge.look(now: Int64(looks) * 10_000_000, live: live.counts, canary: canary.counts)
            switch verdict {
            case .hold, .advance: continue
            case .wait, .succeed, .fail: return verdict
            }
        }
        return judge.verdict
    }
}

@Test func whatWasTrainedIsAsGoodAsItIsSaid() {
    let accuracies = (1...3).map { (Retrained.all.accuracy($0) * 10_000).rounded() / 100 }
    #expect(accuracies == [97.33, 98.67, 72])
}

/// The better version and the worse one give other answers than the live one: neither is taken back for that.
@Test(arguments: [2, 3], 0..<5)
func aRetrainedModelWaits(version: Int, seed: Int) throws {
    var traffic = Traffic(version, seed: UInt64(seed))
    let verdict = try traffic.run()
    print("version \(version), seed \(seed): after \(traffic.answers) of its answers: \(verdict.reason)")
    #expect(verdict.isWait && verdict.reason.contains("distributed otherwise"), "\(verdict)")
}

@Test(arguments: 0..<5)
func aRetrainedModelBecomesLiveWhenItIsAccepted(seed: Int) throws {
    var traffic = Traffic(2, seed: UInt64(seed))
    #expect(try traffic.run().isWait)
    traffic.judge.accept(now: Int64(traffic.looks) * 10_000_000)
    #expect(try traffic.run() == .succeed)
    var beforehand = Traffic(2, seed: UInt64(seed)) { $0.accepted = [.answers] }
    #expect(try beforehand.run() == .succeed)
    var unasked = Traffic(2, seed: UInt64(seed)) { $0.gates = [.errors, .refusals, .latency, .shapes] }
    #expect(try unasked.run() == .succeed)
}

/// The same model under another number goes through.
@Test(arguments: 0..<20)
func theSameModelGoesThrough(seed: Int) throws {
    var traffic = Traffic(1, seed: UInt64(seed))
    #expect(try traffic.run() == .succeed)
}
