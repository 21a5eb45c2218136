// Enters: a model file's bytes. Leaves: the same without the ZipMaps at its end, or why they stay.
public import Memory
import Protobuf

/// A model whose ZipMaps were cut off.
public struct ZipMapCut: Sendable, Equatable {
    public struct Output: Sendable, Equatable {
        /// The output that was a sequence of maps.
        public let name: String
        /// The tensor that the maps were made of, which is an output now.
        public let tensor: String
    }

    public let bytes: [UInt8]
    public let outputs: [Output]
}

/// Why a ZipMap cannot be cut off.
public enum ZipMapError: Error, Equatable {
    /// The server would refuse the file in any case; the server's sentence.
    case file(String)
    case isInside(ZipMapTitle, String)
    case isUsed(ZipMapTitle, by: String)
    /// It has not one input and one output.
    case isMalformed(ZipMapTitle)

    public var sentence: String {
        switch self {
        case .file(let sentence): sentence
        case .isInside(let node, let place):
            "\(node) is inside \(place) and cannot be cut off: export the model with zipmap=False"
        case .isUsed(let node, let user):
            "\(node) is used by \(user) and cannot be cut off: export the model with zipmap=False"
        case .isMalformed(let node):
            "\(node) must have one input and one output: export the model again, with zipmap=False"
        }
    }
}

/// What errors call a ZipMap: by its own name, or by its output's where it has none.
public struct ZipMapTitle: Sendable, Equatable, CustomStringConvertible {
    let name: String
    let output: String

    public var description: String {
        name.isEmpty ? "the ZipMap that makes '\(shown(output))'" : "ZipMap '\(shown(name))'"
    }
}

/// skl2onnx ends a classifier in `ai.onnx.ml.ZipMap`, which makes a sequence of maps of the probabilities. Its input, a tensor of
/// rows and classes, becomes the output instead, as skl2onnx itself writes it with zipmap=False. All other bytes stay.
/// `nil`: no output is made by a ZipMap.
public func droppingZipMaps(from file: ByteView) throws(ZipMapError) -> ZipMapCut? {
    // From here on depth, counts and names are within bounds.
    do throws(ModelFileError) { _ = try ModelFileCheck.check(file) } catch { throw .file(error.sentence) }
    do throws(WireOrBody<ZipMapError>) { return try ZipMapCutter.cut(file) } catch {
        switch error {
        case .wire(let error): throw .file(ModelFileError(error).sentence)
        case .body(let error): throw error
        }
    }
}

/// A field with all its bytes, so that it can be written as it was read.
private struct Part {
    let field: WireField
    let bytes: ByteView

    static func all(_ message: ByteView) throws(WireOrBody<ZipMapError>) -> [Part] {
        var parts: [Part] = []
        var reader = WireReader(message)
        var start = 0
        do throws(WireError) {
            while let field = try reader.next() {
                parts.append(Part(field: field, bytes: message[start..<reader.position]))
                start = reader.position
            }
        } catch {
            throw .wire(error)
        }
        return parts
    }

    func content() throws(WireOrBody<ZipMapError>) -> ByteView {
        do throws(WireError) { return try field.bytes() } catch { throw .wire(error) }
    }

    func value() throws(WireOrBody<ZipMapError>) -> ModelGraph.Value {
        do throws(WireError) { return try ModelGraph.Value(try field.bytes()) } catch { throw .wire(error) }
    }

    func node() throws(WireOrBody<ZipMapError>) -> ZipMapNode {
        do throws(WireError) { return try ZipMapNode(try field.bytes()) } catch { throw .wire(error) }
    }
}

/// Numbers of fields are those of onnx.proto3: of a model 7 graph, 25 functions; of a graph 1 nodes, 11 inputs, 12 outputs,
/// 13 other values; of a function 7 nodes.
private struct ZipMapCutter {
    typealias Failure = WireOrBody<ZipMapError>

    private let graph: [Part]
    private var outputs: [String] = []
    /// Positions of nodes that go.
    private var gone: Set<Int> = []
    /// By the output that each of them makes.
    private var cut: [String: ZipMapNode] = [:]

