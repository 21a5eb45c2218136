// Enters: 32 bytes of SHA-256. Leaves: a value to compare, to keep in a table and to print.
import Memory

/// A SHA-256 digest (FIPS 180-4, section 6.2): 32 bytes, which name an artifact by what is in it.
public struct Digest: Hashable, Sendable, BitwiseCopyable {
    /// The 32 bytes as four big-endian words.
    private let words: (UInt64, UInt64, UInt64, UInt64)

    /// The number of bytes of a digest.
    public static let byteCount = 32

    init(_ word: (Int) -> UInt64) { words = (word(0), word(1), word(2), word(3)) }

    public static func == (left: Self, right: Self) -> Bool { left.words == right.words }

    /// Any 64 bits of a digest are as good as all of them.
    public func hash(into hasher: inout Hasher) { hasher.combine(words.0) }

    /// The bytes in the standard's order.
    public var bytes: [UInt8] {
        [words.0, words.1, words.2, words.3].flatMap { word in
            (0..<8).map { UInt8(truncatingIfNeeded: word >> (56 - 8 * $0)) }
        }
    }

    /// 64 lower-case hexadecimal digits, as sha256sum(1) prints them.
    public var hex: String { bytes.hex }
}

extension Digest: CustomStringConvertible {
    public var description: String { hex }
}
