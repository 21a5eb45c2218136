// Enters: addresses, bytes to write. Leaves: connections, bytes read.
import CLinux
import Glibc
public import Memory

/// A listening socket. Several shards listen at one port, each with a socket of its own (SO_REUSEPORT).
public final class Listener: Sendable {
    private let descriptor: Descriptor
    private let address: Address
    /// The socket file that is ours; `nil`: there is none.
    private let file: File?

    private struct File: Equatable {
        let device: dev_t
        let number: ino_t

        init?(_ path: String) {
            var info = stat()
            guard unsafe lstat(path, &info) == 0 else { return nil }
            (device, number) = (info.st_dev, info.st_ino)
        }
    }

    /// The first at its address: where anybody else listens already this throws EADDRINUSE. `backlog`: connections that the
    /// kernel keeps until we accept them.
    public convenience init(_ address: Address, backlog: Int32 = 1024) throws(SystemError) {
        try self.init(address, isFirst: true, backlog: backlog)
    }

    /// Another one at the port of `first`; connections are spread over both.
    public convenience init(beside first: Listener, backlog: Int32 = 1024) throws(SystemError) {
        try self.init(first.address, isFirst: false, backlog: backlog)
    }

    private init(_ address: Address, isFirst: Bool, backlog: Int32) throws(SystemError) {
        let descriptor = Descriptor(
            adopting: CInt(
                try systemCall { Int(socket(address.family, streamType | Int32(SOCK_CLOEXEC.rawValue), 0)) }))
        if case .unix(let path) = address.kind {
            // A socket file that nobody listens at any more is in the way; one that is in use, or no socket, is not touched.
            if !path.hasPrefix("@"), Self.isDead(address, path) { unsafe unlink(path) }
        } else {
            try descriptor.set(SOL_SOCKET, SO_REUSEADDR, 1)
            // Who shares its port before it has it takes one that another process shares, and gets half of the connections.
            if !isFirst { try descriptor.set(SOL_SOCKET, SO_REUSEPORT, 1) }
            if address.family == AF_INET6 { try descriptor.set(Int32(IPPROTO_IPV6), IPV6_V6ONLY, 1) }
        }
        let raw = descriptor.rawValue
        _ = try systemCall { unsafe address.withSocketAddress { unsafe Int(bind(raw, $0, $1)) } }
        if isFirst && address.port != nil { try descriptor.set(SOL_SOCKET, SO_REUSEPORT, 1) }
        _ = try systemCall { Int(listen(raw, backlog)) }
        self.address = descriptor.boundAddress(address)
        if case .unix(let path) = address.kind, !path.hasPrefix("@") { file = File(path) } else { file = nil }
        self.descriptor = descriptor
    }

    /// A socket file, and nobody behind it: connecting says so, and not that the queue of who listens is full (EAGAIN).
    private static func isDead(_ address: Address, _ path: String) -> Bool {
        var info = stat()
        guard unsafe lstat(path, &info) == 0, info.st_mode & S_IFMT == S_IFSOCK else { return false }
        do throws(SystemError) {
            _ = try Socket(connecting: address)
            return false
        } catch {
            return error.code == ECONNREFUSED
        }
    }

    deinit {
        // Who drains may have a successor at the same path already.
        if let file, case .unix(let path) = address.kind, File(path) == file { unsafe unlink(path) }
    }

    public var rawValue: CInt { descriptor.rawValue }

    /// From now on those who connect are refused by the kernel. What it has taken already can still be accepted before.
    public func stop() { _ = shutdown(descriptor.rawValue, Int32(SHUT_RD)) }

    /// With the port that the kernel chose, where 0 was asked for.
    public var boundAddress: Address { address }

    /// The next connection; `nil`: none waits. EMFILE and its kin are thrown: the listener rests for a while.
    public func accept() throws(SystemError) -> Socket? {
        let raw = descriptor.rawValue
        do throws(SystemError) {
            guard let accepted = try systemCallUnlessBlocked({ Int(vencejo_accept(raw)) }) else {
                return nil
            }
            let socket = Socket(adopting: Descriptor(adopting: CInt(accepted)))
            if address.family != AF_UNIX { socket.sendAtOnce() }
            return socket
        } catch {
            // The peer was gone before we took its connection.
            if error.code == ECONNABORTED || error.code == EPROTO { return nil }
            throw error
        }
    }
}

private let streamType = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue)

extension Descriptor {
    fileprivate func set(_ level: CInt, _ option: CInt, _ value: CInt) throws(SystemError) {
        let raw = rawValue
        var value = value
        _ = try systemCall {
            unsafe Int(setsockopt(raw, level, option, &value, socklen_t(MemoryLayout<CInt>.size)))
        }
    }

    fileprivate func boundAddress(_ asked: Address) -> Address {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let raw = rawValue
        let port: UInt16 = unsafe withUnsafeMutableBytes(of: &storage) { bytes in
            let address = unsafe bytes.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: sockaddr.self)
            guard unsafe getsockname(raw, address, &length) == 0 else { return 0 }
            // sin_port and sin6_port lie at the same place.
            return unsafe UInt16(bigEndian: bytes.load(fromByteOffset: 2, as: UInt16.self))
        }
        return asked.with(port: port)
    }
}

