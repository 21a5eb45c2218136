// Enters: secret bytes: copied, read from a file, drawn by chance. Leaves: them, lent for the length of a closure.
internal import CCrypto
internal import Memory

/// The one owner of secret bytes: locked in memory where that is allowed, in no core dump, overwritten at the end.
///
/// It never becomes text: there is no description, its mirror is empty, and comparing takes the same time whatever differs.
public final class Secret: Sendable {
    private let pages: LockedPages
    public let count: Int

    /// Whether the bytes cannot be swapped out. False where RLIMIT_MEMLOCK is spent, a page (4 KiB) each.
    public var isLocked: Bool { pages.isLocked }

    /// Room for `count` bytes that `filling` writes, a file's for instance. The secret is as long as what was written.
    public init<Failure: Error>(
        count: Int, filling: (inout OutputRawSpan) throws(Failure) -> Void
    ) throws(Failure) {
        let pages = LockedPages(capacity: count)
        var span = unsafe OutputRawSpan(buffer: pages.room, initializedCount: 0)
        try filling(&span)
        self.count = unsafe span.finalize(for: pages.room)
        self.pages = pages
    }

    /// A copy. The owner of `bytes` wipes them.
    public convenience init(copying bytes: RawSpan) {
        self.init(count: bytes.byteCount) { room in
            unsafe room.withUnsafeMutableBytes { room, count in
                unsafe bytes.withUnsafeBytes { unsafe room.copyMemory(from: $0) }
                count = bytes.byteCount
            }
        }
    }

    /// A copy of `bytes`, which are wiped.
    public convenience init(moving bytes: inout [UInt8]) {
        self.init(copying: bytes.raw)
        unsafe bytes.withUnsafeMutableBytes { unsafe OPENSSL_cleanse($0.baseAddress, $0.count) }
        bytes.removeAll()
    }

    /// `count` random bytes.
    public static func random(count: Int) -> Secret {
        Secret(count: count) { room in
            unsafe room.withUnsafeMutableBytes { room, count in
                unsafe RandomBytes.fill(room)
                count = room.count
            }
        }
    }

    /// Lends the bytes while `body` runs; what it copies is its own to wipe.
    public func withBytes<Result: ~Copyable, Failure: Error>(
        _ body: (RawSpan) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        defer { extendLifetime(self) }
        return try unsafe body(RawSpan(_unsafeStart: pages.room.baseAddress.unsafelyUnwrapped, byteCount: count))
    }
}

extension Secret: Equatable {
    /// In constant time, for secrets of the same length.
    public static func == (left: Secret, right: Secret) -> Bool {
        left.withBytes { left in right.withBytes { constantTimeEqual(left, $0) } }
    }
}

extension Secret: CustomReflectable {
    /// Empty: `dump` and `String(reflecting:)` show the type's name only.
    public var customMirror: Mirror { Mirror(self, children: EmptyCollection<Mirror.Child>()) }
}
