// Enters: the path of the agent's socket. Leaves: a listener on it, and connections that never block.
public import Audit
internal import Glibc

/// Listens on a Unix stream socket, mode 0600, until it is let go.
public final class CommandSocket: CommandListener {
    private let descriptor: CInt
    private let address: CommandSocketAddress

    /// A socket that an earlier life left is replaced: the caller holds the lock of the audit folder. Errors: something else has the
    /// name, or the system refuses.
    public init(_ path: String) throws(VolumeError) {
        address = try CommandSocketAddress(path)
        var status = stat()
        if unsafe lstat(path, &status) == 0 {
            guard status.st_mode & S_IFMT == S_IFSOCK else {
                throw VolumeError(sentence: "\(path) is no socket, and the agent's is to lie there; move it away")
            }
            guard unsafe unlink(path) == 0 else { throw address.error("unlink") }
        }
        descriptor = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw address.error("socket") }
        let descriptor = descriptor
        // The file gets the mode that the socket has when it is bound (unix(7)).
        guard fchmod(descriptor, 0o600) == 0,
            unsafe address.withAddress({ unsafe bind(descriptor, $0, $1) }) == 0,
            listen(descriptor, 16) == 0
        else {
            let error = address.error("bind")
            close(descriptor)
            throw error
        }
    }

    deinit {
        close(descriptor)
        unsafe unlink(address.path)
    }

    public func accept() -> (any CommandConnection)? {
        let accepted = Glibc.accept(descriptor, nil, nil)
        guard accepted >= 0 else { return nil }
        // struct ucred: pid, uid, gid (unix(7)).
        var credentials = [UInt32](repeating: .max, count: 3)
        var length = socklen_t(credentials.count * MemoryLayout<UInt32>.size)
        guard fcntl(accepted, F_SETFL, O_NONBLOCK) == 0, fcntl(accepted, F_SETFD, FD_CLOEXEC) == 0,
            unsafe getsockopt(accepted, SOL_SOCKET, SO_PEERCRED, &credentials, &length) == 0
        else {
            close(accepted)
            return nil
        }
        return CommandPeer(accepted, uid: credentials[1])
    }
}

/// A process that is connected.
private final class CommandPeer: CommandConnection {
    private var descriptor: CInt
    let uid: UInt32

    init(_ descriptor: CInt, uid: UInt32) { (self.descriptor, self.uid) = (descriptor, uid) }

    deinit { close() }

    func read(_ bytesMax: Int) -> [UInt8]? {
        var room = [UInt8](repeating: 0, count: bytesMax)
        let count = unsafe room.withUnsafeMutableBytes { unsafe Glibc.read(descriptor, $0.baseAddress, $0.count) }
        if count < 0 && (errno == EAGAIN || errno == EINTR) { return [] }
        guard count > 0 else { return nil }
        return Array(room[..<count])
    }

    func write(_ bytes: ArraySlice<UInt8>) -> Int? {
        let count = unsafe bytes.withUnsafeBytes {
            unsafe send(descriptor, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL))
        }
        if count < 0 && (errno == EAGAIN || errno == EINTR) { return 0 }
        return count < 0 ? nil : count
    }

    func close() {
        guard descriptor >= 0 else { return }
        Glibc.close(descriptor)
        descriptor = -1
    }
}
