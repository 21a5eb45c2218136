// Enters: a path. Leaves: memory that other processes read as a file; and for them, whether who writes it is alive.
internal import Glibc

/// Why a file cannot be shared.
public enum SharedFileError: Error, Equatable {
    /// A process that is alive writes it.
    case taken(path: String)
    /// What lies there is nothing of ours.
    case foreign(path: String)
    /// There is no room for so many bytes where it is to lie.
    case noRoom(path: String, bytes: Int)
    /// errno of what failed.
    case system(path: String, operation: String, code: CInt)

    /// It is there, and not for this process.
    public var isForbidden: Bool {
        if case .system(_, _, EACCES) = self { true } else { false }
    }

    public var sentence: String {
        switch self {
        case .taken(let path):
            "\(path) is written by another process that is alive: give each program a page of its own"
        case .foreign(let path): "\(path) is a file of another kind: name another path, or remove it"
        case .noRoom(let path, let bytes):
            "there is no room for the \(bytes) bytes of \(path): make its volume larger (emptyDir's sizeLimit), or name another"
        case .system(let path, let operation, let code):
            "\(path): \(operation): \(unsafe String(cString: strerror(code)))"
        }
    }
}

/// A file of words in memory, written by this process only, for its life.
///
/// Its blocks are there before the first word is written: a volume that is full is an error here and no SIGBUS later
/// (posix_fallocate(3)). A write lock of the open file description says that the writer is alive; it ends with the process,
/// however that ends, and is seen from other PID namespaces (F_OFD_SETLK, fcntl(2)).
public final class SharedFile: Sendable {
    public let path: String
    public let words: SharedWords
    private let descriptor: CInt
    private let base: UInt
    private let bytes: Int

    /// Makes `count` words of zero that nobody finds yet: at `path` there may still be what an earlier process wrote.
    /// - Parameter mayReplace: what lies there; asked while nobody else can put another file in its place.
    public init(
        _ path: String, words count: Int,
        mayReplace: (SharedFileReader) throws(SharedFileError) -> Bool = { !$0.isWritten }
    ) throws(SharedFileError) {
        precondition(count > 0, "a file without words")
        let new = path + ".new"
        bytes = count * 8
        self.path = path
        // Who dies before `publish` leaves its file to the next one.
        let descriptor = unsafe open(new, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o644)
        guard descriptor >= 0 else { throw .system(path: new, operation: "open", code: errno) }
        var isMade = false
        defer { if !isMade { close(descriptor) } }
        // In a folder that all may write to, somebody else could cut short what is his.
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0, status.st_uid == geteuid(), status.st_nlink == 1 else {
            throw .system(path: new, operation: "it belongs to somebody else", code: EPERM)
        }
        guard Self.lock(descriptor) else { throw .taken(path: path) }
        do throws(SharedFileError) {
            if let reader = try? SharedFileReader(path), !(try mayReplace(reader)) { throw .taken(path: path) }
        } catch {
            unsafe unlink(new)
            throw error
        }
        var code = ftruncate(descriptor, 0) == 0 ? 0 : errno
        if code == 0 { code = posix_fallocate(descriptor, 0, bytes) }
        guard code == 0 else {
            unsafe unlink(new)
            throw code == ENOSPC || code == EDQUOT
                ? .noRoom(path: path, bytes: bytes) : .system(path: new, operation: "posix_fallocate", code: code)
        }
        guard let base = unsafe mmap(nil, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0),
            unsafe base != MAP_FAILED
        else { throw .system(path: new, operation: "mmap", code: errno) }
        isMade = true
        self.descriptor = descriptor
        self.base = UInt(bitPattern: base)
        words = unsafe SharedWords(base, count: count)
    }

    deinit {
        unsafe munmap(UnsafeMutableRawPointer(bitPattern: base), bytes)
        close(descriptor)
    }

    /// From now on it is what is found at its path.
    public func publish() throws(SharedFileError) {
        guard unsafe rename(path + ".new", path) == 0 else {
            throw .system(path: path, operation: "rename", code: errno)
        }
    }

    private static func lock(_ descriptor: CInt) -> Bool {
        var lock = flock()
        lock.l_type = Int16(F_WRLCK)
        return unsafe withUnsafeMutablePointer(to: &lock) { unsafe fcntl(descriptor, setLock, $0) } == 0
    }

    /// F_OFD_SETLK and F_OFD_GETLK of fcntl.h, which only _GNU_SOURCE declares.
    private static let setLock: CInt = 37
    fileprivate static let getLock: CInt = 36
}

/// Such a file, from the other side. It is read and not mapped: who cuts it short makes a read short, and not a SIGBUS.
public final class SharedFileReader: Sendable {
    public let path: String
    private let descriptor: CInt
    private let number: (device: UInt, inode: UInt)

    public init(_ path: String) throws(SharedFileError) {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
        guard descriptor >= 0 else { throw .system(path: path, operation: "open", code: errno) }
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            close(descriptor)
            throw .system(path: path, operation: "it is no regular file", code: EINVAL)
        }
        self.path = path
        self.descriptor = descriptor
        number = (UInt(status.st_dev), UInt(status.st_ino))
    }

    deinit { close(descriptor) }

    /// Somebody holds it open for writing: a write lock is on it, and locks end with their processes. A read lock, which whoever may
    /// read can put there, says nothing.
    public var isWritten: Bool {
        var lock = flock()
        lock.l_type = Int16(F_RDLCK)
        guard unsafe withUnsafeMutablePointer(to: &lock, { unsafe fcntl(descriptor, SharedFile.getLock, $0) }) == 0
        else { return false }
        return lock.l_type != Int16(F_UNLCK)
    }

    /// It is what its path still names; else another was put there, or nothing.
    public var isCurrent: Bool {
        var status = stat()
        return unsafe lstat(path, &status) == 0 && UInt(status.st_dev) == number.device
            && UInt(status.st_ino) == number.inode
    }

    public var count: Int {
        var status = stat()
        return unsafe fstat(descriptor, &status) == 0 ? max(0, Int(status.st_size) / 8) : 0
    }

    /// Reads words from `first` on over those of `words` in `range`. Each is whole.
    ///
    /// The kernel copies with `rep movsb` where that is fast, and this tears words that somebody stores meanwhile, unless what
    /// it copies to begins with a cache line: on an AMD EPYC up to one in ten, and none of 10⁸ then. Hence whole memory pages,
    /// to where memory pages begin, and from there to `words`.
    /// - Returns: whether all of them were there.
    public func read(from first: Int, into words: inout [UInt64], _ range: Range<Int>) -> Bool {
        guard first >= 0, range.upperBound <= words.count else { return false }
        let start = first * 8 / Self.pageBytes * Self.pageBytes
        let end = (first + range.count) * 8
        guard !range.isEmpty else { return true }
        let room = UnsafeMutableRawBufferPointer.allocate(byteCount: end - start, alignment: Self.pageBytes)
        defer { unsafe room.deallocate() }
        var done = 0
        while done < end - start {
            let got = unsafe pread(
                descriptor, room.baseAddress.map { unsafe $0 + done }, end - start - done, start + done)
            if got < 0 && errno == EINTR { continue }
            if got <= 0 { return false }
            done += got
        }
        for index in 0..<range.count {
            words[range.lowerBound + index] = unsafe room.load(
                fromByteOffset: first * 8 - start + index * 8, as: UInt64.self)
        }
        return true
    }

    private static let pageBytes = 4096
}
