// Enters: a model's graph. Leaves: whether its rows are independent of each other, or the node that ended the proof.
import Memory
import Protobuf
import Tensors

/// Why a value of the graph is not known to be by row.
struct BatchEnd: Error {
    let reason: String
    init(_ reason: String) { self.reason = reason }
}

/// Why the whole proof ended: a sentence with the node's name.
private struct ProofEnd: Error {
    let sentence: String
}

/// Follows the batch dimension through the unoptimised graph, by the table of rules in BatchTable.swift. A rule says of one
/// operator where the rows of its outputs are, given those of its inputs, or why there are none.
///
/// The claim that it proves: for calls whose inputs agree in all dimensions but the first, running them as one gives each call
/// the rows that it gets alone, up to the rounding of floating-point sums.
struct BatchAnalysis {
    /// Contents of more elements are no shapes.
    static let elementsMax = 1024
    /// Bodies of loops and functions are followed each time that they are met.
    private static let nodesMax = 1_000_000

    private let graph: ModelGraph
    private var symbols: [String: Int] = [:]
    private var nodes = 0
    var bitDependent: [String] = []
    /// Versions of operators where the analysis is: a function has its own.
    private(set) var opsets: [String: Int64]
    /// The node that a rule is asked about; for names of unknown sizes.
    private(set) var place = ""

    typealias Scope = [String: BatchValue]

    private init(_ graph: ModelGraph) {
        self.graph = graph
        opsets = graph.opsets
    }

    /// `graph`: of a file that `ModelFileCheck` passed. `outputs`: names of those that clients get.
    static func prove(_ graph: ModelGraph, outputs: [String]) -> BatchProof {
        var analysis = BatchAnalysis(graph)
        do throws(ProofEnd) { return .proven(try analysis.model(outputs)) } catch { return .unproven(error.sentence) }
    }

    private mutating func model(_ outputs: [String]) throws(ProofEnd) -> Equivalence {
        guard (opsets[""] ?? 7) >= 7 else {
            throw ProofEnd(sentence: "version \(opsets[""] ?? 0) of the operators is older than 7")
        }
        var scope: Scope = [:]
        do throws(BatchEnd) {
            scope = try constants(graph.main)
            try inputs(&scope)
        } catch {
            throw ProofEnd(sentence: error.reason)
        }
        try run(graph.main.nodes, &scope)
        var equivalence = Equivalence(bounds: [])
        for name in outputs {
            guard let value = scope[name], let rows = value.rows, rows.index == 0, rows.isPlain else {
                throw ProofEnd(
                    sentence: "output '\(name)' does not have a row for each row of the inputs in its first dimension")
            }
            guard value.filler == nil else {
                throw ProofEnd(sentence: "the last dimension of output '\(name)' depends on all rows")
            }
            equivalence.bounds.append(value.bound)
        }
        equivalence.bitDependent = bitDependent
        return equivalence
    }

    private mutating func inputs(_ scope: inout Scope) throws(BatchEnd) {
        var batchNames: Set<String> = []
        let inputs = graph.main.inputs.filter { scope[$0.name] == nil }
        for input in inputs {
            guard let first = input.dimensions?.first else {
                throw BatchEnd("input '\(input.name)' has no dimension for rows")
            }
            switch first {
            case .known(let size): throw BatchEnd("the first dimension of input '\(input.name)' is always \(size)")
            case .named(let name): batchNames.insert(name)
            case .unknown: break
            }
        }
        for input in inputs {
            var dimensions = [Extent.batch]
            for (index, dimension) in (input.dimensions ?? []).enumerated().dropFirst() {
                switch dimension {
                case .known(let size): dimensions.append(Extent(size))
                case .named(let name) where batchNames.contains(name):
                    throw BatchEnd("dimension '\(name)' of input '\(input.name)' is the number of rows too")
                case .named(let name): dimensions.append(symbol("dimension \(name)"))
                case .unknown: dimensions.append(symbol("input \(input.name) \(index)"))
                }
            }
            var value = BatchValue(dimensions: dimensions, rows: BatchAxis(index: 0))
            value.unit = Self.unit(elementType: input.elementType)
            scope[input.name] = value
        }
    }

    /// Of `BatchValue.bound`, for numbers of a type of onnx.proto3.
    static func unit(elementType: Int64) -> Double {
        switch elementType {
        case 10: 20
        case 16: 50
        default: 1
        }
    }

    private func constants(_ graph: ModelGraph.Graph) throws(BatchEnd) -> Scope {
        var scope: Scope = [:]
        for (name, tensor) in graph.initializers { scope[name] = try value(of: tensor) }
        for name in graph.sparse { scope[name] = .unknown }
        return scope
    }

