// Enters: requests that cannot be. Leaves: an error that names the thing, its value and what is allowed.
import Memory
import OpenInference
import Protobuf
import Tensors
import TestSupport
import Testing

/// An input `x` of one dimension.
private func input(_ datatype: String, _ elements: UInt8 = 1, contents: [UInt8]? = nil) -> [UInt8] {
    field(5, text(1, "x") + text(2, datatype) + field(3, [elements]) + (contents.map { field(5, $0) } ?? []))
}

/// An entry of a map of parameters whose value is `value`, an `InferParameter`.
private func parameter(_ number: Int, _ key: String, _ value: [UInt8]) -> [UInt8] {
    field(number, text(1, key) + field(2, value))
}

private let model = text(1, "rf")
private let zero = field(7, [0, 0, 0, 0])
private let yes: [UInt8] = [1 << 3, 1]
private let one: [UInt8] = [2 << 3, 1]

typealias RefusedRow = RefusedMessage<OpenInferenceError>

private let refusedForms = [
    RefusedRow("nothing", [], .noModel, "the request names no model; model_name must be given"),
    RefusedRow("truncated", [0x0a, 5, 1], .wire(.truncated)),
    RefusedRow("no UTF-8", field(1, [0xff]), .wire(.notUTF8(field: 1))),
    RefusedRow(
        "unknown datatype", model + input("FLOAT") + zero, .unknownDatatype("FLOAT", tensor: "x"),
        """
        tensor "x" has datatype "FLOAT"; allowed are BOOL, UINT8, UINT16, UINT32, UINT64, INT8, INT16, INT32, INT64, \
        FP16, BF16, FP32, FP64 and BYTES
        """),
    RefusedRow("no datatype", model + input("") + zero, .unknownDatatype("", tensor: "x")),
    RefusedRow(
        "raw and typed", model + input("FP32", contents: field(6, [0, 0, 0, 0])) + zero, .rawAndTyped(tensor: "x"),
        """
        tensor "x" has typed contents in a request with raw_input_contents; a request has either raw or typed contents
        """),
    RefusedRow(
        "two raw for one input", model + input("FP32") + zero + zero, .rawCount(2, inputs: 1),
        "raw_input_contents has 2 elements for 1 inputs; each input takes one"),
    RefusedRow("one raw for two inputs", model + input("FP32") + input("FP32") + zero, .rawCount(1, inputs: 2)),
    RefusedRow("raw for no input", model + zero, .rawCount(1, inputs: 0)),
    RefusedRow(
        "a thousand raw", model + input("FP32") + (0..<1000).flatMap { _ in zero }, .rawCount(1000, inputs: 1)),
    RefusedRow(
        "neither raw nor typed", model + input("FP32", 30), .noContents(tensor: "x", elements: 30),
        "tensor \"x\" has neither raw_input_contents nor typed contents; its shape takes 30 elements"),
    RefusedRow(
        "overflow without contents",
        model + field(5, text(2, "FP32") + field(3, [255, 255, 255, 255, 255, 255, 255, 255, 127, 2])),
        .tensor(.shapeOverflows(tensor: "", shape: [.max, 2]))),
    RefusedRow(
        "a thousand dimensions", model + field(5, text(2, "FP32") + field(3, [UInt8](repeating: 1, count: 1000))),
        .tensor(.rankAbove(32, tensor: "", rank: 1000))),
    RefusedRow(
        "a thousand inputs", model + (0..<1000).flatMap { _ in input("FP32") + zero },
        .limit(CallLimitError(.inputs, 1000, max: 256)), "the call has 1000 inputs; at most 256 are allowed"),
    RefusedRow(
        "a thousand outputs", model + (0..<1000).flatMap { field(6, text(1, "o\($0)")) },
        .limit(CallLimitError(.outputs, 1000, max: 256))),
    RefusedRow(
        "a long id", model + text(3, String(repeating: "i", count: 129)), .limit(CallLimitError(.id, 129, max: 128))),
]

