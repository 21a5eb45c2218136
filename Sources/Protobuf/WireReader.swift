// Enters: a message's bytes. Leaves: its fields, one after another, where they lie.
public import Memory

/// Why bytes are not a protobuf message.
public enum WireError: Error, Equatable {
    case truncated
    /// A varint of more than ten bytes.
    case varintTooLong
    case fieldNumber(UInt64)
    /// Groups (3, 4) and the unassigned 6 and 7.
    case wireType(UInt8, field: Int)
    /// The field is there, with another wire type than its own.
    case expected(WireType, field: Int)
    case notUTF8(field: Int)
    case packedLength(field: Int)

    public var sentence: String {
        switch self {
        case .truncated: "it ends inside a field"
        case .varintTooLong: "it has a varint of more than ten bytes"
        case .fieldNumber(let number): "it has field number \(number), allowed are 1 to 536870911"
        case .wireType(let type, let field): "field \(field) has wire type \(type), allowed are 0, 1, 2 and 5"
        case .expected(let type, let field): "field \(field) has another wire type than its own, \(type.rawValue)"
        case .notUTF8(let field): "field \(field) is a string and not UTF-8"
        case .packedLength(let field): "field \(field) is packed and its length is no multiple of its element's"
        }
    }
}

public enum WireType: UInt8, BitwiseCopyable, Sendable {
    case varint = 0
    case fixed64 = 1
    case bytes = 2
    case fixed32 = 5
}

/// One field of a message. Strings and bytes are views into the message: nothing is copied.
///
/// Source: protobuf's encoding guide. Unknown fields are the caller's to pass over; the last of several wins.
public struct WireField: BitwiseCopyable {
    public let number: Int
    public let type: WireType
    /// The number of a varint, fixed32 or fixed64 field.
    private let value: UInt64
    /// The content of a length-delimited field; of a number, its bytes on the wire.
    private let content: ByteView

    init(number: Int, type: WireType, value: UInt64, content: ByteView) {
        self.number = number
        self.type = type
        self.value = value
        self.content = content
    }

    private func expect(_ expected: WireType) throws(WireError) {
        guard type == expected else { throw .expected(expected, field: number) }
    }

    public func bytes() throws(WireError) -> ByteView {
        try expect(.bytes)
        return content
    }

    /// UTF-8, as protobuf's `string` demands; may hold NUL.
    public func string() throws(WireError) -> ByteView {
        try expect(.bytes)
        guard content.isUTF8 else { throw .notUTF8(field: number) }
        return content
    }

    public func message() throws(WireError) -> WireReader {
        try expect(.bytes)
        return WireReader(content)
    }

    public func unsigned() throws(WireError) -> UInt64 {
        try expect(.varint)
        return value
    }

    public func signed() throws(WireError) -> Int64 { Int64(bitPattern: try unsigned()) }

    public func bool() throws(WireError) -> Bool { try unsigned() != 0 }

    public func double() throws(WireError) -> Double {
        try expect(.fixed64)
        return Double(bitPattern: value)
    }

    /// Calls `body` with each number of a repeated varint field, packed or not.
    public func eachVarint<Failure: Error>(
        _ body: (UInt64) throws(Failure) -> Void
    ) throws(WireOrBody<Failure>) {
        if type == .varint { return try run(body, value) }
        guard type == .bytes else { throw .wire(.expected(.varint, field: number)) }
        var reader = WireReader(content)
        while !reader.isAtEnd {
            let value: UInt64
            do throws(WireError) { value = try reader.varint() } catch { throw .wire(error) }
            try run(body, value)
        }
    }

    /// The content of a repeated fixed32 or fixed64 field, packed or a single element: little-endian, `size` bytes each.
    public func fixedElements(_ size: Int) throws(WireError) -> ByteView {
        if type == (size == 4 ? .fixed32 : .fixed64) { return content }
        try expect(.bytes)
        guard content.count % size == 0 else { throw .packedLength(field: number) }
        return content
    }
}

public enum WireOrBody<Failure: Error>: Error {
    case wire(WireError)
    case body(Failure)
}

private func run<Failure: Error>(
    _ body: (UInt64) throws(Failure) -> Void, _ value: UInt64
) throws(WireOrBody<Failure>) {
    do throws(Failure) { try body(value) } catch { throw .body(error) }
}

public struct WireReader: BitwiseCopyable {
    private let message: ByteView
    private var offset = 0

    public init(_ message: ByteView) { self.message = message }

    public var isAtEnd: Bool { offset == message.count }

    /// How many bytes of the message were read: between two fields, where the next one begins.
    public var position: Int { offset }

    /// The next field; `nil` at the message's end.
    public mutating func next() throws(WireError) -> WireField? {
        guard offset < message.count else { return nil }
        let tag = try varint()
        let number = tag >> 3
        guard number > 0 && number < 1 << 29 else { throw .fieldNumber(number) }
        guard let type = WireType(rawValue: UInt8(tag & 7)) else {
            throw .wireType(UInt8(tag & 7), field: Int(number))
        }
        let start = offset
        switch type {
        case .varint:
            let value = try varint()
            return WireField(number: Int(number), type: type, value: value, content: message[start..<offset])
        case .fixed64:
            let content = try take(8)
            return WireField(number: Int(number), type: type, value: content.littleEndian(at: 0), content: content)
        case .fixed32:
            let content = try take(4)
            let value = UInt64(content.littleEndian(at: 0, as: UInt32.self))
            return WireField(number: Int(number), type: type, value: value, content: content)
        case .bytes:
            let length = try varint()
            guard length <= UInt64(message.count - offset) else { throw .truncated }
            return WireField(number: Int(number), type: type, value: 0, content: try take(Int(length)))
        }
    }

    private mutating func take(_ bytes: Int) throws(WireError) -> ByteView {
        guard bytes <= message.count - offset else { throw .truncated }
        defer { offset += bytes }
        return message[offset..<offset + bytes]
    }

    @inline(__always)
    mutating func varint() throws(WireError) -> UInt64 {
        if offset < message.count, message[offset] < 0x80 {
            offset += 1
            return UInt64(message[offset - 1])
        }
        return try longVarint()
    }

    @inline(never)
    private mutating func longVarint() throws(WireError) -> UInt64 {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while offset < message.count {
            let byte = message[offset]
            offset += 1
            value |= UInt64(byte & 0x7f) << shift
            if byte < 0x80 { return value }
            shift += 7
            if shift >= 70 { throw .varintTooLong }
        }
        throw .truncated
    }
}
