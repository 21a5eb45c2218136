import Audit
import Cryptography
import Foundation
import Memory

/// Tests/Audit/vectors/audit.json: what another implementation made, and what it says of logs that were changed.
struct Vectors: Decodable {
    struct Segment: Decodable {
        let seq: UInt64
        let headerBytes: Int
        let first: UInt64
        let prevLen: UInt64
        let created: UInt64
        let salt: String
        let kid: String
        let range: [String]
        let commitment: String
    }
    struct Entry: Decodable {
        let index: UInt64
        let segment: Int
        let kind: String
        let bytes: Int
        let offset: Int
        let leafData: String
        let leafHash: String
        let root: String
        let plaintext: String?
        let digest: String?
    }
    struct Checkpoint: Decodable {
        let size: UInt64
        let root: String
        let note: String
    }
    struct Consistency: Decodable {
        let from: UInt64
        let to: UInt64
        let hashes: [String]
    }
    struct Proof: Decodable {
        let what: String?
        let text: String
        let opening: String
        let good: Bool?
        let index: UInt64?
    }
    struct Change: Decodable {
        let what: String
        let op: String
        let file: String
        let at: Int?
        let xor: UInt8?
        let to: Int?
        let hex: String?
        let exit: [String: Int32]
    }
    struct Scenario: Decodable {
        let what: String
        let dir: String
        let logs: [String: [String: String]]
        let expect: String?
        let pubkey: String?
        let auditKeys: [String: String]?
        let exit: [String: Int32]
    }
    struct KeyFile: Decodable {
        let what: String
        let file: String
        let kept: [String]?
    }
    struct PayloadKeyEntry: Decodable {
        let name: String
        let subject: String
        let month: UInt32
        let flags: UInt32
        let key: String
    }
    struct PayloadKeys: Decodable {
        let fileBeforeErasure: String
        let fileAfterErasure: String
        let entriesBefore: [PayloadKeyEntry]
        let entriesAfter: [PayloadKeyEntry]
    }

    let secrets: [String: String]
    let checkpointPublicKey: String
    let vkey: String
    let logId: String
    let origin: String
    let folder: String
    let files: [String: String]
    let segments: [Segment]
    let entries: [Entry]
    let checkpoints: [Checkpoint]
    let proof: Proof
    let consistency: [Consistency]
    let anchorFile: String
    let payloadKeys: PayloadKeys
    let changes: [Change]
    let pieces: [String]
    let notes: [String]
    let scenarios: [Scenario]
    let keyPieces: [String]
    let keyFiles: [KeyFile]
    let proofs: [Proof]

    static let shared: Vectors = {
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appending(path: "../Audit/vectors/audit.json")
        guard let data = try? Data(contentsOf: file) else { preconditionFailure("no \(file.path)") }
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        do { return try decoder.decode(Vectors.self, from: data) } catch { preconditionFailure("\(error)") }
    }()

    var auditKeys: [String: Secret] { ["audit-1": secret("audit")] }

    func secret(_ purpose: String) -> Secret { Secret(copying: bytes(secrets[purpose] ?? "").raw) }

    /// Base64 of the checkpoints' key.
    var pubkey: String { Base64.encode(bytes(checkpointPublicKey).raw) }

    /// #n, !n, zN and hex, parted by spaces.
    func text(_ text: String, pieces: [String]) -> [UInt8] {
        text.split(separator: " ").flatMap { word -> [UInt8] in
            switch word.first {
            case "#": bytes(pieces[Int(word.dropFirst()) ?? 0])
            case "!": Array(notes[Int(word.dropFirst()) ?? 0].utf8)
            case "z": [UInt8](repeating: 0, count: Int(word.dropFirst()) ?? 0)
            default: bytes(String(word))
            }
        }
    }

    var log: [String: [UInt8]] { files.mapValues(bytes) }
}

func bytes(_ hex: String) -> [UInt8] {
    guard let bytes = [UInt8](hex: hex) else { preconditionFailure("\(hex) is not hexadecimal") }
    return bytes
}

struct NotADigest: Error {}

func digest(_ bytes: [UInt8]) throws -> Digest {
    guard let digest = Digest(bytes: bytes.raw) else { throw NotADigest() }
    return digest
}

extension LogFiles {
    /// A folder in memory.
    init(_ name: String, _ files: [String: [UInt8]]) {
        self.init(name: name, names: files.keys.sorted()) { (name, bytesMax) throws(UnreadableFile) in
            OwnedBytes(Array((files[name] ?? []).prefix(bytesMax)))
        }
    }
}

/// The exit status, as `vencejo-audit verify` finds it.
func status(
    _ logs: [LogFiles], isFolder: Bool, pubkey: String?, expect: String? = nil, keys: [String: Secret]? = nil
) -> Int32 {
    do {
        let signers = try pubkey.map { (text) throws(BadLine) in try TrustedSigners(text) }
        var expected: ExpectedCheckpoints?
        if let expect {
            guard let signers else { return VerifyStatus.failed.rawValue }
            expected = try ExpectedCheckpoints(expect, signers: signers)
        }
        let verifier = Verifier(signers: signers, expected: expected, auditKeys: keys)
        let report = isFolder ? try verifier.verify(folder: logs) : try verifier.verify(logs[0])
        return report.status.rawValue
    } catch {
        return VerifyStatus.failed.rawValue
    }
}
