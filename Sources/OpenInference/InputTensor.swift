// Enters: an `InferInputTensor`. Leaves: its name, type and shape, and whether it has typed contents.
import Memory
import Protobuf
import Tensors

/// `InferInputTensor { name = 1, datatype = 2, shape = 3, parameters = 4, contents = 5 }`.
struct InputTensor {
    /// Without content.
    let tensor: Tensor
    /// Whether `contents` is there and says something.
    let isTyped: Bool

    init(_ message: WireReader, in arena: inout Arena) throws(OpenInferenceError) {
        var name = ByteView.empty
        var datatype = ByteView.empty
        var shape = List<Int64>()
        var rank = 0
        var isTyped = false
        var refused: UnsupportedParameter?
        var reader = message
        while let field = try reading({ () throws(WireError) in try reader.next() }) {
            switch field.number {
            case 1: name = try reading { () throws(WireError) in try field.string() }
            case 2: datatype = try reading { () throws(WireError) in try field.string() }
            case 3:
                rank += try field.append(
                    to: &shape, countMax: Tensor.rankMax, in: &arena, throwing: OpenInferenceError.self)
            case 4: refused = try unsupportedParameter(field, at: .input) ?? refused
            case 5: isTyped = try reading { () throws(WireError) in try !field.bytes().isEmpty } || isTyped
            default: break
            }
        }
        if let refused { throw .unsupported(refused, tensor: name.clippedText) }
        guard let type = ElementType(name: datatype) else {
            throw .unknownDatatype(datatype.clippedText, tensor: name.clippedText)
        }
        guard rank <= Tensor.rankMax else {
            throw .tensor(.rankAbove(Tensor.rankMax, tensor: name.clippedText, rank: rank))
        }
        tensor = Tensor(name: name, type: type, shape: shape, content: .empty)
        self.isTyped = isTyped
    }
}