/// What a read brought.
public enum ReadResult: Sendable {
    case bytes(Int)
    /// Nothing is there yet.
    case blocked
    /// The peer has closed its side.
    case closed
}

/// A connected stream socket, never blocking.
public struct Socket: ~Copyable {
    private let descriptor: Descriptor

    init(adopting descriptor: consuming Descriptor) { self.descriptor = descriptor }

    /// Connects; the connection is under way when this returns, and usable when the socket becomes writable.
    public init(connecting address: Address) throws(SystemError) {
        let descriptor = Descriptor(
            adopting: CInt(try systemCall { Int(socket(address.family, streamType | Int32(SOCK_CLOEXEC.rawValue), 0)) })
        )
        let raw = descriptor.rawValue
        do throws(SystemError) {
            _ = try systemCall { unsafe address.withSocketAddress { unsafe Int(connect(raw, $0, $1)) } }
        } catch {
            guard error.code == EINPROGRESS else { throw error }
        }
        self.descriptor = descriptor
        if address.family != AF_UNIX { sendAtOnce() }
    }

    public var rawValue: CInt { descriptor.rawValue }

    /// One write per turn is whole: Nagle's algorithm would only hold it back.
    func sendAtOnce() { _ = try? descriptor.set(Int32(IPPROTO_TCP), TCP_NODELAY, 1) }

    /// Reads at most `bytesMax` behind what is in `queue`.
    public func read(into queue: inout ByteQueue, bytesMax: Int) throws(SystemError) -> ReadResult {
        let raw = descriptor.rawValue
        var count: Int?
        _ = try unsafe queue.fill(bytesMax) { (room) throws(SystemError) in
            count = try systemCallUnlessBlocked { unsafe recv(raw, room.baseAddress, min(room.count, bytesMax), 0) }
            return count ?? 0
        }
        guard let count else { return .blocked }
        return count == 0 ? .closed : .bytes(count)
    }

    /// Writes what the kernel takes; what left is consumed.
    /// - Returns: whether the queue is empty.
    public func write(_ queue: inout ByteQueue) throws(SystemError) -> Bool {
        let raw = descriptor.rawValue
        while !queue.isEmpty {
            let view = queue.view
            let written = try systemCallUnlessBlocked {
                unsafe Glibc.send(raw, view.pointer, view.count, Int32(MSG_NOSIGNAL))
            }
            guard let written else { return false }
            queue.consume(written)
        }
        return true
    }

    /// Writes what the kernel takes, in one call unless there are more than 1024 pieces; what left is consumed.
    /// - Returns: whether the outbox is empty.
    public func write(_ outbox: inout Outbox) throws(SystemError) -> Bool {
        let raw = descriptor.rawValue
        while !outbox.isEmpty {
            let written = try unsafe outbox.withPieces { (pieces) throws(SystemError) -> Int? in
                var message = unsafe msghdr()
                unsafe message.msg_iov = UnsafeMutablePointer(mutating: pieces.baseAddress)
                unsafe message.msg_iovlen = min(pieces.count, 1024)
                return try systemCallUnlessBlocked { unsafe sendmsg(raw, &message, Int32(MSG_NOSIGNAL)) }
            }
            guard let written else { return false }
            outbox.consume(written)
        }
        return true
    }

    /// Who is at the other end, as HOST:PORT or [IPV6]:PORT. `nil`: nobody any more, or it is a Unix socket, whose ends have no
    /// names.
    public var peer: String? {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let raw = descriptor.rawValue
        let address = unsafe withUnsafeMutableBytes(of: &storage) { bytes -> Address.Kind? in
            let start = unsafe bytes.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: sockaddr.self)
            guard unsafe getpeername(raw, start, &length) == 0 else { return nil }
            var host = [CChar](repeating: 0, count: Int(NI_MAXHOST))
            guard
                unsafe getnameinfo(start, length, &host, socklen_t(host.count), nil, 0, NI_NUMERICHOST) == 0
            else { return nil }
            let name = String(decoding: host.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            // sin_port and sin6_port lie at the same place.
            let port = unsafe UInt16(bigEndian: bytes.load(fromByteOffset: 2, as: UInt16.self))
            switch unsafe CInt(start.pointee.sa_family) {
            case AF_INET: return .ip4(host: name, port: port)
            case AF_INET6: return .ip6(host: name, port: port)
            default: return nil
            }
        }
        return address.map { Address($0).description }
    }

    /// The user at the other end of a Unix socket, as the kernel saw it when it connected; `nil`: it is none.
    public var peerUser: UInt32? { descriptor.peerUser }

    /// Tells the peer that nothing more will come.
    public func shutdownWriting() { _ = shutdown(descriptor.rawValue, Int32(SHUT_WR)) }
}
