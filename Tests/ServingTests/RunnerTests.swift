// Enters: calls of one model. Leaves: each one's own answer, however they were put together.
import Batching
import Memory
import Reactor
import ServerMetrics
import Tensors
import TestSupport
import Testing

@testable import Serving

private let failed = Refusal.run(.failed(log: "")).sentence

/// Whole numbers to the bit, floating ones but for their last bits.
private func isSame(_ left: Outcome, _ right: Outcome) -> Bool {
    guard let left = left.outputs, let right = right.outputs, left.count == right.count else { return left == right }
    return zip(left, right).allSatisfy { left, right in
        guard left.type == .float32 else { return left == right }
        return left.name == right.name && left.shape == right.shape
            && zip(left.floats, right.floats).allSatisfy { abs($0 - $1) <= 1e-4 }
    }
}

private func rows(of engine: String, _ count: Int, _ random: inout SplitMix) -> [Value] {
    func floats(_ each: Int) -> [Float] { (0..<count * each).map { _ in Float(random.below(2000)) / 100 - 5 } }
    switch engine {
    case "breast_cancer": return [Value("X", [Int64(count), 30], floats: floats(30))]
    case "digits": return [Value("image", [Int64(count), 1, 8, 8], floats: floats(64))]
    case "diabetes": return [Value("X", [Int64(count), 10], floats: floats(10))]
    case "batch_mean": return [Value("x", [Int64(count), 2], floats: floats(2))]
    default: return [Value("place", places: (0..<count).map { _ in Int64(random.below(8)) })]
    }
}

/// What clients get is what each call alone gives, in batches and where batches are compared.
@Test(arguments: ["breast_cancer", "digits", "diabetes", "lookup", "batch_mean"])
func batchesAnswerAsSinglesDo(model: String) throws {
    let engine = try Engines.fixture(model)
    let (bench, single) = (Bench(engine), Bench(engine) { $0.rowsMax = 1 })
    bench.cheaperTogether()
    var random = SplitMix(seed: 5)
    for turn in 0..<40 {
        let calls = (0..<1 + random.below(12)).map { _ in rows(of: model, 1 + random.below(4), &random) }
        let together = bench.run(try calls.map { try bench.job($0) })
        for (index, (got, expected)) in zip(together, try single.alone(calls)).enumerated() {
            #expect(isSame(got, expected), "turn \(turn), call \(index)")
        }
    }
    let isIndependent = model != "batch_mean"
    #expect(bench.servable.equivalence.canBatch == isIndependent)
    #expect((bench.tally[.batches] > 10) == isIndependent && bench.tally[.batched] >= 2 * bench.tally[.batches])
    #expect(bench.log.list.isEmpty && single.tally[.batches] == 0)
}

@Test func onlyTheFirstAreRun() throws {
    let bench = Bench(try Engines.fixture("lookup"))
    let outcomes = bench.run(try (0..<5).map { try bench.job([Value("place", places: [$0])]) }, 3)
    #expect(outcomes.prefix(3).allSatisfy { $0.outputs != nil } && outcomes[3...].allSatisfy { $0 == .waiting })
    #expect(bench.run([]).isEmpty)
}

/// Whose place is not in the table would fail the run, with all that are in it: who is left out was never run.
@Test(arguments: [true, false])
func whoCannotBeHelpedNeverRuns(isBatch: Bool) throws {
    let bench = Bench(try Engines.fixture("lookup"))
    if isBatch { bench.settle() }
    let jobs = [
        try bench.job([Value("place", places: [1])]),
        try bench.job([Value("place", places: [99])], deadline: Clock.now() - 1),
        try bench.job([Value("place", places: [2])], deadline: Clock.now() + 1 << 56),
        try bench.job([Value("place", places: [-99])], isAbandoned: true),
        try bench.job([Value("place", places: [99, 98])], deadline: 0, isAbandoned: true),
    ]
    let expected = try Bench(bench.servable.engine).alone([1, 2].map { [Value("place", places: [$0])] })
    let outcomes = bench.run(jobs)
    #expect(outcomes == [expected[0], .refused(Refusal.deadlinePassed.sentence), expected[1], .abandoned, .abandoned])
    #expect(bench.tally[.expired] == 1 && bench.tally[.cancelled] == 2)
    #expect(bench.tally[.batches] == (isBatch ? 1 : 0) && bench.log.list.isEmpty)
    // Not one is left that could be run.
    #expect(bench.run([try bench.job([Value("place", places: [99])], deadline: 0)])[0] != .waiting)
    #expect(bench.tally[.expired] == 2)
}

