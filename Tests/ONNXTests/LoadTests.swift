// Loading: what a model says of itself, and the sentences for models that are not served.
import Tensors
import TestSupport
import Testing

@testable import ONNX

private func specification(_ name: String, _ type: ElementType, _ shape: [Int64]?) -> TensorSpecification {
    TensorSpecification(name: name, type: type, shape: shape)
}

@Test func signaturesOfFixtures() throws {
    let digits = try fixtureModel("digits").signature
    #expect(digits.inputs == [specification("image", .float32, [-1, 1, 8, 8])])
    #expect(
        digits.outputs == [specification("label", .int64, [-1]), specification("probabilities", .float32, [-1, 10])])
    let tickets = try fixtureModel("tickets").signature
    #expect(tickets.inputs == [specification("text", .bytes, [-1, 1])])
    #expect(tickets.outputs.map(\.name) == ["label", "probabilities"])
    #expect(tickets.outputs.map(\.type) == [.bytes, .float32])
    let casts = try fixtureModel("casts").signature
    #expect(casts.inputs.map(\.type) == ElementType.allCases)
    for (index, type) in ElementType.allCases.enumerated() {
        #expect(casts.inputs[index] == specification("in_\(type.name)", type, [-1, 4]))
        #expect(casts.outputs[index] == specification("out_\(type.name)", type, [-1, 4]))
    }
}

@Test func scalarsAndUnknownShapesAreToldApart() throws {
    let graph = ModelBytes.graph(
        nodes: [
            ModelBytes.node("Reshape", ["any", "shape"], ["reshaped"]), ModelBytes.node("Neg", ["scalar"], ["minus"]),
        ],
        inputs: [
            ModelBytes.value("any", 1, nil), ModelBytes.value("shape", 7, [-1]), ModelBytes.value("scalar", 1, []),
        ],
        outputs: [ModelBytes.value("reshaped", 1, nil), ModelBytes.value("minus", 1, nil)])
    let model = try session(ModelBytes.model(graph))
    #expect(model.signature.inputs.map(\.shape) == [nil, [-1], []])
    #expect(model.signature.outputs.map(\.shape) == [nil, nil])
    let answers = try model.answer([
        Value("any", [2, 3], floats: [1, 2, 3, 4, 5, 6]), Value("shape", .int64, [3], raw([Int64(3), 1, 2])),
        Value("scalar", [], floats: [7]),
    ])
    #expect(
        answers == [Value("reshaped", [3, 1, 2], floats: [1, 2, 3, 4, 5, 6]), Value("minus", [], floats: [-7])])
}

@Test(arguments: [
    ("empty", "its file is empty"), ("not_onnx", "its file is no ONNX model"),
    ("truncated", "its file is no ONNX model, or is cut short"),
    ("unknown_operator", "finds its graph invalid, or does not know one of its operators"),
])
func brokenFiles(name: String, part: String) throws {
    let file = try Fixtures.bytes("broken/\(name)/1/model.onnx")
    let error = #expect(throws: LoadError.self) { try session(file, name: name) }
    #expect(error?.sentence.hasPrefix("model '\(name)' does not load: ") == true)
    #expect(error?.sentence.contains(part) == true, "\(String(describing: error))")
    if name == "unknown_operator" {
        #expect(error?.sentence.contains("Sandcastle") == false)
        #expect(error?.log.contains("Sandcastle") == true)
    }
}

private let sequenceOfFloats = field(4, field(1, ModelBytes.tensorType(1, [-1])))
private let optionalFloat = field(9, field(1, ModelBytes.tensorType(1, [-1])))

/// Models of one node whose one side is no tensor that a caller could send.
private func oneNode(_ operation: String, _ input: [UInt8], _ output: [UInt8], _ attributes: [[UInt8]] = []) -> [UInt8]
{
    ModelBytes.model(
        ModelBytes.graph(
            nodes: [ModelBytes.node(operation, ["x"], ["y"], attributes: attributes)],
            inputs: [ModelBytes.value("x", input)], outputs: [ModelBytes.value("y", output)]),
        opsets: [ModelBytes.opset(19)])
}

@Test func whatNoCallerCouldSendIsRefusedByName() {
    let float = ModelBytes.tensorType(1, [-1])
    let rows: [([UInt8], String)] = [
        (
            oneNode("SequenceConstruct", float, sequenceOfFloats),
            "output 'y' is a sequence; only tensors can be served (exported by skl2onnx with zipmap=False, "
                + "a classifier gives its probabilities as a tensor)"
        ),
        (
            oneNode("ConcatFromSequence", sequenceOfFloats, float, [ModelBytes.integer("axis", 0)]),
            "input 'x' is a sequence"
        ),
        (oneNode("OptionalGetElement", optionalFloat, float), "input 'x' is an optional value; only tensors"),
        (
            oneNode("Cast", ModelBytes.tensorType(17, [-1]), float, [ModelBytes.integer("to", 1)]),
            "input 'x' is of a float of 8 bits or fewer, which callers cannot send"
        ),
        (ModelBytes.model(ModelBytes.graph(nodes: [])), " does not load: "),
        (ModelBytes.unary("Neg", [Int64](repeating: 1, count: 33)), "input 'x' has 33 dimensions; 32 is the limit"),
    ]
    for (file, part) in rows {
        let error = #expect(throws: LoadError.self) { try session(file, name: "odd") }
        #expect(error?.sentence.contains(part) == true, "\(part) in \(String(describing: error))")
    }
}

/// The runtime has a second file format, told by four bytes that a protobuf may hold: it must not be led to it.
@Test func aFileIsReadAsWhatWasWalked() throws {
    let graph = ModelBytes.graph(
        nodes: [ModelBytes.node("Neg", ["x"], ["y"])], inputs: [ModelBytes.value("x", 1, [-1])],
        outputs: [ModelBytes.value("y", 1, [-1])])
    let file = ModelBytes.model(graph, producer: "ORTM")
    #expect(file[4..<8].elementsEqual("ORTM".utf8))
    #expect(try session(file).answer([Value("x", [1], floats: [1])]) == [Value("y", [1], floats: [-1])])
}

@Test func inputsWithAnInitializerAreNotAskedFor() throws {
    let graph = ModelBytes.graph(
        nodes: [ModelBytes.node("Add", ["x", "bias"], ["y"])],
        inputs: [ModelBytes.value("x", 1, [-1]), ModelBytes.value("bias", 1, [1])],
        outputs: [ModelBytes.value("y", 1, [-1])],
        tensors: [ModelBytes.tensor("bias", 1, [1], raw: raw([Float(10)]))])
    let model = try session(ModelBytes.model(graph))
    #expect(model.signature.inputs.map(\.name) == ["x"])
    #expect(try model.answer([Value("x", [2], floats: [1, 2])]) == [Value("y", [2], floats: [11, 12])])
}
