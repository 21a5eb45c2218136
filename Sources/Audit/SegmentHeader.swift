// Enters: the beginning of a segment's file. Leaves: what the segment says of itself; and the bytes of a new one's header.
internal import Cryptography
public import Memory

/// The header of a segment (TRUST 4.1), which is an entry of the log as well.
public struct SegmentHeader: Equatable, Sendable {
    public static let magic: [UInt8] = Array("AUDSEG1\n".utf8)
    /// With the longest names and all 64 hashes.
    public static let byteCountMax = 2507
    static let commitmentBytes = 32
    private static let fixedBytes = 136

    /// Logs below are pruned.
    public var oldestLog: UInt32
    public var logID: LogID
    public var sequence: UInt64
    /// Entries before it; the header is entry `first`.
    public var first: UInt64
    /// Bytes of the segment before that count.
    public var previousLength: UInt64
    /// Segments below are pruned.
    public var oldest: UInt64
    /// Nanoseconds since 1970.
    public var created: UInt64
    public var salt: [UInt8]
    public var publicKey: [UInt8]
    public var keyID: String
    public var origin: Origin
    /// The tree of the entries before.
    public var range: CompactRange
    public var commitment: [UInt8]

    /// Bytes of the whole header.
    public var byteCount: Int {
        Self.fixedBytes + 3 + keyID.utf8.count + origin.text.utf8.count + 32 * range.roots.count + Self.commitmentBytes
    }

    /// `nil`: `file` does not begin with a header.
    public init?(_ file: ByteView) {
        let fixed = Self.fixedBytes
        guard file.count >= fixed, file.prefix(8).array == Self.magic else { return nil }
        let count = Int(file.bigEndian(at: 8, as: UInt32.self))
        guard (fixed...Self.byteCountMax).contains(count), count <= file.count else { return nil }
        var names = HeaderFields(rest: file[fixed..<count])
        guard let logID = LogID(file[16..<32].array), let keyID = names.text(), isKeyID(keyID.utf8),
            let origin = names.text().flatMap(Origin.init), let roots = names.hashes(),
            let commitment = names.end(Self.commitmentBytes),
            let range = CompactRange(size: file.bigEndian(at: 40), roots: roots)
        else { return nil }
        (oldestLog, self.logID) = (file.bigEndian(at: 12), logID)
        (sequence, first) = (file.bigEndian(at: 32), file.bigEndian(at: 40))
        (previousLength, oldest, created) = (file.bigEndian(at: 48), file.bigEndian(at: 56), file.bigEndian(at: 64))
        (salt, publicKey) = (file[72..<104].array, file[104..<136].array)
        (self.keyID, self.origin, self.range, self.commitment) = (keyID, origin, range, commitment)
    }

    /// Of a new segment: the commitment is not there yet.
    public init(
        logID: LogID, origin: Origin, oldestLog: UInt32, sequence: UInt64, previousLength: UInt64, oldest: UInt64,
        created: UInt64, salt: [UInt8], publicKey: [UInt8], keyID: String, range: CompactRange
    ) {
        precondition(salt.count == 32 && publicKey.count == 32 && isKeyID(keyID.utf8))
        (self.logID, self.origin, self.oldestLog, self.sequence) = (logID, origin, oldestLog, sequence)
        (self.previousLength, self.oldest, self.created) = (previousLength, oldest, created)
        (self.salt, self.publicKey, self.keyID, self.range) = (salt, publicKey, keyID, range)
        (first, commitment) = (range.size, [])
    }

    /// What the keys are derived from: the header without its commitment.
    public var committed: [UInt8] {
        var bytes = Self.magic
        bytes.append(bigEndian: UInt32(byteCount))
        bytes.append(bigEndian: oldestLog)
        bytes += logID.bytes
        for word in [sequence, first, previousLength, oldest, created] { bytes.append(bigEndian: word) }
        bytes += salt
        bytes += publicKey
        bytes.append(lengthPrefixed: keyID)
        bytes.append(lengthPrefixed: origin.text)
        bytes.append(UInt8(range.roots.count))
        for root in range.roots { root.append(to: &bytes) }
        return bytes
    }

    public var bytes: [UInt8] { committed + commitment }
}

/// What follows the fixed fields.
private struct HeaderFields {
    var rest: ByteView

    mutating func take(_ count: Int) -> ByteView? {
        guard count <= rest.count else { return nil }
        defer { rest = rest.dropFirst(count) }
        return rest.prefix(count)
    }

    mutating func text() -> String? {
        guard let count = take(1)?[0], let bytes = take(Int(count)) else { return nil }
        return String(validating: bytes.array, as: UTF8.self)
    }

    mutating func hashes() -> [Digest]? {
        guard let count = take(1)?[0], let bytes = take(32 * Int(count)) else { return nil }
        return (0..<Int(count)).compactMap { index in
            bytes[32 * index..<32 * (index + 1)].withBytes { Digest(bytes: $0) }
        }
    }

    mutating func end(_ count: Int) -> [UInt8]? {
        guard rest.count == count else { return nil }
        return take(count)?.array
    }
}