/// The call that is to blame gets the refusal, the others their answers; and the model is believed as before.
@Test(arguments: [true, false])
func aBatchThatFailsIsRunOneByOne(isCompared: Bool) throws {
    let bench = Bench(try Engines.fixture("lookup"))
    if isCompared { bench.cheaperTogether() } else { bench.settle() }
    let calls = [[1], [2, 99], [3, 4], [7]].map { [Value("place", places: $0)] }
    let expected = try Bench(bench.servable.engine).alone(calls)
    for _ in 0..<10 { #expect(bench.run(try calls.map { try bench.job($0) }) == expected) }
    #expect(expected[1] == .refused(failed) && expected.filter { $0.outputs != nil }.count == 3)
    #expect(bench.tally[.batches] == 0 && bench.log.list.isEmpty)
    #expect(bench.servable.equivalence.basis == .proven)
}

private let pair = [Value("x", [1, 2], floats: [1, 2]), Value("x", [1, 2], floats: [5, 9])]

/// A promise is the owner's: nothing is compared.
@Test func aPromiseIsNotCompared() throws {
    let bench = Bench(try Engines.fixture("batch_mean")) { $0.mode = .on }
    bench.cheaperTogether()
    for _ in 0..<10 {
        let outcomes = bench.run(try pair.map { try bench.job([$0]) })
        #expect(outcomes.map { $0.outputs?[0].floats } == [[-2, -3.5], [2, 3.5]])
    }
    #expect(bench.servable.equivalence.basis == .promised && bench.log.list.isEmpty)
}

/// A table of rules that is wrong: the comparison finds it, the clients of that batch get what is right, and it is counted.
@Test func aProofThatIsWrongIsFoundOut() throws {
    let bench = Bench(try Engines.fixture("batch_mean"), proof: .proven(.exact(outputs: 1)))
    bench.settle()
    for turn in 0..<3000 where bench.servable.equivalence.canBatch {
        let before = bench.tally[.batches]
        let outcomes = bench.run(try pair.map { try bench.job([$0]) })
        let isRight = outcomes.allSatisfy { $0.outputs?[0].floats == [0, 0] }
        // Now and then they are run one by one, to see what that costs.
        #expect(isRight == (bench.tally[.batches] == before), "turn \(turn)")
    }
    #expect(bench.servable.equivalence.basis == .withdrawn && bench.tally[.batches] == 1023)
    #expect(bench.log.list.count == 1 && bench.log.list[0].contains("model 'm': a batch gave other answers"))
    #expect(try bench.counted(.batchDisagreements) == 1)
    let outcomes = bench.run(try pair.map { try bench.job([$0]) })
    #expect(outcomes.allSatisfy { $0.outputs?[0].floats == [0, 0] } && bench.tally[.batches] == 1023)
}

@Test(arguments: [(1, 0), (2, 10), (3, 7), (20, 1), (100, 1)])
func theOperatorsBound(rowsMax: Int, batches: Int) throws {
    let bench = Bench(try Engines.fixture("lookup")) { $0.rowsMax = rowsMax }
    bench.settle()
    let calls = (0..<20).map { [Value("place", places: [$0 % 8])] }
    // Now and then a smaller batch is tried: not in the first decisions.
    let outcomes = bench.run(try calls.map { try bench.job($0) })
    #expect(outcomes == (try Bench(bench.servable.engine).alone(calls)))
    #expect(abs(bench.tally[.batches] - batches) <= 1 && bench.tally[.batched] <= 20, "\(bench.tally[.batches])")
}

/// No room to put them together: that is the moment's fault, not the model's.
@Test(arguments: [true, false])
func noRoomForABatch(isCompared: Bool) throws {
    let bench = Bench(try Engines.fixture("echo"), arenaBytesMax: 64 << 10)
    if isCompared { bench.cheaperTogether() } else { bench.settle() }
    let calls = (0..<3).map { number in
        [
            Value("x", [1, 100, 100], floats: [Float](repeating: Float(number), count: 10_000)),
            Value("text", .bytes, [1, 0], []),
        ]
    }
    for _ in 0..<10 {
        let outcomes = bench.run(try calls.map { try bench.job($0, outputs: ["y"]) })
        for (outcome, call) in zip(outcomes, calls) { #expect(outcome.outputs?[0].bytes == call[0].bytes) }
    }
    #expect(bench.servable.equivalence.basis == .proven)
    #expect(bench.tally[.batches] == 0 && bench.log.list.isEmpty)
}

@Test func anIdentityAnswersInPlace() throws {
    let bench = Bench(Engines.identity)
    let calls = (0..<10).map { [Value("x", [Int64($0), 1], floats: [Float](repeating: Float($0), count: $0))] }
    let outcomes = bench.run(try calls.map { try bench.job($0) })
    #expect(outcomes == calls.map { .outputs($0) })
    // Nothing of it is worth a measurement, or a batch.
    #expect(bench.servable.costs.nanoseconds(rows: 1) == nil && bench.tally[.batches] == 0)
    #expect(bench.run([try bench.job(calls[1], deadline: 0)]) == [.refused(Refusal.deadlinePassed.sentence)])
}
