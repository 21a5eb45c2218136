// Enters: fields, in ascending order. Leaves: a message's bytes at the end of an array that is used again and again.
internal import Memory

/// How many bytes a varint takes.
func varintBytes(_ value: UInt64) -> Int { (70 - (value | 1).leadingZeroBitCount) / 7 }

extension OutputSpan<UInt8> {
    @inline(__always)
    mutating func varint(_ value: UInt64) {
        var rest = value
        while rest > 0x7f {
            append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        append(UInt8(truncatingIfNeeded: rest))
    }

    /// At most 12 bytes; zero is proto3's default and is left out.
    @inline(__always)
    mutating func number(_ field: UInt64, _ value: UInt64) {
        guard value != 0 else { return }
        varint(field << 3)
        varint(value)
    }

    /// At most 10 bytes; zero is left out.
    @inline(__always)
    mutating func fixed64(_ field: UInt64, _ value: UInt64) {
        guard value != 0 else { return }
        varint(field << 3 | 1)
        for byte in 0..<8 as Range<UInt64> { append(UInt8(truncatingIfNeeded: value >> (8 * byte))) }
    }

    /// The head of a field of `bytes` bytes, which follow; at most 12 bytes.
    @inline(__always)
    mutating func head(_ field: UInt64, bytes: Int) {
        varint(field << 3 | 2)
        varint(UInt64(bytes))
    }
}

extension [UInt8] {
    /// The head of a field of `bytes` bytes, which follow.
    mutating func head(_ field: UInt64, bytes: Int) { append(addingCapacity: 12) { $0.head(field, bytes: bytes) } }

    /// Without a head.
    mutating func append(_ view: ByteView) {
        view.withBytes { span in unsafe span.withUnsafeBytes { unsafe append(contentsOf: $0) } }
    }

    /// Bytes; none are left out.
    mutating func data(_ field: UInt64, _ view: ByteView) {
        guard !view.isEmpty else { return }
        head(field, bytes: view.count)
        append(view)
    }

    /// A string; what is not UTF-8 of it becomes U+FFFD. The empty one is left out.
    mutating func text(_ field: UInt64, _ view: ByteView) {
        guard !view.isEmpty else { return }
        if view.isUTF8 { return data(field, view) }
        let repaired = Array(view.text.utf8)
        head(field, bytes: repaired.count)
        self += repaired
    }
}
