// Enters: bytes, in as many pieces as they come. Leaves: the 64 bytes of their SHA-512.

/// SHA-512 (FIPS 180-4, section 6.4) of bytes that arrive piece by piece.
public struct SHA512: ~Copyable, Sendable {
    /// The number of bytes of a digest.
    public static let byteCount = 64

    private var state = PlainSHA512()

    /// The digest of no bytes yet.
    public init() {}

    /// The 64 bytes of the digest of `bytes`, when they are all there.
    public static func digest(of bytes: RawSpan) -> [UInt8] {
        var state = SHA512()
        state.update(bytes)
        return state.finish()
    }

    /// Adds `bytes` at the end.
    public mutating func update(_ bytes: RawSpan) { state.update(bytes) }

    /// The 64 bytes of the digest of all that was added.
    public consuming func finish() -> [UInt8] {
        var state = state
        return unsafe [UInt8](unsafeUninitializedCapacity: Self.byteCount) { room, count in
            unsafe state.finish(into: room.baseAddress.unsafelyUnwrapped)
            count = Self.byteCount
        }
    }
}
