// Enters: a key, and the key that encrypts keys. Leaves: the wrapped key; and from it the key.
internal import CCrypto

/// AES key wrap (RFC 3394) under a key of 32 bytes: A256KW (RFC 7518, section 4.4). A wrapped key is 8 bytes longer than
/// the key, and checks itself.
public enum AESKeyWrap {
    public static let overheadBytes = 8
    /// The shortest key that the RFC defines, two blocks of 8 bytes; and the most that is wrapped at once.
    private static let keyBytes = 16...(1 << 20)

    /// - Parameters:
    ///   - key: at least 16 bytes, a multiple of 8.
    ///   - kek: 32 bytes.
    public static func wrap(_ key: RawSpan, with kek: Secret) -> [UInt8] {
        precondition(canBeWrapped(key.byteCount), "a key of \(key.byteCount) bytes cannot be wrapped")
        let context = kek.withBytes { unsafe CipherContext(Ciphers.aes256Wrap, key: $0, encrypts: true) }
        let count = key.byteCount + overheadBytes
        return unsafe [UInt8](unsafeUninitializedCapacity: count) { room, written in
            let wrapped = unsafe transform(key, context, into: room.baseAddress, count)
            precondition(wrapped, "libcrypto did not wrap a key of \(key.byteCount) bytes")
            written = count
        }
    }

    /// `nil`: `wrapped` is not the work of `kek`, or no wrapped key at all.
    /// - Parameter kek: 32 bytes.
    public static func unwrap(_ wrapped: RawSpan, with kek: Secret) -> Secret? {
        let count = wrapped.byteCount - overheadBytes
        guard canBeWrapped(count) else { return nil }
        let context = kek.withBytes { unsafe CipherContext(Ciphers.aes256Wrap, key: $0, encrypts: false) }
        var isGenuine = false
        let key = Secret(count: count) { room in
            unsafe room.withUnsafeMutableBytes { room, written in
                let start = unsafe room.baseAddress?.assumingMemoryBound(to: UInt8.self)
                isGenuine = unsafe transform(wrapped, context, into: start, count)
                written = count
            }
        }
        if !isGenuine { ERR_clear_error() }
        return isGenuine ? key : nil
    }

    private static func canBeWrapped(_ count: Int) -> Bool { keyBytes.contains(count) && count % 8 == 0 }

    @unsafe private static func transform(
        _ input: RawSpan, _ context: borrowing CipherContext, into output: UnsafeMutablePointer<UInt8>?, _ count: Int
    ) -> Bool {
        var written: Int32 = 0
        let done = unsafe input.withOctets {
            unsafe EVP_CipherUpdate(context.pointer, output, &written, $0, Int32(input.byteCount))
        }
        return done == 1 && Int(written) == count
    }
}
