// Enters: calls for one model. Leaves: their inputs in the model's order, or what is wrong, in words.
import Memory
import Tensors
import Testing

struct CallRow: CustomTestStringConvertible, Sendable {
    let testDescription: String
    /// Name, type, shape; of each element a zero byte or more is sent.
    var inputs: [(String, ElementType, [Int64])] = []
    var outputs: [String] = []
    var arranged: [String] = []
    var positions: [Int] = []
    var error: SignatureError?
    var sentence: String?
}

private let signature = Signature(
    inputs: [
        TensorSpecification(name: "X", type: .float32, shape: [-1, 30]),
        TensorSpecification(name: "ids", type: .int64, shape: []),
        TensorSpecification(name: "any", type: .uint8, shape: nil),
    ],
    outputs: [
        TensorSpecification(name: "label", type: .int64, shape: [-1]),
        TensorSpecification(name: "probabilities", type: .float32, shape: [-1, 2]),
    ])

private let x: (String, ElementType, [Int64]) = ("X", .float32, [2, 30])
private let ids: (String, ElementType, [Int64]) = ("ids", .int64, [])
private let any: (String, ElementType, [Int64]) = ("any", .uint8, [1, 2, 3, 4])
private let order = ["X", "ids", "any"]

@Test(arguments: [
    CallRow(testDescription: "the model's order", inputs: [x, ids, any], arranged: order, positions: [0, 1]),
    CallRow(testDescription: "another order", inputs: [any, x, ids], arranged: order, positions: [0, 1]),
    CallRow(
        testDescription: "any shape is a scalar too", inputs: [x, ids, ("any", .uint8, [])], arranged: order,
        positions: [0, 1]),
    CallRow(
        testDescription: "no rows", inputs: [("X", .float32, [0, 30]), ids, any], arranged: order, positions: [0, 1]),
    CallRow(
        testDescription: "outputs in the order asked for", inputs: [x, ids, any],
        outputs: ["probabilities", "label"], arranged: order, positions: [1, 0]),
    CallRow(
        testDescription: "one output", inputs: [x, ids, any], outputs: ["probabilities"], arranged: order,
        positions: [1]),
    CallRow(
        testDescription: "unknown output", inputs: [x, ids, any], outputs: ["label", "y"],
        error: .unknownOutput("y", model: "rf", expected: ["label", "probabilities"]),
        sentence: "model \"rf\" has no output \"y\"; its outputs are: \"label\", \"probabilities\""),
    CallRow(
        testDescription: "output twice", inputs: [x, ids, any], outputs: ["label", "label"],
        error: .duplicateOutput("label", model: "rf"),
        sentence: "output \"label\" of model \"rf\" is asked for more than once; each may be named once"),
    CallRow(
        testDescription: "missing", inputs: [x, any], error: .missingInput("ids", model: "rf"),
        sentence: "input \"ids\" of model \"rf\" is missing; each input must be given"),
    CallRow(testDescription: "nothing", error: .missingInput("X", model: "rf")),
    CallRow(
        testDescription: "unknown in another's place", inputs: [("x", .float32, [2, 30]), ids, any],
        error: .unknownInput("x", model: "rf", expected: order),
        sentence: "model \"rf\" has no input \"x\"; its inputs are: \"X\", \"ids\", \"any\""),
    CallRow(
        testDescription: "unknown and more", inputs: [x, ids, any, ("more", .uint8, [])],
        error: .unknownInput("more", model: "rf", expected: order)),
    CallRow(
        testDescription: "twice", inputs: [x, ids, any, ids], error: .duplicateInput("ids", model: "rf"),
        sentence: "input \"ids\" of model \"rf\" is given more than once; each must be given once"),
    CallRow(
        testDescription: "twice, another missing", inputs: [x, x, any], error: .missingInput("ids", model: "rf")),
    CallRow(
        testDescription: "type", inputs: [("X", .float64, [2, 30]), ids, any],
        error: .type(input: "X", model: "rf", given: .float64, expected: .float32),
        sentence: "input \"X\" of model \"rf\" has type FP64; the model takes FP32"),
    CallRow(
        testDescription: "shape", inputs: [("X", .float32, [1, 29]), ids, any],
        error: .shape(input: "X", model: "rf", given: [1, 29], expected: [-1, 30]),
        sentence: "input \"X\" of model \"rf\" has shape [1, 29]; the model takes [-1, 30]"),
    CallRow(
        testDescription: "rank", inputs: [("X", .float32, [30]), ids, any],
        error: .shape(input: "X", model: "rf", given: [30], expected: [-1, 30])),
    CallRow(
        testDescription: "negative where any size is right", inputs: [("X", .float32, [-1, 30]), ids, any],
        error: .tensor(.negativeDimension(tensor: "X", dimension: -1))),
    CallRow(
        testDescription: "overflow where any shape is right", inputs: [x, ids, ("any", .uint8, [1 << 62, 4])],
        error: .tensor(.shapeOverflows(tensor: "any", shape: [1 << 62, 4]))),
])
func calls(row: CallRow) throws {
    var arena = Arena(bytesMax: 1 << 16)
    var call = Call()
    call.model = ByteView("rf")
    for (name, type, dimensions) in row.inputs {
        var shape = List<Int64>()
        for dimension in dimensions { try shape.append(dimension, in: &arena) }
        let count =
            dimensions.contains { $0 > 1 << 16 || $0 < 0 } ? 0 : dimensions.reduce(1, *) * Int64(type.byteCount!)
        let content = try arena.copy([UInt8](repeating: 0, count: Int(count)))
        try call.inputs.append(Tensor(name: arena.copy(name), type: type, shape: shape, content: content), in: &arena)
    }
    for name in row.outputs { try call.outputs.append(arena.copy(name), in: &arena) }
    do throws(SignatureRefusal) {
        let arranged = try signature.arrange(call, in: &arena)
        let positions = try signature.outputPositions(call, in: &arena)
        #expect(arranged.array.map(\.name.text) == row.arranged)
        #expect(positions.array == row.positions)
        #expect(row.error == nil)
    } catch {
        guard case .signature(let error) = error else { return #expect(error == .arena(ArenaFull(bytesMax: 0))) }
        #expect(error == row.error)
        if let sentence = row.sentence { #expect(error.sentence == sentence) }
    }
}

@Test func anArenaAtItsBoundIsNotTheCallersFault() throws {
    var arena = Arena(firstChunkBytes: 64, bytesMax: 64)
    _ = try arena.copy([UInt8](repeating: 0, count: 64))
    #expect(throws: SignatureRefusal.arena(ArenaFull(bytesMax: 64))) { try signature.arrange(Call(), in: &arena) }
    #expect(throws: SignatureRefusal.arena(ArenaFull(bytesMax: 64))) {
        try signature.outputPositions(Call(), in: &arena)
    }
}

@Test(arguments: [
    ("plain", "\"plain\""), ("two\nlines", "\"two\\nlines\""), ("a \"quote\"", "\"a \\\"quote\\\"\""),
    ("ñandú 100%", "\"ñandú 100%\""),
    (String(repeating: "m", count: 1_000_000), "\"\(String(repeating: "m", count: 96))…\""),
])
func namesInSentences(name: String, expected: String) { #expect(quoted(name) == expected) }

@Test func listsInSentencesAreClipped() {
    #expect(listed([]) == "none")
    #expect(listed((1...18).map(String.init)).hasSuffix("\"16\" and 2 more"))
    #expect(written([]) == "[]")
    #expect(written(.init(repeating: 1, count: 33)).hasSuffix("1, …]"))
}

@Test(arguments: [
    (CallLimitError(.inputs, 300, max: 256), "the call has 300 inputs; at most 256 are allowed"),
    (CallLimitError(.id, 129, max: 128), "the request id is 129 bytes long; at most 128 are allowed"),
])
func limits(error: CallLimitError, sentence: String) { #expect(error.sentence == sentence) }
