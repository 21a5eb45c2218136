// Enters: paths of servers' sockets, packets. Leaves: them sent, or that the server is gone.
internal import Glibc

/// Unix sockets of SOCK_SEQPACKET, as servers listen at them.
public struct SeqPacketSockets: AcknowledgementSockets {
    public init() {}

    public func connect(_ path: String) -> (any AcknowledgementSocket)? {
        var address = sockaddr_un()
        let bytes = Array(path.utf8)
        // With the zero behind it.
        guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else { return nil }
        address.sun_family = sa_family_t(AF_UNIX)
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: bytes) }
        let type = CInt(SOCK_SEQPACKET.rawValue) | CInt(SOCK_CLOEXEC.rawValue) | CInt(SOCK_NONBLOCK.rawValue)
        let file = OpenFile(socket(AF_UNIX, type, 0))
        guard file.isOpen else { return nil }
        let code = unsafe withUnsafeBytes(of: &address) { address in
            unsafe Glibc.connect(
                file.descriptor, address.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: sockaddr.self),
                socklen_t(address.count))
        }
        return code == 0 ? SeqPacketSocket(file) : nil
    }

    public func remove(_ path: String) { _ = unsafe unlink(path) }
}

private final class SeqPacketSocket: AcknowledgementSocket {
    private let file: OpenFile

    init(_ file: OpenFile) { self.file = file }

    func send(_ packet: [UInt8]) -> Bool {
        while true {
            let count = unsafe packet.withUnsafeBytes {
                unsafe Glibc.send(file.descriptor, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL))
            }
            if count < 0 && errno == EINTR { continue }
            return count == packet.count
        }
    }

    /// A server sends nothing: what can be read is the end.
    var isClosed: Bool {
        var byte: UInt8 = 0
        let count = unsafe recv(file.descriptor, &byte, 1, CInt(MSG_DONTWAIT))
        return count >= 0 || errno != EAGAIN && errno != EINTR
    }
}
