import Audit
import Cryptography
import Memory
import Testing

private let vectors = Vectors.shared

private func below(_ bound: Int, _ random: inout SplitMix) -> Int { Int(random.next() % UInt64(bound)) }

extension Vectors.Scenario: CustomTestStringConvertible {
    var testDescription: String { what }
}
extension Vectors.Change: CustomTestStringConvertible {
    var testDescription: String { what }
}

/// Every column of a table of exit statuses.
private func columns(
    _ logs: [LogFiles], isFolder: Bool, pubkey: String, expect: String?, keys: [String: Secret]
) -> [String: Int32] {
    var found = [
        "with_keys": status(logs, isFolder: isFolder, pubkey: pubkey, keys: keys),
        "without_keys": status(logs, isFolder: isFolder, pubkey: pubkey),
        "without_pubkey": status(logs, isFolder: isFolder, pubkey: nil, keys: keys),
    ]
    if let expect { found["with_anchor"] = status(logs, isFolder: isFolder, pubkey: pubkey, expect: expect) }
    return found
}

@Test func theLogIsWhole() throws {
    let verifier = Verifier(
        signers: try TrustedSigners(vectors.vkey), expected: nil, auditKeys: vectors.auditKeys)
    let report = try verifier.verify(LogFiles(vectors.folder, vectors.log))
    #expect(report.status == .whole)
    #expect(report.logs[0].entries == 25 && report.logs[0].records == 19 && report.logs[0].checkpoints == 9)
    #expect(report.logs[0].root?.hex == vectors.entries.last?.root && report.logs[0].notes.isEmpty)
}

@Test(arguments: vectors.changes) func aChangedLog(change: Vectors.Change) {
    var files = vectors.log
    var file = files[change.file] ?? []
    switch change.op {
    case "append": file += bytes(change.hex ?? "")
    case "delete": file = []
    case "xor": file[change.at ?? 0] ^= change.xor ?? 0
    case "truncate": file = Array(file.prefix(change.to ?? 0))
    default: Issue.record("\(change.op) is unknown")
    }
    files[change.file] = change.op == "delete" ? nil : file
    let found = columns(
        [LogFiles("copy", files)], isFolder: false, pubkey: vectors.pubkey, expect: vectors.anchorFile,
        keys: vectors.auditKeys)
    #expect(found == change.exit)
}

@Test(arguments: vectors.scenarios) func aLogMadeByHand(scenario: Vectors.Scenario) {
    let logs = scenario.logs.sorted { $0.key < $1.key }.map { name, files in
        LogFiles(name, files.mapValues { vectors.text($0, pieces: vectors.pieces) })
    }
    let keys = scenario.auditKeys.map { $0.mapValues { Secret(copying: bytes($0).raw) } } ?? vectors.auditKeys
    let found = columns(
        logs, isFolder: scenario.dir == "folder", pubkey: scenario.pubkey ?? vectors.pubkey, expect: scenario.expect,
        keys: keys)
    #expect(found == scenario.exit)
}

@Test func expectedCheckpointsNeedPublicKeys() {
    #expect(status([LogFiles("copy", vectors.log)], isFolder: false, pubkey: nil, expect: vectors.anchorFile) == 4)
}

/// Whatever was done to the files, verifying ends, and says 0 of the untouched log only, or of one that only grew a note.
@Test func noiseNeverTraps() {
    var random = SplitMix(seed: 14)
    for _ in 0..<2_000 {
        var files = vectors.log
        let name = files.keys.sorted()[below(files.count, &random)]
        var file = files[name] ?? []
        switch below(4, &random) {
        case 0: for _ in 0...below(4, &random) { file[below(file.count, &random)] ^= 1 << UInt8(below(8, &random)) }
        case 1: file = Array(file.prefix(below(file.count, &random)))
        case 2:
            let start = below(file.count, &random)
            file.replaceSubrange(start..<min(file.count, start + 1 + below(64, &random)), with: [])
        default:
            file.insert(
                contentsOf: (0..<below(64, &random)).map { _ in UInt8(below(256, &random)) },
                at: below(file.count, &random))
        }
        guard file != files[name] else { continue }
        files[name] = file
        let found = status(
            [LogFiles("copy", files)], isFolder: false, pubkey: vectors.pubkey, expect: vectors.anchorFile,
            keys: vectors.auditKeys)
        #expect(found == 1 || found == 2, "\(name)")
    }
}
