// Enters: two versions' answers, and what was expected. Leaves: what is counted of them, row by row.
import Memory
import Tensors
import TestSupport
import Testing

@testable import Rollout

private func floats(_ values: [Float], _ shape: [Int64], _ name: String = "y") -> Value {
    Value(name, shape, floats: values)
}
private func wholes(_ values: [Int64], _ shape: [Int64]? = nil, _ name: String = "y") -> Value {
    Value(name, .int64, shape ?? [Int64(values.count)], raw(values))
}
private func texts(_ values: [String], _ name: String = "y") -> Value {
    Value(name, .bytes, [Int64(values.count)], raw(texts: values))
}
private func truths(_ values: [UInt8]) -> Value { Value("y", .bool, [Int64(values.count)], values) }

private func evaluate(
    _ first: [Value], _ second: [Value], rows: Int, expected: Value? = nil, output: String? = nil,
    into evaluation: inout Evaluation
) throws {
    var arena = Arena(bytesMax: 1 << 16)
    var (left, right) = (List<Tensor>(), List<Tensor>())
    for output in first { try left.append(try output.tensor(in: &arena), in: &arena) }
    for output in second { try right.append(try output.tensor(in: &arena), in: &arena) }
    try evaluation.note(
        left, right, rows: rows, expected: try expected?.tensor(in: &arena), output: output)
}

private func evaluate(
    _ first: [Value], _ second: [Value], rows: Int, expected: Value? = nil, output: String? = nil
) throws -> Evaluation {
    var evaluation = Evaluation()
    try evaluate(first, second, rows: rows, expected: expected, output: output, into: &evaluation)
    return evaluation
}

struct DecisionRow: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var first: [Value]
    var second: [Value]
    var rows: Int
    var disagreeing: Int
    /// How many numbers are measured, and the largest difference.
    var numbers = 0
    var largest = 0.0
}

@Test(arguments: [
    DecisionRow(
        testDescription: "the largest is elsewhere in one row", first: [floats([1, 2, 3, 4, 5, 6], [3, 2])],
        second: [floats([1, 2, 4, 3, 5, 6.5], [3, 2])], rows: 3, disagreeing: 1, numbers: 6, largest: 1),
    DecisionRow(
        testDescription: "one number for a row decides nothing", first: [floats([1, 2, 3], [3])],
        second: [floats([3, 2, 1], [3])], rows: 3, disagreeing: 0, numbers: 3, largest: 2),
    DecisionRow(
        testDescription: "the same, in a column", first: [floats([1, 2, 3], [3, 1])],
        second: [floats([3, 2, 1], [3, 1])], rows: 3, disagreeing: 0, numbers: 3, largest: 2),
    DecisionRow(
        testDescription: "two decisions in a row count once", first: [floats([1, 2, 1, 2, 1, 2, 1, 2], [2, 2, 2])],
        second: [floats([2, 1, 2, 1, 1, 2, 1, 2], [2, 2, 2])], rows: 2, disagreeing: 1, numbers: 8, largest: 1),
    DecisionRow(
        testDescription: "no batch dimension: all of it is one row", first: [floats([1, 2, 3], [3])],
        second: [floats([1, 3, 2], [3])], rows: 1, disagreeing: 1, numbers: 3, largest: 1),
    DecisionRow(
        testDescription: "whole numbers decide, and are not measured", first: [wholes([1, 2, 3])],
        second: [wholes([1, 5, 3])], rows: 3, disagreeing: 1),
    DecisionRow(
        testDescription: "texts", first: [texts(["a", "", "ccc"])], second: [texts(["a", "b", "cc"])], rows: 3,
        disagreeing: 2),
    DecisionRow(
        testDescription: "truths", first: [truths([0, 1, 1])], second: [truths([1, 1, 1])], rows: 3, disagreeing: 1),
    DecisionRow(
        testDescription: "a number against none", first: [floats([1, .nan, 3], [3])],
        second: [floats([1, 2, .infinity], [3])], rows: 3, disagreeing: 2, numbers: 1),
    DecisionRow(
        testDescription: "none against none", first: [floats([.nan], [1])], second: [floats([.nan], [1])], rows: 1,
        disagreeing: 0),
    DecisionRow(
        testDescription: "a row of several outputs counts once, whatever their order",
        first: [wholes([1, 2], nil, "label"), floats([1, 2, 3, 4], [2, 2], "scores")],
        second: [floats([2, 1, 3, 4], [2, 2], "scores"), wholes([2, 2], nil, "label")], rows: 2, disagreeing: 1,
        numbers: 4, largest: 1),
    DecisionRow(
        testDescription: "another shape of rows", first: [floats([1, 2, 3, 4], [2, 2])],
        second: [floats([1, 2, 3, 4, 5, 6], [2, 3])], rows: 2, disagreeing: 2),
])
func decisions(row: DecisionRow) throws {
    let evaluation = try evaluate(row.first, row.second, rows: row.rows)
    #expect(evaluation.rows == row.rows && evaluation.disagreeing == row.disagreeing)
    #expect(evaluation.numbers == row.numbers && evaluation.differenceMax == row.largest)
    #expect(evaluation.score == nil && (evaluation.differenceMean == nil) == (row.numbers == 0))
    // Whoever is first: the same.
    let turned = try evaluate(row.second, row.first, rows: row.rows)
    #expect(turned.disagreeing == row.disagreeing && turned.differenceMax == row.largest)
}

