// Enters: connections of the agent's socket, time. Leaves: requests, one at a time; and their answers, sent. Nothing here waits.

/// One connection. Nothing blocks.
public protocol CommandConnection: AnyObject {
    /// The user id of the process at the other end.
    var uid: UInt32 { get }
    /// What has come, at most `bytesMax` bytes. Empty: nothing yet; `nil`: no more comes.
    func read(_ bytesMax: Int) -> [UInt8]?
    /// How many of `bytes` were taken; `nil`: the peer is gone.
    func write(_ bytes: ArraySlice<UInt8>) -> Int?
    func close()
}

public protocol CommandListener {
    /// `nil`: no connection waits.
    mutating func accept() -> (any CommandConnection)?
}

/// A request that came, to be answered with `CommandServer.answer`.
public struct CommandCall: Equatable, Sendable {
    public let request: CommandRequest
    /// Of the peer.
    public let uid: UInt32
    fileprivate let number: UInt64
}

/// The server's side of `DIR/agent.sock`: a line of JSON comes in, lines of JSON go out, and the connection closes.
///
/// It runs between batches of the log, so a poll costs one read of each connection, of which there are few. Slow peers are
/// disconnected.
public struct CommandServer<Listener: CommandListener> {
    public static var connectionsMax: Int { 8 }
    /// For a request to come, and for an answer to be taken.
    public static var nanosecondsMax: UInt64 { 5_000_000_000 }
    private static var readBytesMax: Int { 16 << 10 }

    private var listener: Listener
    /// Besides root, the one that may give orders.
    private let uid: UInt32
    private var connections: [Connection] = []
    private var next: UInt64 = 0

    private struct Connection {
        let peer: any CommandConnection
        let number: UInt64
        var deadline: UInt64
        var state = State.reading([])
    }

    private enum State {
        case reading([UInt8])
        /// The agent has the request.
        case waiting
        case writing(ArraySlice<UInt8>)
        case ended
    }

    /// - Parameter uid: of this process.
    public init(_ listener: Listener, uid: UInt32) { (self.listener, self.uid) = (listener, uid) }

    public var connectionCount: Int { connections.count }

    /// Takes what has come. - Returns: a request that is whole; `nil`: none is. `now`: ns of a monotonic clock.
    public mutating func poll(now: UInt64) -> CommandCall? {
        accept(now)
        var call: CommandCall?
        for index in connections.indices {
            switch connections[index].state {
            case .reading where call == nil: call = read(index, now)
            case .writing: write(index)
            case .reading, .waiting, .ended: break
            }
            expire(index, now)
        }
        removeEnded()
        return call
    }

    /// Sends the answer as far as the peer takes it; `poll` sends the rest.
    public mutating func answer(_ call: CommandCall, _ reply: CommandReply, now: UInt64) {
        guard let index = connections.firstIndex(where: { $0.number == call.number }) else { return }
        send(reply, index, now)
        removeEnded()
    }

    private mutating func accept(_ now: UInt64) {
        while connections.count < Self.connectionsMax, let peer = listener.accept() {
            connections.append(Connection(peer: peer, number: next, deadline: now &+ Self.nanosecondsMax))
            next += 1
            guard peer.uid != 0, peer.uid != uid else { continue }
            let sentence = "the agent takes orders from root and from user \(uid), not from user \(peer.uid)"
            send(CommandReply(.failed, sentence), connections.count - 1, now)
        }
    }

    private mutating func read(_ index: Int, _ now: UInt64) -> CommandCall? {
        guard case .reading(var line) = connections[index].state else { return nil }
        let most = min(Self.readBytesMax, CommandRequest.lineBytesMax + 1 - line.count)
        guard let bytes = connections[index].peer.read(most) else {
            connections[index].state = .ended
            return nil
        }
        line += bytes
        connections[index].state = .reading(line)
        let end = line.firstIndex(of: UInt8(ascii: "\n"))
        guard end != nil || line.count > CommandRequest.lineBytesMax else { return nil }
        do throws(CommandRequestError) {
            let end = end ?? line.count
            guard end >= line.count - 1 else {
                throw CommandRequestError(sentence: "one line is a request, and more follows; connect once for each")
            }
            let request = try CommandRequest(reading: Array(line[..<end]))
            connections[index].state = .waiting
            return CommandCall(
                request: request, uid: connections[index].peer.uid, number: connections[index].number)
        } catch {
            send(CommandReply(.failed, error.sentence), index, now)
            return nil
        }
    }

    private mutating func send(_ reply: CommandReply, _ index: Int, _ now: UInt64) {
        connections[index].state = .writing(reply.line[...])
        connections[index].deadline = now &+ Self.nanosecondsMax
        write(index)
    }

    private mutating func write(_ index: Int) {
        guard case .writing(let rest) = connections[index].state else { return }
        guard let count = connections[index].peer.write(rest), count < rest.count else {
            connections[index].state = .ended
            return
        }
        connections[index].state = .writing(rest.dropFirst(count))
    }

    private mutating func expire(_ index: Int, _ now: UInt64) {
        if case .waiting = connections[index].state { return }
        if now >= connections[index].deadline { connections[index].state = .ended }
    }

    private mutating func removeEnded() {
        connections.removeAll { connection in
            guard case .ended = connection.state else { return false }
            connection.peer.close()
            return true
        }
    }
}
