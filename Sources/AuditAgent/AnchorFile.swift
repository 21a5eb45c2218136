// Enters: a path on another volume, lines. Leaves: what was in the file; and the lines at its end.
internal import Audit
public import Cryptography
internal import Glibc
internal import Memory

/// An append-only file of checkpoints (TRUST 4.1, "Anchors"). An error while it is written is told, and the agent goes on.
public final class AnchorFile {
    /// At the end of the file: more than the checkpoints of a segment.
    private static let readBytesMax = 64 << 20
    private static let syncNanoseconds: UInt64 = 1_000_000_000
    public let path: String
    private let file: OpenFile
    /// Its last line was cut.
    private var needsNewline = false
    private var isUnsynced = false
    private var syncedAt: UInt64 = 0
    private var failure: VolumeError?

    /// Opens the file, or makes it. Errors: it cannot be opened or read.
    /// - Parameter mustExist: an operator says that there is one: a new log's file is made empty by hand.
    public init(_ path: String, mustExist: Bool) throws(AgentError) {
        self.path = path
        let flags = O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | (mustExist ? 0 : O_CREAT)
        file = OpenFile(unsafe open(path, flags, 0o644))
        guard file.isOpen else {
            let hint = mustExist && errno == ENOENT ? "; make an empty file before the first start" : ""
            throw AgentError(sentence: AgentError(system: path, "open").sentence + hint)
        }
    }

    /// The checkpoints at its end. Errors: it cannot be read; a line is none.
    public func read(signers: [Ed25519PublicKey]) throws(AgentError) -> AnchoredCheckpoints {
        var status = stat()
        guard unsafe fstat(file.descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw AgentError(sentence: "\(path) is no regular file: give another --anchor")
        }
        let start = max(0, Int(status.st_size) - Self.readBytesMax)
        guard lseek(file.descriptor, off_t(start), SEEK_SET) >= 0,
            let bytes = OwnedBytes(reading: file.descriptor, bytesMax: Self.readBytesMax)
        else { throw AgentError(system: path, "read") }
        let lines = withExtendedLifetime(bytes) { bytes.view.array }
        needsNewline = lines.last.map { $0 != 0x0a } ?? false
        do throws(AgentError) {
            return try AnchoredCheckpoints(lines, isWhole: start == 0, signers: signers)
        } catch {
            throw AgentError(sentence: "\(path): \(error.sentence)")
        }
    }

    /// Adds a line. - Returns: what is wrong, once for each thing that is.
    public func append(_ line: String) -> String? {
        do throws(VolumeError) {
            try file.write(Array((needsNewline ? "\n" : "").utf8) + Array("\(line)\n".utf8), path: path)
            (needsNewline, isUnsynced, failure) = (false, true, nil)
            return nil
        } catch {
            // A part of the line may be there.
            needsNewline = true
            defer { failure = error }
            return failure == error ? nil : error.sentence
        }
    }

    /// Makes the lines durable, at most once a second.
    public func sync(_ now: AgentTime, isLast: Bool = false) {
        guard isUnsynced, isLast || now.nanoseconds &- syncedAt >= Self.syncNanoseconds else { return }
        syncedAt = now.nanoseconds
        if fdatasync(file.descriptor) == 0 { isUnsynced = false }
    }
}