    func value(of tensor: ConstantTensor) throws(BatchEnd) -> BatchValue {
        var value = BatchValue(dimensions: tensor.dimensions.map { Extent($0) }, constant: tensor)
        value.unit = Self.unit(elementType: tensor.elementType)
        if tensor.dimensions.count <= 1 {
            do throws(WireError) {
                value.elements = try tensor.integers(countMax: Self.elementsMax)?.map { Extent($0) }
            } catch {
                throw BatchEnd(error.sentence)
            }
        }
        return value
    }

    /// The symbol of a size that is the same for all calls of a batch; the same for the same key.
    mutating func symbol(_ key: String) -> Extent {
        // 0 is the number of rows.
        let next = symbols.count + 1
        return Extent(
            symbol: symbols[key]
                ?? {
                    symbols[key] = next
                    return next
                }())
    }

    /// A size of an output of this node that no rule works out.
    mutating func unknownExtent(_ what: String) -> Extent { symbol("\(place) \(what)") }

    // Nodes

    private mutating func run(_ nodes: [ModelGraph.Node], _ scope: inout Scope) throws(ProofEnd) {
        for node in nodes { try run(node, &scope) }
    }

    private mutating func run(_ node: ModelGraph.Node, _ scope: inout Scope) throws(ProofEnd) {
        let outer = place
        defer { place = outer }
        // What a body's unknown sizes are called has to differ from call to call.
        place = "\(outer)/\(node.outputs.first { !$0.isEmpty } ?? node.name)"
        do throws(BatchEnd) {
            nodes += 1
            guard nodes <= Self.nodesMax else { throw BatchEnd("the graph has too many nodes to be followed") }
            let outputs: [BatchValue]
            if let function = graph.functions[node.id] {
                outputs = try call(function, node, scope)
            } else {
                outputs = try apply(node, scope)
            }
            for (name, value) in zip(node.outputs, outputs) where !name.isEmpty { scope[name] = value }
            // What a rule does not speak of must not be taken for something of an outer scope.
            for name in node.outputs.dropFirst(outputs.count) where !name.isEmpty { scope[name] = nil }
        } catch {
            throw ProofEnd(sentence: Self.sentence(node, error.reason))
        }
    }

    private static func sentence(_ node: ModelGraph.Node, _ reason: String) -> String {
        let name = node.name.isEmpty ? node.outputs.first { !$0.isEmpty } ?? "" : node.name
        return "node '\(name)' (\(node.id.name)): \(reason)"
    }

    /// Follows `nodes` in a scope of their own, which sees the outer one.
    /// - Returns: the values of `outputs`.
    mutating func body(
        _ graph: ModelGraph.Graph, _ inputs: [BatchValue], in outer: Scope
    ) throws(BatchEnd) -> [BatchValue] {
        var scope = outer.merging(try constants(graph)) { _, inner in inner }
        guard graph.inputs.count == inputs.count else { throw BatchEnd("its body has other inputs than it is given") }
        for (input, value) in zip(graph.inputs, inputs) { scope[input.name] = value }
        return try results(graph.nodes, graph.outputs, &scope)
    }

    private mutating func results(
        _ nodes: [ModelGraph.Node], _ outputs: [String], _ scope: inout Scope
    ) throws(BatchEnd) -> [BatchValue] {
        do throws(ProofEnd) { try run(nodes, &scope) } catch { throw BatchEnd("in its body, \(error.sentence)") }
        var values: [BatchValue] = []
        for name in outputs {
            guard let value = scope[name] else { throw BatchEnd("its body does not make '\(name)'") }
            values.append(value)
        }
        return values
    }

    private mutating func call(
        _ function: ModelGraph.Function, _ node: ModelGraph.Node, _ outer: Scope
    ) throws(BatchEnd) -> [BatchValue] {
        var scope: Scope = [:]
        for (name, input) in zip(function.inputs, node.inputs) where !input.isEmpty { scope[name] = outer[input] }
        let attributes = function.defaults.merging(node.attributes) { _, given in given }
        let nodes = function.nodes.map { $0.binding(attributes) }
        let before = opsets
        opsets = function.opsets
        defer { opsets = before }
        return try results(nodes, function.outputs, &scope)
    }
}

extension ModelGraph.Node {
    /// The graphs among its attributes.
    var graphs: [ModelGraph.Graph] { attributes.values.compactMap(\.graph) }

    /// The node of a function's body, with the attributes that the call gives to it.
    fileprivate func binding(_ given: [String: ModelGraph.Attribute]) -> ModelGraph.Node {
        var node = self
        for (name, attribute) in attributes {
            if let reference = attribute.reference { node.attributes[name] = given[reference] }
            if var graph = attribute.graph {
                graph.nodes = graph.nodes.map { $0.binding(given) }
                node.attributes[name]?.graph = graph
            }
        }
        return node
    }
}
