// Answers: every type to the bit, strings of every kind, and calls that go wrong.
import Memory
import Tensors
import TestSupport
import Testing

@testable import ONNX

/// Rows of 4 per type, at the type's edges; the model answers each row backwards.
private let rows: [(ElementType, [[UInt8]])] = [
    (.bool, [[0], [1], [1], [0]]), (.uint8, [0, 255, 1, 128].map { [$0] }),
    (.uint16, [UInt16(0), .max, 1, 0x8000].map { raw([$0]) }), (.uint32, [UInt32(0), .max, 1, 2].map { raw([$0]) }),
    (.uint64, [UInt64(0), .max, 1, 2].map { raw([$0]) }), (.int8, [Int8.min, .max, 0, -1].map { raw([$0]) }),
    (.int16, [Int16.min, .max, 0, -1].map { raw([$0]) }), (.int32, [Int32.min, .max, 0, -1].map { raw([$0]) }),
    (.int64, [Int64.min, .max, 0, -1].map { raw([$0]) }),
    // Smallest subnormal, largest, minus zero, infinity.
    (.float16, [UInt16(0x0001), 0x7bff, 0x8000, 0x7c00].map { raw([$0]) }),
    (.bfloat16, [UInt16(0x0001), 0x7f7f, 0x8000, 0xff80].map { raw([$0]) }),
    (.float32, [Float.leastNonzeroMagnitude, .greatestFiniteMagnitude, -0.0, .infinity].map { raw([$0]) }),
    (.float64, [Double.leastNonzeroMagnitude, .greatestFiniteMagnitude, -0.0, .nan].map { raw([$0]) }),
    (.bytes, ["", "a", "ñandú", "日本語"].map { raw([UInt32($0.utf8.count)]) + Array($0.utf8) }),
]

@Test(arguments: [0, 1, 2, 3, 4, 7])
func everyTypeToTheBit(offset: Int) throws {
    let model = try fixtureModel("casts")
    let inputs = rows.map { type, row in Value("in_\(type.name)", type, [1, 4], row.flatMap { $0 }) }
    let expected = rows.map { type, row in Value("out_\(type.name)", type, [1, 4], row.reversed().flatMap { $0 }) }
    #expect(try model.answer(inputs, offset: offset) == expected)
    // Callers may send inputs in any order, and ask for some outputs in theirs.
    let some = try model.answer(inputs.reversed(), outputs: ["out_BYTES", "out_BOOL", "out_FP16"], offset: offset)
    #expect(some == [expected[13], expected[0], expected[9]])
}

/// Small inputs lie where a vector begins, whatever stands before them in the message; of large ones C++ reads whole elements: what
/// does not lie on a multiple of their size is copied, the rest is read where it lies.
@Test(arguments: ElementType.allCases, [0, 1, 2, 4, 8])
func onlyMisplacedInputsAreCopied(type: ElementType, offset: Int) throws {
    let model = try fixtureModel("echo")
    for (count, isSmall) in [(8, true), (Session.alignedBytesMax, true), (Session.alignedBytesMax + 8, false)] {
        var arena = Arena(bytesMax: 1 << 20)
        let place = unsafe try arena.allocate(bytes: count + 64, alignment: 64)
        unsafe place.initializeMemory(as: UInt8.self, repeating: 1, count: count + 64)
        let content = unsafe ByteView(start: place + offset, count: count)
        let readable = try model.readable(
            Tensor(name: .empty, type: type, shape: List<Int64>(), content: content), in: &arena)
        // Truths and texts are not added up.
        let size = type == .bool || type == .bytes ? 1 : isSmall ? 64 : type.byteCount ?? 1
        #expect(readable == content && readable.isAligned(to: size))
        unsafe #expect((readable.pointer == content.pointer) == (offset % size == 0), "\(count) bytes")
    }
}

