// Enters: Wycheproof's vectors. Leaves: codes, and which are valid.
import Cryptography
import Memory
import TestSupport
import Testing

private struct Group: Decodable {
    struct Row: Decodable {
        let tcId: Int
        let key, msg, tag: Hex
        let result: Verdict
    }
    let tagSize: Int
    let tests: [Row]
}

@Suite struct HMACTests {
    /// Half of them have their code cut to 16 bytes: those are compared here, as the module takes whole codes only.
    @Test func wycheproofVectors() throws {
        let groups = try wycheproof("hmac_sha256", of: Group.self)
        #expect(groups.map(\.tests.count).reduce(0, +) == 174)
        for group in groups {
            for row in group.tests {
                let (key, message, tag) = (row.key.bytes, row.msg.bytes, row.tag.bytes)
                let hmac = HMACSHA256(key: key)
                let code = hmac.code(of: message)
                #expect((code.prefix(group.tagSize / 8) == tag[...]) == (row.result == .valid), "tcId \(row.tcId)")
                #expect(
                    hmac.isValid(tag, of: message)
                        == (row.result == .valid && group.tagSize == 256), "tcId \(row.tcId)")
                #expect(HMACSHA256.code(of: message, key: key) == code)
                let codes = HMACSHA256.codes(of: key, message, key: key)
                #expect(codes == [HMACSHA256.code(of: key, key: key), code])
                #expect(HMACSHA256(key: Secret(copying: key)).code(of: message) == code)
            }
        }
    }

    @Test func aCodeIsWholeAndOfItsMessage() {
        let hmac = HMACSHA256(key: pattern(32))
        let message = pattern(200)
        let code = hmac.code(of: message)
        #expect(hmac.isValid(code, of: message))
        #expect(!hmac.isValid(code, of: pattern(199)))
        #expect(!hmac.isValid([], of: message))
        #expect(!hmac.isValid((code + [0]), of: message))
        for count in 0..<32 { #expect(!hmac.isValid(Array(code.prefix(count)), of: message)) }
    }

    /// Keys on both sides of the block's 64 bytes, from Python's `hmac`.
    @Test(arguments: [
        (0, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad"),
        (63, "6549d6986014f973a76245756d91ff507521abbc4f8fceaca5223468331a424d"),
        (64, "d7c46be9d4d3464f7c0902d8159bdc62d0c08337966eac410b161741c7d4ad4d"),
        (65, "bb97872376d5d9e132739715a4fa520a27e94805baaf11a3f30b3e37c7c21800"),
        (200, "a7ec33998986ab64cffc2bec138451138a19d217b67a58d0bd1960e17448356f"),
    ])
    func keysOfAnyLength(count: Int, code: String) {
        #expect(HMACSHA256(key: pattern(count)).code(of: []).hex == code)
    }
}
