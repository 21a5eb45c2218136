// Enters: a seed, or a public key; messages. Leaves: signatures, and whether one is valid.
internal import CCrypto

/// An Ed25519 key that signs (RFC 8032, section 5.1). Signatures are deterministic: no random bytes are drawn.
///
/// libcrypto keeps the key in memory of its own, which is wiped when the last copy of this value ends.
public struct Ed25519PrivateKey: Sendable {
    public static let seedBytes = 32

    private let key: AsymmetricKey
    /// 32 bytes.
    public let publicKey: [UInt8]

    /// - Parameter seed: 32 bytes, the private key of RFC 8032.
    public init(seed: Secret) {
        precondition(seed.count == Self.seedBytes, "a seed of \(seed.count) bytes, must be \(Self.seedBytes)")
        let made = seed.withBytes { seed in
            unsafe seed.withOctets {
                unsafe AsymmetricKey(
                    adopting: EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nil, $0, Self.seedBytes))
            }
        }
        guard let made else { fatalError("libcrypto does not offer Ed25519") }
        key = made
        publicKey = made.rawPublicKey
    }

    /// The signature of `message`, 64 bytes.
    public func signature(of message: RawSpan) -> [UInt8] {
        key.signature(of: message, digest: nil, count: Ed25519PublicKey.signatureBytes)
    }
}

/// An Ed25519 key that verifies (RFC 8032, section 5.1).
public struct Ed25519PublicKey: Sendable {
    public static let byteCount = 32
    public static let signatureBytes = 64

    private let key: AsymmetricKey
    /// The 32 bytes that it was made of.
    public let bytes: [UInt8]

    /// `nil`: not 32 bytes. Bytes that are no point of the curve make a key under which no signature is valid.
    public init?(_ raw: RawSpan) {
        guard raw.byteCount == Self.byteCount else { return nil }
        let made = unsafe raw.withOctets {
            unsafe AsymmetricKey(adopting: EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nil, $0, Self.byteCount))
        }
        guard let made else { return nil }
        key = made
        bytes = unsafe raw.withUnsafeBytes { unsafe Array($0) }
    }

    /// Whether `signature` is one of `message`. One that is not 64 bytes, or not in canonical form, is not.
    public func isValid(_ signature: RawSpan, of message: RawSpan) -> Bool {
        key.isValid(signature, of: message, digest: nil)
    }
}
