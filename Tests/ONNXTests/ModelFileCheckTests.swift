// Files by hand: what is walked through, and what the runtime never gets to see. No runtime is needed here.
import Memory
import TestSupport
import Testing

@testable import ONNX

private typealias M = ModelBytes

private let frame: [FileRow] = [
    .init("a plain model", M.unary(), nil), .init("nothing", [], .empty),
    .init("text", Array("This is no model.".utf8), .notONNX("wireType(4, field: 10)")),
    .init("cut short", M.unary().dropLast(3), .truncated), .init("no graph", M.number(1, 9), .noGraph),
    .init("two graphs", M.unary() + field(7, M.graph(nodes: [])), .repeated("a graph")),
    .init("a graph that is a number", M.number(7, 1), .notONNX("expected(Protobuf.WireType.bytes, field: 7)")),
    .init("unknown fields", M.unary() + text(99, "later"), nil),
    .init("a broken training graph", M.unary() + field(20, field(1, [0xff])), .truncated),
    .init("opset 0", M.model(M.graph(nodes: []), opsets: [M.opset(0)]), .opset(0, domain: "")),
    .init("opset -1", M.model(M.graph(nodes: []), opsets: [M.opset(-1)]), .opset(-1, domain: "")),
    .init("opset 101", M.model(M.graph(nodes: []), opsets: [M.opset(101, domain: "a.b")]), .opset(101, domain: "a.b")),
    .init("a domain nobody uses", M.model(M.graph(nodes: []), opsets: [M.opset(18), M.opset(1, domain: "x")]), nil),
    .init("an operator of scikit-learn", model(node: M.node("Scaler", ["x"], ["y"], domain: "ai.onnx.ml")), nil),
    .init("an operator of Microsoft", model(node: M.node("Tokenizer", ["x"], ["y"], domain: "com.microsoft")), nil),
    .init(
        "a custom operator", model(node: M.node("Steal", ["x"], ["y"], domain: "evil")),
        .domain("evil", operator: "Steal")),
    .init(
        "one in a subgraph",
        model(attribute: M.subgraph("then", M.graph(nodes: [M.node("Steal", [], [], domain: "evil")]))),
        .domain("evil", operator: "Steal")),
]

private let names: [FileRow] = [
    .init("a line break in a node", model(node: M.node("Neg", ["x"], ["y"]) + text(3, "a\nb")), nameError("a node")),
    .init("NUL in a value", model(node: M.node("Neg", ["x\0"], ["y"])), nameError("a value")),
    .init("NUL in an input", M.model(M.graph(nodes: [], inputs: [M.value("x\0y", 1, nil)])), nameError(ofInput)),
    .init(
        "an escape in an input", M.model(M.graph(nodes: [], inputs: [M.value("\u{1b}[2J", 1, nil)])), nameError(ofInput)
    ),
    .init("C1 control", M.model(M.graph(nodes: [], outputs: [M.value("\u{85}", 1, nil)])), nameError(ofInput)),
    .init("no UTF-8", model(node: field(1, [0xff])), nameError("a value")),
    .init("a long name", model(node: text(4, String(repeating: "n", count: 4097))), nameError("an operator")),
    .init("ñandú", M.model(M.graph(nodes: [], inputs: [M.value("ñandú/日本:0 ", 1, nil)])), nil),
    .init("a tensor", model(tensor: M.tensor("a\tb", 1, [], raw: [0, 0, 0, 0])), nameError("a tensor")),
]

private let ofInput = "an input, output or value"
private func nameError(_ what: String) -> ModelFileError { .name(what, nameBytesMax: 4096) }

private func nested(_ levels: Int) -> [UInt8] {
    (0..<levels).reduce(M.graph(nodes: [])) { graph, _ in
        M.graph(nodes: [M.node("If", [], [], attributes: [M.subgraph("then", graph)])])
    }
}

private func sequences(_ levels: Int) -> [UInt8] {
    let type = (0..<levels).reduce(M.tensorType(1, nil)) { type, _ in field(4, field(1, type)) }
    return M.model(M.graph(nodes: [], inputs: [M.value("x", type)]))
}

/// Functions f0, f1, … of which each calls the next `calls` times; the last one calls `last`.
private func chain(_ functions: Int, calls: Int, last: M.Call = ("", "Neg")) -> [UInt8] {
    M.model(
        M.graph(nodes: [M.node("f0", ["x"], ["y"], domain: "d")]),
        functions: (0..<functions).map { index in
            let callee: M.Call = index + 1 < functions ? ("d", "f\(index + 1)") : last
            let node = M.node(callee.name, ["a"], ["b"], domain: callee.domain)
            return M.function("f\(index)", domain: "d", nodes: .init(repeating: node, count: calls))
        })
}

