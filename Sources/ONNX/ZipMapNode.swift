// Enters: a NodeProto's bytes. Leaves: what tells whether it is a ZipMap, and what it uses; and a ValueInfoProto's bytes.
import Memory
import Protobuf

/// A node, without its constants.
struct ZipMapNode {
    private(set) var name = ""
    private(set) var id = OperatorName()
    private(set) var inputs: [String] = []
    private(set) var outputs: [String] = []
    /// Of its attributes.
    private(set) var graphs: [ByteView] = []
    private var labels: [String: Int64] = [:]

    init(_ message: ByteView) throws(WireError) {
        var reader = WireReader(message)
        while let field = try reader.next() {
            switch field.number {
            case 1: inputs.append(try field.bytes().text)
            case 2: outputs.append(try field.bytes().text)
            case 3: name = try field.bytes().text
            case 4: id.name = try field.bytes().text
            case 5: try attribute(try field.bytes())
            case 7: id.domain = try field.bytes().text
            default: break
            }
        }
    }

    private mutating func attribute(_ message: ByteView) throws(WireError) {
        var (name, count) = ("", Int64(0))
        var reader = WireReader(message)
        while let field = try reader.next() {
            switch field.number {
            case 1: name = try field.bytes().text
            case 6, 11: graphs.append(try field.bytes())
            case 8:
                do throws(WireOrBody<Never>) {
                    try field.eachVarint { (_) throws(Never) in count += 1 }
                } catch {
                    if case .wire(let error) = error { throw error }
                }
            case 9: count += 1
            default: break
            }
        }
        labels[name] = count
    }

    var isZipMap: Bool { id.name == "ZipMap" && id.domain == "ai.onnx.ml" }

    var title: ZipMapTitle { ZipMapTitle(name: name, output: outputs.first ?? "") }

    /// What errors call it where it uses a ZipMap.
    var user: String { name.isEmpty ? "a node \(shown(id.name))" : "node '\(shown(name))' (\(shown(id.name)))" }

    /// How many classes its labels name; `nil`: it has not labels of one kind.
    var classes: Int64? {
        let counts = ["classlabels_int64s", "classlabels_strings"].compactMap { labels[$0] }.filter { $0 > 0 }
        return counts.count == 1 ? counts[0] : nil
    }
}

extension ModelGraph.Value {
    /// A ValueInfoProto of a tensor.
    var encoded: [UInt8] {
        var tensor: [UInt8] = []
        tensor.append(field: 1, UInt64(bitPattern: elementType))
        if let dimensions {
            var shape: [UInt8] = []
            for dimension in dimensions {
                var bytes: [UInt8] = []
                switch dimension {
                case .known(let size): bytes.append(field: 1, UInt64(bitPattern: size))
                case .named(let name): bytes.append(field: 2, Array(name.utf8))
                case .unknown: break
                }
                shape.append(field: 1, bytes)
            }
            tensor.append(field: 2, shape)
        }
        var (type, value) = ([UInt8](), [UInt8]())
        type.append(field: 1, tensor)
        value.append(field: 1, Array(name.utf8))
        value.append(field: 2, type)
        return value
    }
}

/// Protobuf for a file in memory; `WireWriter` writes into an arena.
extension [UInt8] {
    private mutating func append(varint value: UInt64) {
        var rest = value
        while rest > 0x7f {
            append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        append(UInt8(rest))
    }

    mutating func append(field number: Int, _ value: UInt64) {
        append(varint: UInt64(number) << 3)
        append(varint: value)
    }

    mutating func append(field number: Int, _ content: [UInt8]) {
        append(varint: UInt64(number) << 3 | 2)
        append(varint: UInt64(content.count))
        append(contentsOf: content)
    }
}
