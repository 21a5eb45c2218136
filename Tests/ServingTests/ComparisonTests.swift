// Enters: two versions' answers. Leaves: how they compare.
import Memory
import Tensors
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
    #expect(comparison.numbers == 3 && comparison.differenceSum == 0 && comparison.deciding == 2)
    // A single number decides nothing.
    comparison.note(try answer([1, 2], columns: 1, in: &arena), try answer([3, 1], columns: 1, in: &arena))
    #expect(comparison.calls == 3 && comparison.deciding == 2)
}
