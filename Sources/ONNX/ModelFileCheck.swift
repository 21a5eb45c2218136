// Enters: a model file's bytes. Leaves: what the server needs to know of it, or why the runtime does not get to see it.
import Memory
import Protobuf

/// What only the file tells.
struct ModelFileFacts: Equatable {
    /// Inputs and outputs of which the model gives no shape, not even its rank.
    var shapelessInputs: Set<String> = []
    var shapelessOutputs: Set<String> = []
}

/// Walks an ONNX file as protobuf, with bounds, before a parser of some other make is let at it.
///
/// Source: onnx.proto3 of ONNX 1.20; the numbers are its fields'. Fields that are not named here are passed over: they
/// hold texts and annotations.
struct ModelFileCheck {
    let limits: ModelFileLimits
    private var facts = ModelFileFacts()
    private var nodes = 0
    var tensors = 0
    private var functions = FunctionCalls()
    /// The graph's own nodes, or those of a function.
    private var body = FunctionCalls.Body()

    private init(limits: ModelFileLimits) { self.limits = limits }

    static func check(
        _ file: ByteView, limits: ModelFileLimits = ModelFileLimits()
    ) throws(ModelFileError) -> ModelFileFacts {
        guard !file.isEmpty else { throw .empty }
        guard file.count <= limits.bytesMax else { throw .tooLarge(bytes: file.count, bytesMax: limits.bytesMax) }
        var check = ModelFileCheck(limits: limits)
        try check.model(file)
        return check.facts
    }

    private mutating func model(_ message: ByteView) throws(ModelFileError) {
        var hasGraph = false
        var reader = WireReader(message)
        while let field = try next(&reader) {
            switch field.number {
            case 7:
                guard !hasGraph else { throw .repeated("a graph") }
                hasGraph = true
                try graph(try content(field), depth: 2, isMain: true)
            case 8: try opset(try content(field))
            case 20: try trainingInformation(try content(field))
            case 25: try function(try content(field))
            default: break
            }
        }
        guard hasGraph else { throw .noGraph }
        try functions.check(main: body, limits: limits)
    }

    private func opset(_ message: ByteView) throws(ModelFileError) {
        var (domain, version) = ("", Int64(0))
        var reader = WireReader(message)
        while let field = try next(&reader) {
            switch field.number {
            case 1: domain = try name(field, of: "a domain")
            case 2: version = try signed(field)
            default: break
            }
        }
        guard limits.opsets.contains(version) else { throw .opset(version, domain: domain) }
    }

    /// Graphs that inference never runs; the runtime's parser reads them all the same.
    private mutating func trainingInformation(_ message: ByteView) throws(ModelFileError) {
        var reader = WireReader(message)
        while let field = try next(&reader) {
            guard field.number <= 2 else { continue }
            try graph(try content(field), depth: 3, isMain: false)
        }
    }

    private mutating func function(_ message: ByteView) throws(ModelFileError) {
        let main = body
        body = FunctionCalls.Body()
        var id = OperatorName()
        var reader = WireReader(message)
        while let field = try next(&reader) {
            switch field.number {
            case 1: id.name = try name(field, of: "a function")
            case 4, 5, 6: _ = try name(field, of: "a function's parameter")
            case 7: try node(try content(field), depth: 3)
            case 9: try opset(try content(field))
            case 10: id.domain = try name(field, of: "a domain")
            case 11: try attribute(try content(field), depth: 3)
            case 12: _ = try valueInformation(try content(field), depth: 3)
            case 13: id.overload = try name(field, of: "an overload")
            default: break
            }
        }
        try functions.define(id, body, limits: limits)
        body = main
    }

    private mutating func graph(_ message: ByteView, depth: Int, isMain: Bool) throws(ModelFileError) {
        try within(depth)
        var reader = WireReader(message)
        while let field = try next(&reader) {
            switch field.number {
            case 1: try node(try content(field), depth: depth + 1)
            case 2: _ = try name(field, of: "a graph")
            case 5: try tensor(try content(field), depth: depth + 1)
            case 15: try sparseTensor(try content(field), depth: depth + 1)
            case 11, 12, 13:
                let value = try valueInformation(try content(field), depth: depth + 1)
                guard isMain && !value.hasShape else { break }
                if field.number == 11 { facts.shapelessInputs.insert(value.name) }
                if field.number == 12 { facts.shapelessOutputs.insert(value.name) }
            default: break
            }
        }
    }

    private mutating func node(_ message: ByteView, depth: Int) throws(ModelFileError) {
        try within(depth)
        nodes += 1
        guard nodes <= limits.nodesMax else { throw .tooMany("nodes", limits.nodesMax) }
        var id = OperatorName()
        var reader = WireReader(message)
        while let field = try next(&reader) {
            switch field.number {
            case 1, 2: _ = try name(field, of: "a value")
            case 3: _ = try name(field, of: "a node")
            case 4: id.name = try name(field, of: "an operator")
            case 5: try attribute(try content(field), depth: depth + 1)
            case 7: id.domain = try name(field, of: "a domain")
            case 8: id.overload = try name(field, of: "an overload")
            default: break
            }
        }
        body.calls[id, default: 0] += 1
    }

    private mutating func attribute(_ message: ByteView, depth: Int) throws(ModelFileError) {
        try within(depth)
        var seen: Set<Int> = []
        var reader = WireReader(message)
        while let field = try next(&reader) {
            if [5, 6, 14, 22].contains(field.number), !seen.insert(field.number).inserted {
                throw .repeated("an attribute's value")
            }
            switch field.number {
            case 1, 21: _ = try name(field, of: "an attribute")
            case 5, 10: try tensor(try content(field), depth: depth + 1)
            case 6, 11: try graph(try content(field), depth: depth + 1, isMain: false)
            case 14, 15: _ = try type(try content(field), depth: depth + 1)
            case 22, 23: try sparseTensor(try content(field), depth: depth + 1)
            default: break
            }
        }
    }
}

// Fields

extension ModelFileCheck {
    func within(_ depth: Int) throws(ModelFileError) {
        guard depth <= limits.depthMax else { throw .tooDeep(limits.depthMax) }
    }

    func next(_ reader: inout WireReader) throws(ModelFileError) -> WireField? {
        do throws(WireError) { return try reader.next() } catch { throw ModelFileError(error) }
    }

    func content(_ field: WireField) throws(ModelFileError) -> ByteView {
        do throws(WireError) { return try field.bytes() } catch { throw ModelFileError(error) }
    }

    func signed(_ field: WireField) throws(ModelFileError) -> Int64 {
        do throws(WireError) { return try field.signed() } catch { throw ModelFileError(error) }
    }

    /// Names reach C as strings that end with NUL, and logs as lines.
    func name(_ field: WireField, of what: String) throws(ModelFileError) -> String {
        let bytes = try content(field)
        guard bytes.count <= limits.nameBytesMax, bytes.isUTF8 else {
            throw .name(what, nameBytesMax: limits.nameBytesMax)
        }
        let name = bytes.text
        for scalar in name.unicodeScalars where scalar.value < 0x20 || (0x7f..<0xa0).contains(scalar.value) {
            throw .name(what, nameBytesMax: limits.nameBytesMax)
        }
        return name
    }
}
