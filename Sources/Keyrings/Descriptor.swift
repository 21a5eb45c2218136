// Enters: what open(2) returned. Leaves: the same, closed once; a small file's bytes; bytes of a secret overwritten. System calls
// of this module are here and in RingFolder's files.
internal import Glibc

/// An open descriptor. Dropping the value closes it.
struct Descriptor: ~Copyable {
    let rawValue: CInt

    init(adopting rawValue: CInt) { self.rawValue = rawValue }

    deinit { close(rawValue) }
}

extension Descriptor {
    /// Errors: `system`.
    func sync(path: String) throws(KeyringError) {
        guard fsync(rawValue) == 0 else { throw .system(path, errno) }
    }

    /// The file's `bytes`, which must be all of it. Errors: `large`, `changed`, `system`.
    func readAll(bytes: Int, bytesMax: Int, path: String) throws(KeyringError) -> [UInt8] {
        guard bytes <= bytesMax else { throw .tooLarge(path, bytes, bytesMax) }
        // One more, to see whether it grew.
        var room = [UInt8](repeating: 0, count: bytes + 1)
        var count = 0
        while count < room.count {
            let result = unsafe room.withUnsafeMutableBytes { room in
                unsafe Glibc.read(rawValue, room.baseAddress.map { unsafe $0 + count }, room.count - count)
            }
            if result < 0 && errno == EINTR { continue }
            guard result >= 0 else {
                let code = errno
                wipe(&room)
                throw .system(path, code)
            }
            if result == 0 { break }
            count += result
        }
        guard count == bytes else {
            wipe(&room)
            throw .changed(path)
        }
        // In place: a copy would leave the bytes behind. What is cut off is zero.
        room.removeLast()
        return room
    }
}

extension [UInt8] {
    /// Lends the bytes while `body` runs. (`Span.bytes` counts as unsafe, because other elements may have padding.)
    func withRawSpan<Result: ~Copyable, Failure: Error>(
        _ body: (RawSpan) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try unsafe body(span.bytes)
    }
}

/// Overwrites bytes of a secret, in a way that the optimizer leaves alone (explicit_bzero(3)).
func wipe(_ bytes: inout [UInt8]) {
    unsafe bytes.withUnsafeMutableBytes { bytes in
        guard let start = bytes.baseAddress else { return }
        unsafe explicit_bzero(start, bytes.count)
    }
}
