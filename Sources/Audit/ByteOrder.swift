// Enters: integers. Leaves: their bytes, largest first.

extension [UInt8] {
    mutating func append(bigEndian value: some FixedWidthInteger) {
        for shift in stride(from: value.bitWidth - 8, through: 0, by: -8) {
            append(UInt8(truncatingIfNeeded: value >> shift))
        }
    }

    /// One byte of length, then `text`.
    mutating func append(lengthPrefixed text: String) {
        let bytes = Array(text.utf8)
        precondition(bytes.count <= 255, "a name of \(bytes.count) bytes")
        append(UInt8(bytes.count))
        self += bytes
    }
}
