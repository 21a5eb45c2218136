// Enters: fields, in ascending order. Leaves: a message's bytes; defaults are left out, as proto3 has it.

/// Writes protobuf messages of records: small ones, in one array, each field once.
public struct RecordWriter {
    public private(set) var bytes: [UInt8] = []

    public init() {}

    public mutating func number(_ field: Int, _ value: some FixedWidthInteger) {
        guard value != 0 else { return }
        varint(UInt64(field) << 3)
        varint(UInt64(truncatingIfNeeded: value))
    }

    public mutating func flag(_ field: Int, _ value: Bool) { number(field, value ? 1 : 0) }

    public mutating func fixed64(_ field: Int, _ value: UInt64) {
        guard value != 0 else { return }
        varint(UInt64(field) << 3 | 1)
        for byte in 0..<8 { bytes.append(UInt8(truncatingIfNeeded: value >> UInt64(8 * byte))) }
    }

    public mutating func text(_ field: Int, _ value: String) {
        if !value.isEmpty { delimited(field, Array(value.utf8)) }
    }

    public mutating func data(_ field: Int, _ value: [UInt8]) {
        if !value.isEmpty { delimited(field, value) }
    }

    /// Of a repeated field, where an empty element counts.
    public mutating func delimited(_ field: Int, _ value: [UInt8]) {
        varint(UInt64(field) << 3 | 2)
        varint(UInt64(value.count))
        bytes += value
    }

    public mutating func message(_ field: Int, _ body: (inout RecordWriter) -> Void) {
        var message = RecordWriter()
        body(&message)
        delimited(field, message.bytes)
    }

    /// A map's entries, sorted by the bytes of their keys.
    public mutating func map(_ field: Int, _ entries: [String: String]) {
        for (key, value) in entries.sorted(by: { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }) {
            message(field) { entry in
                entry.text(1, key)
                entry.text(2, value)
            }
        }
    }

    private mutating func varint(_ value: UInt64) {
        var rest = value
        while rest > 0x7f {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }
}
