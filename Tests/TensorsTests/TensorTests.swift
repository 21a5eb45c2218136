// Enters: shapes, types and contents. Leaves: how many elements they are, or what is wrong, in words.
import Memory
import Tensors
import Testing

struct TensorRow: CustomTestStringConvertible, Sendable {
    let testDescription: String
    var type = ElementType.float32
    var shape: [Int64] = []
    var content: [UInt8] = []
    var elements: Int?
    var error: TensorError?
    var sentence: String?
}

private let huge: Int64 = 1 << 62

@Test(arguments: [
    TensorRow(testDescription: "scalar", content: [0, 0, 0, 0], elements: 1),
    TensorRow(testDescription: "matrix", shape: [1, 2], content: [UInt8](repeating: 0, count: 8), elements: 2),
    TensorRow(testDescription: "no elements", shape: [0, 30], elements: 0),
    TensorRow(testDescription: "zero beats overflow", shape: [huge, 4, 0], elements: 0),
    TensorRow(testDescription: "zero first", shape: [0, huge, huge], elements: 0),
    TensorRow(
        testDescription: "32 dimensions", type: .uint8, shape: .init(repeating: 1, count: 32), content: [7],
        elements: 1),
    TensorRow(
        testDescription: "33 dimensions", type: .uint8, shape: .init(repeating: 1, count: 33), content: [7],
        error: .rankAbove(32, tensor: "x", rank: 33), sentence: "tensor \"x\" has 33 dimensions; at most 32 are allowed"
    ),
    TensorRow(
        testDescription: "negative", shape: [-1, 4], error: .negativeDimension(tensor: "x", dimension: -1),
        sentence: "tensor \"x\" has dimension -1; each must be zero or more"),
    TensorRow(
        testDescription: "negative behind zero", shape: [0, -1],
        error: .negativeDimension(tensor: "x", dimension: -1)),
    TensorRow(
        testDescription: "least", shape: [.min], error: .negativeDimension(tensor: "x", dimension: .min)),
    TensorRow(
        testDescription: "least twice", shape: [.max, .max, .min],
        error: .negativeDimension(tensor: "x", dimension: .min)),
    TensorRow(
        testDescription: "product overflows", type: .uint8, shape: [huge, 4],
        error: .shapeOverflows(tensor: "x", shape: [huge, 4]),
        sentence: "tensor \"x\" has shape [4611686018427387904, 4], whose size in bytes is above 9223372036854775807"),
    TensorRow(
        testDescription: "overflows to a product of 1", type: .uint8, shape: [.max, .max],
        error: .shapeOverflows(tensor: "x", shape: [.max, .max])),
    TensorRow(
        testDescription: "bytes overflow", type: .float64, shape: [huge],
        error: .shapeOverflows(tensor: "x", shape: [huge])),
    TensorRow(
        testDescription: "a byte short", shape: [1, 2], content: .init(repeating: 0, count: 7),
        error: .byteCount(tensor: "x", bytes: 7, expected: 8, shape: [1, 2], type: .float32),
        sentence: "tensor \"x\" holds 7 bytes; shape [1, 2] of FP32 takes exactly 8"),
    TensorRow(
        testDescription: "bytes for nothing", shape: [0], content: [1],
        error: .byteCount(tensor: "x", bytes: 1, expected: 0, shape: [0], type: .float32)),
    TensorRow(
        testDescription: "as many as nobody sends", type: .uint8, shape: [.max],
        error: .byteCount(tensor: "x", bytes: 0, expected: .max, shape: [.max], type: .uint8)),
])
func fixedSizes(row: TensorRow) throws { try check(row) }

@Test(arguments: [
    TensorRow(testDescription: "two", type: .bytes, shape: [2], content: [1, 0, 0, 0, 65, 0, 0, 0, 0], elements: 2),
    TensorRow(testDescription: "none", type: .bytes, shape: [0], elements: 0),
    TensorRow(
        testDescription: "half a length", type: .bytes, shape: [2], content: [1, 0, 0, 0, 65, 0, 0],
        error: .byteElements(tensor: "x", index: 1, elements: 2),
        sentence: """
            tensor "x" ends within BYTES element 1 of 2; each is a little-endian 32-bit length and that many bytes
            """),
    TensorRow(
        testDescription: "longer than its bytes", type: .bytes, shape: [1], content: [2, 0, 0, 0, 65],
        error: .byteElements(tensor: "x", index: 0, elements: 1)),
    TensorRow(
        testDescription: "4 GiB", type: .bytes, shape: [1], content: [255, 255, 255, 255],
        error: .byteElements(tensor: "x", index: 0, elements: 1)),
    TensorRow(
        testDescription: "too few", type: .bytes, shape: [.max], content: [0, 0, 0, 0],
        error: .byteElements(tensor: "x", index: 1, elements: .max)),
    TensorRow(
        testDescription: "left over", type: .bytes, shape: [1], content: [0, 0, 0, 0, 9],
        error: .byteElements(tensor: "x", index: 1, elements: 1),
        sentence: "tensor \"x\" holds bytes behind the last of its 1 BYTES elements"),
    TensorRow(
        testDescription: "left over after none", type: .bytes, shape: [0], content: [9],
        error: .byteElements(tensor: "x", index: 0, elements: 0)),
    TensorRow(
        testDescription: "too many by multiplication", type: .bytes, shape: [huge, 4],
        error: .shapeOverflows(tensor: "x", shape: [huge, 4])),
])
func byteElements(row: TensorRow) throws { try check(row) }

private func check(_ row: TensorRow) throws {
    var arena = Arena(bytesMax: 1 << 16)
    var shape = List<Int64>()
    for dimension in row.shape { try shape.append(dimension, in: &arena) }
    let tensor = Tensor(name: ByteView("x"), type: row.type, shape: shape, content: try arena.copy(row.content))
    do throws(TensorError) {
        let elements = try tensor.check()
        #expect(elements == row.elements)
    } catch {
        #expect(error == row.error)
        if let sentence = row.sentence { #expect(error.sentence == sentence) }
    }
}

@Test func elementsAreWalkedUntilTheyEnd() throws {
    var arena = Arena(bytesMax: 4096)
    let content: [UInt8] = [2, 0, 0, 0, 65, 66, 0, 0, 0, 0, 9, 0, 0, 0, 1]
    var elements = ByteElements(try arena.copy(content))
    #expect(elements.next()?.text == "AB")
    #expect(elements.next()?.text == "")
    #expect(elements.next() == nil)
}

@Test(arguments: [
    ("BOOL", 1, 1), ("UINT8", 2, 1), ("UINT16", 3, 2), ("UINT32", 4, 4), ("UINT64", 5, 8), ("INT8", 6, 1),
    ("INT16", 7, 2), ("INT32", 8, 4), ("INT64", 9, 8), ("FP16", 10, 2), ("BF16", 11, 2), ("FP32", 12, 4),
    ("FP64", 13, 8), ("BYTES", 14, nil),
])
func elementTypes(name: String, number: UInt8, bytes: Int?) throws {
    var arena = Arena(bytesMax: 4096)
    let type = try #require(ElementType(rawValue: number))
    #expect(ElementType(name: try arena.copy(name)) == type)
    #expect(type.name.description == name)
    #expect(type.byteCount == bytes)
}

@Test(arguments: ["", "FLOAT", "fp32", "FP3", "FP322", "STRING"])
func unknownElementTypes(name: String) throws {
    var arena = Arena(bytesMax: 4096)
    #expect(ElementType(name: try arena.copy(name)) == nil)
    #expect(ElementType(rawValue: 0) == nil)
    #expect(ElementType(rawValue: 15) == nil)
}
