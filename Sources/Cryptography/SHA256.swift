// Enters: bytes, in as many pieces as they come. Leaves: their SHA-256 digest.
public import Memory

/// SHA-256 (FIPS 180-4, section 6.2) of bytes that arrive piece by piece. Allocates nothing.
public struct SHA256: ~Copyable, Sendable {
    private var state = PlainSHA256()

    /// The digest of no bytes yet.
    public init() {}

    /// The digest of `bytes`, when they are all there.
    public static func digest(of bytes: RawSpan) -> Digest {
        var state = PlainSHA256()
        state.update(bytes)
        return unsafe Digest { unsafe state.finish(into: $0) }
    }

    /// The digest of `bytes`, when they are all there.
    public static func digest(of bytes: ByteView) -> Digest { bytes.withBytes { digest(of: $0) } }

    /// Adds `bytes` at the end.
    public mutating func update(_ bytes: RawSpan) { state.update(bytes) }

    /// Adds `bytes` at the end.
    public mutating func update(_ bytes: ByteView) { bytes.withBytes { state.update($0) } }

    /// The digest of all that was added.
    public consuming func finish() -> Digest {
        var state = state
        return unsafe Digest { unsafe state.finish(into: $0) }
    }
}
