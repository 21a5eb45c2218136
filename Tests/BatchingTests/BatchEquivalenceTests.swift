// Enters: a proof, and what the owner says. Leaves: whether calls run together, and until when.
import Tensors
import Testing

@testable import Batching

private let proven = BatchProof.proven(Equivalence(bounds: [0, 1e-3], bitDependent: ["'t' (ArgMax)"]))
private let unproven = BatchProof.unproven("node 'm' (ReduceMean): it puts all rows together")

extension BatchEquivalence {
    fileprivate func verdicts(_ count: Int) -> [Verdict] { (0..<count).map { _ in judge() } }
}

struct BasisRow: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let mode: BatchingMode
    let rowsMax: Int
    let hasRows: Bool
    let proof: BatchProof
    let basis: BatchEquivalence.Basis

    init(
        _ testDescription: String, _ mode: BatchingMode, rowsMax: Int = 100, hasRows: Bool = true, _ proof: BatchProof,
        _ basis: BatchEquivalence.Basis
    ) {
        self.testDescription = testDescription
        (self.mode, self.rowsMax, self.hasRows, self.proof, self.basis) = (mode, rowsMax, hasRows, proof, basis)
    }
}

@Test(arguments: [
    BasisRow("proven", .auto, proven, .proven),
    BasisRow("not proven", .auto, unproven, .unproven("node 'm' (ReduceMean): it puts all rows together")),
    BasisRow(
        "a signature without rows", .auto, hasRows: false, proven,
        .unproven("the first dimension of an input or output is fixed")),
    BasisRow("promised, and proven as well", .on, proven, .promised),
    BasisRow("promised", .on, unproven, .promised),
    BasisRow(
        "promised of a model that has no rows", .on, hasRows: false, unproven,
        .unproven("node 'm' (ReduceMean): it puts all rows together")),
    BasisRow("off", .off, proven, .off), BasisRow("off, not proven", .off, unproven, .off),
    BasisRow("one row at a time", .auto, rowsMax: 1, proven, .off),
    BasisRow("one row, promised", .on, rowsMax: 1, proven, .off),
])
func onWhoseWordCallsRunTogether(row: BasisRow) {
    let equivalence = BatchEquivalence(row.mode, rowsMax: row.rowsMax, hasRows: row.hasRows, proof: row.proof)
    #expect(equivalence.basis == row.basis)
    #expect(equivalence.canBatch == (row.basis == .proven || row.basis == .promised))
    if !equivalence.canBatch { #expect(equivalence.verdicts(3000).allSatisfy { $0 == .alone }) }
    #expect(equivalence.bitDependent == (row.basis == .proven ? ["'t' (ArgMax)"] : []))
    #expect(equivalence.bounds == (row.basis == .proven ? [0, 1e-3] : []))
}

@Test func whatIsProvenIsComparedNowAndThen() {
    let equivalence = BatchEquivalence(.auto, rowsMax: 100, hasRows: true, proof: proven)
    for round in 0..<3 {
        let verdicts = equivalence.verdicts(1024)
        #expect(verdicts.first == .both, "round \(round)")
        #expect(verdicts.dropFirst().allSatisfy { $0 == .together }, "round \(round)")
    }
    #expect(equivalence.withdraw(), "news")
    #expect(!equivalence.withdraw(), "no news any more")
    #expect(equivalence.basis == .withdrawn && !equivalence.canBatch)
    #expect(equivalence.verdicts(3000).allSatisfy { $0 == .alone })
}

@Test func aPromiseIsTaken() {
    let equivalence = BatchEquivalence(.on, rowsMax: 100, hasRows: true, proof: unproven)
    #expect(equivalence.verdicts(3000).allSatisfy { $0 == .together })
}
