// Enters: a key and messages. Leaves: their codes, and whether a code that came is the one.

/// HMAC (RFC 2104) under one key, kept as the two states behind its padded key: a code hashes its message and one block.
///
/// As secret as the key. Its owner keeps it in a `Secret`, or on the stack and wipes it.
struct HMAC<Hash: PlainHash>: Sendable {
    private var inner = Hash()
    private var outer = Hash()

    /// - Parameter key: of any length; one longer than a block is hashed first.
    init(key: RawSpan) {
        // The larger of the two block sizes.
        var block = InlineArray<128, UInt8>(repeating: 0)
        unsafe withUnsafeMutableBytes(of: &block) { block in
            guard key.byteCount > Hash.blockBytes else {
                unsafe key.withUnsafeBytes { unsafe block.copyMemory(from: $0) }
                return
            }
            var hash = Hash()
            hash.update(key)
            unsafe hash.finish(into: block.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: UInt8.self))
            wipe(&hash)
        }
        for index in 0..<Hash.blockBytes { block[index] ^= 0x36 }
        unsafe inner.update(block.span.bytes.extracting(0..<Hash.blockBytes))
        for index in 0..<Hash.blockBytes { block[index] ^= 0x36 ^ 0x5c }
        unsafe outer.update(block.span.bytes.extracting(0..<Hash.blockBytes))
        wipe(&block)
    }

    /// The state to which the message's pieces are added.
    var begun: Hash { inner }

    /// Writes the code, `Hash.digestBytes` bytes, of the message that was added to `message`.
    @unsafe func end(_ message: inout Hash, into code: UnsafeMutablePointer<UInt8>) {
        unsafe message.finish(into: code)
        var outer = outer
        outer.update(unsafe UnsafeRawBufferPointer(start: code, count: Hash.digestBytes).bytes)
        unsafe outer.finish(into: code)
    }

    @unsafe func end<let count: Int>(_ message: inout Hash, into code: inout InlineArray<count, UInt8>) {
        precondition(count >= Hash.digestBytes)
        unsafe withUnsafeMutableBytes(of: &code) {
            unsafe end(&message, into: $0.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: UInt8.self))
        }
    }
}

extension HMAC: BitwiseCopyable where Hash: BitwiseCopyable {}

/// HMAC-SHA-256 (RFC 2104, FIPS 198-1) under a key that stays. Codes are 32 bytes; making one allocates nothing.
public struct HMACSHA256: Sendable {
    /// The number of bytes of a code.
    public static let byteCount = 32

    /// An `HMAC<PlainSHA256>`.
    private let states: Secret

    /// - Parameter key: of any length. RFC 2104, section 3 advises against fewer than 32 bytes.
    public init(key: RawSpan) {
        states = Secret(count: MemoryLayout<HMAC<PlainSHA256>>.size) { room in
            var hmac = HMAC<PlainSHA256>(key: key)
            unsafe room.append(hmac, as: HMAC<PlainSHA256>.self)
            wipe(&hmac)
        }
    }

    public init(key: Secret) { self = key.withBytes { HMACSHA256(key: $0) } }

    /// The code of `message` under a key that is used once: no pages are made for it.
    public static func code(of message: RawSpan, key: RawSpan) -> InlineArray<32, UInt8> {
        var hmac = HMAC<PlainSHA256>(key: key)
        defer { wipe(&hmac) }
        return hmac.code(of: message)
    }

    /// The codes of two messages under a key that is used for them only.
    public static func codes(
        of first: RawSpan, _ second: RawSpan, key: RawSpan
    ) -> (InlineArray<32, UInt8>, InlineArray<32, UInt8>) {
        var hmac = HMAC<PlainSHA256>(key: key)
        defer { wipe(&hmac) }
        return (hmac.code(of: first), hmac.code(of: second))
    }

    /// The code of `message`.
    public func code(of message: RawSpan) -> InlineArray<32, UInt8> {
        states.withBytes { states in
            unsafe states.withUnsafeBytes { states in
                unsafe states.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: HMAC<PlainSHA256>.self)
                    .pointee.code(of: message)
            }
        }
    }

    /// Whether `code` is the code of `message`: all 32 bytes, compared in constant time.
    public func isValid(_ code: RawSpan, of message: RawSpan) -> Bool {
        let right = self.code(of: message)
        return unsafe constantTimeEqual(code, right.span.bytes)
    }
}

extension HMAC where Hash == PlainSHA256 {
    func code(of message: RawSpan) -> InlineArray<32, UInt8> {
        var state = begun
        state.update(message)
        var code = InlineArray<32, UInt8>(repeating: 0)
        unsafe end(&state, into: &code)
        return code
    }
}
