// Enters: the name of a cipher and a key. Leaves: libcrypto's state of it, with one owner.
internal import CCrypto

/// The ciphers, fetched once for the process: what fetches at each use (EVP_aes_256_gcm) searches under a lock each time.
enum Ciphers {
    nonisolated(unsafe) static let aes256GCM = unsafe fetch("AES-256-GCM")
    nonisolated(unsafe) static let aes256Wrap = unsafe fetch("AES-256-WRAP")

    @unsafe private static func fetch(_ name: String) -> OpaquePointer {
        let cipher = unsafe EVP_CIPHER_fetch(nil, name, nil)
        guard let cipher = unsafe cipher else { fatalError("libcrypto does not offer \(name)") }
        return unsafe cipher
    }
}

/// A keyed EVP_CIPHER_CTX, which is wiped and freed when the value is. It belongs to no thread; its owner, of which there is
/// one, lets only one use it at a time.
@safe struct CipherContext: ~Copyable, @unchecked Sendable {
    let pointer: OpaquePointer

    /// Traps only when there is no memory.
    /// - Parameter key: as long as the cipher wants it.
    @unsafe init(_ cipher: OpaquePointer, key: RawSpan, encrypts: Bool) {
        guard let context = unsafe EVP_CIPHER_CTX_new() else { fatalError("no memory for a cipher's state") }
        unsafe pointer = context
        // Without it libcrypto refuses the ciphers that wrap keys; it changes nothing for others.
        unsafe EVP_CIPHER_CTX_set_flags(context, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW)
        precondition(unsafe key.byteCount == Int(EVP_CIPHER_get_key_length(cipher)), "a key of \(key.byteCount) bytes")
        let keyed = unsafe key.withOctets { unsafe EVP_CipherInit_ex2(context, cipher, $0, nil, encrypts ? 1 : 0, nil) }
        precondition(keyed == 1, "libcrypto did not take a key")
    }

    deinit { unsafe EVP_CIPHER_CTX_free(pointer) }
}
