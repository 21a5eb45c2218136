import Audit
import Cryptography
import Memory
import Testing

private let vectors = Vectors.shared

private func below(_ bound: Int, _ random: inout SplitMix) -> Int { Int(random.next() % UInt64(bound)) }

/// The log of the vectors with something done to it: to several of its segments, so that the first fault has to win.
private func changed(_ random: inout SplitMix) -> [String: [UInt8]] {
    var files = vectors.log
    for _ in 0...below(3, &random) {
        let name = files.keys.sorted()[below(files.count, &random)]
        var file = files[name] ?? []
        guard file.count > 64 else { continue }
        switch below(5, &random) {
        case 0: file[below(file.count, &random)] ^= 1 << UInt8(below(8, &random))
        case 1: file = Array(file.prefix(below(file.count, &random)))
        case 2: file += vectors.log.values.flatMap { $0 }.suffix(below(2000, &random))
        case 3: file.replaceSubrange(below(40, &random)..<64, with: [])
        default: file = vectors.log.values.sorted { $0.count < $1.count }[below(vectors.log.count, &random)]
        }
        files[name] = file
    }
    return files
}

/// Segments are verified side by side where nothing wants their entries, and in order where something does: both say the same.
@Test(arguments: [true, false], [true, false]) func bothWaysSayTheSame(hasKeys: Bool, hasAnchors: Bool) throws {
    var random = SplitMix(seed: 77)
    let signers = try TrustedSigners(vectors.pubkey)
    let verifier = Verifier(
        signers: signers, expected: hasAnchors ? try ExpectedCheckpoints(vectors.anchorFile, signers: signers) : nil,
        auditKeys: hasKeys ? vectors.auditKeys : nil)
    var faults: Set<String> = []
    for round in 0..<1000 {
        let log = LogFiles("copy", round == 0 ? vectors.log : changed(&random))
        let sideBySide = try verifier.verify(log)
        let inOrder = try verifier.verify(log) { _, _ in }
        #expect("\(sideBySide)" == "\(inOrder)", "round \(round)")
        if let fault = sideBySide.logs[0].faults.first { faults.insert("\(fault.file ?? "") \(fault.sentence)") }
    }
    #expect(faults.count > 20)
}

/// A file that cannot be read counts only if nothing before it is wrong.
@Test func theFirstFaultWins() throws {
    let names = vectors.log.keys.sorted()
    func report(spoiling first: Bool) throws(UnreadableFile) -> VerifyReport {
        let files = vectors.log
        let log = LogFiles(name: "copy", names: names) { (name, bytesMax) throws(UnreadableFile) in
            guard name == names[0] || bytesMax < .max else { throw UnreadableFile(sentence: "no \(name)") }
            var file = files[name] ?? []
            if first, name == names[0] { file[file.count - 200] ^= 1 }
            return OwnedBytes(Array(file.prefix(bytesMax)))
        }
        return try Verifier(signers: nil, expected: nil, auditKeys: nil).verify(log)
    }
    #expect(try report(spoiling: true).status == .tampered)
    #expect(throws: UnreadableFile(sentence: "no \(names[1])")) { try report(spoiling: false) }
}

/// A length of less than the fixed fields is no header's.
@Test(arguments: [0, 24, 135, 136, 2507, 2508, Int(UInt32.max)]) func lengthsOfHeaders(length: Int) throws {
    var files = vectors.log
    let name = try #require(files.keys.min())
    files[name]?.replaceSubrange(8..<12, with: (0..<4).map { UInt8(length >> (24 - 8 * $0) & 0xff) })
    #expect(status([LogFiles("copy", files)], isFolder: false, pubkey: vectors.pubkey) == 1)
}
