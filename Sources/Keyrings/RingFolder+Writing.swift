// Enters: a folder that is to hold a ring, and bytes. Leaves: files that are there whole, and outlive a crash.
internal import Glibc

extension RingFolder {
    private static let newKey = ".key.new"
    private static let newDocument = ".keyring.json.new"

    /// Makes the folder, for its owner alone, if it is not there. Errors: `system`.
    static func make(_ path: String) throws(KeyringError) {
        if unsafe mkdir(path, 0o700) == 0 {
            let parent = path.lastIndex(of: "/").map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
            let opened = unsafe open(parent, O_RDONLY | O_CLOEXEC | O_DIRECTORY)
            guard opened >= 0 else { throw .system(parent, errno) }
            return try Descriptor(adopting: opened).sync(path: parent)
        }
        guard errno == EEXIST else { throw errno == ENOENT ? .noParent(path) : .system(path, errno) }
    }

    /// Keeps other commands off the ring until the value is dropped. Errors: `busy`, `system`.
    func lock() throws(KeyringError) {
        guard flock(root.rawValue, LOCK_EX | LOCK_NB) != 0 else { return }
        throw errno == EWOULDBLOCK ? .busy(path) : .system(path, errno)
    }

    /// Puts a new key beside the others, and the document that lists it in the place of the old one.
    ///
    /// Both are on the disk before either gets its name, so that a server that reads the ring meanwhile finds the key
    /// unlisted for no longer than two system calls take. A key that is there is never overwritten.
    /// Errors: `system`, `permissions`, `kid`.
    func put(_ key: borrowing RawSpan, as name: String, listedBy document: [UInt8], _ ownership: Ownership?)
        throws(KeyringError)
    {
        var isNamed = false
        do throws(KeyringError) {
            try write(key, as: Self.newKey, ownership)
            try writeDocument(document, ownership)
            guard unsafe linkat(root.rawValue, Self.newKey, root.rawValue, name, 0) == 0 else {
                throw errno == EEXIST
                    ? .kid("\(quoted(path(of: name))) is there already; give another --kid") : failure(name)
            }
            isNamed = true
            try rename(Self.newDocument, KeyringDocument.fileName)
        } catch {
            if isNamed { try? unlink(name) }
            try? unlink(Self.newKey)
            throw error
        }
        try unlink(Self.newKey)
        try root.sync(path: path)
    }

    /// Errors: `system`, `permissions`.
    func replaceDocument(_ document: [UInt8], _ ownership: Ownership?) throws(KeyringError) {
        try writeDocument(document, ownership)
        try rename(Self.newDocument, KeyringDocument.fileName)
        try root.sync(path: path)
    }

    /// Errors: `system`.
    func delete(_ name: String) throws(KeyringError) {
        try unlink(name)
        try root.sync(path: path)
    }

    private func failure(_ name: String) -> KeyringError {
        let code = errno
        return .system(path(of: name), code)
    }

    private func rename(_ name: String, _ new: String) throws(KeyringError) {
        guard unsafe renameat(root.rawValue, name, root.rawValue, new) == 0 else { throw failure(new) }
    }

    /// If it is there.
    private func unlink(_ name: String) throws(KeyringError) {
        guard unsafe unlinkat(root.rawValue, name, 0) == 0 || errno == ENOENT else { throw failure(name) }
    }

    private func writeDocument(_ document: [UInt8], _ ownership: Ownership?) throws(KeyringError) {
        try document.withRawSpan { (bytes) throws(KeyringError) in
            try write(bytes, as: Self.newDocument, ownership)
        }
    }

    /// `ownership`; `nil`: this process's, mode 0600.
    private func write(
        _ bytes: borrowing RawSpan, as name: String, _ ownership: Ownership?
    ) throws(KeyringError) {
        // What a command that was interrupted left. There is one command at a time.
        try unlink(name)
        let flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW
        let opened = unsafe openat(root.rawValue, name, flags, 0o600)
        guard opened >= 0 else { throw failure(name) }
        let file = Descriptor(adopting: opened)
        // First the owner, then what the owner may; the umask has no say.
        var status = stat()
        guard unsafe fstat(file.rawValue, &status) == 0 else { throw failure(name) }
        if let ownership, ownership.user != status.st_uid || ownership.group != status.st_gid {
            guard fchown(file.rawValue, ownership.user, ownership.group) == 0 else {
                throw .otherOwner(path, ownership.user, ownership.group)
            }
        }
        guard fchmod(file.rawValue, ownership?.mode ?? 0o600) == 0 else { throw failure(name) }
        var written = 0
        while written < bytes.byteCount {
            let count = unsafe bytes.withUnsafeBytes { bytes in
                unsafe Glibc.write(file.rawValue, bytes.baseAddress.map { unsafe $0 + written }, bytes.count - written)
            }
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else { throw failure(name) }
            written += count
        }
        try file.sync(path: path(of: name))
    }
}
