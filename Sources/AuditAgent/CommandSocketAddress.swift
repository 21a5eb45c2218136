// Enters: a path. Leaves: it as the calls of Unix sockets take it, and errors of theirs as sentences.
internal import Audit
internal import Glibc

/// A Unix socket's address.
struct CommandSocketAddress {
    static let pathBytesMax = 107
    let path: String

    /// Errors: the path is longer than such an address may be.
    init(_ path: String) throws(VolumeError) {
        guard (1...Self.pathBytesMax).contains(path.utf8.count) else {
            throw VolumeError(
                sentence: "\(path) has \(path.utf8.count) bytes; the path of a socket must have at most "
                    + "\(Self.pathBytesMax): name the audit folder by a shorter path, or relative to the working folder"
            )
        }
        self.path = path
    }

    /// The address, for as long as `body` runs.
    @unsafe func withAddress(_ body: (UnsafePointer<sockaddr>, socklen_t) -> CInt) -> CInt {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: bytes) }
        let length = socklen_t(MemoryLayout<sa_family_t>.size + bytes.count + 1)
        return unsafe withUnsafeBytes(of: &address) {
            unsafe body($0.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: sockaddr.self), length)
        }
    }

    func error(_ call: String) -> VolumeError {
        VolumeError(sentence: "\(path): \(call): \(unsafe String(cString: strerror(errno)))")
    }
}
