// Enters: bytes, whole and in pieces. Leaves: their SHA-512.
import Cryptography
import Memory
import TestSupport
import Testing

/// Lengths on both sides of the padding's 112 and of the block's 128 bytes, from Python's `hashlib`.
private let vectors: [(count: Int, hex: String)] = [
    (
        0,
        """
        cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce\
        47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e
        """
    ),
    (
        1,
        """
        b8244d028981d693af7b456af8efa4cad63d282e19ff14942c246e50d9351d22\
        704a802a71c3580b6370de4ceb293c324a8423342557d4e5c38438f0e36910ee
        """
    ),
    (
        111,
        """
        805fdd59b337a8480ed53ce730afb1192b47c1a83f60abac4a32a795896d0871\
        b2ca6f1a9adeaf30fd76ca50b558991c31d50ba83f4077cacc1388908e371523
        """
    ),
    (
        112,
        """
        a9f77fb8e5de7cdaf23f95c9f8b2dbf075e0c01a20a9670014ec7516644ba652\
        24261cd14c36740940b26c97152ea181ece9504b52d953193c6b600140b4f3a5
        """
    ),
    (
        127,
        """
        d67b2d3795c7c27c996d5d74347e57d8664fa56a84be4965c218eb6ae628f4dd\
        7199a2c7380868e94f746bed312af22d4093342f1b7930692f113ed52ddc3c1e
        """
    ),
    (
        128,
        """
        9ef6a88ed8eeeedca566959a3c3a75c59134a4618a32264f4099ac87dbd87c4b\
        89e2f4d180db5a52c3a3639a194477eee297fc167041537d61a8d9d2190821cc
        """
    ),
    (
        129,
        """
        32111cd23a6c17f71915a9cad5e5a4380873967d423d377c45d9f7b9b89152f2\
        be37be4698e04660160578da20afab36a32a717c978ded3742460346dc45c75b
        """
    ),
    (
        1000,
        """
        59d1b5c949630b6e913a73c308c548cc6eb43ef605d0340cd3a16b9fb006941c\
        a4c9eb90cf837c552678996a84e1d3491a6da1283f2dcc57568c22233bb38b63
        """
    ),
]

@Suite struct SHA512Tests {
    @Test(arguments: vectors) func patterns(count: Int, hex: String) {
        let bytes = pattern(count)
        #expect(SHA512.digest(of: bytes).hex == hex)
        for piece in [1, 7, 128] {
            var state = SHA512()
            for start in stride(from: 0, to: count, by: piece) {
                state.update(bytes[start..<min(count, start + piece)])
            }
            #expect(state.finish().hex == hex)
        }
    }

    /// FIPS 180-4's example.
    @Test func abc() {
        let digest = SHA512.digest(of: Array("abc".utf8))
        #expect(digest.count == SHA512.byteCount)
        #expect(
            digest.hex == """
                ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
                2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f
                """)
    }
}
