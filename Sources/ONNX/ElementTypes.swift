// Enters: an element type's number in ONNX. Leaves: our name for it, or what it is that we have no name for.
import Tensors

extension ElementType {
    /// By TensorProto.DataType, whose numbers the runtime shares.
    init?(onnx number: Int32) {
        switch number {
        case 1: self = .float32
        case 2: self = .uint8
        case 3: self = .int8
        case 4: self = .uint16
        case 5: self = .int16
        case 6: self = .int32
        case 7: self = .int64
        case 8: self = .bytes
        case 9: self = .bool
        case 10: self = .float16
        case 11: self = .float64
        case 12: self = .uint32
        case 13: self = .uint64
        case 16: self = .bfloat16
        default: return nil
        }
    }

    var onnx: Int32 {
        switch self {
        case .float32: 1
        case .uint8: 2
        case .int8: 3
        case .uint16: 4
        case .int16: 5
        case .int32: 6
        case .int64: 7
        case .bytes: 8
        case .bool: 9
        case .float16: 10
        case .float64: 11
        case .uint32: 12
        case .uint64: 13
        case .bfloat16: 16
        }
    }
}

/// TensorProto.DataType in full: what a file may hold inside, though no caller can send it.
enum FileElement {
    /// Bits of one element in `raw_data`; `nil` for a string and for a number that is no type.
    static func bits(_ number: Int32) -> Int? {
        switch number {
        case 2, 3, 9, 17, 18, 19, 20, 24: 8
        case 4, 5, 10, 16: 16
        case 1, 6, 12: 32
        case 7, 11, 13, 14: 64
        case 15: 128
        case 21, 22, 23: 4
        case 25, 26: 2
        default: nil
        }
    }

    static let string: Int32 = 8

    static func name(_ number: Int32) -> String {
        if let type = ElementType(onnx: number) { return "\(type.name)" }
        return switch number {
        case 14, 15: "a complex number"
        case 17...20, 23, 24: "a float of 8 bits or fewer"
        case 21, 22, 25, 26: "an integer of 4 bits or fewer"
        default: "element type \(number)"
        }
    }
}
