// Enters: a kept file that several processes know. Leaves: which of them may write it.
internal import Glibc

/// Says that a kept file is this process's, until it is dropped or the process ends, however it ends (flock(2)).
///
/// The lock lies on a file beside, `<path>.lock`: the kept file itself is another one after each write.
public final class FileClaim: Sendable {
    /// What came of asking for it.
    public enum Outcome: Sendable {
        case ours(FileClaim)
        /// Another process has it.
        case taken
        /// Nobody can say: the folder cannot be written to, or knows no locks.
        case unknown
    }

    private let descriptor: Descriptor
    private let path: String

    private init(_ descriptor: consuming Descriptor, _ path: String) {
        self.descriptor = descriptor
        self.path = path
    }

    deinit { _ = unsafe unlink(path) }

    static func of(_ path: String) -> Outcome {
        let path = path + ".lock"
        while true {
            let opened = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
            guard opened >= 0 else { return .unknown }
            let descriptor = Descriptor(adopting: opened)
            guard flock(opened, LOCK_EX | LOCK_NB) == 0 else { return errno == EWOULDBLOCK ? .taken : .unknown }
            var locked = stat()
            var there = stat()
            guard unsafe fstat(opened, &locked) == 0 else { return .unknown }
            if unsafe stat(path, &there) == 0, there.st_ino == locked.st_ino, there.st_dev == locked.st_dev {
                return .ours(FileClaim(descriptor, path))
            }
            // Who had it before has taken it away meanwhile.
        }
    }
}
