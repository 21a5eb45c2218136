// Enters: nested lists of JSON values. Leaves: a shape, and the elements' bytes in the type that is wanted.
import Foundation
import Tensors

/// The elements of one tensor, row after row.
struct JSONElements {
    private var elements: [JSON] = []

    /// Keeps the elements in `value`; lists within lists must all have the same length. - Returns: the shape.
    mutating func flatten(_ value: JSON) throws(JSONError) -> [Int64] {
        var shape: [Int64] = []
        var first = value
        while case .array(let list) = first {
            shape.append(Int64(list.count))
            guard let next = list.first else { break }
            first = next
        }
        try flatten(value, shape[...])
        return shape
    }

    private mutating func flatten(_ value: JSON, _ shape: ArraySlice<Int64>) throws(JSONError) {
        switch value {
        case .array(let list):
            guard let length = shape.first, length == list.count else {
                let expected = shape.first.map { "\($0) elements" } ?? "one value"
                throw JSONError(sentence: "a list of \(list.count) elements stands where others have \(expected)")
            }
            for element in list { try flatten(element, shape.dropFirst()) }
        default:
            guard shape.isEmpty else {
                throw JSONError(
                    sentence: "\(value.excerpt) stands where others have a list of \(shape[shape.startIndex]) elements")
            }
            elements.append(value)
        }
    }

    /// The type that the values suggest, where nobody says: INT64, FP64, BOOL or BYTES.
    var likelyType: ElementType {
        var hasFraction = elements.isEmpty
        for element in elements {
            switch element {
            case .bool: return .bool
            case .string(let text) where Self.special[text] == nil: return .bytes
            case .object: return .bytes
            case .literal(let text): hasFraction = hasFraction || Int64(text) == nil
            default: hasFraction = true
            }
        }
        return hasFraction ? .float64 : .int64
    }

    func content(of type: ElementType) throws(JSONError) -> [UInt8] {
        var content: [UInt8] = []
        content.reserveCapacity(elements.count * (type.byteCount ?? 16))
        for element in elements {
            switch type {
            case .bool: content.append(try bool(element))
            case .uint8: content.append(littleEndian: try integer(element, UInt8.self, type))
            case .uint16: content.append(littleEndian: try integer(element, UInt16.self, type))
            case .uint32: content.append(littleEndian: try integer(element, UInt32.self, type))
            case .uint64: content.append(littleEndian: try integer(element, UInt64.self, type))
            case .int8: content.append(littleEndian: try integer(element, Int8.self, type))
            case .int16: content.append(littleEndian: try integer(element, Int16.self, type))
            case .int32: content.append(littleEndian: try integer(element, Int32.self, type))
            case .int64: content.append(littleEndian: try integer(element, Int64.self, type))
            case .float16: content.append(littleEndian: Float16(try real(element, type)).bitPattern)
            case .bfloat16: content.append(littleEndian: bfloat16(Float(try real(element, type))))
            case .float32: content.append(littleEndian: Float(try real(element, type)).bitPattern)
            case .float64: content.append(littleEndian: try real(element, type).bitPattern)
            case .bytes: content.append(bytesElement: try bytes(element))
            }
        }
        return content
    }

    private func bool(_ element: JSON) throws(JSONError) -> UInt8 {
        switch element {
        case .bool(let value): return value ? 1 : 0
        case .literal("0"): return 0
        case .literal("1"): return 1
        default: throw JSONError(sentence: "\(element.excerpt) is no BOOL; allowed are true, false, 1 and 0")
        }
    }

    private func integer<Integer: FixedWidthInteger>(
        _ element: JSON, _: Integer.Type, _ type: ElementType
    ) throws(JSONError) -> Integer {
        if case .literal(let text) = element {
            if let value = Integer(text) { return value }
            // 3.0 and 1e3 are whole numbers, too.
            if let value = Double(text).flatMap(Integer.init(exactly:)) { return value }
        }
        let allowed = "allowed are whole numbers from \(Integer.min) to \(Integer.max)"
        throw JSONError(sentence: "\(element.excerpt) is no \(type.name); \(allowed)")
    }

    private static let special: [String: Double] = ["NaN": .nan, "Infinity": .infinity, "-Infinity": -.infinity]

    private func real(_ element: JSON, _ type: ElementType) throws(JSONError) -> Double {
        if case .literal(let text) = element, let value = Double(text), value.isFinite { return value }
        if case .string(let text) = element, let value = Self.special[text] { return value }
        let allowed = "allowed are numbers, \"NaN\", \"Infinity\" and \"-Infinity\""
        throw JSONError(sentence: "\(element.excerpt) is no \(type.name); \(allowed)")
    }

    /// The upper half of the number's bits, rounded to the nearest, to the even one of two.
    private func bfloat16(_ value: Float) -> UInt16 {
        let bits = value.bitPattern
        if value.isNaN { return UInt16(bits >> 16) | 0x40 }
        return UInt16(truncatingIfNeeded: (bits &+ 0x7fff &+ (bits >> 16 & 1)) >> 16)
    }

    private func bytes(_ element: JSON) throws(JSONError) -> [UInt8] {
        switch element {
        case .string(let text): return Array(text.utf8)
        case .object(let members):
            if members.count == 1, members[0].key == "base64", case .string(let text) = members[0].value,
                let data = Data(base64Encoded: text)
            {
                return Array(data)
            }
        default: break
        }
        throw JSONError(sentence: "\(element.excerpt) is no BYTES; allowed are \"text\" and {\"base64\": \"…\"}")
    }
}

extension JSON {
    /// Fit for a sentence.
    fileprivate var excerpt: String {
        switch self {
        case .string(let text): quoted(text)
        case .literal(let text): String(text.prefix(64))
        case .bool(let value): "\(value)"
        case .null: "null"
        case .array: "a list"
        case .object: "an object"
        }
    }
}