@Test func batchesAddUp() throws {
    var evaluation = Evaluation()
    try evaluate(
        [floats([1, 2], [2])], [floats([2, 4], [2])], rows: 2, expected: floats([1, 1], [2]), into: &evaluation)
    try evaluate([floats([5], [1])], [floats([5], [1])], rows: 1, expected: floats([3], [1]), into: &evaluation)
    #expect(evaluation.rows == 3 && evaluation.numbers == 3)
    #expect(evaluation.differenceMean == 1 && evaluation.differenceMax == 2)
    let score = try #require(evaluation.score)
    #expect(score.kind == .numbers && score.rows == 3 && score.mcNemar == nil)
    #expect(score.first.absoluteError == 3 && score.first.squaredError == 5)
    #expect(score.second.absoluteError == 6 && score.second.squaredError == 14)
    #expect(score.gains == [-1, -2, 0] && score.gain == -1)
}

struct ScoreRow: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var first: [Value]
    var second: [Value]
    var expected: Value
    var output: String?
    var right: (first: Int, second: Int)
    var only: (first: Int, second: Int)
    var gains: [Double]
}

@Test(arguments: [
    ScoreRow(
        testDescription: "places of the largest", first: [floats([9, 1, 9, 1, 9, 1], [3, 2])],
        second: [floats([9, 1, 1, 9, 1, 9], [3, 2])], expected: wholes([0, 1, 0]), right: (2, 2), only: (1, 1),
        gains: [0, 1, -1]),
    ScoreRow(
        testDescription: "labels, in a column as well", first: [wholes([7, 8])], second: [wholes([7, 9])],
        expected: wholes([7, 9], [2, 1]), right: (1, 2), only: (0, 1), gains: [0, 1]),
    ScoreRow(
        testDescription: "labels that were saved as numbers", first: [wholes([7, 8])], second: [wholes([7, 9])],
        expected: floats([7, 8], [2]), right: (2, 1), only: (1, 0), gains: [0, -1]),
    ScoreRow(
        testDescription: "texts", first: [texts(["a", "b"])], second: [texts(["a", "a"])], expected: texts(["b", "b"]),
        right: (1, 0), only: (1, 0), gains: [0, -1]),
    ScoreRow(
        testDescription: "truths against whole numbers", first: [truths([0, 1])], second: [truths([1, 1])],
        expected: wholes([1, 1]), right: (1, 2), only: (0, 1), gains: [1, 0]),
    ScoreRow(
        testDescription: "an output that is named",
        first: [floats([0, 0], [2], "scores"), wholes([1, 2], nil, "label")],
        second: [floats([0, 0], [2], "scores"), wholes([2, 2], nil, "label")], expected: wholes([1, 2]),
        output: "label", right: (2, 1), only: (1, 0), gains: [-1, 0]),
])
func decisionsAgainstWhatWasExpected(row: ScoreRow) throws {
    let score = try #require(
        try evaluate(row.first, row.second, rows: row.gains.count, expected: row.expected, output: row.output).score)
    #expect(score.kind == .decisions && score.gains == row.gains)
    #expect((score.first.right, score.second.right) == row.right)
    #expect((score.first.onlyRight, score.second.onlyRight) == row.only)
    #expect(score.mcNemar == McNemar.p(onlyFirst: row.only.first, onlySecond: row.only.second))
}

@Test func severalNumbersOfARowAreOneError() throws {
    let score = try #require(
        try evaluate(
            [floats([1, 2, 3, 4], [2, 2])], [floats([1, 1, 1, 1], [2, 2])], rows: 2,
            expected: floats([1, 1, 1, 1], [2, 2])
        ).score)
    #expect(score.first.absoluteError == 0.5 + 2.5 && score.first.squaredError == 0.5 + 6.5)
    #expect(score.second.absoluteError == 0 && score.gains == [0.5, 2.5])
}

@Test(
    arguments: [
        ([floats([1, 2], [2])], [floats([1, 2], [2])], texts(["a", "b"]), "what is expected has 1 BYTES"),
        ([texts(["a", "b"])], [texts(["a", "b"])], wholes([1, 2]), "gives 1 BYTES for a row"),
        (
            [floats([1, 2, 3, 4], [2, 2])], [floats([1, 2, 3, 4], [2, 2])], floats([1, 2], [2]),
            "gives 2 FP32 for a row"
        ),
        (
            [wholes([1, 2, 3, 4], [2, 2])], [wholes([1, 2, 3, 4], [2, 2])], wholes([1, 2]), "gives 2 INT64 for a row"
        ),
        ([floats([1, .nan], [2])], [floats([1, 2], [2])], floats([1, 2], [2]), "not finite"),
        ([floats([1, 2], [2])], [wholes([1, 2])], nil, "is FP32 of the first version and INT64 of the second"),
        ([floats([1, 2], [2])], [], nil, "only the first version has the output \"y\""),
        ([], [floats([1, 2], [2])], nil, "only the second version has the output \"y\""),
        ([floats([1, 2, 3], [3])], [floats([1, 2, 3], [3])], nil, "has shape [3] for 2 rows"),
    ] as [([Value], [Value], Value?, String)])
func whatCannotBeCompared(first: [Value], second: [Value], expected: Value?, words: String) {
    let error = #expect(throws: EvaluationError.self) { try evaluate(first, second, rows: 2, expected: expected) }
    #expect(error?.sentence.contains(words) == true, "\(error?.sentence ?? "")")
}
