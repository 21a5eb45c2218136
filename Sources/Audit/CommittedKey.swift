// Enters: a long-lived key, and the header that it is to serve. Leaves: a key for this header alone, and a commitment to it.
internal import Cryptography
internal import Memory

/// K(32) || base(12) || commitment(32) = HKDF-Expand(key, label 00 || SHA-256(committed), 76), with SHA-512 (TRUST 4).
///
/// A header is made once, under a fresh salt, so a nonce (base ⊕ number) never comes twice. The commitment rules out that one file
/// opens under two keys.
struct CommittedKey: ~Copyable {
    private var cipher: AES256GCM
    private let base: [UInt8]
    let commitment: [UInt8]

    init(_ key: Secret, label: String, committed: [UInt8]) {
        var info = Array(label.utf8) + [0]
        SHA256.digest(of: committed.raw).append(to: &info)
        let keys = key.withBytes { HKDF.expand(.sha512, key: $0, info: info.raw, count: 76) }
        cipher = keys.withBytes { AES256GCM(key: $0.extracting(0..<32)) }
        base = keys.withBytes { Array(copying: $0.extracting(32..<44)) }
        commitment = keys.withBytes { Array(copying: $0.extracting(44..<76)) }
    }

    mutating func seal(_ plaintext: RawSpan, number: UInt64, authenticating: RawSpan, into output: inout [UInt8]) {
        cipher.seal(plaintext, nonce: nonce(base, number).raw, authenticating: authenticating, into: &output)
    }

    mutating func open(
        _ sealed: RawSpan, number: UInt64, authenticating: RawSpan, into output: inout [UInt8]
    ) -> Bool {
        cipher.open(sealed, nonce: nonce(base, number).raw, authenticating: authenticating, into: &output)
    }
}

/// base ⊕ number, as 96 bits (TRUST 4).
func nonce(_ base: [UInt8], _ number: UInt64) -> [UInt8] {
    var nonce = base
    for byte in 0..<8 { nonce[4 + byte] ^= UInt8(truncatingIfNeeded: number >> UInt64(56 - 8 * byte)) }
    return nonce
}
