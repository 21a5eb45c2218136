// Enters: a path. Leaves: packets of the programs that connect there, and which user they run as. Unix sockets (SOCK_SEQPACKET).
import CLinux
import Glibc
public import Memory

/// A listening Unix socket whose connections carry packets (unix(7)). Its file is removed with it.
public final class PacketListener: Sendable {
    public let path: String
    private let descriptor: Descriptor

    /// - Parameters:
    ///   - path: 1 to 107 bytes, in a folder that is ours: a file that is there already is removed.
    ///   - mode: of the socket's file; connecting to it takes the right to write.
    public init(path: String, mode: UInt32) throws(SystemError) {
        let address = Address(.unix(path))
        guard 1...107 ~= path.utf8.count else { throw SystemError(code: ENAMETOOLONG) }
        let kind = Int32(SOCK_SEQPACKET.rawValue) | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        let descriptor = Descriptor(adopting: CInt(try systemCall { Int(socket(AF_UNIX, kind, 0)) }))
        let raw = descriptor.rawValue
        unsafe unlink(path)
        _ = try systemCall { unsafe address.withSocketAddress { unsafe Int(bind(raw, $0, $1)) } }
        // Before `listen` no connection gets in between.
        _ = try systemCall { unsafe Int(chmod(path, mode)) }
        _ = try systemCall { Int(listen(raw, 8)) }
        self.path = path
        self.descriptor = descriptor
    }

    deinit { unsafe unlink(path) }

    public var rawValue: CInt { descriptor.rawValue }

    /// The next connection; `nil`: none waits.
    public func accept() throws(SystemError) -> PacketSocket? {
        let raw = descriptor.rawValue
        guard let accepted = try systemCallUnlessBlocked({ Int(vencejo_accept(raw)) }) else { return nil }
        return PacketSocket(adopting: Descriptor(adopting: CInt(accepted)))
    }
}

/// A connected Unix socket of packets, never blocking.
public final class PacketSocket: Sendable {
    private let descriptor: Descriptor

    init(adopting descriptor: consuming Descriptor) { self.descriptor = descriptor }

    public var rawValue: CInt { descriptor.rawValue }

    /// The user that connected, as the kernel saw it then (SO_PEERCRED).
    public var user: UInt32? { descriptor.peerUser }

    /// The next packet, in place of what is in `queue`; what it has beyond `bytesMax` bytes is lost, but told: then the result is
    /// `bytesMax + 1`.
    public func receive(into queue: inout ByteQueue, bytesMax: Int) throws(SystemError) -> ReadResult {
        let raw = descriptor.rawValue
        queue.removeAll()
        var count: Int?
        _ = try unsafe queue.fill(bytesMax + 1) { (room) throws(SystemError) in
            count = try systemCallUnlessBlocked { unsafe recv(raw, room.baseAddress, bytesMax + 1, 0) }
            return count ?? 0
        }
        guard let count else { return .blocked }
        return count == 0 ? .closed : .bytes(count)
    }
}

extension Descriptor {
    /// The user at the other end of a Unix socket; `nil`: it is none.
    var peerUser: UInt32? {
        let user = vencejo_peer_user(rawValue)
        return user < 0 ? nil : UInt32(truncatingIfNeeded: user)
    }
}
