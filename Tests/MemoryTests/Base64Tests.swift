// Enters: bytes and texts. Leaves: base64, and which of it is canonical.
import Memory
import TestSupport
import Testing

/// RFC 4648, section 10.
private let vectors = [
    ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="),
    ("foobar", "Zm9vYmFy"),
]

private func encode(_ bytes: [UInt8]) -> String { unsafe Base64.encode(bytes.span.bytes) }

private let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

@Suite struct Base64Tests {
    @Test(arguments: vectors) func rfc4648(bytes: String, text: String) {
        #expect(encode(Array(bytes.utf8)) == text)
        #expect(Base64.decode(text) == Array(bytes.utf8))
    }

    @Test func eachByteComesBack() {
        for count in 0..<70 {
            for salt in [0, 77, 200] {
                let bytes = pattern(count, salt)
                #expect(Base64.decode(encode(bytes)) == bytes)
            }
        }
        #expect(encode((0...255).map(UInt8.init)).utf8.prefix(8).elementsEqual("AAECAwQF".utf8))
        #expect(encode([0xfb, 0xef, 0xbe, 0xff]) == "++++/w==")
    }

    @Test(arguments: [
        "Z", "Zg", "Zg=", "Zg===", "Zm8", "=", "==", "====", "Z===", "Zg==Zg==", "Zm8=Zm8=", "Zm=v", "Z=9v", "=m9v",
        "Zm9v====", "Zm9v\n", "Zm9v Zm9v", " Zm9v", "Zm9v ", "Zm-_", "Zm9\u{0}", "Zm\u{e9}", "Zm9*", "Zm.v",
        "Zm9v\r\nZm9v",
    ])
    func refused(text: String) { #expect(Base64.decode(text) == nil) }

    /// Of each text of four digits, with and without padding: exactly those are decoded that encoding gives again.
    @Test func onlyCanonicalTexts() {
        for last in alphabet {
            for text in [[90, 109, 56, last], [90, last, 61, 61], [90, 109, last, 61]] {
                let text = String(decoding: text, as: UTF8.self)
                let decoded = Base64.decode(text)
                let bits = alphabet.firstIndex(of: last) ?? 0
                let isCanonical = text.hasSuffix("==") ? bits % 16 == 0 : text.hasSuffix("=") ? bits % 4 == 0 : true
                #expect((decoded != nil) == isCanonical, "\(text)")
                if let decoded { #expect(encode(decoded) == text) }
            }
        }
    }

    /// What random texts decode to is what encodes to them.
    @Test func randomTexts() {
        var random = SplitMix(seed: 64)
        let digits = alphabet + [UInt8](repeating: UInt8(ascii: "="), count: 8)
        var decoded = 0
        for _ in 0..<20_000 {
            let text = String(
                decoding: (0..<4 * (1 + random.below(2))).map { _ in digits[random.below(digits.count)] }, as: UTF8.self
            )
            guard let bytes = Base64.decode(text) else { continue }
            decoded += 1
            #expect(encode(bytes) == text)
        }
        #expect(decoded > 1000)
    }

    @Test func intoRoom() {
        func decode(_ text: String, room count: Int, behind first: [UInt8] = []) -> (Bool, [UInt8]) {
            var isDecoded = false
            let bytes = unsafe [UInt8](unsafeUninitializedCapacity: count) { room, written in
                let room = UnsafeMutableRawBufferPointer(room)
                var output = unsafe OutputRawSpan(buffer: room, initializedCount: 0)
                for byte in first { output.append(byte) }
                isDecoded = unsafe Base64.decode(Array(text.utf8).span.bytes, into: &output)
                written = unsafe output.finalize(for: room)
            }
            return (isDecoded, bytes)
        }
        #expect(decode("Zm9vYg==", room: 4) == (true, Array("foob".utf8)))
        #expect(decode("Zm9vYg==", room: 5, behind: [1]) == (true, [1] + Array("foob".utf8)))
        #expect(decode("Zm9vYg==", room: 4, behind: [1]) == (false, [1]))
        #expect(decode("Zm9vYh==", room: 9, behind: [1]) == (false, [1]))
        #expect(decode("Zm9v*g==", room: 9, behind: [1]) == (false, [1]))
        #expect(decode("Zm9v", room: 2) == (false, []))
    }
}
