// Enters: a number of bytes. Leaves: pages of their own, locked where that is allowed, in no core dump, wiped at the end.
internal import CCrypto
internal import Glibc

/// Pages that hold one secret and nothing else: locking them locks nothing else, and unmapping them unlocks nothing else.
@safe struct LockedPages: ~Copyable, @unchecked Sendable {
    private let base: UnsafeMutableRawPointer
    private let capacity: Int
    /// Whether mlock(2) was allowed: RLIMIT_MEMLOCK may be spent.
    let isLocked: Bool

    /// Traps only when there is no memory.
    init(capacity: Int) {
        precondition(capacity >= 0, "a secret of \(capacity) bytes")
        let bytes = max(1, capacity)
        guard let base = unsafe mmap(nil, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
            unsafe base != MAP_FAILED
        else { fatalError("no memory for a secret of \(capacity) bytes: errno \(errno)") }
        // A kernel without it dumps them; the process is not dumpable either (PR_SET_DUMPABLE) where secrets are served.
        unsafe madvise(base, bytes, MADV_DONTDUMP)
        isLocked = unsafe mlock(base, bytes) == 0
        unsafe self.base = base
        self.capacity = capacity
    }

    deinit {
        unsafe OPENSSL_cleanse(base, capacity)
        unsafe munmap(base, max(1, capacity))
    }

    /// All bytes, zeros until something writes them. Not to outlive the pages.
    @unsafe var room: UnsafeMutableRawBufferPointer {
        unsafe UnsafeMutableRawBufferPointer(start: base, count: capacity)
    }
}
