// Enters: requests that are due; a socket that is ready. Leaves: requests in one write a turn; answers, each told once.
import HTTP2
import Memory
import Reactor
import TLS

/// Why a connection is over.
struct Ending: Error {
    let sentence: String
}

/// One connection of a generator, the client's side.
final class Connection {
    private let generator: Generator
    private let socket: Socket
    private let tls: TLSConnection?
    private let session: Session
    private var outbox = Outbox()
    private(set) var inFlight = 0
    /// In the generator's list of those to which something happened in this turn.
    var isTouched = false
    /// The poller was asked for room to write.
    private(set) var waitsToWrite = true

    /// Begins to connect; the socket is writable when it has.
    init(_ target: Target, _ generator: Generator, now: Int64) throws(Ending) {
        self.generator = generator
        do throws(SystemError) { socket = try Socket(connecting: target.address) } catch {
            throw Ending(sentence: "\(error)")
        }
        session = Session(role: .client, limits: Self.limits, exchanges: generator.exchanges, now: now)
        do throws(TLSError) {
            tls = try target.tls?.connection(to: target.serverName)
            _ = try tls?.open(.empty, into: &generator.plaintext)
        } catch {
            throw Ending(sentence: "\(error)")
        }
    }

    /// Nothing that a server does to many calls at once is held against it: a load generator provokes it.
    private static let limits: HTTP2.Limits = {
        var limits = HTTP2.Limits()
        let unbounded = Budget.Size(burst: 1 << 60, perSecond: 1)
        limits.peerResets = unbounded
        limits.idleFrames = unbounded
        limits.streamWindowBytes = 16 << 20
        limits.connectionWindowBytes = 64 << 20
        limits.bodyBytesMax = .max
        limits.bodyBytesKept = 1
        return limits
    }()

    var descriptor: CInt { socket.rawValue }

    /// The server has said what it takes.
    var isReady: Bool { session.framesReceived > 0 }

    var takesRequests: Bool { session.takesRequests }

    var streamsMax: Int { session.peerStreamsMax }

    /// Everything that was asked for has been answered, and the server wants no more.
    var isUsedUp: Bool { isReady && inFlight == 0 && !session.takesRequests }

    // MARK: - Turns

    func request(_ message: ByteView, _ head: [Field], intended: Int64) {
        guard let exchange = session.request(head) else { preconditionFailure("a session that takes requests") }
        generator.began(exchange.seat, intended: intended)
        inFlight += 1
        do throws(ArenaFull) { try session.send(exchange, message) } catch {
            preconditionFailure("room for one piece")
        }
        session.finish(exchange, trailers: List())
    }

    /// First half of a turn.
    func receive() throws(Ending) {
        defer {
            generator.inbox.removeAll()
            generator.plaintext.removeAll()
        }
        try read()
        // What has come meanwhile was read too.
        generator.readClock()
        session.now = generator.now
        do throws(HTTP2Error) {
            try session.receive(tls == nil ? generator.inbox.view : generator.plaintext.view)
        } catch {
            throw Ending(sentence: "what answers there does not speak HTTP/2")
        }
        tellNews()
    }

    private func read() throws(Ending) {
        do throws(SystemError) {
            if case .closed = try socket.read(into: &generator.inbox, bytesMax: 1 << 18) {
                throw SystemError(code: 0)
            }
        } catch {
            throw Ending(sentence: error.code == 0 ? "the server closed the connection" : "\(error)")
        }
        do throws(TLSError) { _ = try tls?.open(generator.inbox.view, into: &generator.plaintext) } catch {
            throw Ending(sentence: "\(error)")
        }
    }

    private func tellNews() {
        while let (exchange, news) = session.nextNews() {
            guard news.contains(.end) || news.contains(.closed) else { continue }
            if generator.ended(exchange, because: nil) { inFlight -= 1 }
            // Answered before all of the request has left: the rest is taken back.
            if !exchange.isClosed { session.reset(exchange, code: .cancel) }
        }
    }

    /// Second half of a turn: all that is due leaves, in one write.
    /// - Returns: whether there is more, for the next turn.
    func send() throws(Ending) -> Bool {
        if !isFlushed { try write() }
        guard isFlushed else { return false }
        if let tls, tls.isHandshaking { return false }
        session.now = generator.now
        let hasMore: Bool
        do throws(HTTP2Error) { hasMore = try session.send(into: &outbox, bytesMax: 1 << 20) } catch {
            throw Ending(sentence: "\(error)")
        }
        do throws(TLSError) {
            if let tls {
                try outbox.forEachPiece { (piece) throws(TLSError) in try tls.seal(piece) }
                outbox.removeAll()
            }
        } catch {
            throw Ending(sentence: "\(error)")
        }
        try write()
        // Streams that end with their own request's last frame, or that the server no longer takes.
        tellNews()
        if session.isFinished && inFlight == 0 && isReady { throw Ending(sentence: "the server ended the connection") }
        return hasMore && isFlushed
    }

    private var isFlushed: Bool { outbox.isEmpty && tls?.ciphertext.isEmpty ?? true }

    private func write() throws(Ending) {
        do throws(SystemError) {
            if let tls { _ = try socket.write(&tls.ciphertext) } else { _ = try socket.write(&outbox) }
        } catch {
            throw Ending(sentence: "\(error)")
        }
        if outbox.isEmpty { session.outboxIsEmpty() }
    }

    /// Asks the poller for what the connection waits for.
    func wait(in poller: borrowing Poller, key: UInt64) throws(SystemError) {
        guard waitsToWrite == isFlushed else { return }
        waitsToWrite = !isFlushed
        try poller.change(descriptor, key: key, write: waitsToWrite)
    }

    /// The connection is gone: what was on its way has no answer.
    func abandon(_ sentence: String) {
        session.connectionClosed()
        while let (exchange, news) = session.nextNews() {
            if news.contains(.closed) || news.contains(.end), generator.ended(exchange, because: sentence) {
                inFlight -= 1
            }
        }
        outbox.removeAll()
        session.outboxIsEmpty()
    }

    /// Tells the server that nothing more will come.
    func close() {
        session.goAway(final: true)
        _ = try? send()
        tls?.close()
        if let tls { _ = try? socket.write(&tls.ciphertext) }
    }
}
