// Enters: fields in order. Leaves: a message as pieces: small bytes in the arena, large payloads where they lie.
public import Memory

/// Writes one protobuf message into an arena; payloads of `referenceBytesMin` and more are referenced, not copied.
///
/// A message's length stands before it and is known only after it: one byte is kept free for it, and a message longer
/// than 127 bytes is moved up by the bytes that its length needs more. `headroom` bytes are left free in front for a
/// frame (gRPC's five-byte prefix), which whoever frames the message fills in.
@safe public struct WireWriter: BitwiseCopyable {
    private struct Reference: BitwiseCopyable {
        /// Bytes of the buffer that stand before the payload.
        var position: Int
        var payload: ByteView
    }

    /// Where a nested message began; give it back to `end`.
    public struct Mark {
        fileprivate let position: Int
        fileprivate let referencedBytes: Int
    }

    private var buffer = List<UInt8>()
    private var references = List<Reference>()
    private var referencedBytes = 0
    private let referenceBytesMin: Int

    /// `expectedBytes`: what the small part will be about, so that it need not move.
    public init(
        headroom: Int, expectedBytes: Int = 256, referenceBytesMin: Int = Outbox.referenceBytesMin,
        in arena: inout Arena
    ) throws(ArenaFull) {
        self.referenceBytesMin = referenceBytesMin
        try buffer.reserve(headroom + expectedBytes, in: &arena)
        for _ in 0..<headroom { try buffer.append(0, in: &arena) }
    }

    /// A message that was encoded elsewhere.
    public init(copying message: [UInt8], headroom: Int, in arena: inout Arena) throws(ArenaFull) {
        try self.init(headroom: headroom, expectedBytes: message.count, in: &arena)
        try raw(try arena.copy(message), in: &arena)
    }

    /// Bytes of all pieces, the headroom included.
    public var count: Int { buffer.count + referencedBytes }

    @inline(__always)
    public mutating func varint(_ value: UInt64, in arena: inout Arena) throws(ArenaFull) {
        if value <= 0x7f { return try buffer.append(UInt8(truncatingIfNeeded: value), in: &arena) }
        try longVarint(value, in: &arena)
    }

    @inline(never)
    private mutating func longVarint(_ value: UInt64, in arena: inout Arena) throws(ArenaFull) {
        var rest = value
        while rest > 0x7f {
            try buffer.append(UInt8(truncatingIfNeeded: rest) | 0x80, in: &arena)
            rest >>= 7
        }
        try buffer.append(UInt8(rest), in: &arena)
    }

    private mutating func tag(_ field: Int, _ type: WireType, in arena: inout Arena) throws(ArenaFull) {
        try varint(UInt64(field) << 3 | UInt64(type.rawValue), in: &arena)
    }

    private mutating func raw(_ bytes: ByteView, in arena: inout Arena) throws(ArenaFull) {
        try buffer.append(contentsOf: bytes, in: &arena)
    }

    /// A varint field; zero is proto3's default and is left out.
    public mutating func number(_ field: Int, _ value: UInt64, in arena: inout Arena) throws(ArenaFull) {
        guard value != 0 else { return }
        try tag(field, .varint, in: &arena)
        try varint(value, in: &arena)
    }

    public mutating func number(_ field: Int, _ value: Int64, in arena: inout Arena) throws(ArenaFull) {
        try number(field, UInt64(bitPattern: value), in: &arena)
    }

    /// A double; zero, but not minus zero, is left out.
    public mutating func double(_ field: Int, _ value: Double, in arena: inout Arena) throws(ArenaFull) {
        try fixed64(field, value.bitPattern, in: &arena)
    }

    /// Eight bytes; zero is left out.
    public mutating func fixed64(_ field: Int, _ value: UInt64, in arena: inout Arena) throws(ArenaFull) {
        guard value != 0 else { return }
        try tag(field, .fixed64, in: &arena)
        for byte in 0..<8 { try buffer.append(UInt8(truncatingIfNeeded: value >> (8 * byte)), in: &arena) }
    }

