// Enters: an open descriptor of what should be a file. Leaves: its bytes in memory of our own, and their digest.
public import Cryptography
internal import Glibc
public import Memory

/// A file of the repository, read into memory whole: what the runtime is given is what was hashed, whatever happens to
/// the file afterwards. (A mapping would change with it, and a file cut short under a mapping kills the process.)
///
/// The bytes begin on a multiple of 4096, do not change, and go with the object.
@safe public final class ModelFile: @unchecked Sendable {
    private let base: UnsafeMutableRawPointer
    public let byteCount: Int
    /// SHA-256 of the bytes.
    public let digest: Digest

    /// Between two looks at the file's size so much is read and hashed, so that hashing finds it in the cache.
    private static let stepBytes = 1 << 20
    /// How far behind what was read the page cache is left alone: the kernel drops whole pages, and many at once.
    private static let dropBytes = 16 << 20

    /// Reads `file` to its end. `path`: what errors call it. A file of more than `cachedBytesMax` is not kept in the page
    /// cache, where it would push out what others read.
    ///
    /// Errors: `kind`, `hardLinks`, `empty`, `tooLarge`, `changed`, `noMemory`, `system`.
    init(
        reading file: borrowing Descriptor, path: String, bytesMax: Int, cachedBytesMax: Int = .max,
        mayBeEmpty: Bool = false
    ) throws(RepositoryError) {
        let before = try Self.look(at: file, path: path)
        let found = EntryKind(mode: before.st_mode)
        guard found == .file else { throw .kind(path: path, found: found, wanted: .file) }
        // A second name may lie outside the repository, where others write to it.
        guard before.st_nlink == 1 else { throw .hardLinks(path: path, count: Int(before.st_nlink)) }
        let size = Int(before.st_size)
        guard size > 0 || mayBeEmpty else { throw .empty(path: path) }
        guard size <= bytesMax else { throw .tooLarge(path: path, bytes: size, bytesMax: bytesMax) }
        // One byte more than there should be, to see whether the file ends where it said.
        guard let base = unsafe aligned_alloc(4096, (size + 1 + 4095) & ~4095) else {
            throw .noMemory(path: path, bytes: size)
        }
        var digest = SHA256()
        do throws(RepositoryError) {
            var count = 0
            var dropped = 0
            while true {
                let step = min(Self.stepBytes, size + 1 - count)
                let got = unsafe read(file.rawValue, base + count, step)
                if got < 0 && errno == EINTR { continue }
                guard got >= 0 else { throw .system(path: path, code: errno) }
                guard count + got <= size else { throw .changed(path: path) }
                if size > cachedBytesMax && (got == 0 || count - dropped >= Self.dropBytes) {
                    posix_fadvise(file.rawValue, off_t(dropped), off_t(count - dropped), POSIX_FADV_DONTNEED)
                    dropped = count
                }
                if got == 0 { break }
                unsafe digest.update(ByteView(start: base + count, count: got))
                count += got
            }
            let after = try Self.look(at: file, path: path)
            guard count == size, after.st_size == before.st_size, after.st_mtim.tv_sec == before.st_mtim.tv_sec,
                after.st_mtim.tv_nsec == before.st_mtim.tv_nsec
            else { throw .changed(path: path) }
        } catch {
            unsafe free(base)
            throw error
        }
        unsafe self.base = base
        byteCount = size
        self.digest = digest.finish()
    }

    deinit { unsafe free(base) }

    /// Lends the bytes for as long as `body` runs. (A view that outlived the last mention of the object would be of freed
    /// memory, hence no property.)
    public func withBytes<Result, Failure: Error>(
        _ body: (ByteView) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try unsafe body(ByteView(start: base, count: byteCount))
    }

    private static func look(at file: borrowing Descriptor, path: String) throws(RepositoryError) -> stat {
        var info = stat()
        guard unsafe fstat(file.rawValue, &info) == 0 else { throw .system(path: path, code: errno) }
        return info
    }
}
