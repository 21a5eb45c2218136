// Enters: a long-lived key, and the header that it is to serve. Leaves: a key for this header alone, and a commitment to it.
internal import Cryptography
internal import Memory

/// K(32) || base(12) || commitment(32) = HKDF-Expand(key, label 00 || SHA-256(committed), 76), with SHA-512 (TRUST 4).
///
/// A header is made once, under a fresh salt, so a nonce (base ⊕ number) never comes twice. The commitment rules out that one file
/// opens under two keys.
struct CommittedKey: ~Copyable {
    private var cipher: AES256GCM
    private let base: NonceBase
    let commitment: [UInt8]

    init(_ key: Secret, label: String, committed: [UInt8]) {
        var info = Array(label.utf8) + [0]
        SHA256.digest(of: committed.raw).append(to: &info)
        let keys = key.withBytes { HKDF.expand(.sha512, key: $0, info: info.raw, count: 76) }
        cipher = keys.withBytes { AES256GCM(key: $0.extracting(0..<32)) }
        base = keys.withBytes { NonceBase($0.extracting(32..<44)) }
        commitment = keys.withBytes { Array(copying: $0.extracting(44..<76)) }
    }

    mutating func seal(_ plaintext: RawSpan, number: UInt64, authenticating: RawSpan, into output: inout [UInt8]) {
        let nonce = base.nonce(number)
        unsafe cipher.seal(plaintext, nonce: nonce.span.bytes, authenticating: authenticating, into: &output)
    }

    mutating func open(
        _ sealed: RawSpan, number: UInt64, authenticating: RawSpan, into output: inout [UInt8]
    ) -> Bool {
        let nonce = base.nonce(number)
        return unsafe cipher.open(sealed, nonce: nonce.span.bytes, authenticating: authenticating, into: &output)
    }
}

/// 96 bits, of which each number makes a nonce: base ⊕ number (TRUST 4).
struct NonceBase: BitwiseCopyable {
    private let bytes: InlineArray<12, UInt8>

    /// - Parameter bytes: 12.
    init(_ bytes: RawSpan) {
        self.bytes = InlineArray { unsafe bytes.unsafeLoad(fromByteOffset: $0, as: UInt8.self) }
    }

    func nonce(_ number: UInt64) -> InlineArray<12, UInt8> {
        var nonce = bytes
        for byte in 0..<8 { nonce[4 + byte] ^= UInt8(truncatingIfNeeded: number >> UInt64(56 - 8 * byte)) }
        return nonce
    }
}