@Test func quietNotANumberKeepsItsBits() throws {
    let model = try fixtureModel("casts")
    var inputs = rows.map { type, row in Value("in_\(type.name)", type, [1, 4], row.flatMap { $0 }) }
    inputs[9].bytes = raw([UInt16(0x7e00), 0x3c00, 0xbc00, 0x03ff])
    inputs[10].bytes = raw([UInt16(0x7fc0), 0x3f80, 0xbf80, 0x007f])
    let answers = try model.answer(inputs, outputs: ["out_FP16", "out_BF16"])
    #expect(answers[0].bytes == raw([UInt16(0x03ff), 0xbc00, 0x3c00, 0x7e00]))
    #expect(answers[1].bytes == raw([UInt16(0x007f), 0xbf80, 0x3f80, 0x7fc0]))
}

@Test func aTrueBoolIsOne() throws {
    let model = try fixtureModel("casts")
    var inputs = rows.map { type, row in Value("in_\(type.name)", type, [1, 4], row.flatMap { $0 }) }
    inputs[0].bytes = [2, 128, 0, 1]
    #expect(try model.answer(inputs, outputs: ["out_BOOL"])[0].bytes == [1, 0, 1, 1])
}

@Test func stringsAreBytes() throws {
    let strings: [[UInt8]] = [
        [], [0], Array("a\0b".utf8), [0xff, 0xfe], Array("🐦".utf8), [UInt8](repeating: 0x78, count: 100_000), [],
        [0, 0],
    ]
    let text = Value("text", [4, 2], strings: strings)
    let answers = try fixtureModel("echo").answer(
        [Value("x", [4, 1, 1], floats: [5, 6, 7, 8]), text], outputs: ["text_out"])
    #expect(answers[0].strings == strings)
    #expect(answers == [Value("text_out", [4, 2], strings: strings)])
}

@Test func tensorsWithoutElements() throws {
    let answers = try fixtureModel("echo").answer([
        Value("x", [0, 3, 5], floats: []), Value("text", [0, 2], strings: []),
    ])
    #expect(answers == [Value("y", [0, 3, 5], floats: []), Value("text_out", [0, 2], strings: [])])
    let inputs = rows.map { type, _ in Value("in_\(type.name)", type, [0, 4], []) }
    #expect(
        try fixtureModel("casts").answer(inputs) == rows.map { type, _ in Value("out_\(type.name)", type, [0, 4], []) })
}

@Test func aModelWithoutInputs() throws {
    let constant =
        text(1, "value") + field(5, ModelBytes.tensor("", 1, [2], raw: raw([Float(3), 4])))
        + ModelBytes.number(20, 4)
    let file = ModelBytes.model(
        ModelBytes.graph(
            nodes: [ModelBytes.node("Constant", [], ["y"], attributes: [constant])],
            outputs: [ModelBytes.value("y", 1, [2])]))
    #expect(try session(file).answer([]) == [Value("y", [2], floats: [3, 4])])
}

