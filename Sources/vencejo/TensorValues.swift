// Enters: a tensor of an answer. Leaves: its values as JSON, or as one line for people.
import Foundation
import Memory
import Tensors

/// A tensor whose content was checked against its shape.
struct TensorValues {
    private let tensor: Tensor
    private let shape: [Int64]
    private let count: Int
    /// Of a BYTES tensor.
    private let elements: [ByteView]

    init(_ tensor: Tensor) throws(TensorError) {
        count = try tensor.check()
        self.tensor = tensor
        shape = tensor.shape.array
        var elements: [ByteView] = []
        if tensor.type == .bytes {
            var walk = ByteElements(tensor.content)
            while let element = walk.next() { elements.append(element) }
        }
        self.elements = elements
    }

    /// Lists within lists; an empty tensor is an empty list, whatever its shape.
    var json: JSON {
        guard count > 0 else { return .array([]) }
        var next = 0
        return nested(shape[...], &next)
    }

    private func nested(_ shape: ArraySlice<Int64>, _ next: inout Int) -> JSON {
        guard let length = shape.first else {
            defer { next += 1 }
            return value(next)
        }
        return .array((0..<length).map { _ in nested(shape.dropFirst(), &next) })
    }

    /// As much as fits into `width` characters; `…` stands for the rest.
    func line(width: Int) -> String {
        guard count > 0 else { return "[]" }
        var text = ""
        var next = 0
        write(shape[...], &next, to: &text, width)
        return text.count > width ? text.prefix(max(0, width - 1)) + "…" : text
    }

    private func write(_ shape: ArraySlice<Int64>, _ next: inout Int, to text: inout String, _ width: Int) {
        guard let length = shape.first else {
            text += value(next).pretty
            next += 1
            return
        }
        text += "["
        for index in 0..<length {
            if text.count > width { return }
            if index > 0 { text += ", " }
            write(shape.dropFirst(), &next, to: &text, width)
        }
        text += "]"
    }

    private func value(_ index: Int) -> JSON {
        let content = tensor.content
        switch tensor.type {
        case .bool: return .bool(content[index] != 0)
        case .uint8: return .number(content[index])
        case .uint16: return .number(content.littleEndian(at: 2 * index, as: UInt16.self))
        case .uint32: return .number(content.littleEndian(at: 4 * index, as: UInt32.self))
        case .uint64: return .number(content.littleEndian(at: 8 * index, as: UInt64.self))
        case .int8: return .number(content.littleEndian(at: index, as: Int8.self))
        case .int16: return .number(content.littleEndian(at: 2 * index, as: Int16.self))
        case .int32: return .number(content.littleEndian(at: 4 * index, as: Int32.self))
        case .int64: return .number(content.littleEndian(at: 8 * index, as: Int64.self))
        case .float16: return real(Float16(bitPattern: content.littleEndian(at: 2 * index)))
        case .bfloat16:
            return real(Float(bitPattern: UInt32(content.littleEndian(at: 2 * index, as: UInt16.self)) << 16))
        case .float32: return real(Float(bitPattern: content.littleEndian(at: 4 * index)))
        case .float64: return real(Double(bitPattern: content.littleEndian(at: 8 * index)))
        case .bytes: return text(elements[index])
        }
    }

    /// The shortest number that is read as this one; JSON has no names for the others.
    private func real(_ value: some BinaryFloatingPoint & LosslessStringConvertible) -> JSON {
        if value.isNaN { return .string("NaN") }
        if value.isInfinite { return .string(value.sign == .minus ? "-Infinity" : "Infinity") }
        return .literal("\(value)")
    }

    private func text(_ element: ByteView) -> JSON {
        if element.isUTF8 { return .string(element.text) }
        return .object([("base64", .string(Data(element.array).base64EncodedString()))])
    }
}
