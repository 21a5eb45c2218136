// Enters: two versions' answers. Leaves: how they compare.
import Memory
import Tensors
import TestSupport
import Testing

@testable import Serving

private func answer(_ values: [Float], columns: Int64, in arena: inout Arena) throws -> List<Tensor> {
    var shape = List<Int64>()
    try shape.append(Int64(values.count) / columns, in: &arena)
    try shape.append(columns, in: &arena)
    let bytes = values.flatMap { value in (0..<4).map { UInt8(truncatingIfNeeded: value.bitPattern >> (8 * $0)) } }
    var list = List<Tensor>()
    let content = try arena.copy(bytes)
    try list.append(Tensor(name: ByteView("y"), type: .float32, shape: shape, content: content), in: &arena)
    return list
}

@Test(
    arguments: [
        ([1, 2, 3, 4], [1, 2, 3, 4], 0, 0, 0), ([1, 2, 3, 4], [1, 2, 3, 5], 1, 0, 1),
        ([1, 2, 3, 4], [2, 1, 3, 4], 1, 1, 1), ([1, 2, 3, 4], [1, 2, 4, 3], 1, 1, 1),
        ([1, 2, 3, 4], [1, 2.000001, 3, 4], 0, 0, 0),
    ] as [([Float], [Float], Int, Int, Double)])
func answersAreCompared(left: [Float], right: [Float], differing: Int, disagreeing: Int, largest: Double) throws {
    var arena = Arena(bytesMax: 1 << 16)
    var comparison = Comparison()
    comparison.note(
        try answer(left, columns: 2, in: &arena), try answer(right, columns: 2, in: &arena))
    #expect(comparison.calls == 1 && comparison.numbers == 4)
    #expect(comparison.differing == differing && comparison.disagreeing == disagreeing)
    #expect(abs(comparison.differenceMax - largest) < 1e-5)
}

@Test func anotherShapeIsAnotherDecision() throws {
    var arena = Arena(bytesMax: 1 << 16)
    var comparison = Comparison()
    comparison.note(try answer([1, 2], columns: 2, in: &arena), try answer([1, 2, 3], columns: 3, in: &arena))
    #expect(comparison.differing == 1 && comparison.disagreeing == 1 && comparison.numbers == 2)
    comparison.note(try answer([1, .nan], columns: 2, in: &arena), try answer([1, 2], columns: 2, in: &arena))
    #expect(comparison.numbers == 3 && comparison.differenceSum == 0)
    // Three targets of a regression look like scores of three classes: what callers make of numbers is not known.
    comparison.note(try answer([9, 2, 1], columns: 3, in: &arena), try answer([18, 4, 2], columns: 3, in: &arena))
    #expect(comparison.calls == 3 && comparison.deciding == 0 && comparison.varied == 0)
}

private func decision(_ value: Value, in arena: inout Arena) throws -> List<Tensor> {
    var list = try answer([0.5, 0.25], columns: 2, in: &arena)
    try list.append(value.tensor(in: &arena), in: &arena)
    return list
}

/// A classifier of fraud: nearly all calls are decided alike, so nothing is learnt of the others.
@Test func decisionsAreToldApart() throws {
    var arena = Arena(bytesMax: 1 << 20)
    var comparison = Comparison()
    for label in [Int64](repeating: 0, count: 98) + [1, 2] {
        let list = try decision(Value("label", .int64, [1], raw([label])), in: &arena)
        comparison.note(list, list)
    }
    #expect(comparison.deciding == 100 && comparison.varied == 2 && comparison.disagreeing == 0)
    comparison.note(
        try decision(Value("label", .int64, [1], raw([Int64(0)])), in: &arena),
        try decision(Value("label", .int64, [1], raw([Int64(1)])), in: &arena))
    #expect(comparison.disagreeing == 1 && comparison.deciding == 101)
    // The first row says it, however many there are, and a text its length and bytes.
    var texts = Comparison()
    for rows in [["a"], ["b"], ["a", "b"], [""]] {
        let list = try decision(Value("t", .bytes, [Int64(rows.count)], raw(texts: rows)), in: &arena)
        texts.note(list, list)
    }
    #expect(texts.deciding == 4 && texts.varied == 2)
    // Of very many kinds not each is counted, and none is taken for another.
    var kinds = Comparison()
    for label in 0..<1000 as Range<Int64> {
        let list = try decision(Value("label", .int64, [1], raw([label])), in: &arena)
        kinds.note(list, list)
    }
    #expect(kinds.deciding == 1000 && kinds.varied == 999)
}
