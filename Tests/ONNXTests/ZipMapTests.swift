// Classifiers by hand: what stays of them when their ZipMaps are cut off, byte for byte. No runtime is needed here.
import Memory
import TestSupport
import Testing

@testable import ONNX

private typealias M = ModelBytes

private func integers(_ name: String, _ values: [UInt8]) -> [UInt8] {
    text(1, name) + field(8, values) + M.number(20, 7)
}
private func texts(_ name: String, _ values: [String]) -> [UInt8] {
    text(1, name) + values.flatMap { text(9, $0) } + M.number(20, 8)
}

private let threeClasses = integers("classlabels_int64s", [0, 1, 2])

private func zipMap(
    _ input: String = "scores", _ output: String = "maps", _ attributes: [[UInt8]] = [threeClasses],
    name: String = "zip"
) -> [UInt8] {
    M.node("ZipMap", [input], [output], domain: "ai.onnx.ml", attributes: attributes) + text(3, name)
}

/// A sequence of maps of whole numbers to floats.
private let sequence = field(4, field(1, field(5, M.number(1, 7) + field(2, M.tensorType(1, nil)))))
private let classify = M.node("LinearClassifier", ["X"], ["label", "scores"], domain: "ai.onnx.ml")
private let labels = M.value("label", 7, [-1])
private let maps = M.value("maps", sequence)

private func model(
    _ nodes: [[UInt8]], _ outputs: [[UInt8]], more: [UInt8] = [], functions: [[UInt8]] = []
) -> [UInt8] {
    M.model(
        M.graph(nodes: nodes, inputs: [M.value("X", 1, [-1, 4])], outputs: outputs, more: more),
        opsets: [M.opset(17), M.opset(3, domain: "ai.onnx.ml")], functions: functions,
        more: text(2, "skl2onnx") + text(999, "unknown"))
}

struct ZipMapRow: CustomTestStringConvertible, Sendable {
    let testDescription: String
    let before: [UInt8]
    /// Empty: nothing is cut off.
    var after: [UInt8] = []
    var error: ZipMapError?

    init(_ description: String, _ before: [UInt8], _ after: [UInt8] = []) {
        (testDescription, self.before, self.after) = (description, before, after)
    }

    init(_ description: String, _ before: [UInt8], _ error: ZipMapError) {
        (testDescription, self.before, self.error) = (description, before, error)
    }
}

/// A dimension of `tensorType` that is -1 has the name N.
private func scores(_ shape: [Int64]?, _ name: String = "scores", element: Int64 = 1) -> [UInt8] {
    M.value(name, element, shape)
}

private let unknownRows = M.value(
    "scores", field(1, M.number(1, 1) + field(2, field(1, []) + field(1, M.number(1, 3)))))
private let title = ZipMapTitle(name: "zip", output: "maps")
private let nameless = ZipMapTitle(name: "", output: "maps")
private let unnamed = M.node("ZipMap", ["scores"], ["maps"], domain: "ai.onnx.ml", attributes: [threeClasses])

private let cuts: [ZipMapRow] = [
    .init(
        "whole numbers", model([classify, zipMap()], [labels, maps]), model([classify], [labels, scores([-1, 3])])),
    .init(
        "texts",
        model([classify, zipMap("scores", "maps", [texts("classlabels_strings", ["a", "b"])])], [labels, maps]),
        model([classify], [labels, scores([-1, 2])])),
    .init(
        "the maps first, and a node behind them", model([zipMap(), classify], [maps, labels]),
        model([classify], [scores([-1, 3]), labels])),
    .init("alone", model([classify, zipMap()], [maps]), model([classify], [unknownRows])),
    .init(
        "labels of a fixed number", model([classify, zipMap()], [M.value("label", 7, [8]), maps]),
        model([classify], [M.value("label", 7, [8]), scores([8, 3])])),
    .init(
        "no labels of one kind", model([classify, zipMap("scores", "maps", [])], [labels, maps]),
        model(
            [classify],
            [labels, M.value("scores", field(1, M.number(1, 1) + field(2, field(1, text(2, "N")) + field(1, []))))])),
    .init(
        "a declared tensor",
        model([classify, zipMap()], [labels, maps], more: field(13, scores([5, 9], element: 11))),
        model([classify], [labels, scores([5, 9], element: 11)], more: field(13, scores([5, 9], element: 11)))),
    .init(
        "a tensor that is an output already", model([classify, zipMap()], [maps, scores([-1, 3]), labels]),
        model([classify], [scores([-1, 3]), labels])),
    .init(
        "two of one tensor", model([classify, zipMap(), zipMap("scores", "more")], [maps, M.value("more", sequence)]),
        model([classify], [unknownRows])),
    .init(
        "two of two tensors",
        model([classify, zipMap(), zipMap("X", "more")], [labels, maps, M.value("more", sequence)]),
        model([classify], [labels, scores([-1, 3]), scores([-1, 4], "X")])),
    .init(
        "a function with values of the same names",
        model([classify, zipMap()], [labels, maps], functions: [function(M.node("Neg", ["maps"], ["b"]))]),
        model([classify], [labels, scores([-1, 3])], functions: [function(M.node("Neg", ["maps"], ["b"]))])),
]

