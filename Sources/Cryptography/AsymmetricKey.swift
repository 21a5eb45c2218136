// Enters: libcrypto's key of a pair. Leaves: signatures, and whether one is valid.
internal import CCrypto

/// The one owner of an EVP_PKEY. libcrypto never changes a key that was made, but for caches that it locks itself: any
/// thread may use it. It wipes the private part when it frees the key.
@safe final class AsymmetricKey: @unchecked Sendable {
    private let pointer: OpaquePointer

    /// Takes over `pointer`, what a function of libcrypto just made. `nil` for `nil`: it was refused.
    @unsafe init?(adopting pointer: OpaquePointer?) {
        guard let pointer = unsafe pointer else {
            ERR_clear_error()
            return nil
        }
        unsafe self.pointer = pointer
    }

    deinit { unsafe EVP_PKEY_free(pointer) }

    /// The 32 bytes of an Ed25519 key's public part.
    var rawPublicKey: [UInt8] {
        unsafe [UInt8](unsafeUninitializedCapacity: Ed25519PublicKey.byteCount) { room, count in
            count = Ed25519PublicKey.byteCount
            let got = unsafe EVP_PKEY_get_raw_public_key(pointer, room.baseAddress, &count)
            precondition(got == 1 && count == Ed25519PublicKey.byteCount, "a key without its public part")
        }
    }

    /// - Parameters:
    ///   - digest: the hash's name, `nil` where the algorithm has its own.
    ///   - count: the number of bytes of a signature.
    func signature(of message: RawSpan, digest: String?, count: Int) -> [UInt8] {
        unsafe withContext { context in
            let begun = unsafe EVP_DigestSignInit_ex(context, nil, digest, nil, nil, pointer, nil)
            precondition(begun == 1, "libcrypto does not sign with this key")
            return unsafe [UInt8](unsafeUninitializedCapacity: count) { room, written in
                written = count
                let signed = unsafe message.withOctets {
                    unsafe EVP_DigestSign(context, room.baseAddress, &written, $0, message.byteCount)
                }
                precondition(signed == 1 && written == count, "libcrypto did not sign")
            }
        }
    }

    /// - Parameter digest: the hash's name, `nil` where the algorithm has its own.
    func isValid(_ signature: RawSpan, of message: RawSpan, digest: String?) -> Bool {
        unsafe withContext { context in
            let begun = unsafe EVP_DigestVerifyInit_ex(context, nil, digest, nil, nil, pointer, nil)
            precondition(begun == 1, "libcrypto does not verify with this key")
            let verified = unsafe signature.withOctets { code in
                unsafe message.withOctets { octets in
                    unsafe EVP_DigestVerify(context, code, signature.byteCount, octets, message.byteCount)
                }
            }
            if verified != 1 { ERR_clear_error() }
            return verified == 1
        }
    }

    private func withContext<Result>(_ body: (OpaquePointer) -> Result) -> Result {
        guard let context = unsafe EVP_MD_CTX_new() else { fatalError("no memory for a signature's state") }
        defer { unsafe EVP_MD_CTX_free(context) }
        return unsafe body(context)
    }
}
