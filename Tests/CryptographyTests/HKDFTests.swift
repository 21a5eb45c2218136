// Enters: Wycheproof's vectors and those of RFC 5869. Leaves: keys.
import Cryptography
import TestSupport
import Testing

private struct Group: Decodable {
    struct Row: Decodable {
        let tcId: Int
        let ikm, salt, info, okm: Hex
        let size: Int
        let result: Verdict
    }
    let tests: [Row]
}

@Suite struct HKDFTests {
    /// The invalid ones ask for more than 255 digests.
    @Test(arguments: [(HKDF.Hash.sha256, "hkdf_sha256", 86), (.sha512, "hkdf_sha512", 83)])
    func wycheproofVectors(hash: HKDF.Hash, file: String, count: Int) throws {
        let rows = try wycheproof(file, of: Group.self).flatMap(\.tests)
        #expect(rows.count == count)
        for row in rows {
            #expect((row.size <= hash.expandedBytesMax) == (row.result == .valid), "tcId \(row.tcId)")
            guard row.size <= hash.expandedBytesMax else { continue }
            let key = HKDF.extract(hash, salt: row.salt.bytes, input: row.ikm.bytes)
            #expect(
                HKDF.expand(hash, key: key.array, info: row.info.bytes, count: row.size)
                    == Secret(copying: row.okm.bytes), "tcId \(row.tcId)")
        }
    }

    /// RFC 5869, appendix A: the first three, which use SHA-256.
    @Test(arguments: [
        (
            "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "000102030405060708090a0b0c", "f0f1f2f3f4f5f6f7f8f9",
            "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5",
            """
            3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf\
            34007208d5b887185865
            """
        ),
        (
            (0x00...0x4f).map { String($0, radix: 16).count < 2 ? "0" + String($0, radix: 16) : String($0, radix: 16) }
                .joined(),
            (0x60...0xaf).map { String($0, radix: 16) }.joined(), (0xb0...0xff).map { String($0, radix: 16) }.joined(),
            "06a6b88c5853361a06104c9ceb35b45cef760014904671014a193f40c15fc244",
            """
            b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c\
            59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71\
            cc30c58179ec3e87c14c01d5c1f3434f1d87
            """
        ),
        (
            "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "", "",
            "19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04",
            """
            8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d\
            9d201395faa4b61a96c8
            """
        ),
    ])
    func rfc5869(input: String, salt: String, info: String, key: String, expanded: String) {
        #expect(HKDF.extract(.sha256, salt: hex(salt), input: hex(input)) == Secret(copying: hex(key)))
        let count = hex(expanded).count
        #expect(
            HKDF.expand(.sha256, key: hex(key), info: hex(info), count: count)
                == Secret(copying: hex(expanded)))
    }

    /// Lengths on both sides of a digest and of the limit: each is a prefix of the longest.
    @Test(arguments: HKDF.Hash.allCases) func lengths(hash: HKDF.Hash) {
        let info = pattern(5000)
        func expand(_ count: Int) -> [UInt8] {
            HKDF.expand(hash, key: pattern(hash.byteCount), info: info, count: count).array
        }
        let longest = expand(hash.expandedBytesMax)
        #expect(longest.count == 255 * hash.byteCount)
        for count in [0, 1, hash.byteCount - 1, hash.byteCount, hash.byteCount + 1, hash.expandedBytesMax - 1] {
            #expect(expand(count)[...] == longest.prefix(count))
        }
    }

    @Test(arguments: [-1, 255 * 64 + 1]) func anotherLengthTraps(count: Int) async {
        await #expect(processExitsWith: .failure) { [count] in
            _ = HKDF.expand(.sha512, key: pattern(64), info: [], count: count)
        }
    }
}
