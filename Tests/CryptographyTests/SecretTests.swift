// Enters: secrets. Leaves: what of them can be seen: in memory, in text, after their end.
import Cryptography
import Foundation
import Memory
import TestSupport
import Testing

@Suite struct SecretTests {
    @Test(arguments: [0, 1, 32, 4096, 4097]) func keepsItsBytes(count: Int) {
        let secret = Secret(copying: pattern(count))
        #expect(secret.count == count)
        #expect(secret.array == pattern(count))
    }

    @Test func isAsLongAsWhatWasWritten() {
        let secret = Secret(count: 10) { room in
            #expect(room.freeCapacity == 10)
            for byte in pattern(7) { room.append(byte) }
        }
        #expect(secret.array == pattern(7))
    }

    private struct Stop: Error {}

    @Test func aFailureWhileFillingIsThrown() {
        #expect(throws: Stop.self) {
            _ = try Secret(count: 10) { (room: inout OutputRawSpan) throws(Stop) in
                room.append(1)
                throw Stop()
            }
        }
    }

    @Test func equalsOnlyTheSameBytes() {
        let secret = Secret(copying: pattern(32))
        #expect(secret == Secret(copying: pattern(32)))
        #expect(secret != Secret(copying: pattern(31)))
        #expect(secret != Secret(copying: pattern(33)))
        for index in 0..<32 {
            var other = pattern(32)
            other[index] ^= 0x80
            #expect(secret != Secret(copying: other))
            #expect(!constantTimeEqual(other, pattern(32)))
        }
        #expect(constantTimeEqual([], []))
        #expect(constantTimeEqual(pattern(32), pattern(32)))
        #expect(!constantTimeEqual([], pattern(1)))
    }

    @Test func randomSecretsDiffer() {
        let secrets = (0..<20).map { _ in Secret.random(count: 32) }
        #expect(Set(secrets.map(\.array)).count == 20)
        let made = (0..<20).map { _ in RandomBytes.make(32) }
        #expect(Set(made).count == 20 && made.allSatisfy { $0.count == 32 })
        #expect(RandomBytes.make(0) == [] && Secret.random(count: 0).count == 0)
        // Each place gets each half of the values: with 200 draws the chance of a failure is 2⁻¹⁹¹.
        let draws = (0..<200).map { _ in RandomBytes.make(8) }
        for place in 0..<8 { #expect(Set(draws.map { $0[place] >> 7 }) == [0, 1]) }
    }

    private struct Holder {
        let key: Secret
        let signer: HMACSHA256
    }

    @Test func isNeverPrinted() {
        let secret = Secret(copying: Array("open sesame".utf8))
        #expect("\(secret)" == "Cryptography.Secret")
        #expect(String(reflecting: secret) == "Cryptography.Secret")
        #expect(Mirror(reflecting: secret).children.isEmpty)
        var dumped = ""
        dump(secret, to: &dumped)
        #expect(dumped == "- Cryptography.Secret #0\n")
        let holder = Holder(key: secret, signer: HMACSHA256(key: secret))
        dumped = "\(holder) \(String(reflecting: holder))"
        dump(holder, to: &dumped)
        let digits = secret.array.map { "\($0)" }.joined(separator: ", ")
        for text in ["open", "sesame", secret.array.hex.prefix(8).description, String(digits.prefix(12)), "0x"] {
            #expect(!dumped.contains(text), "\(dumped)")
        }
    }

    /// What the kernel says of the pages: `dd` not dumped, `lo` locked.
    @Test func pagesAreLockedAndNotDumped() throws {
        let secret = Secret(copying: pattern(32))
        let address = secret.withBytes { unsafe $0.withUnsafeBytes { UInt(bitPattern: $0.baseAddress) } }
        #expect(address % 4096 == 0)
        let flags = try #require(try self.flags(ofPageAt: address))
        #expect(flags.contains("dd"))
        // The sanitizers make mlock(2) do nothing, successfully.
        let isSanitized = unsafe dlsym(nil, "__asan_init") != nil || dlsym(nil, "__tsan_init") != nil
        if !isSanitized { #expect(flags.contains("lo") == secret.isLocked) }
        let ordinary = pattern(32)
        let other = unsafe ordinary.withUnsafeBytes { UInt(bitPattern: $0.baseAddress) }
        #expect(try self.flags(ofPageAt: other).map { $0.contains("dd") } == false)
    }

    private func flags(ofPageAt address: UInt) throws -> [Substring]? {
        let file = try FileHandle(forReadingFrom: URL(fileURLWithPath: "/proc/self/smaps"))
        let text = String(decoding: try file.readToEnd() ?? Data(), as: UTF8.self)
        var isThere = false
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ")
            let ends = words[0].split(separator: "-").compactMap { UInt($0, radix: 16) }
            if ends.count == 2 { isThere = (ends[0]..<ends[1]).contains(address) }
            if isThere, words[0] == "VmFlags:" { return Array(words.dropFirst()) }
        }
        return nil
    }

    private typealias VMSplice = @convention(c) (CInt, UnsafePointer<iovec>, Int, CUnsignedInt) -> Int

    /// A pipe can keep a page itself, not a copy of it (vmsplice(2)): what is read from it after the secret's end is what the
    /// page then held.
    @Test(arguments: [true, false]) func isWipedAtItsEnd(hasEnded: Bool) throws {
        var ends: [CInt] = [-1, -1]
        try #require(unsafe pipe(&ends) == 0)
        defer { for end in ends { close(end) } }
        var secret: Secret? = Secret(copying: pattern(32))
        // Declared for _GNU_SOURCE only.
        let vmsplice = unsafe unsafeBitCast(dlsym(nil, "vmsplice"), to: VMSplice?.self).unsafelyUnwrapped
        let kept = secret.map { secret in
            secret.withBytes { span in
                unsafe span.withUnsafeBytes { bytes in
                    var part = unsafe iovec(
                        iov_base: UnsafeMutableRawPointer(mutating: bytes.baseAddress), iov_len: bytes.count)
                    return unsafe vmsplice(ends[1], &part, 1, 0)
                }
            }
        }
        try #require(kept == 32)
        if hasEnded { secret = nil }
        var left = [UInt8](repeating: 1, count: 32)
        try #require(unsafe read(ends[0], &left, 32) == 32)
        #expect(left == (hasEnded ? [UInt8](repeating: 0, count: 32) : pattern(32)))
        withExtendedLifetime(secret) {}
    }
}
