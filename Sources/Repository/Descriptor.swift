// Enters: what open(2) returned. Leaves: the same, closed once; and bytes written to it whole.
internal import Glibc
internal import Memory

/// An open descriptor. Dropping the value closes it.
struct Descriptor: ~Copyable {
    let rawValue: CInt

    init(adopting rawValue: CInt) { self.rawValue = rawValue }

    deinit { close(rawValue) }

    /// Writes all of `bytes`. `path`: what errors call it. Errors: `notWritten`.
    func write(_ bytes: ByteView, path: String) throws(RepositoryError) {
        var written = 0
        while written < bytes.count {
            let rest = bytes.dropFirst(written)
            let count = unsafe Glibc.write(rawValue, rest.pointer, rest.count)
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else { throw .notWritten(path: path, code: errno) }
            written += count
        }
    }

    /// Errors: `notWritten`.
    func sync(path: String) throws(RepositoryError) {
        guard fsync(rawValue) == 0 else { throw .notWritten(path: path, code: errno) }
    }

    /// Makes the names in a folder outlive a crash (fsync(2)). Errors: `notWritten`.
    static func syncFolder(_ path: String) throws(RepositoryError) {
        let opened = unsafe open(path, O_RDONLY | O_CLOEXEC | O_DIRECTORY)
        guard opened >= 0 else { throw .notWritten(path: path, code: errno) }
        try Descriptor(adopting: opened).sync(path: path)
    }
}
