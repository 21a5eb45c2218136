// Enters: calls for `engine: identity`. Leaves: their inputs, where they lie, or what is wrong.
import Identity
import Memory
import Tensors
import Testing

struct IdentityRow: CustomTestStringConvertible, Sendable {
    let testDescription: String
    var inputs: [String] = ["a", "b"]
    var outputs: [String] = []
    var bytes = 4
    var answered: [String] = []
    var error: SignatureError?
}

@Test(arguments: [
    IdentityRow(testDescription: "all, in the call's order", answered: ["a", "b"]),
    IdentityRow(testDescription: "in the order asked for", outputs: ["b", "a"], answered: ["b", "a"]),
    IdentityRow(testDescription: "one", outputs: ["b"], answered: ["b"]),
    IdentityRow(testDescription: "nothing", inputs: []),
    IdentityRow(
        testDescription: "unknown output", outputs: ["c"],
        error: .unknownOutput("c", model: "identity", expected: ["a", "b"])),
    IdentityRow(
        testDescription: "output twice", outputs: ["a", "b", "a"], error: .duplicateOutput("a", model: "identity")),
    IdentityRow(
        testDescription: "input twice", inputs: ["a", "b", "a"], error: .duplicateInput("a", model: "identity")),
    IdentityRow(
        testDescription: "wrong length", bytes: 3,
        error: .tensor(.byteCount(tensor: "a", bytes: 3, expected: 4, shape: [1], type: .float32))),
])
func answers(row: IdentityRow) throws {
    let model = IdentityModel()
    var arena = Arena(bytesMax: 1 << 16)
    let content = try arena.copy([UInt8](repeating: 7, count: row.bytes))
    var shape = List<Int64>()
    try shape.append(1, in: &arena)
    var call = Call()
    call.model = ByteView("identity")
    for name in row.inputs {
        try call.inputs.append(
            Tensor(name: arena.copy(name), type: .float32, shape: shape, content: content), in: &arena)
    }
    for name in row.outputs { try call.outputs.append(arena.copy(name), in: &arena) }
    let work: Work
    do throws(SignatureRefusal) {
        work = try model.check(call, in: &arena)
    } catch {
        return #expect(error == row.error.map(SignatureRefusal.signature))
    }
    #expect(row.error == nil)
    let outputs = try model.run(work, in: &arena)
    #expect(outputs.array.map(\.name.text) == row.answered)
    for index in outputs.indices {
        #expect(outputs[index].type == .float32)
        #expect(outputs[index].shape == shape)
        #expect(outputs[index].content == content)
    }
}

@Test func theSignatureIsEmpty() {
    #expect(IdentityModel().signature.inputs.isEmpty)
    #expect(IdentityModel().signature.outputs.isEmpty)
}
