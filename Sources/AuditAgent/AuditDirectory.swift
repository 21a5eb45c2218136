// Enters: the audit folder's path. Leaves: the folder, locked; the folders of logs in it.
public import Audit
internal import Glibc

/// The audit folder, which one process writes: flock(2) on the folder itself, until this is dropped or the process ends.
public final class AuditDirectory: AuditFolders {
    public let path: String
    private let folder: OpenFile

    /// Makes the folder if it is not there. Errors: it cannot be opened, or another process writes it.
    public init(locking path: String) throws(AgentError) {
        self.path = path
        if unsafe mkdir(path, 0o700) != 0 && errno != EEXIST { throw AgentError(system: path, "mkdir") }
        folder = OpenFile(unsafe Glibc.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC))
        guard folder.isOpen else { throw AgentError(system: path, "open") }
        guard flock(folder.descriptor, LOCK_EX | LOCK_NB) != 0 else { return }
        guard errno == EWOULDBLOCK else { throw AgentError(system: path, "flock") }
        let holder = Self.holder(of: folder.descriptor).map { " (\($0))" } ?? ""
        throw AgentError(
            sentence: "\(path) is written by another process\(holder): stop it first, or give another --log")
    }

    public func names() throws(VolumeError) -> [String] { try FolderVolume.names(in: path) }

    public func open(_ name: String) throws(VolumeError) -> FolderVolume { try FolderVolume("\(path)/\(name)") }

    public func make(_ name: String) throws(VolumeError) -> FolderVolume {
        guard unsafe mkdirat(folder.descriptor, name, 0o700) == 0 else {
            throw VolumeError(system: "\(path)/\(name)", "mkdir")
        }
        guard fsync(folder.descriptor) == 0 else { throw VolumeError(system: path, "fsync") }
        return try open(name)
    }

    /// The process that holds the lock, as /proc knows it: `pid 17, vencejo-audit`. `nil`: it is of another namespace.
    private static func holder(of descriptor: CInt) -> String? {
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0, let locks = ProcFile.text("/proc/locks") else { return nil }
        for line in locks.split(separator: "\n") {
            // 1: FLOCK ADVISORY WRITE <pid> <major>:<minor>:<inode> 0 EOF
            let words = line.split(separator: " ", omittingEmptySubsequences: true)
            guard words.count >= 6, words[1] == "FLOCK", words[5].hasSuffix(":\(status.st_ino)"),
                let pid = Int32(words[4]), pid > 0
            else { continue }
            let command = ProcFile.text("/proc/\(pid)/comm").map { ", \($0.prefix { $0 != "\n" })" } ?? ""
            return "pid \(pid)\(command)"
        }
        return nil
    }
}

/// Files that have no size and are read to their end.
private enum ProcFile {
    private static let bytesMax = 1 << 20

    static func text(_ path: String) -> String? {
        let file = OpenFile(unsafe Glibc.open(path, O_RDONLY | O_CLOEXEC))
        guard file.isOpen else { return nil }
        var bytes: [UInt8] = []
        var room = [UInt8](repeating: 0, count: 4096)
        while bytes.count < bytesMax {
            let count = unsafe read(file.descriptor, &room, room.count)
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { break }
            bytes += room[..<count]
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

extension AgentError {
    /// errno of what failed just now.
    init(system path: String, _ operation: String) {
        self.init(sentence: VolumeError(system: path, operation).sentence)
    }
}
