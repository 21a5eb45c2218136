// Enters: a request, and the path of an agent's socket. Leaves: the agent's answer, or that none listens.
public import Audit
internal import Glibc

/// The other side of `DIR/agent.sock`: what the commands use. It waits.
public enum CommandSocketClient {
    private static let answerBytesMax = 64 << 10

    /// - Parameter secondsMax: for each step; a large file of payload keys takes a while to write.
    /// - Returns: `nil`: no agent listens there. Errors: the system's; an agent that closes without an answer, or takes too long: then
    ///   it is not known what was done.
    public static func ask(
        _ path: String, _ request: CommandRequest, secondsMax: Int = 60
    ) throws(VolumeError) -> CommandReply? {
        let address = try CommandSocketAddress(path)
        let descriptor = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw address.error("socket") }
        defer { close(descriptor) }
        var time = timeval(tv_sec: secondsMax, tv_usec: 0)
        let length = socklen_t(MemoryLayout<timeval>.size)
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
            guard unsafe setsockopt(descriptor, SOL_SOCKET, option, &time, length) == 0 else {
                throw address.error("setsockopt")
            }
        }
        guard unsafe address.withAddress({ unsafe connect(descriptor, $0, $1) }) == 0 else {
            if errno == ENOENT || errno == ECONNREFUSED { return nil }
            throw address.error("connect")
        }
        try send(request.line[...], descriptor, address)
        let answer = receive(descriptor)
        let last = answer.split(separator: UInt8(ascii: "\n")).last
        guard answer.last == UInt8(ascii: "\n"), let last, let reply = CommandReply(reading: Array(last)) else {
            throw VolumeError(
                sentence:
                    "\(path): the agent gave no whole answer within \(secondsMax) s, so it is not known whether it "
                    + "did what was asked; ask again, which does no harm")
        }
        return reply
    }

    private static func send(
        _ bytes: ArraySlice<UInt8>, _ descriptor: CInt, _ address: CommandSocketAddress
    ) throws(VolumeError) {
        var rest = bytes
        while !rest.isEmpty {
            let count = unsafe rest.withUnsafeBytes {
                unsafe Glibc.send(descriptor, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL))
            }
            if count < 0 && errno == EINTR { continue }
            // An agent that refuses before it has read everything has answered already.
            if count < 0 && errno == EPIPE { return }
            guard count > 0 else { throw address.error("send") }
            rest = rest.dropFirst(count)
        }
    }

    /// Until the agent closes, or nothing comes for too long.
    private static func receive(_ descriptor: CInt) -> [UInt8] {
        var answer: [UInt8] = []
        var room = [UInt8](repeating: 0, count: 4096)
        while answer.count < answerBytesMax {
            let count = unsafe room.withUnsafeMutableBytes { unsafe read(descriptor, $0.baseAddress, $0.count) }
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { break }
            answer += room[..<count]
        }
        return answer
    }
}
