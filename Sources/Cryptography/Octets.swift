// Enters: spans and values that hold secrets. Leaves: pointers for a call of C, a comparison that takes the same time whatever
// differs, and zeros that stay.
internal import CCrypto

/// Whether the bytes are the same. The time depends on the lengths only: for codes, keys and what is compared with them.
public func constantTimeEqual(_ left: RawSpan, _ right: RawSpan) -> Bool {
    guard left.byteCount == right.byteCount else { return false }
    return unsafe left.withUnsafeBytes { left in
        unsafe right.withUnsafeBytes { right in
            unsafe left.count == 0 || CRYPTO_memcmp(left.baseAddress, right.baseAddress, left.count) == 0
        }
    }
}

/// Overwrites `value`, which holds no reference, with zeros that the optimizer keeps although nothing reads them.
func wipe<Value>(_ value: inout Value) {
    unsafe withUnsafeMutableBytes(of: &value) { unsafe OPENSSL_cleanse($0.baseAddress, $0.count) }
}

extension RawSpan {
    /// For a call of C: where the octets lie, for as long as `body` runs; `nil` where there are none.
    @inline(__always)
    func withOctets<Result: ~Copyable>(_ body: (UnsafePointer<UInt8>?) -> Result) -> Result {
        unsafe withUnsafeBytes { unsafe body($0.baseAddress?.assumingMemoryBound(to: UInt8.self)) }
    }
}
