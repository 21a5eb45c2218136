// Enters: Wycheproof's vectors, and sealed messages of which bits are flipped. Leaves: what is sealed and what is opened.
import Cryptography
import Memory
import TestSupport
import Testing

private struct Group: Decodable {
    struct Row: Decodable {
        let tcId: Int
        let key, iv, aad, msg, ct, tag: Hex
        let result: Verdict
    }
    let tests: [Row]
}

private let key = pattern(32)
private let nonce = pattern(12, 40)
private let context = Array("of the log".utf8)

private func seal(_ plaintext: [UInt8]) -> [UInt8] {
    var gcm = AES256GCM(key: key)
    var sealed: [UInt8] = []
    gcm.seal(plaintext, nonce: nonce, authenticating: context, into: &sealed)
    return sealed
}

/// `nil`: refused.
private func open(
    _ sealed: [UInt8], nonce: [UInt8] = nonce, context: [UInt8] = context, into output: [UInt8] = []
) -> [UInt8]? {
    var gcm = AES256GCM(key: Secret(copying: key))
    var output = output
    let count = output.count
    let isGenuine = gcm.open(
        sealed, nonce: nonce, authenticating: context, into: &output)
    if !isGenuine { #expect(output.count == count) }
    return isGenuine ? output : nil
}

@Suite struct AES256GCMTests {
    /// 105 vectors; libcrypto takes nonces of 1 to 128 bytes only, which leaves out one valid vector and two that are invalid
    /// because they have no nonce.
    @Test func wycheproofVectors() throws {
        let rows = try wycheproof("aes_gcm", of: Group.self).flatMap(\.tests)
        #expect(rows.count == 105)
        var otherNonces: [Int: [Verdict]] = [:]
        for row in rows {
            let (nonce, context) = (row.iv.bytes, row.aad.bytes)
            guard AES256GCM.nonceBytes.contains(nonce.count) else {
                otherNonces[nonce.count, default: []].append(row.result)
                continue
            }
            var gcm = AES256GCM(key: row.key.bytes)
            let sealed = row.ct.bytes + row.tag.bytes
            var opened: [UInt8] = [1]
            let isGenuine = gcm.open(
                sealed, nonce: nonce, authenticating: context, into: &opened)
            #expect(isGenuine == (row.result == .valid), "tcId \(row.tcId)")
            #expect(opened == [1] + (isGenuine ? row.msg.bytes : []), "tcId \(row.tcId)")
            var own: [UInt8] = [2]
            gcm.seal(
                row.msg.bytes, nonce: nonce, authenticating: context, into: &own)
            #expect((own == [2] + sealed) == (row.result == .valid), "tcId \(row.tcId)")
        }
        #expect(otherNonces == [0: [.invalid, .invalid], 257: [.valid]])
    }

    @Test(arguments: [0, 1, 15, 16, 17, 400, 16_384, 100_000]) func whatIsSealedIsOpened(count: Int) {
        let plaintext = pattern(count)
        let sealed = seal(plaintext)
        #expect(sealed.count == count + AES256GCM.tagBytes)
        #expect(open(sealed, into: [9, 8]) == [9, 8] + plaintext)
    }

    @Test func eachBitCounts() {
        let sealed = seal(pattern(20))
        for bit in 0..<8 * sealed.count {
            var altered = sealed
            altered[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(open(altered) == nil, "bit \(bit)")
        }
        for bit in 0..<8 * nonce.count {
            var altered = nonce
            altered[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(open(sealed, nonce: altered) == nil, "bit \(bit) of the nonce")
        }
        #expect(open(sealed, context: context + [0]) == nil)
        #expect(open(sealed, context: []) == nil)
    }

    @Test func eachByteCounts() {
        let sealed = seal(pattern(20))
        for count in 0..<sealed.count { #expect(open(Array(sealed.prefix(count))) == nil, "\(count) bytes") }
        #expect(open(sealed + [0]) == nil)
        #expect(open(sealed) == pattern(20))
    }

    @Test func oneKeySealsManyMessages() {
        var gcm = AES256GCM(key: key)
        let messages = (0..<40).map { pattern($0 * 7, $0) }
        let nonces = (0..<40).map { pattern($0 % 3 == 0 ? 16 : 12, $0) }
        var sealed: [[UInt8]] = []
        for (message, nonce) in zip(messages, nonces) {
            var bytes: [UInt8] = []
            gcm.seal(message, nonce: nonce, authenticating: [], into: &bytes)
            sealed.append(bytes)
            // What was sealed before leaves nothing behind: neither its nonce's length nor its text.
            var alone: [UInt8] = []
            var fresh = AES256GCM(key: key)
            fresh.seal(message, nonce: nonce, authenticating: [], into: &alone)
            #expect(bytes == alone)
        }
        for index in messages.indices.reversed() {
            let nonce = nonces[index]
            var opened: [UInt8] = []
            // A forged one between them changes nothing.
            var forged = sealed[index]
            forged[0] ^= 1
            #expect(!gcm.open(forged, nonce: nonce, authenticating: [], into: &opened))
            #expect(
                gcm.open(sealed[index], nonce: nonce, authenticating: [], into: &opened))
            #expect(opened == messages[index])
        }
    }

    @Test func whatIsNotGenuineIsWiped() {
        var gcm = AES256GCM(key: key)
        var forged = seal(pattern(32, 7))
        forged[forged.count - 1] ^= 1
        var output: [UInt8] = []
        output.reserveCapacity(64)
        output.append(contentsOf: repeatElement(0xaa, count: 64))
        output.removeAll(keepingCapacity: true)
        #expect(
            !gcm.open(forged, nonce: nonce, authenticating: context, into: &output))
        var left: [UInt8] = []
        output.append(addingCapacity: 64) { room in
            unsafe room.withUnsafeMutableBufferPointer { room, _ in left = unsafe Array(room) }
        }
        #expect(left == [UInt8](repeating: 0, count: 32) + [UInt8](repeating: 0xaa, count: 32))
    }

    @Test(arguments: [0, 16, 31, 33]) func aKeyHas32Bytes(count: Int) async {
        await #expect(processExitsWith: .failure) { [count] in
            let key = [UInt8](repeating: 1, count: count)
            _ = AES256GCM(key: key)
        }
    }
}
