// Enters: a node, and what is known of its inputs. Leaves: what rules ask for, or the sentence that ends the proof.
import Memory
import Protobuf

/// A node as its rule sees it.
struct Operands {
    let node: ModelGraph.Node
    /// `nil`: an optional input that is left out.
    let inputs: [BatchValue?]
    /// What the bodies of the node see beside their own values.
    let scope: BatchAnalysis.Scope

    /// The input, if it is there.
    subscript(index: Int) -> BatchValue? { index < inputs.count ? inputs[index] : nil }

    func name(_ index: Int) -> String { index < node.inputs.count ? node.inputs[index] : "" }

    func input(_ index: Int) throws(BatchEnd) -> BatchValue {
        guard let value = self[index] else { throw BatchEnd("its input \(index) is missing") }
        return value
    }

    /// An input with rows.
    func rows(_ index: Int) throws(BatchEnd) -> (value: BatchValue, dimensions: [Extent], rows: BatchAxis) {
        let value = try input(index)
        guard let rows = value.rows, let dimensions = value.dimensions else {
            throw BatchEnd("its input '\(name(index))' has no rows")
        }
        return (value, dimensions, rows)
    }

    /// Refuses what depends on the batch in the inputs of these numbers; those that are left out are constants.
    func constants(_ indices: some Sequence<Int>) throws(BatchEnd) {
        for index in indices where index < inputs.count {
            guard inputs[index]?.isConstant ?? true else {
                throw BatchEnd("its input '\(name(index))' depends on the batch")
            }
        }
    }

    func constants(from first: Int) throws(BatchEnd) { try constants(min(first, inputs.count)..<inputs.count) }

    // Attributes

    func integer(_ name: String) -> Int64? { node.attributes[name]?.integer }
    func integer(_ name: String, default value: Int64) -> Int64 { integer(name) ?? value }

    func integers(_ name: String) -> [Int64]? {
        guard let attribute = node.attributes[name] else { return nil }
        return attribute.integers
    }

    func text(_ name: String) -> String? { node.attributes[name]?.string?.text }

    /// Whole numbers of the attribute `name`, or of the input `index`, as older and newer versions of an operator have them.
    /// `nil`: neither is there. Ends the proof where they are not known.
    func numbers(_ name: String, or index: Int) throws(BatchEnd) -> [Int64]? {
        if let integers = integers(name) { return integers }
        guard let value = self[index] else { return nil }
        guard let elements = value.elements else {
            throw BatchEnd("the content of its input '\(self.name(index))' is not known")
        }
        var numbers: [Int64] = []
        for element in elements {
            guard let number = element.known else {
                throw BatchEnd("the content of its input '\(self.name(index))' is not known")
            }
            numbers.append(number)
        }
        return numbers
    }

    /// An axis of `rank` dimensions; negative ones count from the end.
    func axis(_ number: Int64, rank: Int) throws(BatchEnd) -> Int {
        guard let axis = Int(exactly: number < 0 ? number + Int64(rank) : number), (0..<rank).contains(axis) else {
            throw BatchEnd("axis \(number) is not one of its \(rank) dimensions")
        }
        return axis
    }

    func axes(_ numbers: [Int64], rank: Int) throws(BatchEnd) -> [Int] {
        var axes: [Int] = []
        for number in numbers { axes.append(try axis(number, rank: rank)) }
        return axes
    }

    /// One output for each of the node's, all alike.
    func alike(_ value: BatchValue) -> [BatchValue] { node.outputs.map { _ in value } }
}

extension BatchValue {
    /// The same place, with other dimensions, and nothing known of the content.
    func with(_ dimensions: [Extent]?, _ rows: BatchAxis?) -> BatchValue {
        var value = BatchValue(dimensions: dimensions, rows: rows)
        value.unit = unit
        return value
    }
}
