// Enters: a `vencejo.v1.Tensor`. Leaves: a tensor whose name and content lie in the message; and the way back.
import Memory
import Protobuf
import Tensors

/// `Tensor { name = 1, type = 2, shape = 3, data = 4 }` of proto/vencejo/v1/prediction.proto.
enum TensorMessage {
    static func decode(
        _ message: ByteView, in arena: inout Arena
    ) throws(PredictionDecodeError) -> Tensor {
        var name = ByteView.empty
        var type: Int32 = 0
        var shape = List<Int64>()
        var rank = 0
        var content = ByteView.empty
        var reader = WireReader(message)
        while let field = try reading({ () throws(WireError) in try reader.next() }) {
            switch field.number {
            case 1: name = try reading { () throws(WireError) in try field.string() }
            case 2: type = Int32(truncatingIfNeeded: try reading { () throws(WireError) in try field.unsigned() })
            case 3:
                rank += try field.append(
                    to: &shape, countMax: Tensor.rankMax, in: &arena, throwing: PredictionDecodeError.self)
            case 4: content = try reading { () throws(WireError) in try field.bytes() }
            default: break
            }
        }
        guard type != 0 else { throw .noElementType(tensor: name.clippedText) }
        guard let type = UInt8(exactly: type).flatMap(ElementType.init(rawValue:)) else {
            throw .unknownElementType(type, tensor: name.clippedText)
        }
        guard rank <= Tensor.rankMax else {
            throw .tensor(.rankAbove(Tensor.rankMax, tensor: name.clippedText, rank: rank))
        }
        return Tensor(name: name, type: type, shape: shape, content: content)
    }

    static func encode(
        _ tensor: Tensor, field: Int, to writer: inout WireWriter, in arena: inout Arena
    ) throws(ArenaFull) {
        let mark = try writer.begin(field, in: &arena)
        try writer.string(1, tensor.name, in: &arena)
        try writer.number(2, UInt64(tensor.type.rawValue), in: &arena)
        try writer.packed(3, tensor.shape, in: &arena)
        try writer.string(4, tensor.content, in: &arena)
        try writer.end(mark, in: &arena)
    }

    /// About what `encode` copies, so that a writer's buffer need not move.
    static func expectedBytes(_ tensors: List<Tensor>) -> Int {
        var bytes = 0
        for index in tensors.indices {
            let tensor = tensors[index]
            bytes += 24 + tensor.name.count + tensor.shape.count * 3
            if tensor.content.count < Outbox.referenceBytesMin { bytes += tensor.content.count }
        }
        return bytes
    }
}
