// Enters: bytes, in as many pieces as they come. Leaves: their SHA-256 digest.
internal import CCrypto
public import Memory

/// SHA-256 (FIPS 180-4, section 6.2) of bytes that arrive piece by piece.
///
/// Owns libcrypto's state, which is freed when the value is.
@safe public struct SHA256: ~Copyable {
    private let state: OpaquePointer

    /// The digest of no bytes yet. Traps only when there is no memory for libcrypto's state (some hundred bytes).
    public init() {
        guard let state = unsafe EVP_MD_CTX_new() else { fatalError("no memory for a SHA-256 state") }
        unsafe self.state = state
        let began = unsafe EVP_DigestInit_ex(state, EVP_sha256(), nil)
        precondition(began == 1, "libcrypto does not offer SHA-256")
    }

    deinit { unsafe EVP_MD_CTX_free(state) }

    /// The digest of `bytes`, when they are all there.
    public static func digest(of bytes: ByteView) -> Digest {
        var state = SHA256()
        state.update(bytes)
        return state.finish()
    }

    /// Adds `bytes` at the end.
    public mutating func update(_ bytes: ByteView) {
        guard bytes.count > 0 else { return }
        let updated = unsafe EVP_DigestUpdate(state, bytes.pointer, bytes.count)
        precondition(updated == 1, "SHA-256 of \(bytes.count) bytes failed")
    }

    /// The digest of all that was added.
    public consuming func finish() -> Digest {
        var bytes = InlineArray<32, UInt8>(repeating: 0)
        var span = bytes.mutableSpan
        let finished = unsafe span.withUnsafeMutableBufferPointer { room in
            unsafe EVP_DigestFinal_ex(state, room.baseAddress, nil)
        }
        precondition(finished == 1, "SHA-256 did not finish")
        return Digest { word in
            (0..<8).reduce(0) { $0 << 8 | UInt64(bytes[8 * word + $1]) }
        }
    }
}
