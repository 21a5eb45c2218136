// Enters: the path of the audit folder. Leaves: it as retention uses it, with system calls; and how full it and its volume are.
public import Audit
internal import Glibc
public import Memory

/// The audit folder on a disk.
public struct RetentionDisk: RetentionFolder {
    private let path: String

    public init(_ path: String) { self.path = path }

    public func names() throws(VolumeError) -> [String] { try Self.names(path) }
    public func names(of log: String) throws(VolumeError) -> [String] { try Self.names("\(path)/\(log)") }

    public func read(_ log: String, _ name: String, bytesMax: Int) throws(VolumeError) -> OwnedBytes {
        let file = "\(path)/\(log)/\(name)"
        let flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK
        let descriptor = try Self.call("open", file) { unsafe open(file, flags) }
        defer { close(descriptor) }
        guard let bytes = OwnedBytes(reading: descriptor, bytesMax: bytesMax) else { throw Self.error("read", file) }
        return bytes
    }

    public func remove(_ log: String, _ name: String) throws(VolumeError) {
        let folder = "\(path)/\(log)"
        _ = try Self.call("unlink", "\(folder)/\(name)") { unsafe unlink("\(folder)/\(name)") }
        try Self.sync(folder)
    }

    public func rename(_ log: String, to other: String) throws(VolumeError) {
        _ = try Self.call("rename", "\(path)/\(log)") { unsafe Glibc.rename("\(path)/\(log)", "\(path)/\(other)") }
        try Self.sync(path)
    }

    public func removeFolder(_ log: String) throws(VolumeError) {
        _ = try Self.call("rmdir", "\(path)/\(log)") { unsafe rmdir("\(path)/\(log)") }
        try Self.sync(path)
    }

    // MARK: How full it is

    /// Bytes that the folder's files take on the volume, two levels deep; names that go meanwhile are passed over.
    public func bytesUsed() throws(VolumeError) -> UInt64 {
        var bytes: UInt64 = 0
        for name in try names() {
            guard let status = Self.status("\(path)/\(name)") else { continue }
            bytes += UInt64(max(0, status.st_blocks)) * 512
            guard status.st_mode & S_IFMT == S_IFDIR, let files = try? names(of: name) else { continue }
            for file in files { bytes += UInt64(max(0, Self.status("\(path)/\(name)/\(file)")?.st_blocks ?? 0)) * 512 }
        }
        return bytes
    }

    /// Of the volume, in bytes, as df(1) counts: what root alone may use is left out.
    public func volume() throws(VolumeError) -> (bytes: UInt64, free: UInt64) {
        var status = statvfs()
        _ = try Self.call("statvfs", path) { unsafe statvfs(path, &status) }
        let unit = UInt64(status.f_frsize)
        let used = UInt64(status.f_blocks) - min(UInt64(status.f_bfree), UInt64(status.f_blocks))
        let free = UInt64(status.f_bavail)
        return ((used + free) * unit, free * unit)
    }

    /// - Parameter bytesMax: that the audit folder may have; `nil`: the volume alone bounds it.
    public func pressure(bytesMax: UInt64?) throws(VolumeError) -> RetentionPressure {
        let (bytes, free) = try volume()
        // To add up all segments is worth it only where a bound is set.
        let used = bytesMax == nil ? 0 : try bytesUsed()
        return .of(used: used, bytesMax: bytesMax, volumeBytes: bytes, volumeFree: free)
    }

    // MARK: System calls

    private static func status(_ path: String) -> stat? {
        var status = stat()
        return unsafe lstat(path, &status) == 0 ? status : nil
    }

    private static func names(_ folder: String) throws(VolumeError) -> [String] {
        guard let stream = unsafe opendir(folder) else { throw error("opendir", folder) }
        defer { unsafe closedir(stream) }
        var names: [String] = []
        while true {
            errno = 0
            guard let entry = unsafe readdir(stream) else {
                guard errno == 0 else { throw error("readdir", folder) }
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

    private static func sync(_ folder: String) throws(VolumeError) {
        let descriptor = try call("open", folder) { unsafe open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
        defer { close(descriptor) }
        _ = try call("fsync", folder) { fsync(descriptor) }
    }

    private static func call(_ name: String, _ path: String, _ body: () -> CInt) throws(VolumeError) -> CInt {
        while true {
            let result = body()
            guard result < 0 else { return result }
            if errno != EINTR { throw error(name, path) }
        }
    }

    private static func error(_ call: String, _ path: String) -> VolumeError {
        VolumeError(sentence: "\(path): \(call): \(unsafe String(cString: strerror(errno)))")
    }
}
