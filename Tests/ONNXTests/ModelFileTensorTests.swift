// Tensors by hand: whether shape, type and content fit, and that none lies in another file.
import TestSupport
import Testing

@testable import ONNX

private typealias M = ModelBytes

/// A tensor with a float's type and what else is given.
private func tensor(_ fields: [UInt8]) -> [UInt8] { text(8, "w") + fields }

private let tensors: [FileRow] = [
    .init("raw floats", model(tensor: M.tensor("w", 1, [2, 3], raw: [UInt8](repeating: 0, count: 24))), nil),
    .init("a raw scalar", model(tensor: M.tensor("w", 11, [], raw: [UInt8](repeating: 0, count: 8))), nil),
    .init("no elements", model(tensor: M.tensor("w", 1, [0, 5], raw: [])), nil),
    .init("too few bytes", model(tensor: M.tensor("w", 1, [2], raw: [0])), bytesError(1, 8)),
    .init(
        "too many bytes", model(tensor: M.tensor("w", 1, [2], raw: [UInt8](repeating: 0, count: 9))), bytesError(9, 8)),
    .init("three nibbles", model(tensor: M.tensor("w", 21, [3], raw: [0, 0])), nil),
    .init("five pairs of bits", model(tensor: M.tensor("w", 25, [5], raw: [0])), bytesError(1, 2)),
    .init(
        "a product that overflows", model(tensor: M.tensor("w", 1, [1 << 32, 1 << 32], raw: [])), .shape(tensor: "w")),
    .init("overflow to nothing", model(tensor: M.tensor("w", 1, [1 << 32, 1 << 32, 0], raw: [])), .shape(tensor: "w")),
    .init("an eighth of all", model(tensor: M.tensor("w", 1, [1 << 61], raw: [])), .shape(tensor: "w")),
    .init("a negative dimension", model(tensor: M.tensor("w", 1, [-1], raw: [])), .shape(tensor: "w")),
    .init("two negative ones", model(tensor: M.tensor("w", 1, [-1, -1], raw: [0, 0, 0, 0])), .shape(tensor: "w")),
    .init(
        "65 dimensions", model(tensor: M.tensor("w", 3, .init(repeating: 1, count: 65), raw: [0])),
        .shape(tensor: "w")),
    .init("no type", model(tensor: M.tensor("w", 0, [], raw: [])), .elementType(0, tensor: "w")),
    .init("an unknown type", model(tensor: M.tensor("w", 99, [], raw: [])), .elementType(99, tensor: "w")),
    .init(
        "packed dimensions",
        model(tensor: tensor(field(1, [2, 2]) + M.number(2, 3) + field(9, [1, 2, 3, 4]))), nil),
    .init("floats one by one", model(tensor: tensor(M.number(1, 1) + M.number(2, 1) + [0x25, 0, 0, 0, 0])), nil),
    .init(
        "floats packed",
        model(tensor: tensor(M.number(1, 2) + M.number(2, 1) + field(4, .init(repeating: 0, count: 8)))), nil),
    .init(
        "a float short", model(tensor: tensor(M.number(1, 2) + M.number(2, 1) + field(4, [0, 0, 0, 0]))),
        countError(1, 2)),
    .init(
        "torn floats", model(tensor: tensor(M.number(2, 1) + field(4, [0, 0, 0]))), .notONNX("packedLength(field: 4)")
    ),
    .init(
        "integers packed", model(tensor: tensor(M.number(1, 3) + M.number(2, 7) + field(7, [1, 2, 0x80, 1]))), nil),
    .init("halves as integers", model(tensor: tensor(M.number(1, 1) + M.number(2, 10) + M.number(5, 15360))), nil),
    .init(
        "nibbles as integers",
        model(tensor: tensor(M.number(1, 3) + M.number(2, 22) + M.number(5, 1) + M.number(5, 2))), nil),
    .init(
        "values of another type", model(tensor: tensor(M.number(1, 1) + M.number(2, 1) + M.number(7, 1))),
        countError(0, 1)),
    .init("complex", model(tensor: tensor(M.number(2, 14) + field(4, .init(repeating: 0, count: 8)))), nil),
    .init("strings", model(tensor: tensor(M.number(1, 2) + M.number(2, 8) + text(6, "a") + text(6, ""))), nil),
    .init("a string short", model(tensor: tensor(M.number(1, 2) + M.number(2, 8) + text(6, "a"))), countError(1, 2)),
    .init("external by entry", model(tensor: tensor(M.number(2, 1) + field(13, text(1, "location")))), external),
    .init("external by location", model(tensor: tensor(M.number(2, 1) + M.number(14, 1))), external),
    .init("external, taken back", model(tensor: tensor(M.number(2, 1) + M.number(14, 1) + M.number(14, 0))), external),
    .init("a segment", model(tensor: tensor(M.number(2, 1) + field(3, M.number(1, 0)))), external),
    .init("external in a constant", model(attribute: field(5, tensor(M.number(14, 1)))), external),
    .init("external in a list", model(attribute: field(10, tensor(M.number(14, 1)))), external),
    .init(
        "external in a subgraph",
        model(attribute: M.subgraph("then", M.graph(nodes: [], tensors: [tensor(M.number(14, 1))]))), external),
    .init("external in sparse values", sparse(field(1, tensor(M.number(14, 1)))), external),
    .init("external in sparse indices", sparse(field(2, tensor(M.number(14, 1)))), external),
    .init(
        "external in a function",
        M.model(
            M.graph(nodes: []),
            functions: [
                M.function(
                    "f", domain: "d", nodes: [M.node("Neg", [], [], attributes: [field(5, tensor(M.number(14, 1)))])])
            ]),
        external),
    .init("external in training", M.unary() + field(20, field(2, field(5, tensor(M.number(14, 1))))), external),
    .init("a sparse tensor", sparse(oneValue + M.number(3, 1000)), nil),
    .init("a sparse tensor of 4 GB", sparse(oneValue + M.number(3, 1 << 32)), .shape(tensor: "sparse")),
    .init(
        "a sparse tensor of all", sparse(oneValue + M.number(3, 1 << 40) + M.number(3, 1 << 40)),
        .shape(tensor: "sparse")),
    .init("values twice", sparse(oneValue + oneValue), .repeated("a sparse tensor's part")),
    .init(
        "an attribute's tensor twice",
        model(attribute: field(5, M.tensor("w", 3, [1], raw: [1])) + field(5, M.number(1, 9))),
        .repeated("an attribute's value")),
]

private let external = ModelFileError.externalData(tensor: "w")
private let oneValue = field(1, M.tensor("v", 1, [1], raw: [0, 0, 0, 0]))
private func sparse(_ fields: [UInt8]) -> [UInt8] { M.model(M.graph(nodes: [], more: field(15, fields))) }
private func bytesError(_ bytes: Int, _ expected: Int) -> ModelFileError {
    .tensorBytes(tensor: "w", bytes: bytes, expected: expected)
}
private func countError(_ elements: Int, _ expected: Int) -> ModelFileError {
    .tensorElements(tensor: "w", elements: elements, expected: expected)
}

@Test(arguments: tensors)
func tensorsOfFiles(row: FileRow) { row.walk() }
