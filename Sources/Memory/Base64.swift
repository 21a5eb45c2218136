// Enters: bytes, or text. Leaves: the text in base64; the bytes of a text that is the one way to write them.

/// Base64 with padding (RFC 4648, section 4), in its canonical form only: a text that is decoded and encoded again is the same.
///
/// Others pass over bits that the last character has too many, line breaks and missing padding. Then several texts stand for the
/// same bytes, and what was signed can be altered.
public enum Base64 {
    public static func encode(_ bytes: RawSpan) -> String {
        let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
        var text: [UInt8] = []
        text.reserveCapacity((bytes.byteCount + 2) / 3 * 4)
        for start in stride(from: 0, to: bytes.byteCount, by: 3) {
            let count = min(3, bytes.byteCount - start)
            var word = 0
            for index in 0..<3 { word = word << 8 | (index < count ? Int(bytes.byte(at: start + index)) : 0) }
            for index in 0..<4 { text.append(index <= count ? digits[word >> (18 - 6 * index) & 63] : padding) }
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// `nil`: not base64, or not canonical.
    public static func decode(_ text: String) -> [UInt8]? {
        let text = Array(text.utf8)
        var isDecoded = false
        let bytes = unsafe [UInt8](unsafeUninitializedCapacity: text.count / 4 * 3) { room, count in
            let room = UnsafeMutableRawBufferPointer(room)
            var output = unsafe OutputRawSpan(buffer: room, initializedCount: 0)
            isDecoded = unsafe decode(text.span.bytes, into: &output)
            count = unsafe output.finalize(for: room)
        }
        return isDecoded ? bytes : nil
    }

    /// The same for a key, which must never be a String: adds its bytes at the end of `output`. False: the text is not canonical,
    /// or longer than there is room; then nothing is added.
    public static func decode(_ text: RawSpan, into output: inout OutputRawSpan) -> Bool {
        guard text.byteCount % 4 == 0 else { return false }
        var padded = 0
        while padded < 2, padded < text.byteCount, text.byte(at: text.byteCount - 1 - padded) == padding { padded += 1 }
        let count = text.byteCount / 4 * 3 - padded
        guard count <= output.freeCapacity else { return false }
        var rest = count
        for start in stride(from: 0, to: text.byteCount, by: 4) {
            guard let word = word(of: text, at: start, digits: text.byteCount - padded) else {
                output.removeLast(count - rest)
                return false
            }
            for index in 0..<min(3, rest) { output.append(UInt8(truncatingIfNeeded: word >> (16 - 8 * index))) }
            // Bits of the last digit that belong to no byte.
            if rest < 3, word << (8 * rest) & 0xff_ffff != 0 {
                output.removeLast(count)
                return false
            }
            rest -= min(3, rest)
        }
        return true
    }

    private static let padding = UInt8(ascii: "=")

    /// The 24 bits of four digits; those from `digits` on are padding. `nil`: one is no digit.
    private static func word(of text: RawSpan, at start: Int, digits: Int) -> UInt32? {
        var word: UInt32 = 0
        for index in start..<start + 4 {
            guard let bits = index < digits ? sixBits(of: text.byte(at: index)) : 0 else { return nil }
            word = word << 6 | bits
        }
        return word
    }

    private static func sixBits(of digit: UInt8) -> UInt32? {
        switch digit {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): UInt32(digit - UInt8(ascii: "A"))
        case UInt8(ascii: "a")...UInt8(ascii: "z"): UInt32(digit - UInt8(ascii: "a")) + 26
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(digit - UInt8(ascii: "0")) + 52
        case UInt8(ascii: "+"): 62
        case UInt8(ascii: "/"): 63
        default: nil
        }
    }
}

extension RawSpan {
    /// The byte at `offset`, which is checked against the bounds.
    fileprivate func byte(at offset: Int) -> UInt8 { unsafe unsafeLoad(fromByteOffset: offset, as: UInt8.self) }
}
