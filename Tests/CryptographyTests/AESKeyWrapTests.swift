// Enters: Wycheproof's vectors. Leaves: keys, wrapped and unwrapped.
import Cryptography
import TestSupport
import Testing

private struct Group: Decodable {
    struct Row: Decodable {
        let tcId: Int
        let key, msg, ct: Hex
        let result: Verdict
    }
    let tests: [Row]
}

@Suite struct AESKeyWrapTests {
    /// One is acceptable, a key of 8 bytes: RFC 3394 has two blocks at least, and it is refused here.
    @Test func wycheproofVectors() throws {
        let rows = try wycheproof("aes_wrap", of: Group.self).flatMap(\.tests)
        #expect(rows.count == 68)
        #expect(rows.count { $0.result == .valid } == 13)
        for row in rows {
            let kek = Secret(copying: row.key.bytes)
            let key = AESKeyWrap.unwrap(row.ct.bytes, with: kek)
            #expect((key != nil) == (row.result == .valid), "tcId \(row.tcId)")
            guard row.result == .valid else { continue }
            #expect(key == Secret(copying: row.msg.bytes), "tcId \(row.tcId)")
            #expect(AESKeyWrap.wrap(row.msg.bytes, with: kek) == row.ct.bytes, "tcId \(row.tcId)")
        }
    }

    @Test func eachBitCounts() {
        let kek = Secret(copying: pattern(32))
        let wrapped = AESKeyWrap.wrap(pattern(32, 9), with: kek)
        #expect(wrapped.count == 40)
        for bit in 0..<8 * wrapped.count {
            var altered = wrapped
            altered[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(AESKeyWrap.unwrap(altered, with: kek) == nil, "bit \(bit)")
        }
        #expect(AESKeyWrap.unwrap(wrapped, with: Secret(copying: pattern(32, 1))) == nil)
        #expect(AESKeyWrap.unwrap(wrapped, with: kek) == Secret(copying: pattern(32, 9)))
    }
}
