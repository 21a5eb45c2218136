// Enters: a model file's bytes, which were checked. Leaves: its graph and functions, with views of their constants.
import Memory
import Protobuf
import Tensors

/// What a model file says, as far as the batch analysis needs it. Source: onnx.proto3 of ONNX 1.20.
struct ModelGraph {
    var main = Graph()
    var functions: [OperatorName: Function] = [:]
    /// Versions of the operators' domains; "ai.onnx" is "".
    var opsets: [String: Int64] = [:]

    /// A GraphProto: the main graph, or one of an attribute.
    struct Graph {
        var nodes: [Node] = []
        var inputs: [Value] = []
        var outputs: [String] = []
        var initializers: [String: ConstantTensor] = [:]
        /// Initializers whose content is sparse: they are constants of unknown content.
        var sparse: [String] = []
    }

    struct Function {
        var inputs: [String] = []
        var outputs: [String] = []
        var nodes: [Node] = []
        /// What an attribute is where the call does not say it.
        var defaults: [String: Attribute] = [:]
        var opsets: [String: Int64] = [:]
    }

    /// A ValueInfoProto.
    struct Value {
        var name = ""
        var elementType: Int64 = 0
        /// `nil`: not even the rank is known.
        var dimensions: [Dimension]?
    }

    enum Dimension: Equatable {
        case known(Int64)
        case named(String)
        case unknown
    }

    struct Node {
        var name = ""
        var id = OperatorName()
        /// An empty name stands for an optional input or output that is left out.
        var inputs: [String] = []
        var outputs: [String] = []
        var attributes: [String: Attribute] = [:]
    }

    struct Attribute {
        var integer: Int64?
        var float: Float?
        var string: ByteView?
        var tensor: ConstantTensor?
        var graph: Graph?
        var integers: [Int64] = []
        var floats: [Float] = []
        var strings: [ByteView] = []
        /// In a function: the name of the call's attribute that stands here.
        var reference: String?
    }

    init(_ file: ByteView) throws(WireError) {
        var reader = WireReader(file)
        while let field = try reader.next() {
            switch field.number {
            case 7: main = try Graph(try field.bytes())
            case 8: try Self.opset(try field.bytes(), &opsets)
            case 25:
                let (id, function) = try Self.function(try field.bytes())
                functions[id] = function
            default: break
            }
        }
    }

    /// Names of dimensions that stand in more than one place of the model's inputs.
    func shared(by inputs: [TensorSpecification]) -> [SharedDimension] {
        var places: [String: [SharedDimension.Place]] = [:]
        for (number, input) in inputs.enumerated() where input.shape != nil {
            let dimensions = main.inputs.first { $0.name == input.name }?.dimensions ?? []
            for (index, dimension) in dimensions.enumerated() where index < input.shape?.count ?? 0 {
                if case .named(let name) = dimension {
                    places[name, default: []].append(SharedDimension.Place(input: number, dimension: index))
                }
            }
        }
        return places.filter { $0.value.count > 1 }.sorted { $0.key < $1.key }
            .map { SharedDimension(name: $0.key, places: $0.value) }
    }

    private static func opset(_ message: ByteView, _ opsets: inout [String: Int64]) throws(WireError) {
        var (domain, version) = ("", Int64(0))
        var reader = WireReader(message)
        while let field = try reader.next() {
            switch field.number {
            case 1: domain = try field.bytes().text
            case 2: version = try field.signed()
            default: break
            }
        }
        opsets[domain == "ai.onnx" ? "" : domain] = version
    }

    private static func function(_ message: ByteView) throws(WireError) -> (OperatorName, Function) {
        var (id, function) = (OperatorName(), Function())
        var reader = WireReader(message)
        while let field = try reader.next() {
            switch field.number {
            case 1: id.name = try field.bytes().text
            case 4: function.inputs.append(try field.bytes().text)
            case 5: function.outputs.append(try field.bytes().text)
            case 7: function.nodes.append(try Node(try field.bytes()))
            case 9: try opset(try field.bytes(), &function.opsets)
            case 10: id.domain = try field.bytes().text
            case 11:
                let (name, attribute) = try Attribute.named(try field.bytes())
                function.defaults[name] = attribute
            case 13: id.overload = try field.bytes().text
            default: break
            }
        }
        return (id, function)
    }
}

extension ModelGraph.Graph {
    init(_ message: ByteView) throws(WireError) {
        self.init()
        var reader = WireReader(message)
        while let field = try reader.next() {
            switch field.number {
            case 1: nodes.append(try ModelGraph.Node(try field.bytes()))
            case 5:
                let tensor = try ConstantTensor(try field.bytes())
                initializers[tensor.name] = tensor
            case 15: sparse.append(try Self.sparseName(try field.bytes()))
            case 11: inputs.append(try ModelGraph.Value(try field.bytes()))
            case 12: outputs.append(try ModelGraph.Value(try field.bytes()).name)
            default: break
            }
        }
    }

    private static func sparseName(_ message: ByteView) throws(WireError) -> String {
        var reader = WireReader(message)
        while let field = try reader.next() {
            if field.number == 1 { return try ConstantTensor(try field.bytes()).name }
        }
        return ""
    }
}

extension ModelGraph.Value {
    init(_ message: ByteView) throws(WireError) {
        self.init()
        var reader = WireReader(message)
        while let field = try reader.next() {
            switch field.number {
            case 1: name = try field.bytes().text
            case 2: try type(try field.bytes())
            default: break
            }
        }
    }

    private mutating func type(_ message: ByteView) throws(WireError) {
        var reader = WireReader(message)
        while let field = try reader.next() {
            guard field.number == 1 else { continue }
            var tensor = try field.message()
            while let part = try tensor.next() {
                switch part.number {
                case 1: elementType = try part.signed()
                case 2: try shape(try part.message())
                default: break
                }
            }
        }
    }

    private mutating func shape(_ message: WireReader) throws(WireError) {
        var shape: [ModelGraph.Dimension] = []
        var reader = message
        while let field = try reader.next() {
            guard field.number == 1 else { continue }
            var dimension = ModelGraph.Dimension.unknown
            var parts = try field.message()
            while let part = try parts.next() {
                switch part.number {
                case 1: dimension = try part.signed() >= 0 ? .known(try part.signed()) : .unknown
                case 2: dimension = try part.bytes().isEmpty ? .unknown : .named(try part.bytes().text)
                default: break
                }
            }
            shape.append(dimension)
        }
        dimensions = shape
    }
}

extension ModelGraph.Node {
    init(_ message: ByteView) throws(WireError) {
        self.init()
        var reader = WireReader(message)
        while let field = try reader.next() {
            switch field.number {
            case 1: inputs.append(try field.bytes().text)
            case 2: outputs.append(try field.bytes().text)
            case 3: name = try field.bytes().text
            case 4: id.name = try field.bytes().text
            case 5:
                let (name, attribute) = try ModelGraph.Attribute.named(try field.bytes())
                attributes[name] = attribute
            case 7: id.domain = try field.bytes().text
            case 8: id.overload = try field.bytes().text
            default: break
            }
        }
        if id.domain == "ai.onnx" { id.domain = "" }
    }
}
