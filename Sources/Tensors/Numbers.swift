// Enters: a tensor's bytes. Leaves: its elements as numbers.
import Memory

extension Tensor {
    /// The element as a number; BYTES has none: 0.
    public func number(at index: Int) -> Double {
        guard let size = type.byteCount else { return 0 }
        let offset = index * size
        return switch type {
        case .bool, .uint8: Double(content[offset])
        case .int8: Double(Int8(bitPattern: content[offset]))
        case .uint16: Double(content.littleEndian(at: offset, as: UInt16.self))
        case .int16: Double(content.littleEndian(at: offset, as: Int16.self))
        case .uint32: Double(content.littleEndian(at: offset, as: UInt32.self))
        case .int32: Double(content.littleEndian(at: offset, as: Int32.self))
        case .uint64: Double(content.littleEndian(at: offset, as: UInt64.self))
        case .int64: Double(content.littleEndian(at: offset, as: Int64.self))
        case .float16: Double(Float16(bitPattern: content.littleEndian(at: offset)))
        case .bfloat16: Double(Float(bitPattern: UInt32(content.littleEndian(at: offset, as: UInt16.self)) << 16))
        case .float32: Double(Float(bitPattern: content.littleEndian(at: offset)))
        case .float64: Double(bitPattern: content.littleEndian(at: offset))
        case .bytes: 0
        }
    }
}