extension ModelBytes { fileprivate typealias Call = (domain: String, name: String) }

private let structure: [FileRow] = [
    .init("32 graphs in one another", M.model(nested(32)), nil),
    .init("33 graphs in one another", M.model(nested(33)), .tooDeep(100)),
    .init("10000 graphs in one another", M.model(nested(2000)), .tooDeep(100)),
    .init("sequences of sequences", sequences(40), nil), .init("50 of them", sequences(50), .tooDeep(100)),
    .init("a function", chain(1, calls: 1), nil), .init("functions that call functions", chain(9, calls: 3), nil),
    .init(
        "a function that calls a custom operator", chain(1, calls: 1, last: ("evil", "Steal")),
        .domain("evil", operator: "Steal")),
    .init("a function that calls itself", chain(1, calls: 1, last: ("d", "f0")), .recursiveFunction("f0")),
    .init(
        "functions that become too much", chain(9, calls: 10),
        .tooMany("nodes, counting each call of a function", 1_000_000)),
    .init("200 functions in a row", chain(200, calls: 1), .tooMany("functions that call one another", 100)),
    .init(
        "a function twice",
        M.model(M.graph(nodes: []), functions: .init(repeating: M.function("f", domain: "d", nodes: []), count: 2)),
        .repeated("a function")),
    .init(
        "a type twice", M.model(M.graph(nodes: [], inputs: [M.value("x", 1, nil) + field(2, M.tensorType(1, nil))])),
        .repeated("a value's type")),
    .init(
        "65 dimensions of an input",
        M.model(M.graph(nodes: [], inputs: [M.value("x", 1, .init(repeating: 1, count: 65))])),
        .shape(tensor: "of 65 dimensions")),
]

@Test(arguments: frame + names + structure)
func files(row: FileRow) { row.walk() }

@Test func limits() {
    let file = M.model(M.graph(nodes: .init(repeating: M.node("Neg", ["x"], ["y"]), count: 3)))
    #expect(throws: Never.self) { try check(file) { $0.nodesMax = 3 } }
    #expect(throws: ModelFileError.tooMany("nodes", 2)) { try check(file) { $0.nodesMax = 2 } }
    #expect(throws: ModelFileError.tooLarge(bytes: file.count, bytesMax: 10)) { try check(file) { $0.bytesMax = 10 } }
    let weights = M.model(
        M.graph(nodes: [], tensors: .init(repeating: M.tensor("w", 1, [1], raw: [0, 0, 0, 0]), count: 3)))
    #expect(throws: ModelFileError.tooMany("tensors", 2)) { try check(weights) { $0.tensorsMax = 2 } }
    #expect(throws: ModelFileError.tooMany("functions", 1)) { try check(chain(3, calls: 1)) { $0.functionsMax = 1 } }
}

@Test func factsThatOnlyTheFileKnows() throws {
    let graph = M.graph(
        nodes: [], inputs: [M.value("a", 1, nil), M.value("b", 1, []), M.value("c", 1, [-1])],
        outputs: [M.value("d", 1, nil), M.value("e", 1, [2])])
    let facts = try check(M.model(graph))
    #expect(facts == ModelFileFacts(shapelessInputs: ["a"], shapelessOutputs: ["d"]))
}

@Test(arguments: ["breast_cancer/1", "breast_cancer/2", "digits/1", "diabetes/1", "tickets/1", "casts/1", "echo/1"])
func fixturesPass(name: String) throws {
    #expect(try check(Fixtures.bytes("models/\(name)/model.onnx")) == ModelFileFacts())
}

/// What the server does with a file before the runtime sees it.
private func read(_ file: [UInt8]) {
    guard (try? check(file)) != nil else { return }
    unsafe file.withUnsafeBytes { bytes in
        guard let graph = try? unsafe ModelGraph(ByteView(bytes)) else { return }
        _ = BatchAnalysis.prove(graph, outputs: graph.main.outputs)
    }
}

/// Whatever becomes of a file, the walk ends with an answer: cut short, and with a byte changed.
@Test(arguments: [("echo/1", 1), ("casts/1", 61), ("tickets/1", 61)])
func damageNeverTraps(name: String, step: Int) throws {
    let file = try Fixtures.bytes("models/\(name)/model.onnx")
    for index in stride(from: 0, to: file.count, by: step) {
        read(Array(file[..<index]))
        for change: UInt8 in [0x01, 0x80, 0xff, 0x07] {
            var damaged = file
            damaged[index] ^= change
            read(damaged)
        }
    }
}