/// What onnxruntime answers in Python for the first row of the committed answers.
@Test(arguments: [1, 2])
func breastCancer(version: Int) throws {
    let row: [Float] = [
        11.6899995803833, 24.440000534057617, 76.37000274658203, 406.3999938964844, 0.12359999865293503,
        0.15520000457763672, 0.04515000060200691, 0.04531000182032585, 0.21310000121593475, 0.07405000180006027,
        0.2957000136375427, 1.9780000448226929, 2.1579999923706055, 20.950000762939453, 0.012880000285804272,
        0.034949999302625656, 0.018650000914931297, 0.017659999430179596, 0.015599999576807022, 0.005824000108987093,
        12.979999542236328, 32.189998626708984, 86.12000274658203, 487.70001220703125, 0.17679999768733978,
        0.32510000467300415, 0.13950000703334808, 0.13079999387264252, 0.28029999136924744, 0.09969999641180038,
    ]
    let answers = try fixtureModel("breast_cancer", version).answer([Value("X", [2, 30], floats: row + row)])
    #expect(answers.map(\.name) == ["label", "probabilities"])
    #expect(answers[0] == Value("label", .int64, [2], raw([Int64(1), 1])))
    let expected: [Float] =
        version == 1 ? [0.10080742835998535, 0.8991925716400146] : [0.2836762070655823, 0.7163237929344177]
    #expect(answers[1].shape == [2, 2])
    for (got, wanted) in zip(answers[1].floats, expected + expected) { #expect(abs(got - wanted) < 1e-5) }
}

@Test func diabetesAndTickets() throws {
    let row: [Float] = [
        -0.009147093631327152, 0.050680119544267654, -0.027762195095419884, 0.008100981824100018, 0.04796534404158592,
        0.037203382700681686, -0.0286742951720953, 0.03430885821580887, 0.06605066359043121, -0.042498767375946045,
    ]
    let diabetes = try fixtureModel("diabetes").answer([Value("X", [1, 10], floats: row)])
    #expect(diabetes[0].shape == [1, 1] && abs(diabetes[0].floats[0] - 145.7709197998047) < 1e-3)

    let text = Array("my invoice shows the wrong amount, and the app does not start offline".utf8)
    let tickets = try fixtureModel("tickets").answer([Value("text", [1, 1], strings: [text])])
    #expect(tickets[0] == Value("label", [1], strings: [Array("technical".utf8)]))
    for (got, wanted) in zip(tickets[1].floats, [0.43621841073036194, 0.07285141199827194, 0.49093011021614075]) {
        #expect(abs(got - Float(wanted)) < 1e-5)
    }
}

@Test func aCallThatTheRuntimeRefuses() throws {
    let graph = ModelBytes.graph(
        nodes: [ModelBytes.node("Gather", ["x", "i"], ["y"])],
        inputs: [ModelBytes.value("x", 1, [-1]), ModelBytes.value("i", 7, [-1])],
        outputs: [ModelBytes.value("y", 1, [-1])])
    let model = try session(ModelBytes.model(graph), name: "gather")
    let x = Value("x", [2], floats: [1, 2])
    let error = #expect(throws: RunError.self) { try model.answer([x, Value("i", .int64, [2], raw([Int64(99), 0]))]) }
    guard case .failed(let log)? = error else { return #expect(Bool(false), "\(String(describing: error))") }
    #expect(log.contains("Gather"))
    #expect(try model.answer([x, Value("i", .int64, [2], raw([Int64(1), 0]))]) == [Value("y", [2], floats: [2, 1])])
}

/// A shape in the call makes the answer: no memory holds 4 PB.
@Test func anAnswerThatNoMemoryHolds() throws {
    let graph = ModelBytes.graph(
        nodes: [ModelBytes.node("ConstantOfShape", ["shape"], ["y"])], inputs: [ModelBytes.value("shape", 7, [-1])],
        outputs: [ModelBytes.value("y", 1, nil)])
    let model = try session(ModelBytes.model(graph))
    #expect(throws: RunError.self) { try model.answer([Value("shape", .int64, [1], raw([Int64(1) << 50]))]) }
    #expect(throws: RunError.self) { try model.answer([Value("shape", .int64, [2], raw([Int64(1) << 40, 1 << 40]))]) }
    #expect(throws: RunError.self) {
        try model.answer([Value("shape", .int64, [33], raw([Int64](repeating: 1, count: 33)))])
    }
    #expect(
        try model.answer([Value("shape", .int64, [2], raw([Int64(1) << 40, 0]))]) == [
            Value("y", [1 << 40, 0], floats: [])
        ])
}

@Test func anAnswerIsBoundedByTheArena() throws {
    let model = try fixtureModel("echo")
    let text = Value("text", [1, 1], strings: [[UInt8](repeating: 1, count: 10_000)])
    let x = Value("x", [1, 1, 10_000], floats: [Float](repeating: 1, count: 10_000))
    let small = Value("x", [1, 1, 1], floats: [1])
    #expect(throws: RunError.arena(ArenaFull(bytesMax: 8192))) { try model.answer([x, text], arenaBytesMax: 8192) }
    #expect(throws: RunError.arena(ArenaFull(bytesMax: 8192))) { try model.answer([small, text], arenaBytesMax: 8192) }
    #expect(throws: RunError.arena(ArenaFull(bytesMax: 256))) { try model.answer([small, text], arenaBytesMax: 256) }
    #expect(
        try model.answer([small, text], outputs: ["y"], arenaBytesMax: 8192) == [Value("y", [1, 1, 1], floats: [1])])
}
