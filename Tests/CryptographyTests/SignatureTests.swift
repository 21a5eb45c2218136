// Enters: Wycheproof's vectors and those of RFC 8032. Leaves: signatures, and which are valid.
import Cryptography
import Memory
import TestSupport
import Testing

private struct Row: Decodable {
    let tcId: Int
    let msg, sig: Hex
    let result: Verdict
}

private struct Ed25519Group: Decodable {
    let pk: Hex
    let tests: [Row]
}

private struct ECDSAGroup: Decodable {
    let publicKeyDer: Hex
    let tests: [Row]
}

/// RFC 8032, section 7.1: tests 1 to 3.
private let rfc8032: [(seed: String, key: String, message: String, signature: String)] = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
        """
        e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155\
        5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b
        """
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
        """
        92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
        085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00
        """
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
        """
        6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac\
        18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a
        """
    ),
]

@Suite struct Ed25519Tests {
    @Test func wycheproofVectors() throws {
        let groups = try wycheproof("ed25519", of: Ed25519Group.self)
        #expect(groups.map(\.tests.count).reduce(0, +) == 151)
        for group in groups {
            let key = try #require(Ed25519PublicKey(group.pk.bytes))
            #expect(key.bytes == group.pk.bytes)
            for row in group.tests {
                let isValid = key.isValid(row.sig.bytes, of: row.msg.bytes)
                #expect(isValid == (row.result == .valid), "tcId \(row.tcId)")
            }
        }
    }

    @Test(arguments: rfc8032) func signs(seed: String, key: String, message: String, signature: String) throws {
        let pair = Ed25519PrivateKey(seed: Secret(copying: hex(seed)))
        #expect(pair.publicKey == hex(key))
        let message = hex(message)
        #expect(pair.signature(of: message) == hex(signature))
        let verifier = try #require(Ed25519PublicKey(pair.publicKey))
        #expect(verifier.isValid(hex(signature), of: message))
        #expect(!verifier.isValid(hex(signature), of: (message + [0])))
    }

    @Test(arguments: [0, 31, 33]) func aPublicKeyHas32Bytes(count: Int) {
        #expect(Ed25519PublicKey(pattern(count)) == nil)
    }

    /// A point that is none makes a key under which nothing is valid.
    @Test func aPointThatIsNone() throws {
        let raw = [UInt8](repeating: 0xff, count: 32)
        let key = try #require(Ed25519PublicKey(raw))
        #expect(!key.isValid(pattern(64), of: []))
        #expect(!key.isValid([UInt8](repeating: 0, count: 64), of: []))
    }
}

@Suite struct ECDSATests {
    @Test(arguments: [
        ("ecdsa_secp256r1_sha256", ECDSAPublicKey.Curve.p256, ECDSAPublicKey.Hash.sha256, 484),
        ("ecdsa_secp384r1_sha384", .p384, .sha384, 504), ("ecdsa_secp521r1_sha512", .p521, .sha512, 542),
    ])
    func wycheproofVectors(file: String, curve: ECDSAPublicKey.Curve, hash: ECDSAPublicKey.Hash, count: Int) throws {
        let groups = try wycheproof(file, of: ECDSAGroup.self)
        #expect(groups.map(\.tests.count).reduce(0, +) == count)
        for group in groups {
            let key = try #require(ECDSAPublicKey(derSubjectPublicKeyInfo: group.publicKeyDer.bytes))
            #expect(key.curve == curve)
            for row in group.tests {
                let isValid = key.isValid(derSignature: row.sig.bytes, of: row.msg.bytes, hash: hash)
                #expect(isValid == (row.result == .valid), "tcId \(row.tcId)")
            }
        }
    }

    private func anyGroup() throws -> ECDSAGroup {
        try #require(try wycheproof("ecdsa_secp256r1_sha256", of: ECDSAGroup.self).first)
    }

    @Test func theHashCounts() throws {
        let group = try anyGroup()
        let key = try #require(ECDSAPublicKey(derSubjectPublicKeyInfo: group.publicKeyDer.bytes))
        let row = try #require(group.tests.first { $0.result == .valid })
        let right = ECDSAPublicKey.Hash.allCases.filter {
            key.isValid(derSignature: row.sig.bytes, of: row.msg.bytes, hash: $0)
        }
        #expect(right == [.sha256])
    }

    @Test func aPointLiesOnTheCurve() throws {
        let der = try anyGroup().publicKeyDer.bytes
        for bit in 0..<8 * der.count {
            var altered = der
            altered[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(ECDSAPublicKey(derSubjectPublicKeyInfo: altered) == nil, "bit \(bit)")
        }
        for count in 0..<der.count {
            #expect(ECDSAPublicKey(derSubjectPublicKeyInfo: Array(der.prefix(count))) == nil)
        }
        #expect(ECDSAPublicKey(derSubjectPublicKeyInfo: (der + [0])) == nil)
    }

    @Test func pem() throws {
        let group = try anyGroup()
        let text = unsafe Base64.encode(group.publicKeyDer.bytes.span.bytes)
        let (head, end) = ("-----BEGIN PUBLIC KEY-----", "-----END PUBLIC KEY-----")
        let lines = [head, String(text.prefix(64)), String(text.dropFirst(64)), end]
        let row = try #require(group.tests.first { $0.result == .valid })
        for pem in [
            lines.joined(separator: "\n") + "\n", lines.joined(separator: "\r\n") + "\r\n",
            lines.joined(separator: "\n"),
        ] {
            let key = try #require(ECDSAPublicKey(pem: pem))
            #expect(key.curve == .p256)
            #expect(key.isValid(derSignature: row.sig.bytes, of: row.msg.bytes, hash: .sha256))
        }
        let others = [
            [], [head, end], [head, lines[1], end], [lines[1], lines[2]], [head, lines[1], lines[2]],
            ["# a key"] + lines, lines + [""], [head, lines[1], "", lines[2], end].map { $0 + " " },
            ["-----BEGIN EC PRIVATE KEY-----", lines[1], lines[2], "-----END EC PRIVATE KEY-----"],
            [head, lines[1], String(lines[2].dropLast(1)), end], lines + lines,
        ]
        for other in others { #expect(ECDSAPublicKey(pem: other.map { $0 + "\n" }.joined()) == nil, "\(other)") }
    }
}
