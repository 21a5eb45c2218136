// Enters: what the live version takes and gives, and what another would. Leaves: how callers would notice.
import Tensors
import Testing

@testable import Control

struct CompatibilityRow: Sendable, CustomTestStringConvertible {
    let testDescription: String
    var inputs: [TensorSpecification] = CompatibilityRow.inputs
    var outputs: [TensorSpecification] = CompatibilityRow.outputs
    let differences: [String]

    /// What is live.
    static let inputs = [
        TensorSpecification(name: "x", type: .float32, shape: [-1, 30]),
        TensorSpecification(name: "k", type: .int64, shape: []),
    ]
    static let outputs = [
        TensorSpecification(name: "label", type: .int64, shape: [-1]),
        TensorSpecification(name: "scores", type: .float32, shape: [-1, 2]),
    ]

    init(
        _ description: String, inputs: [TensorSpecification] = CompatibilityRow.inputs,
        outputs: [TensorSpecification] = CompatibilityRow.outputs, _ differences: [String] = []
    ) {
        testDescription = description
        (self.inputs, self.outputs, self.differences) = (inputs, outputs, differences)
    }
}

private func x(_ shape: [Int64]?, _ type: ElementType = .float32) -> [TensorSpecification] {
    [TensorSpecification(name: "x", type: type, shape: shape), CompatibilityRow.inputs[1]]
}

private func scores(_ shape: [Int64]?, _ type: ElementType = .float32) -> [TensorSpecification] {
    [CompatibilityRow.outputs[0], TensorSpecification(name: "scores", type: type, shape: shape)]
}

@Test(arguments: [
    CompatibilityRow("the same"),
    CompatibilityRow(
        "in another order", inputs: CompatibilityRow.inputs.reversed(), outputs: CompatibilityRow.outputs.reversed()),
    // An input may take more than it did.
    CompatibilityRow("an input of any size", inputs: x([-1, -1])),
    CompatibilityRow("an input of any shape", inputs: x(nil)),
    CompatibilityRow("a narrower input", inputs: x([1, 30]), ["input 'x' is [1, 30], not [-1, 30]"]),
    CompatibilityRow("another size", inputs: x([-1, 31]), ["input 'x' is [-1, 31], not [-1, 30]"]),
    CompatibilityRow("another rank", inputs: x([-1, 30, 1]), ["input 'x' is [-1, 30, 1], not [-1, 30]"]),
    CompatibilityRow("a scalar", inputs: x([]), ["input 'x' is [], not [-1, 30]"]),
    CompatibilityRow("another type", inputs: x([-1, 30], .float64), ["input 'x' is FP64, not FP32"]),
    CompatibilityRow(
        "another type and size", inputs: x([2], .bytes),
        ["input 'x' is BYTES, not FP32", "input 'x' is [2], not [-1, 30]"]),
    CompatibilityRow("one less", inputs: [CompatibilityRow.inputs[1]], ["input 'x' is gone"]),
    CompatibilityRow(
        "one more", inputs: CompatibilityRow.inputs + [TensorSpecification(name: "mask", type: .bool, shape: nil)],
        ["input 'mask' is new"]),
    CompatibilityRow(
        "one renamed",
        inputs: [TensorSpecification(name: "X", type: .float32, shape: [-1, 30]), CompatibilityRow.inputs[1]],
        ["input 'x' is gone", "input 'X' is new"]),
    // An output may give less than it could have.
    CompatibilityRow("a narrower output", outputs: scores([4, 2])),
    CompatibilityRow("an output of any size", outputs: scores([-1, -1]), ["output 'scores' is [-1, -1], not [-1, 2]"]),
    CompatibilityRow("an output of any shape", outputs: scores(nil), ["output 'scores' is of any shape, not [-1, 2]"]),
    CompatibilityRow("more classes", outputs: scores([-1, 3]), ["output 'scores' is [-1, 3], not [-1, 2]"]),
    CompatibilityRow(
        "an output of another type", outputs: scores([-1, 2], .float16), ["output 'scores' is FP16, not FP32"]),
    CompatibilityRow("an output less", outputs: [CompatibilityRow.outputs[0]], ["output 'scores' is gone"]),
    CompatibilityRow(
        "an output more",
        outputs: CompatibilityRow.outputs + [TensorSpecification(name: "why", type: .bytes, shape: nil)]),
    CompatibilityRow(
        "nothing", inputs: [], outputs: [],
        ["input 'x' is gone", "input 'k' is gone", "output 'label' is gone", "output 'scores' is gone"]),
])
func whatCallersWouldNotice(row: CompatibilityRow) {
    let live = Signature(inputs: CompatibilityRow.inputs, outputs: CompatibilityRow.outputs)
    let next = Signature(inputs: row.inputs, outputs: row.outputs)
    #expect(differences(from: live, to: next) == row.differences)
}

/// Where the live one said less than now is said.
@Test(
    arguments: [
        (nil, [2], ["input 'x' is [2], not of any shape"], []), (nil, nil, [], []),
        ([-1], [2], ["input 'x' is [2], not [-1]"], []),
        ([2], [-1], [], ["output 'y' is [-1], not [2]"]), ([0], [0], [], []),
    ] as [([Int64]?, [Int64]?, [String], [String])])
func inputsMayWidenAndOutputsNarrow(live: [Int64]?, next: [Int64]?, inputs: [String], outputs: [String]) {
    func signature(_ shape: [Int64]?) -> Signature {
        Signature(
            inputs: [TensorSpecification(name: "x", type: .bool, shape: shape)],
            outputs: [TensorSpecification(name: "y", type: .bool, shape: shape)])
    }
    #expect(differences(from: signature(live), to: signature(next)) == inputs + outputs)
}
