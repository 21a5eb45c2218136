// Enters: a type's name on the wire. Leaves: what an element is.
public import Memory

/// The datatypes of the Open Inference Protocol, version 2. The raw values are those of `vencejo.v1.ElementType`.
public enum ElementType: UInt8, CaseIterable, BitwiseCopyable, Sendable {
    case bool = 1
    case uint8, uint16, uint32, uint64
    case int8, int16, int32, int64
    case float16, bfloat16, float32, float64
    /// Strings or byte strings: each element is a little-endian 32-bit length and that many bytes.
    case bytes

    /// Bytes of one element; `nil` where elements differ in length.
    public var byteCount: Int? {
        switch self {
        case .bool, .uint8, .int8: 1
        case .uint16, .int16, .float16, .bfloat16: 2
        case .uint32, .int32, .float32: 4
        case .uint64, .int64, .float64: 8
        case .bytes: nil
        }
    }

    /// The name in the Open Inference Protocol.
    public var name: StaticString {
        switch self {
        case .bool: "BOOL"
        case .uint8: "UINT8"
        case .uint16: "UINT16"
        case .uint32: "UINT32"
        case .uint64: "UINT64"
        case .int8: "INT8"
        case .int16: "INT16"
        case .int32: "INT32"
        case .int64: "INT64"
        case .float16: "FP16"
        case .bfloat16: "BF16"
        case .float32: "FP32"
        case .float64: "FP64"
        case .bytes: "BYTES"
        }
    }

    public init?(name: ByteView) {
        // What most calls carry, first.
        if name == ElementType.float32.name {
            self = .float32
            return
        }
        // Not over `allCases`, which would make an array for each tensor of each call.
        var number: UInt8 = 1
        while let type = ElementType(rawValue: number) {
            if name == type.name {
                self = type
                return
            }
            number += 1
        }
        return nil
    }
}