private func function(_ node: [UInt8]) -> [UInt8] { M.function("f", domain: "d", nodes: [node]) }

private func subgraph(_ nodes: [[UInt8]], _ outputs: [[UInt8]] = []) -> [UInt8] {
    M.node("If", ["X"], ["y"], attributes: [M.subgraph("then", M.graph(nodes: nodes, outputs: outputs))])
}

private let others: [ZipMapRow] = [
    .init("none", model([classify], [labels, scores([-1, 3])])),
    .init("one that makes no output", model([classify, zipMap()], [labels])),
    .init("another domain's", model([classify, M.node("ZipMap", ["scores"], ["maps"])], [labels, maps])),
    .init(
        "used by a node", model([classify, zipMap(), M.node("SequenceAt", ["maps", "X"], ["y"])], [labels, maps]),
        .isUsed(title, by: "a node SequenceAt")),
    .init(
        "used, and no output", model([classify, unnamed, M.node("Steal", ["maps"], ["y"]) + text(3, "s")], [labels]),
        .isUsed(nameless, by: "node 's' (Steal)")),
    .init(
        "used in a subgraph", model([classify, zipMap(), subgraph([M.node("Neg", ["maps"], ["z"])])], [labels, maps]),
        .isUsed(title, by: "a node Neg")),
    .init(
        "given back by a subgraph", model([classify, zipMap(), subgraph([], [maps])], [labels, maps]),
        .isUsed(title, by: "a subgraph")),
    .init("inside a subgraph", model([classify, subgraph([zipMap()])], [labels]), .isInside(title, "a subgraph")),
    .init("deep inside", model([subgraph([subgraph([unnamed])])], [labels]), .isInside(nameless, "a subgraph")),
    .init(
        "inside a function", model([classify, zipMap()], [labels, maps], functions: [function(zipMap())]),
        .isInside(title, "a function")),
    .init(
        "without an input", model([classify, zipMap(""), zipMap()], [labels, maps]), .isMalformed(title)),
    .init(
        "with two outputs",
        model([M.node("ZipMap", ["a"], ["maps", "b"], domain: "ai.onnx.ml") + text(3, "zip")], [labels, maps]),
        .isMalformed(title)),
    .init("no model", Array("This is no model.".utf8), .file("its file is no ONNX model")),
    .init("nothing", [], .file("its file is empty")),
]

private func cut(_ file: [UInt8]) throws(ZipMapError) -> ZipMapCut? {
    let bytes = OwnedBytes(file)
    defer { withExtendedLifetime(bytes) {} }
    return try droppingZipMaps(from: bytes.view)
}

@Test(arguments: cuts + others) func zipMaps(row: ZipMapRow) throws {
    if let error = row.error {
        #expect(throws: error) { try cut(row.before) }
        return
    }
    let made = try cut(row.before)
    #expect(made?.bytes ?? [] == row.after)
    guard let made else { return }
    #expect(made.outputs.first?.tensor == "scores" && made.outputs.first?.name == "maps")
    // What is left is a model, and has none.
    #expect(throws: Never.self) { try check(made.bytes) }
    #expect(try cut(made.bytes) == nil)
}

@Test func whatStaysIsToldByName() {
    let error = ZipMapError.isUsed(ZipMapTitle(name: "", output: "maps"), by: "node 's' (Steal)")
    #expect(
        error.sentence
            == "the ZipMap that makes 'maps' is used by node 's' (Steal) and cannot be cut off: export the model "
            + "with zipmap=False")
}

/// Whatever a file holds, there is an answer; and what is cut is a model again, that has no ZipMap to cut.
@Test(arguments: 0..<12) func spoiledClassifiersNeverTrap(number: Int) throws {
    try spoiled((cuts + others)[number * 2].before, seed: UInt64(number)) { (file) throws in
        guard let made = try? cut(file) else { return }
        #expect(throws: Never.self, "seed \(number)") { try check(made.bytes) }
        #expect(try cut(made.bytes) == nil, "seed \(number)")
        #expect(made.bytes.count < file.count + 64 * made.outputs.count, "seed \(number)")
    }
}
