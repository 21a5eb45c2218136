import Cryptography
import Memory
import TestSupport
import Testing

/// FIPS 180-4 / NIST's example values, and lengths on both sides of the block's 64 bytes (from sha256sum).
private let vectors: [(text: String, hex: String)] = [
    ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    (
        "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
    ),
    (
        "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
        "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"
    ),
    (String(repeating: "a", count: 1_000_000), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"),
]

private func digest(_ bytes: [UInt8], piece: Int) -> Digest {
    var queue = ByteQueue()
    queue.append(bytes)
    var state = SHA256()
    while !queue.isEmpty {
        let next = queue.view.prefix(piece)
        state.update(next)
        queue.consume(next.count)
    }
    return state.finish()
}

@Test(arguments: vectors) func fips180(text: String, hex: String) {
    #expect(digest(Array(text.utf8), piece: .max).hex == hex)
}

@Test(arguments: [1, 3, 63, 64, 65, 4096]) func piecesMakeNoDifference(piece: Int) {
    let bytes = (0..<10_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
    #expect(digest(bytes, piece: piece) == digest(bytes, piece: .max))
}

@Test func digestsAreValues() {
    let one = SHA256.digest(of: ByteView("abc"))
    #expect(one == SHA256.digest(of: ByteView("abc")))
    #expect(one != SHA256.digest(of: ByteView("abd")))
    #expect(Set([one, SHA256.digest(of: ByteView("abc")), SHA256.digest(of: ByteView(""))]).count == 2)
    #expect(one.bytes.count == Digest.byteCount && one.bytes.prefix(3) == [0xba, 0x78, 0x16])
    #expect("\(one)" == one.hex && one.hex.count == 64)
}

@Test(arguments: [0, 1, 55, 56, 63, 64, 65, 200, 10_000]) func spansAndViewsAreAlike(count: Int) {
    let bytes = pattern(count)
    var state = SHA256()
    state.update(bytes[..<(count / 3)])
    state.update(bytes[(count / 3)...])
    let digest = SHA256.digest(of: bytes)
    #expect(state.finish() == digest)
    let owned = OwnedBytes(bytes)
    withExtendedLifetime(owned) { #expect(SHA256.digest(of: owned.view) == digest) }
}

@Test func digestsAreBytes() throws {
    let digest = SHA256.digest(of: pattern(3))
    var bytes: [UInt8] = [7]
    digest.append(to: &bytes)
    #expect(bytes == [7] + digest.bytes)
    let length = digest.withBytes { $0.byteCount }
    #expect(length == Digest.byteCount)
    // A digest of a digest, as trees have it.
    #expect(digest.withBytes { SHA256.digest(of: $0) } == SHA256.digest(of: digest.bytes))
    #expect(Digest(bytes: digest.bytes) == digest)
    for count in [0, 31, 33] { #expect(Digest(bytes: pattern(count)) == nil) }
    for index in 0..<Digest.byteCount {
        var other = digest.bytes
        other[index] ^= 1
        #expect(try #require(Digest(bytes: other)) != digest, "byte \(index)")
    }
}
