// Enters: values of metadata whose key ends in -bin. Leaves: their bytes; and the way back.
public import Memory

public enum BinaryMetadataError: Error, Equatable {
    /// A byte outside base64's standard alphabet.
    case character(UInt8, at: Int)
    /// Characters (without padding) of an item: one more than a multiple of four encodes nothing.
    case length(Int)
    /// The last character carries bits that belong to no byte.
    case tail(UInt8)
    case arena(ArenaFull)

    public var sentence: String {
        switch self {
        case .character(let byte, let offset):
            "binary metadata has byte \(byte) at \(offset), allowed are A-Z a-z 0-9 + / and = at the end (base64)"
        case .length(let characters):
            "binary metadata has an item of \(characters) base64 characters, which no number of bytes encodes to"
        case .tail(let byte):
            "binary metadata ends in the base64 character with byte \(byte), which carries bits that belong to no byte"
        case .arena(let full):
            "the binary metadata does not fit into the \(full.bytesMax) bytes that one call may use"
        }
    }
}

/// Source: gRPC over HTTP/2, "Binary-Header"; RFC 4648, section 4.
public enum BinaryMetadata {
    private static let alphabet: StaticString = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

    /// Whether metadata with this (lowercase) key carries bytes.
    public static func isBinary(key: ByteView) -> Bool {
        key.count > 4 && key[key.count - 4..<key.count] == "-bin"
    }

    /// The values that `value` carries: one, or several joined by commas. Padding may be there or not.
    public static func decode(_ value: ByteView, in arena: inout Arena) throws(BinaryMetadataError) -> List<ByteView> {
        var values = List<ByteView>()
        var items = CommaList(value)
        do throws(ArenaWriteError<BinaryMetadataError>) {
            while let item = items.next() {
                let decoded = try decodeItem(item, in: &arena)
                do throws(ArenaFull) { try values.append(decoded, in: &arena) } catch { throw .full(error) }
            }
        } catch {
            switch error {
            case .full(let full): throw .arena(full)
            case .body(let error): throw error
            }
        }
        return values
    }

    private static func decodeItem(
        _ item: ByteView, in arena: inout Arena
    ) throws(ArenaWriteError<BinaryMetadataError>) -> ByteView {
        var characters = item.count
        if characters % 4 == 0 {
            for _ in 0..<2 where characters > 0 && item[characters - 1] == UInt8(ascii: "=") { characters -= 1 }
        }
        guard characters % 4 != 1 else { throw .body(.length(characters)) }
        return try arena.write(characters * 3 / 4) { (bytes: inout OutputRawSpan) throws(BinaryMetadataError) in
            var bits: UInt32 = 0
            var count = 0
            for index in 0..<characters {
                guard let value = sixBits(item[index]) else { throw .character(item[index], at: index) }
                bits = bits << 6 | value
                count += 6
                guard count >= 8 else { continue }
                count -= 8
                bytes.append(UInt8(truncatingIfNeeded: bits >> UInt32(count)))
            }
            guard bits & (1 << UInt32(count) - 1) == 0 else { throw .tail(item[characters - 1]) }
        }
    }

    private static func sixBits(_ character: UInt8) -> UInt32? {
        switch character {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): UInt32(character - UInt8(ascii: "A"))
        case UInt8(ascii: "a")...UInt8(ascii: "z"): UInt32(character - UInt8(ascii: "a")) + 26
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(character - UInt8(ascii: "0")) + 52
        case UInt8(ascii: "+"): 62
        case UInt8(ascii: "/"): 63
        default: nil
        }
    }

    /// `value` in base64 without padding, as gRPC asks for.
    public static func encode(_ value: ByteView, in arena: inout Arena) throws(ArenaFull) -> ByteView {
        let alphabet = ByteView(Self.alphabet)
        var encoded = List<UInt8>()
        try encoded.reserve((value.count * 8 + 5) / 6, in: &arena)
        var bits: UInt32 = 0
        var count = 0
        for index in 0..<value.count {
            bits = bits << 8 | UInt32(value[index])
            count += 8
            while count >= 6 {
                count -= 6
                try encoded.append(alphabet[Int(bits >> UInt32(count) & 63)], in: &arena)
            }
        }
        if count > 0 { try encoded.append(alphabet[Int(bits << UInt32(6 - count) & 63)], in: &arena) }
        return encoded.bytes
    }
}
