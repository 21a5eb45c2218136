// Enters: a socket that is ready. Leaves: answers. The way of a call, from socket to socket, is the first half of this file.
import GRPC
import HTTP2
import Memory
import Models
import Reactor
import TLS
import Tensors

/// One connection. Its shard tells it when something can be read or written; nothing here waits.
final class Connection {
    let key: UInt64
    let shard: Shard
    let session: HTTP2.Session
    /// It came in where models may be loaded and swapped.
    let mayControl: Bool
    /// Which of its shard's listeners it came by.
    let listener: Int
    private var socket: Socket
    private var tls: TLSConnection?
    private var outbox = Outbox()
    var life: Life
    /// The poller was asked for room to write, and for nothing else.
    var waitsToWrite = false
    /// It has its place in the turn's departures.
    var isTouched = false
    /// Bytes of its exchanges' arenas, as far as they were counted.
    var arenaBytes = 0
    /// Messages of its streams that were taken in this turn, and the streams that go on in the next.
    var streamedMessages = 0
    var paused: [PausedStream] = []

    /// First half of a turn: what has arrived, as far as the calls that are complete.
    func receive() throws(Ending) {
        // They are the shard's: nothing of this connection may be left for the next one.
        defer {
            shard.inbox.removeAll()
            shard.plaintext.removeAll()
        }
        try read()  // socket → ciphertext
        if case .lingering = life.stage { return }
        try open()  // TLS → plaintext
        try parse()  // HTTP/2 → exchanges with news
        while let (exchange, news) = session.nextNews() { serve(exchange, news) }
    }

    /// A call whose bytes are all here, as far as its model's door.
    func ask(_ exchange: Exchange, in dialect: Dialect) throws(Refusal) {
        guard let message = try message(of: exchange) else { return }  // gRPC: unframe, inflate
        shard.record(message, of: exchange, dialect.unary, began: exchange.openedNanoseconds)
        let call = try dialect.decode(message, answers: shard.answers, in: &exchange.arena)  // dialect → call
        try gather(call, of: exchange)
    }

    /// Nothing runs before the call is known to fit the model and its deadline; then it runs with the turn's others.
    func gather(_ call: Call, of exchange: Exchange) throws(Refusal) {
        shard.noteAsked(call, of: exchange)
        let lease = try lease(call, of: exchange)  // models → version, slot
        let work = try lease.model.object.check(call, in: &exchange.arena)  // names, types, shapes, lengths, rows
        try shard.takeCredit(exchange, call, work, lease)  // audit log → room for the record
        try shard.gather(  // jobs → engine → outcomes, at the end of the turn or on an executor
            Job(
                work, of: exchange, connection: key, call, lease, deadline: deadline(of: call, exchange),
                arrived: shard.now, record: shard.records[exchange.seat]))
    }

    /// A call whose model has run.
    func answer(_ exchange: Exchange, _ answer: Answer, in dialect: Dialect) throws(Refusal) {
        if shard.rpcs[exchange.seat].wantsProvenance { try begin(exchange, naming: answer.provenance) }
        reply(exchange, with: try dialect.encode(answer, in: &exchange.arena))  // dialect → gRPC: frame
    }

    /// Second half of a turn: what is ready to leave, in one write; a long stream's answers in some more.
    /// - Returns: whether there is more, for the next turn: others wait too.
    func send() throws(Ending) -> Bool {
        if case .lingering = life.stage { return false }
        if !isFlushed { try write() }  // what the socket did not take last time; a handshake
        var hasMore = true
        for _ in 0..<8 where hasMore && isFlushed {
            hasMore = try frames()  // exchanges → HTTP/2
            try seal()  // plaintext → TLS
            try write()  // ciphertext → socket
            while let (exchange, news) = session.nextNews() {
                serve(exchange, news)
                hasMore = true
            }
        }
        return hasMore && isFlushed
    }

    // MARK: - The steps

    init(
        key: UInt64, socket: consuming Socket, tls: TLSConnection?, shard: Shard, listener: Int, mayControl: Bool
    ) {
        self.listener = listener
        self.mayControl = mayControl
        self.key = key
        self.shard = shard
        self.socket = socket
        self.tls = tls
        session = Session(
            role: .server, limits: shard.limits.http2, exchanges: shard.exchanges, now: shard.now,
            bodySize: { Frame.declaredBytes(in: $0).map { $0 + headroomBytes } })
        life = Life(opened: shard.now, age: shard.jitteredAge())
    }

    var descriptor: CInt { socket.rawValue }

    /// Who is at its other end, for traces: HOST:PORT. Asked for once.
    private(set) lazy var peer = OwnedBytes(socket.peer ?? "")

    /// The client, for the audit log. Found once, when a call has ended: a handshake is over by then.
    var caller: CallerViews { foundCaller ?? findCaller() }
    private var foundCaller: CallerViews?
    /// Keeps the bytes of `foundCaller`.
    private var callerBytes: Caller?

