// Enters: bytes. Leaves: a file that holds the old bytes or the new ones, whatever happens meanwhile.
internal import Glibc
internal import Memory

/// A small file that is replaced as a whole and outlives a crash: written beside, synced, renamed, and the folder synced.
public struct KeptFile: Sendable {
    public let path: String
    /// Who else may read it.
    private let permissions: UInt32
    /// A larger one is not ours: who writes stays far below.
    public static let bytesMax = 64 << 20

    public init(path: String, permissions: UInt32 = 0o600) {
        self.path = path
        self.permissions = permissions
    }

    private var folder: String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    /// `nil`: there is none. Errors: `system`, `tooLarge`, `changed` and what else names a file.
    public func read() throws(RepositoryError) -> [UInt8]? {
        let opened = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        if opened < 0 && errno == ENOENT { return nil }
        guard opened >= 0 else { throw .system(path: path, code: errno) }
        let file = Descriptor(adopting: opened)
        return try ModelFile(reading: file, path: path, bytesMax: Self.bytesMax, mayBeEmpty: true).withBytes {
            $0.array
        }
    }

    /// Errors: `notWritten`. The old bytes are there still. What is not `isSynced` outlives our process, and perhaps not the
    /// machine.
    public func write(_ bytes: [UInt8], isSynced: Bool = true) throws(RepositoryError) {
        // One writer: what an earlier one left half-written is overwritten.
        let beside = path + ".new"
        let opened = unsafe open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, permissions)
        guard opened >= 0 else { throw .notWritten(path: beside, code: errno) }
        let file = Descriptor(adopting: opened)
        try unsafe bytes.span.bytes.withUnsafeBytes { (bytes) throws(RepositoryError) in
            try unsafe file.write(ByteView(bytes), path: beside)
        }
        if isSynced { try file.sync(path: beside) }
        guard unsafe rename(beside, path) == 0 else { throw .notWritten(path: path, code: errno) }
        if isSynced { try Descriptor.syncFolder(folder) }
    }

    /// Asks for it, for this process alone.
    public func claim() -> FileClaim.Outcome { FileClaim.of(path) }

    /// If it is there.
    public func remove() { _ = unsafe unlink(path) }

    /// Why it cannot be written; `nil`: it probably can. It is replaced, so that its folder decides.
    public var problem: RepositoryError? {
        unsafe access(folder, W_OK | X_OK) == 0 ? nil : .notWritten(path: folder, code: errno)
    }
}