    /// Four bytes; zero is left out.
    public mutating func fixed32(_ field: Int, _ value: UInt32, in arena: inout Arena) throws(ArenaFull) {
        guard value != 0 else { return }
        try tag(field, .fixed32, in: &arena)
        for byte in 0..<4 { try buffer.append(UInt8(truncatingIfNeeded: value >> (8 * byte)), in: &arena) }
    }

    public mutating func bool(_ field: Int, _ value: Bool, in arena: inout Arena) throws(ArenaFull) {
        try number(field, UInt64(value ? 1 : 0), in: &arena)
    }

    /// A string or bytes field; the empty one is proto3's default and is left out.
    public mutating func string(_ field: Int, _ value: ByteView, in arena: inout Arena) throws(ArenaFull) {
        guard !value.isEmpty else { return }
        try element(field, value, in: &arena)
    }

    /// One element of a repeated string or bytes field; an empty one is written too.
    public mutating func element(_ field: Int, _ value: ByteView, in arena: inout Arena) throws(ArenaFull) {
        try tag(field, .bytes, in: &arena)
        try varint(UInt64(value.count), in: &arena)
        guard value.count >= referenceBytesMin else { return try raw(value, in: &arena) }
        try references.append(Reference(position: buffer.count, payload: value), in: &arena)
        referencedBytes += value.count
    }

    /// A packed repeated field of varints.
    public mutating func packed(_ field: Int, _ values: List<Int64>, in arena: inout Arena) throws(ArenaFull) {
        guard !values.isEmpty else { return }
        let mark = try begin(field, in: &arena)
        for index in values.indices { try varint(UInt64(bitPattern: values[index]), in: &arena) }
        try end(mark, in: &arena)
    }

    /// Begins a nested message (or a packed field), which `end` closes.
    public mutating func begin(_ field: Int, in arena: inout Arena) throws(ArenaFull) -> Mark {
        try tag(field, .bytes, in: &arena)
        try buffer.append(0, in: &arena)
        return Mark(position: buffer.count, referencedBytes: referencedBytes)
    }

    public mutating func end(_ mark: Mark, in arena: inout Arena) throws(ArenaFull) {
        let bytes = buffer.count - mark.position
        var length = UInt64(bytes + referencedBytes - mark.referencedBytes)
        var more = 0
        while length >> (7 * UInt64(more + 1)) != 0 { more += 1 }
        if more > 0 {
            for _ in 0..<more { try buffer.append(0, in: &arena) }
            buffer.move(mark.position, by: more, count: bytes)
            for index in references.indices.reversed() {
                guard references[index].position >= mark.position else { break }
                references[index].position += more
            }
        }
        for index in 0...more {
            buffer[mark.position - 1 + index] = UInt8(length & 0x7f) | (index < more ? 0x80 : 0)
            length >>= 7
        }
    }

    /// The message without its headroom, in one piece: where it lies if no payload is referenced, else a copy.
    public func whole(headroom: Int, in arena: inout Arena) throws(ArenaFull) -> ByteView {
        let bytes = buffer.bytes
        if references.isEmpty { return bytes.dropFirst(headroom) }
        return try arena.join(count - headroom, alignment: 1, 2 * references.count + 1) { piece in
            let index = piece / 2
            if piece % 2 == 1 { return references[index].payload }
            let start = index == 0 ? headroom : references[index - 1].position
            return bytes[start..<(index < references.count ? references[index].position : bytes.count)]
        }
    }

    /// The message's pieces in order; `fill` gets the headroom's bytes to write.
    public mutating func finish(
        in arena: inout Arena, _ fill: (inout List<UInt8>, _ messageBytes: Int) -> Void
    ) throws(ArenaFull) -> List<ByteView> {
        fill(&buffer, count)
        var pieces = List<ByteView>()
        try pieces.reserve(references.count * 2 + 1, in: &arena)
        let bytes = buffer.bytes
        var start = 0
        for index in references.indices {
            let reference = references[index]
            try pieces.append(bytes[start..<reference.position], in: &arena)
            try pieces.append(reference.payload, in: &arena)
            start = reference.position
        }
        if start < bytes.count { try pieces.append(bytes[start..<bytes.count], in: &arena) }
        return pieces
    }
}