    @inline(never)
    private func findCaller() -> CallerViews {
        let caller = Caller(
            certificate: tls?.peer, user: socket.peerUser, peer: socket.peerUser == nil ? peer : OwnedBytes("unix:"))
        callerBytes = caller
        foundCaller = caller.views
        return caller.views
    }

    /// Everything that was made ready has left.
    var isFlushed: Bool { outbox.isEmpty && tls?.ciphertext.isEmpty ?? true }

    private func read() throws(Ending) {
        do throws(SystemError) {
            if case .closed = try socket.read(into: &shard.inbox, bytesMax: shard.limits.readBytes) {
                throw SystemError(code: 0)
            }
        } catch {
            throw .peerLeft
        }
    }

    private func open() throws(Ending) {
        guard let tls else { return }
        var isEnded = false
        do throws(TLSError) {
            if try tls.open(shard.inbox.view, into: &shard.plaintext) == .closed { isEnded = true }
        } catch {
            throw .tls(error)
        }
        if isEnded && shard.plaintext.isEmpty { throw .peerLeft }
    }

    private func parse() throws(Ending) {
        session.now = shard.now
        defer { shard.admit() }
        do throws(HTTP2Error) {
            try session.receive(tls == nil ? shard.inbox.view : shard.plaintext.view)
        } catch {
            throw .http2(error)
        }
    }

    private func lease(_ call: Call, of exchange: Exchange) throws(Refusal) -> Lease<Servable> {
        let lot = shard.rpcs[exchange.seat].routingKey.map { Lot.key($0) } ?? .chance(shard.chance())
        do throws(LeaseError) {
            let lease = try shard.catalog.object.lease(call.model, call.selector, lot: lot, id: call.id)
            shard.count(exchange, with: lease.model.object)
            return lease
        } catch {
            shard.countAside(exchange, call.model, error)
            throw .lease(error)
        }
    }

    /// The earlier of gRPC's and the message's own.
    private func deadline(of call: Call, _ exchange: Exchange) -> Int64 {
        let (own, overflow) = shard.now.addingReportingOverflow(call.timeoutNanoseconds)
        return min(shard.rpcs[exchange.seat].deadline, overflow ? .max : own)
    }

    private func frames() throws(Ending) -> Bool {
        session.now = shard.now
        // A handshake that is under way has nothing to carry yet.
        if let tls, tls.isHandshaking { return false }
        do throws(HTTP2Error) {
            return try session.send(into: &outbox, bytesMax: shard.limits.outboxBytesMax)
        } catch {
            throw .http2(error)
        }
    }

    private func seal() throws(Ending) {
        guard let tls, !outbox.isEmpty else { return }
        do throws(TLSError) {
            try outbox.forEachPiece { (piece) throws(TLSError) in try tls.seal(piece) }
        } catch {
            throw .tls(error)
        }
        outbox.removeAll()
    }

    private func write() throws(Ending) {
        let isWritten: Bool
        let before = tls?.ciphertext.count ?? outbox.count
        do throws(SystemError) {
            if let tls { isWritten = try socket.write(&tls.ciphertext) } else { isWritten = try socket.write(&outbox) }
        } catch {
            throw .peerLeft
        }
        let hasMoved = (tls?.ciphertext.count ?? outbox.count) < before
        if isWritten {
            life.blockedSince = nil
        } else if hasMoved || life.blockedSince == nil {
            life.blockedSince = shard.now
        }
        // What TLS has sealed is a copy: exchanges are free as soon as the plaintext is gone.
        if outbox.isEmpty { session.outboxIsEmpty() }
    }

    /// A connection that is on its way out takes its next step as soon as it can.
    func settle() throws(Ending) {
        if life.stage != .serving { try look() }
        if session.isFinished && isFlushed && life.stage == .serving {
            life.linger(now: shard.now)
            close()
            shard.lookAgain(self, at: shard.now + 1_000_000_000)
        }
    }

    /// Says goodbye and lets the peer close first, so that what it still has in flight does not wipe out our last bytes.
    func close() {
        tls?.close()
        if let tls { _ = try? socket.write(&tls.ciphertext) }
        socket.shutdownWriting()
    }

    /// The connection is gone: whoever still works for it is told, and its exchanges go back.
    func abandon() {
        session.connectionClosed()
        while let (exchange, news) = session.nextNews() { serve(exchange, news) }
        outbox.removeAll()
        session.outboxIsEmpty()
        // Of a failed handshake the peer should still hear the alert.
        if let tls { _ = try? socket.write(&tls.ciphertext) }
    }

    /// Memory that an idle connection does not need.
    func shrink() {
        outbox.shrink()
        tls?.ciphertext.shrink(above: 0)
    }
}

/// Why a connection ends at once.
enum Ending: Error {
    case peerLeft
    case tls(TLSError)
    case http2(HTTP2Error)
    case tooSlow
    case finished
}
