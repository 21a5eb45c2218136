// Enters: what a log's writer wants of its folder. Leaves: files, durable as it says; or the system's words of what failed.
public import Audit
internal import Glibc
public import Memory

/// A log's folder on a file system.
public final class FolderVolume: AuditVolume {
    /// A segment ends at 64 MiB; a file that is absurdly large is refused.
    private static let fileBytesMax = 1 << 30
    public let path: String
    private let folder: OpenFile
    /// The file made last.
    private var file: OpenFile?
    private var name = ""

    /// Errors: it is not there, or no folder.
    public init(_ path: String) throws(VolumeError) {
        self.path = path
        folder = OpenFile(unsafe open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC))
        guard folder.isOpen else { throw VolumeError(system: path, "open") }
    }

    public func names() throws(VolumeError) -> [String] { try Self.names(in: path) }

    static func names(in path: String) throws(VolumeError) -> [String] {
        guard let stream = unsafe opendir(path) else { throw VolumeError(system: path, "opendir") }
        defer { unsafe closedir(stream) }
        var names: [String] = []
        while true {
            errno = 0
            guard let entry = unsafe readdir(stream) else {
                guard errno == 0 else { throw VolumeError(system: path, "readdir") }
                return names
            }
            let name = unsafe text(entry)
            if name != "." && name != ".." { names.append(name) }
        }
    }

    /// An entry is shorter than its type says: the name is read in place, up to its zero.
    @unsafe private static func text(_ entry: UnsafeMutablePointer<dirent>) -> String {
        guard let offset = MemoryLayout<dirent>.offset(of: \.d_name) else { return "" }
        let name = unsafe UnsafeRawPointer(entry) + offset
        return unsafe String(cString: name.assumingMemoryBound(to: CChar.self))
    }

    public func read(_ name: String) throws(VolumeError) -> OwnedBytes {
        let file = OpenFile(unsafe openat(folder.descriptor, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK))
        guard file.isOpen else { throw VolumeError(system: "\(path)/\(name)", "open") }
        var status = stat()
        guard unsafe fstat(file.descriptor, &status) == 0 else { throw VolumeError(system: "\(path)/\(name)", "fstat") }
        guard status.st_size <= Self.fileBytesMax else {
            throw VolumeError(
                sentence: "\(path)/\(name) has \(status.st_size) bytes, must be at most \(Self.fileBytesMax)")
        }
        guard let bytes = OwnedBytes(reading: file.descriptor, bytesMax: Self.fileBytesMax),
            bytes.view.count == Int(status.st_size)
        else { throw VolumeError(system: "\(path)/\(name)", "read") }
        return bytes
    }

    public func create(_ name: String) throws(VolumeError) {
        let flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW
        let file = OpenFile(unsafe openat(folder.descriptor, name, flags, 0o600))
        guard file.isOpen else { throw VolumeError(system: "\(path)/\(name)", "open") }
        (self.file, self.name) = (file, name)
    }

    public func write(_ bytes: [UInt8]) throws(VolumeError) {
        guard let file else { throw VolumeError(sentence: "\(path): no file was made to be written") }
        try file.write(bytes, path: "\(path)/\(name)")
    }

    public func sync() throws(VolumeError) {
        guard let file else { throw VolumeError(sentence: "\(path): no file was made to be synced") }
        guard fdatasync(file.descriptor) == 0 else { throw VolumeError(system: "\(path)/\(name)", "fdatasync") }
    }

    public func sync(_ name: String) throws(VolumeError) {
        let file = OpenFile(unsafe openat(folder.descriptor, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK))
        guard file.isOpen else { throw VolumeError(system: "\(path)/\(name)", "open") }
        guard fdatasync(file.descriptor) == 0 else { throw VolumeError(system: "\(path)/\(name)", "fdatasync") }
    }

    public func syncNames() throws(VolumeError) {
        guard fsync(folder.descriptor) == 0 else { throw VolumeError(system: path, "fsync") }
    }

    public func rename(_ name: String, to other: String) throws(VolumeError) {
        guard unsafe renameat(folder.descriptor, name, folder.descriptor, other) == 0 else {
            throw VolumeError(system: "\(path)/\(name)", "rename")
        }
    }

    public func remove(_ name: String) throws(VolumeError) {
        guard unsafe unlinkat(folder.descriptor, name, 0) == 0 else {
            throw VolumeError(system: "\(path)/\(name)", "unlink")
        }
    }
}

/// A descriptor, closed with its owner.
final class OpenFile {
    let descriptor: CInt

    /// What open(2) or its kin returned; errno is looked at if it is not open.
    init(_ descriptor: CInt) { self.descriptor = descriptor }
    deinit { if isOpen { close(descriptor) } }

    var isOpen: Bool { descriptor >= 0 }

    /// All of them, or an error.
    func write(_ bytes: [UInt8], path: String) throws(VolumeError) {
        var done = 0
        while done < bytes.count {
            let count = unsafe bytes.withUnsafeBytes { bytes in
                unsafe Glibc.write(descriptor, bytes.baseAddress.map { unsafe $0 + done }, bytes.count - done)
            }
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { throw VolumeError(system: path, "write") }
            done += count
        }
    }
}

extension VolumeError {
    /// errno of what failed just now.
    init(system path: String, _ operation: String) {
        self.init(sentence: "\(path): \(operation): \(unsafe String(cString: strerror(errno)))")
    }
}