    static func cut(_ file: ByteView) throws(Failure) -> ZipMapCut? {
        let model = try Part.all(file)
        guard let graph = model.first(where: { $0.field.number == 7 }) else { return nil }
        let cutter = try ZipMapCutter(try graph.content())
        for part in model where part.field.number == 25 {
            for node in try Part.all(try part.content()) where node.field.number == 7 {
                try Self.refuseInside("a function", try node.node())
            }
        }
        guard !cutter.gone.isEmpty else { return nil }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(file.count)
        for part in model {
            if part.field.number == 7 {
                bytes.append(field: 7, try cutter.rest())
            } else {
                bytes.append(contentsOf: part.bytes.array)
            }
        }
        return ZipMapCut(
            bytes: bytes,
            outputs: cutter.outputs.compactMap { name in
                cutter.cut[name].map { ZipMapCut.Output(name: name, tensor: $0.inputs[0]) }
            })
    }

    private init(_ message: ByteView) throws(Failure) {
        graph = try Part.all(message)
        for part in graph where part.field.number == 12 { outputs.append(try part.value().name) }
        for (index, part) in graph.enumerated() where part.field.number == 1 {
            let node = try part.node()
            guard node.isZipMap else { continue }
            guard node.inputs.count == 1, node.outputs.count == 1, !node.inputs[0].isEmpty else {
                throw .body(.isMalformed(node.title))
            }
            // What makes no output is either used, which is refused below, or harmless.
            cut[node.outputs[0]] = node
            if outputs.contains(node.outputs[0]) { gone.insert(index) }
        }
        for part in graph where part.field.number == 1 {
            let node = try part.node()
            try refuse(node.inputs, of: node)
            for body in node.graphs { try look(body) }
        }
    }

    /// The values of a function are its own: it uses none of the graph's.
    private static func refuseInside(_ place: String, _ node: ZipMapNode) throws(Failure) {
        if node.isZipMap { throw .body(.isInside(node.title, place)) }
        for body in node.graphs {
            for part in try Part.all(body) where part.field.number == 1 { try refuseInside(place, try part.node()) }
        }
    }

    private func refuse(_ names: [String], of user: ZipMapNode?) throws(Failure) {
        for name in names {
            guard let node = cut[name] else { continue }
            throw .body(.isUsed(node.title, by: user?.user ?? "a subgraph"))
        }
    }

    /// A subgraph sees the values of the graphs around it.
    private func look(_ message: ByteView) throws(Failure) {
        for part in try Part.all(message) {
            switch part.field.number {
            case 1:
                let node = try part.node()
                if node.isZipMap { throw .body(.isInside(node.title, "a subgraph")) }
                try refuse(node.inputs, of: node)
                for body in node.graphs { try look(body) }
            case 12: try refuse([try part.value().name], of: nil)
            default: break
            }
        }
    }

    /// The graph without the nodes that go, with their inputs for outputs.
    private func rest() throws(Failure) -> [UInt8] {
        var bytes: [UInt8] = []
        // A tensor that is an output already is not one twice.
        var names = Set(outputs.filter { cut[$0] == nil })
        for (index, part) in graph.enumerated() where !gone.contains(index) {
            if part.field.number == 12, let node = cut[try part.value().name] {
                guard names.insert(node.inputs[0]).inserted else { continue }
                bytes.append(field: 12, try tensor(node))
            } else {
                bytes.append(contentsOf: part.bytes.array)
            }
        }
        return bytes
    }

    /// A ValueInfoProto: as the graph declares the tensor, else a float for each row and class.
    private func tensor(_ node: ZipMapNode) throws(Failure) -> [UInt8] {
        let name = node.inputs[0]
        var (elementType, dimensions, rows) = (Int64(0), [ModelGraph.Dimension]?.none, ModelGraph.Dimension?.none)
        for part in graph where 11...13 ~= part.field.number {
            let value = try part.value()
            if value.name == name {
                if value.elementType != 0 { elementType = value.elementType }
                dimensions = value.dimensions ?? dimensions
            } else if part.field.number == 12, cut[value.name] == nil {
                // The labels, which are as many as there are rows.
                rows = rows ?? value.dimensions?.first
            }
        }
        let shape = dimensions ?? [rows ?? .unknown, node.classes.map { .known($0) } ?? .unknown]
        return ModelGraph.Value(name: name, elementType: elementType == 0 ? 1 : elementType, dimensions: shape).encoded
    }
}
