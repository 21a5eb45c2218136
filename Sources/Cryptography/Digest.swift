// Enters: 32 bytes of SHA-256. Leaves: a value to compare, to keep in a table, to hash again and to print.
import Memory

/// A SHA-256 digest (FIPS 180-4, section 6.2): 32 bytes, which name an artifact by what is in it.
public struct Digest: Hashable, Sendable, BitwiseCopyable {
    /// The 32 bytes as they lie in memory; as words, which are compared four at a time.
    private var words = InlineArray<4, UInt64>(repeating: 0)

    /// The number of bytes of a digest.
    public static let byteCount = 32

    /// The digest that `write` writes: 32 bytes, all of them.
    init(_ write: (UnsafeMutablePointer<UInt8>) -> Void) {
        unsafe withUnsafeMutableBytes(of: &words) {
            unsafe write($0.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: UInt8.self))
        }
    }

    /// The digest of which these are the bytes in the standard's order. `nil`: they are not 32.
    public init?(bytes: RawSpan) {
        guard bytes.byteCount == Self.byteCount else { return nil }
        unsafe self.init { room in
            unsafe bytes.withUnsafeBytes { bytes in
                unsafe UnsafeMutableRawBufferPointer(start: room, count: Self.byteCount).copyMemory(from: bytes)
            }
        }
    }

    public static func == (left: Self, right: Self) -> Bool {
        left.words[0] == right.words[0] && left.words[1] == right.words[1] && left.words[2] == right.words[2]
            && left.words[3] == right.words[3]
    }

    /// Any 64 bits of a digest are as good as all of them.
    public func hash(into hasher: inout Hasher) { hasher.combine(words[0]) }

    /// Lends the bytes in the standard's order while `body` runs.
    public func withBytes<Result: ~Copyable, Failure: Error>(
        _ body: (RawSpan) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        unsafe try body(words.span.bytes)
    }

    /// The bytes in the standard's order.
    public var bytes: [UInt8] {
        var bytes: [UInt8] = []
        append(to: &bytes)
        return bytes
    }

    /// Adds the 32 bytes at the end.
    public func append(to bytes: inout [UInt8]) {
        withBytes { own in unsafe own.withUnsafeBytes { unsafe bytes.append(contentsOf: $0) } }
    }

    /// 64 lower-case hexadecimal digits, as sha256sum(1) prints them.
    public var hex: String { bytes.hex }
}

extension Digest: CustomStringConvertible {
    public var description: String { hex }
}