private let refusedElements = [
    RefusedRow(
        "too few", model + input("FP32", 2, contents: field(6, [0, 0, 0, 0])),
        .elementCount(1, tensor: "x", expected: 2, shape: [2]),
        "tensor \"x\" holds 1 elements; shape [2] takes exactly 2"),
    RefusedRow(
        "too many", model + input("INT64", 2, contents: field(3, [1, 2, 3])),
        .elementCount(3, tensor: "x", expected: 2, shape: [2])),
    RefusedRow(
        "too many strings", model + input("BYTES", 0, contents: field(8, [])),
        .elementCount(1, tensor: "x", expected: 0, shape: [0])),
    RefusedRow(
        "another type's field", model + input("FP32", contents: field(2, [1])),
        .contentsField(.int, tensor: "x", type: .float32),
        "tensor \"x\" of FP32 has its elements in int_contents; FP32 takes fp32_contents"),
    RefusedRow(
        "two types' fields", model + input("BOOL", contents: field(1, [1]) + field(4, [1])),
        .contentsField(.uint, tensor: "x", type: .bool)),
    RefusedRow(
        "typed FP16 in another's field", model + input("FP16", contents: field(6, [0, 0, 0, 0])),
        .rawOnly(tensor: "x", type: .float16),
        "tensor \"x\" is FP16, which has no typed contents; it takes raw_input_contents"),
    RefusedRow(
        "half a float", model + input("FP32", contents: field(6, [0, 0, 0])), .wire(.packedLength(field: 6))),
    RefusedRow("half a varint", model + input("INT64", contents: field(3, [0x80])), .wire(.truncated)),
    RefusedRow(
        "128 for INT8", model + input("INT8", 2, contents: field(2, [1, 0x80, 1])),
        .elementRange(tensor: "x", index: 1, value: 128, type: .int8),
        "element 1 of tensor \"x\" is 128, which INT8 does not hold"),
    RefusedRow(
        "-129 for INT8",
        model + input("INT8", contents: field(2, [0xff, 0xfe] + .init(repeating: 255, count: 7) + [1])),
        .elementRange(tensor: "x", index: 0, value: -129, type: .int8)),
    RefusedRow(
        "32768 for INT16", model + input("INT16", contents: field(2, [0x80, 0x80, 2])),
        .elementRange(tensor: "x", index: 0, value: 32768, type: .int16)),
    RefusedRow(
        "256 for UINT8", model + input("UINT8", contents: field(4, [0x80, 2])),
        .elementRange(tensor: "x", index: 0, value: 256, type: .uint8)),
    RefusedRow(
        "65536 for UINT16", model + input("UINT16", contents: field(4, [0x80, 0x80, 4])),
        .elementRange(tensor: "x", index: 0, value: 65536, type: .uint16)),
]

private let refusedParameters = [
    RefusedRow(
        "shared memory for an input",
        model + field(5, text(1, "x") + parameter(4, "shared_memory_region", text(3, "r"))),
        .unsupported(.sharedMemory, tensor: "x"),
        """
        parameter shared_memory_region: shared memory is not offered; send the tensor's bytes in the message; it \
        stands at tensor "x"
        """),
    RefusedRow(
        "shared memory for an output",
        model + field(6, parameter(2, "shared_memory_region", text(3, "r")) + text(1, "y")),
        .unsupported(.sharedMemory, tensor: "y")),
    RefusedRow(
        "classification", model + field(6, text(1, "y") + parameter(2, "classification", one)),
        .unsupported(.classification, tensor: "y")),
    RefusedRow(
        "sequence", model + parameter(4, "sequence_id", text(3, "s")), .unsupported(.sequenceID, tensor: nil),
        "parameter sequence_id: sequences are not implemented; each call stands alone"),
    RefusedRow(
        "sequence by number", model + parameter(4, "sequence_id", [5 << 3, 9]),
        .unsupported(.sequenceID, tensor: nil)),
    RefusedRow(
        "sequence start", model + parameter(4, "sequence_start", yes), .unsupported(.sequenceStart, tensor: nil)),
    RefusedRow("sequence end", model + parameter(4, "sequence_end", yes), .unsupported(.sequenceEnd, tensor: nil)),
]

/// What a request says of the form of its answer.
@Test(
    arguments: [
        (text(3, "raw"), AnswerForm.raw), (text(3, "as-asked"), .asAsked), (text(3, ""), nil), ([], nil),
    ] as [([UInt8], AnswerForm?)])
func theFormOfAnAnswer(value: [UInt8], form: AnswerForm?) throws {
    var arena = Arena(bytesMax: 1 << 20)
    let view = try arena.copy(model + parameter(4, "vencejo_answers", value))
    #expect(try ModelInferRequest.decode(view, in: &arena).answers == form)
}

@Test(arguments: ["RAW", "typed", "as asked"]) func anAnswerOfAnotherForm(value: String) throws {
    var arena = Arena(bytesMax: 1 << 20)
    let view = try arena.copy(model + parameter(4, "vencejo_answers", text(3, value)))
    let error = #expect(throws: OpenInferenceError.self) { try ModelInferRequest.decode(view, in: &arena) }
    #expect(error?.sentence == "parameter vencejo_answers is \"\(value)\"; it must be raw or as-asked")
    #expect(error?.isUnimplemented == false)
}

