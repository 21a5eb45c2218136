// Enters: the parts of a model. Leaves: its file's bytes, right or wrong as the test wants them.
import TestSupport

/// The few messages of ONNX that the tests need.
enum ModelBytes {
    static func number(_ number: Int, _ value: Int64) -> [UInt8] { varint(number << 3) + varint(value) }

    /// `shape`: `nil` for none; a dimension of -1 has a name and no size.
    static func tensorType(_ element: Int64, _ shape: [Int64]?) -> [UInt8] {
        let dimensions = shape.map { shape in
            field(2, shape.flatMap { field(1, $0 < 0 ? text(2, "N") : number(1, $0)) })
        }
        return field(1, number(1, element) + (dimensions ?? []))
    }

    static func value(_ name: String, _ type: [UInt8]) -> [UInt8] { text(1, name) + field(2, type) }

    static func value(_ name: String, _ element: Int64, _ shape: [Int64]?) -> [UInt8] {
        value(name, tensorType(element, shape))
    }

    static func node(
        _ operation: String, _ inputs: [String], _ outputs: [String], domain: String = "", attributes: [[UInt8]] = []
    ) -> [UInt8] {
        inputs.flatMap { text(1, $0) } + outputs.flatMap { text(2, $0) } + text(4, operation)
            + attributes.flatMap { field(5, $0) } + (domain.isEmpty ? [] : text(7, domain))
    }

    static func integer(_ name: String, _ value: Int64) -> [UInt8] { text(1, name) + number(3, value) + number(20, 2) }

    static func subgraph(_ name: String, _ graph: [UInt8]) -> [UInt8] {
        text(1, name) + field(6, graph) + number(20, 5)
    }

    static func tensor(_ name: String, _ element: Int64, _ dimensions: [Int64], raw: [UInt8]) -> [UInt8] {
        dimensions.flatMap { number(1, $0) } + number(2, element) + text(8, name) + field(9, raw)
    }

    static func graph(
        nodes: [[UInt8]], inputs: [[UInt8]] = [], outputs: [[UInt8]] = [], tensors: [[UInt8]] = [], more: [UInt8] = []
    ) -> [UInt8] {
        nodes.flatMap { field(1, $0) } + text(2, "g") + tensors.flatMap { field(5, $0) }
            + inputs.flatMap { field(11, $0) } + outputs.flatMap { field(12, $0) } + more
    }

    static func opset(_ version: Int64, domain: String = "") -> [UInt8] { text(1, domain) + number(2, version) }

    static func function(_ name: String, domain: String, nodes: [[UInt8]]) -> [UInt8] {
        text(1, name) + text(4, "a") + text(5, "b") + nodes.flatMap { field(7, $0) } + field(9, opset(18))
            + field(9, opset(1, domain: domain)) + text(10, domain)
    }

    static func model(
        _ graph: [UInt8], producer: String = "", opsets: [[UInt8]] = [opset(18)], functions: [[UInt8]] = [],
        more: [UInt8] = []
    ) -> [UInt8] {
        number(1, 9) + (producer.isEmpty ? [] : text(2, producer)) + field(7, graph) + opsets.flatMap { field(8, $0) }
            + functions.flatMap { field(25, $0) } + more
    }

    /// y = operation(x), both floats of the given shape.
    static func unary(_ operation: String = "Identity", _ shape: [Int64]? = [-1]) -> [UInt8] {
        model(
            graph(
                nodes: [node(operation, ["x"], ["y"])], inputs: [value("x", 1, shape)], outputs: [value("y", 1, shape)])
        )
    }
}
