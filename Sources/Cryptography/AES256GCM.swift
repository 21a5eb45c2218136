// Enters: a key; then plaintexts to seal and sealed ones to open. Leaves: ciphertext with its tag; plaintext that is genuine.
internal import CCrypto

/// AES-256-GCM (NIST SP 800-38D) under one key. The tag (16 bytes) stands behind the ciphertext.
///
/// A nonce must not be used twice to seal under the same key.
public struct AES256GCM: ~Copyable, Sendable {
    public static let keyBytes = 32
    public static let tagBytes = 16
    /// How long a nonce may be: 12 bytes is the standard's choice, and 128 libcrypto's limit.
    public static let nonceBytes = 1...128
    /// The most that is sealed at once: libcrypto counts in 32 bits.
    public static let messageBytesMax = Int(Int32.max) - tagBytes

    private var sealing: Direction
    private var opening: Direction

    /// - Parameter key: 32 bytes.
    public init(key: RawSpan) {
        sealing = Direction(key: key, encrypts: true)
        opening = Direction(key: key, encrypts: false)
    }

    /// - Parameter key: 32 bytes.
    public init(key: Secret) { self = key.withBytes { AES256GCM(key: $0) } }

    /// Adds the ciphertext of `plaintext` and the tag at the end of `output`, `plaintext.byteCount` + 16 bytes.
    /// - Parameter authenticating: what the tag covers beside the plaintext; not part of the output.
    public mutating func seal(
        _ plaintext: RawSpan, nonce: RawSpan, authenticating: RawSpan, into output: inout [UInt8]
    ) {
        let count = plaintext.byteCount
        precondition(count <= Self.messageBytesMax, "\(count) bytes, must be at most \(Self.messageBytesMax)")
        sealing.begin(nonce: nonce, authenticating: authenticating)
        output.append(addingCapacity: count + Self.tagBytes) { room in
            unsafe room.withUnsafeMutableBufferPointer { room, written in
                let start = unsafe room.baseAddress.unsafelyUnwrapped
                unsafe sealing.transform(plaintext, into: start)
                let sealed = unsafe sealing.finish(start + count)
                precondition(sealed, "libcrypto did not seal")
                unsafe sealing.control(EVP_CTRL_AEAD_GET_TAG, Int32(Self.tagBytes), start + count)
                written = count + Self.tagBytes
            }
        }
    }

    /// Adds the plaintext of `sealed` at the end of `output`, `sealed.byteCount` - 16 bytes. False: it is not what was sealed
    /// under this key with this nonce and `authenticating`; then nothing is added, and what was decrypted is wiped.
    public mutating func open(
        _ sealed: RawSpan, nonce: RawSpan, authenticating: RawSpan, into output: inout [UInt8]
    ) -> Bool {
        let count = sealed.byteCount - Self.tagBytes
        guard (0...Self.messageBytesMax).contains(count) else { return false }
        opening.begin(nonce: nonce, authenticating: authenticating)
        var isGenuine = false
        output.append(addingCapacity: count) { room in
            unsafe room.withUnsafeMutableBufferPointer { room, written in
                // The room may be none; libcrypto takes a missing address for another call.
                var none: UInt8 = 0
                unsafe withUnsafeMutablePointer(to: &none) { none in
                    let start = unsafe room.baseAddress ?? none
                    unsafe opening.transform(sealed.extracting(0..<count), into: start)
                    unsafe sealed.extracting(count..<sealed.byteCount).withOctets { tag in
                        unsafe opening.control(
                            EVP_CTRL_AEAD_SET_TAG, Int32(Self.tagBytes), UnsafeMutablePointer(mutating: tag))
                    }
                    isGenuine = unsafe opening.finish(start + count)
                }
                if isGenuine { written = count } else { unsafe OPENSSL_cleanse(room.baseAddress, count) }
            }
        }
        // A failure left in the queue of this thread would be taken for one of its TLS sessions.
        if !isGenuine { ERR_clear_error() }
        return isGenuine
    }
}

/// Sealing or opening: the key stays, the nonce is set for each message.
private struct Direction: ~Copyable, Sendable {
    private let context: CipherContext
    private var nonceBytes = 12

    init(key: RawSpan, encrypts: Bool) {
        unsafe context = CipherContext(Ciphers.aes256GCM, key: key, encrypts: encrypts)
    }

    mutating func begin(nonce: RawSpan, authenticating: RawSpan) {
        precondition(AES256GCM.nonceBytes.contains(nonce.byteCount), "a nonce of \(nonce.byteCount) bytes")
        if nonce.byteCount != nonceBytes {
            unsafe control(EVP_CTRL_AEAD_SET_IVLEN, Int32(nonce.byteCount), nil)
            nonceBytes = nonce.byteCount
        }
        let begun = unsafe nonce.withOctets { unsafe EVP_CipherInit_ex2(context.pointer, nil, nil, $0, -1, nil) }
        precondition(begun == 1, "libcrypto did not take a nonce of \(nonceBytes) bytes")
        unsafe transform(authenticating, into: nil)
    }

    /// Writes as many bytes as it reads; without `output` they are authenticated only.
    @unsafe func transform(_ input: RawSpan, into output: UnsafeMutablePointer<UInt8>?) {
        let count = input.byteCount
        guard count > 0 else { return }
        precondition(count <= AES256GCM.messageBytesMax, "\(count) bytes at once")
        var written: Int32 = 0
        let done = unsafe input.withOctets {
            unsafe EVP_CipherUpdate(context.pointer, output, &written, $0, Int32(count))
        }
        precondition(done == 1 && Int(written) == count, "libcrypto did not take \(count) bytes")
    }

    /// False: the tag is wrong. Writes nothing, as GCM has no padding.
    @unsafe func finish(_ end: UnsafeMutablePointer<UInt8>) -> Bool {
        var written: Int32 = 0
        return unsafe EVP_CipherFinal_ex(context.pointer, end, &written) == 1
    }

    @unsafe func control(_ command: Int32, _ count: Int32, _ bytes: UnsafeMutablePointer<UInt8>?) {
        let done = unsafe EVP_CIPHER_CTX_ctrl(context.pointer, command, count, bytes)
        precondition(done == 1, "libcrypto did not do \(command) with \(count) bytes")
    }
}