@Test(arguments: refusedForms + refusedElements + refusedParameters)
func refusals(row: RefusedRow) throws {
    var arena = Arena(bytesMax: 1 << 20)
    let view = try arena.copy(row.message)
    let error = #expect(throws: OpenInferenceError.self) { try ModelInferRequest.decode(view, in: &arena) }
    #expect(error == row.error)
    if let sentence = row.sentence { #expect(error?.sentence == sentence) }
    #expect(error?.isUnimplemented == refusedParameters.contains { $0.description == row.description })
}

struct AcceptedRow: CustomTestStringConvertible, Sendable {
    let testDescription: String
    let message: [UInt8]
    var contents: [[UInt8]] = []
    var form = ContentForm.raw
}

private let empty = input("FP32", 0)

@Test(arguments: [
    AcceptedRow(testDescription: "no elements, no contents", message: model + empty, contents: [[]], form: .typed),
    AcceptedRow(testDescription: "no elements, raw", message: model + empty + field(7, []), contents: [[]]),
    AcceptedRow(
        testDescription: "raw for those with elements", message: model + empty + input("FP32") + empty + zero,
        contents: [[], [0, 0, 0, 0], []]),
    AcceptedRow(
        testDescription: "typed for those with elements",
        message: model + empty + input("INT8", contents: field(2, [9])), contents: [[], [9]], form: .typed),
    AcceptedRow(
        testDescription: "empty contents beside raw", message: model + input("FP32", contents: []) + zero,
        contents: [[0, 0, 0, 0]]),
    AcceptedRow(
        testDescription: "another type's field, empty",
        message: model + input("INT8", contents: field(6, []) + field(2, [9])), contents: [[9]], form: .typed),
    AcceptedRow(
        testDescription: "truth of 2", message: model + input("BOOL", contents: field(1, [2])), contents: [[1]],
        form: .typed),
    AcceptedRow(
        testDescription: "parameters that say nothing",
        message: model + parameter(4, "sequence_id", [2 << 3, 0]) + parameter(4, "sequence_start", [1 << 3, 0])
            + parameter(4, "sequence_id", text(3, "")) + parameter(4, "triton_enable_empty_final_response", yes)
            + field(6, text(1, "y") + parameter(2, "classification", [2 << 3, 0]))),
    AcceptedRow(
        testDescription: "parameters elsewhere and unknown ones",
        message: model + parameter(4, "classification", one) + parameter(4, "shared_memory_offset", one)
            + parameter(4, "priority", one) + parameter(4, "who", [4 << 3 | 1, 0, 0, 0, 0, 0, 0, 0, 1])),
])
func sensible(row: AcceptedRow) throws {
    var arena = Arena(bytesMax: 1 << 20)
    let call = try ModelInferRequest.decode(arena.copy(row.message), in: &arena)
    #expect(call.inputs.array.map(\.content.array) == row.contents)
    #expect(call.form == row.form)
}

@Test(arguments: [
    ("", "live"), ("1", "number(1)"), ("007", "number(7)"), ("9223372036854775807", "number(9223372036854775807)"),
    ("9223372036854775808", "label"), ("99999999999999999999999", "label"), ("+1", "label"), ("-1", "label"),
    ("stable", "label"), ("1a", "label"),
])
func modelVersions(version: String, expected: String) throws {
    var arena = Arena(bytesMax: 1 << 16)
    switch try ModelInferRequest.decode(arena.copy(model + text(2, version)), in: &arena).selector {
    case .live: #expect(expected == "live")
    case .number(let number): #expect(expected == "number(\(number))")
    case .label(let label): #expect(expected == "label" && label.text == version)
    case .slot: #expect(Bool(false))
    }
}

@Test(arguments: [
    (0, "0"), (7, "7"), (10, "10"), (Int64.max, "9223372036854775807"), (Int64.min, "-9223372036854775808"),
])
func versionsAreWrittenInDigits(version: Int64, expected: String) throws {
    var arena = Arena(bytesMax: 1 << 16)
    var answer = try answer(Call(), in: &arena)
    answer.provenance.version = version
    let writer = try ModelInferResponse.encode(answer, headroom: 0, in: &arena)
    #expect(try message(writer, headroom: 0, in: &arena) == text(2, expected))
}
