// Enters: what a test wants to lie in a ring. Leaves: a folder that goes when the test ends.
import Cryptography
import Foundation
import Glibc

@testable import Keyrings

/// A temporary folder with a `ring` in it, and room beside the ring.
struct Place: Sendable {
    let outside: String
    var ring: String { outside + "/ring" }

    static let now = UTCTime(seconds: 1_800_000_000)  // 2027-01-15T08:00:00Z

    init() {
        var template = Array((NSTemporaryDirectory() + "vencejo-keys-XXXXXX").utf8CString)
        unsafe outside = String(cString: mkdtemp(&template))
        folder("")
    }

    /// Every test does this when it ends.
    func remove() { try? FileManager.default.removeItem(atPath: outside) }

    func folder(_ path: String, mode: mode_t = 0o700) {
        precondition(unsafe mkdir("\(ring)/\(path)", 0o700) == 0)
        chmod(path, mode)
    }

    /// A new file, renamed into its place: what watches sees another inode, however fast it comes.
    func file(_ path: String, _ bytes: [UInt8], mode: mode_t = 0o600) {
        try! Data(bytes).write(to: URL(fileURLWithPath: "\(outside)/new"))
        chmod("../new", mode)
        rename("../new", to: path)
    }

    func file(_ path: String, _ text: String, mode: mode_t = 0o600) { file(path, Array(text.utf8), mode: mode) }

    func chmod(_ path: String, _ mode: mode_t) { precondition(unsafe Glibc.chmod("\(ring)/\(path)", mode) == 0) }

    func link(_ path: String, to target: String) { precondition(unsafe symlink(target, "\(ring)/\(path)") == 0) }

    func pipe(_ path: String) { precondition(unsafe mkfifo("\(ring)/\(path)", 0o600) == 0) }

    func rename(_ path: String, to new: String) {
        precondition(unsafe Glibc.rename("\(ring)/\(path)", "\(ring)/\(new)") == 0)
    }

    func delete(_ path: String) { precondition(unsafe unlink("\(ring)/\(path)") == 0) }

    func bytes(_ path: String) -> [UInt8] { Array(FileManager.default.contents(atPath: "\(ring)/\(path)") ?? Data()) }

    func text(_ path: String) -> String { String(decoding: bytes(path), as: UTF8.self) }

    /// Ascending, hidden ones, too.
    func names() -> [String] { ((try? FileManager.default.contentsOfDirectory(atPath: ring)) ?? []).sorted() }

    func mode(_ path: String) -> mode_t {
        var status = stat()
        precondition(unsafe lstat("\(ring)/\(path)", &status) == 0)
        return status.st_mode & 0o7777
    }

    /// A ring for the audit log with an active key `new`, and `old` in state verify.
    func putRing(_ folder: String = ".") {
        file("\(folder)/keyring.json", Self.document)
        file("\(folder)/old.key", Self.key(1))
        file("\(folder)/new.key", Self.key(2))
    }

    static let document = document(
        ##"{"kid":"old","alg":"A256GCM","state":"verify"},{"kid":"new","alg":"A256GCM","state":"active"}"##)

    static func document(_ keys: String, purpose: String = "audit", active: String = "new") -> String {
        #"{"v":1,"purpose":"\#(purpose)","active":"\#(active)","keys":[\#(keys)]}"#
    }

    /// 32 bytes.
    static func key(_ number: UInt8) -> [UInt8] { (0..<32).map { $0 &+ number } }

    static func base64(_ number: UInt8) -> String { Data(key(number)).base64EncodedString() + "\n" }

    func load(
        _ purpose: KeyPurpose? = .audit, mayBeGroupReadable: Bool = false, at now: UTCTime? = Self.now
    ) throws(KeyringError) -> Keyring {
        try KeyringFolder(path: ring, purpose: purpose, mayBeGroupReadable: mayBeGroupReadable).load(at: now).ring
    }
}

extension Keyring {
    /// The bytes of its secrets, and those of public keys.
    var contents: [String: [UInt8]] {
        var contents: [String: [UInt8]] = [:]
        for key in keys {
            switch key.material {
            case .secret(let secret):
                contents[key.kid] = secret.withBytes { bytes in unsafe bytes.withUnsafeBytes { unsafe Array($0) } }
            case .publicKey(_, let pem): contents[key.kid] = pem
            case nil: break
            }
        }
        return contents
    }
}

/// One command.
func edit<Result>(
    _ place: Place, _ purpose: KeyPurpose? = nil, _ body: (inout KeyringEditor) throws(KeyringError) -> Result
) throws(KeyringError) -> Result {
    var editor = try KeyringEditor(path: place.ring, purpose: purpose)
    return try body(&editor)
}
