// Enters: a method and its message. Leaves: the answer's message, or the status that there is instead of it.
import Foundation
import GRPC
import HTTP2
import Memory
import Protobuf
import Reactor
import Serving
import TLS

/// A gRPC client for our own command line: one connection, one call at a time; it waits.
final class Client {
    let endpoint: Endpoint
    /// The one of the endpoint's that took the connection.
    var address: Address { wire.address }
    private let wire: Wire
    private let tls: TLSConnection?
    private let session: Session
    private var inbox = ByteQueue()
    private var plaintext = ByteQueue()
    private var outbox = Outbox()
    /// A turn failed: what is in the outbox may be half a frame.
    private var isBroken = false

    /// Connects to the first of the endpoint's addresses that takes a connection.
    init(_ endpoint: Endpoint) throws(ClientError) {
        self.endpoint = endpoint
        wire = try Self.connect(endpoint)
        session = Session(
            role: .client, limits: Self.limits, exchanges: ExchangePool(arenaBytesMax: 1 << 20), now: Clock.now(),
            bodySize: { Frame.declaredBytes(in: $0).map { $0 + headroomBytes } })
        do throws(TLSError) {
            tls = try endpoint.tls?.connection(to: endpoint.serverName ?? endpoint.host)
            // A client speaks first.
            _ = try tls?.open(.empty, into: &plaintext)
        } catch {
            throw ClientError(error)
        }
    }

    /// The server is told that nothing more will come.
    deinit {
        guard !isBroken else { return }
        session.goAway(final: true)
        _ = try? send()
        tls?.close()
        if let tls { _ = try? wire.socket.write(&tls.ciphertext) }
    }

    /// Calls `/package.Service/Method`; the answer lies in `arena`, as what `request` refers to does.
    func call(_ method: StaticString, _ request: WireWriter, in arena: inout Arena) throws(ClientError) -> ByteView {
        let deadline = Clock.now() + endpoint.timeoutNanoseconds
        let texts = texts(timeout: timeoutValue)
        defer { withExtendedLifetime(texts) {} }
        let exchange = try open(method, request, texts, in: &arena)
        try turns(until: deadline) { exchange.hasEnded || exchange.isClosed }
        defer { leave(exchange, deadline) }
        return try Reply(exchange).message(in: &arena)
    }

    /// Calls a method that answers again and again: `take` gets each message, until it has enough or the server ends the call. The
    /// first one is waited for as for any answer, the others for as long as it takes.
    func follow(
        _ method: StaticString, _ request: WireWriter, in arena: inout Arena,
        _ take: (ByteView) throws(ClientError) -> Bool
    ) throws(ClientError) {
        var deadline = Clock.now() + endpoint.timeoutNanoseconds
        let texts = texts(timeout: nil)
        defer { withExtendedLifetime(texts) {} }
        let exchange = try open(method, request, texts, in: &arena)
        defer { if !isBroken { leave(exchange, Clock.now() + endpoint.timeoutNanoseconds) } }
        var bytesSeen = 0
        while true {
            try turns(until: deadline) {
                exchange.hasEnded || exchange.isClosed || exchange.body.count > bytesSeen
            }
            let reply = Reply(exchange)
            var memory = Arena(bytesMax: 1 << 32)
            while let (message, frameBytes) = try reply.next(in: &memory) {
                session.consume(exchange, bytes: frameBytes)
                guard try take(message) else { return }
                deadline = .max
            }
            if exchange.hasEnded || exchange.isClosed { return try reply.check() }
            bytesSeen = exchange.body.count
        }
    }

    /// What a request's head refers to: nghttp2 reads it when the frame leaves, which is before a call has an answer.
    private func texts(timeout: String?) -> [OwnedBytes] {
        ([endpoint.authority, "vencejo/\(Product.version)"] + (timeout.map { [$0] } ?? [])).map { OwnedBytes($0) }
    }

    private func open(
        _ method: StaticString, _ request: WireWriter, _ texts: [OwnedBytes], in arena: inout Arena
    ) throws(ClientError) -> Exchange {
        var fields = [
            Field(":method", "POST"), tls == nil ? Field(":scheme", "http") : Field(":scheme", "https"),
            Field(name: ByteView(":path"), value: ByteView(method)),
            Field(name: ByteView(":authority"), value: texts[0].view), Field("te", "trailers"),
            Field("content-type", ContentType.reply), Field(name: ByteView("user-agent"), value: texts[1].view),
        ]
        if texts.count > 2 { fields.append(Field(name: ByteView("grpc-timeout"), value: texts[2].view)) }
        session.now = Clock.now()
        guard !isBroken, let exchange = session.request(fields) else {
            throw .status(.unavailable, "the connection is over: try again")
        }
        do throws(ArenaFull) {
            var writer = request
            try session.send(exchange, try frame(&writer, in: &arena))
        } catch {
            throw .status(
                .resourceExhausted, "the request needs more than \(error.bytesMax) bytes: send less at a time")
        }
        session.finish(exchange, trailers: List())
        return exchange
    }

    /// An answer may come before all of the request has left; what is left of it is taken back.
    private func leave(_ exchange: Exchange, _ deadline: Int64) {
        session.reset(exchange, code: .cancel)
        _ = try? turns(until: deadline) { [self] in exchange.isClosed && isFlushed }
        while session.nextNews() != nil {}
        if outbox.isEmpty { session.outboxIsEmpty() }
    }

    /// Milliseconds in at most eight digits; a longer time in seconds.
    private var timeoutValue: String {
        let milliseconds = max(1, endpoint.timeoutNanoseconds / 1_000_000)
        return milliseconds < 100_000_000 ? "\(milliseconds)m" : "\(milliseconds / 1000)S"
    }

    /// One stream; answers of any size: they come from a server that its caller chose.
    private static var limits: HTTP2.Limits {
        var limits = HTTP2.Limits()
        limits.streamsMax = 1
        limits.streamWindowBytes = 16 << 20
        limits.bodyBytesMax = .max
        return limits
    }

    // MARK: - Turns

    /// Sends and receives until `isDone`.
    private func turns(until deadline: Int64, _ isDone: () -> Bool) throws(ClientError) {
        do throws(ClientError) {
            while true {
                try send()
                if isDone() { return }
                if session.isFinished { throw over("the server ended the connection") }
                try wait(until: deadline)
                try receive()
            }
        } catch {
            isBroken = true
            outbox.removeAll()
            throw error
        }
    }

    private var isFlushed: Bool { outbox.isEmpty && tls?.ciphertext.isEmpty ?? true }

    private func send() throws(ClientError) {
        session.now = Clock.now()
        var hasMore = true
        while hasMore && isFlushed {
            hasMore = try frames()
            do throws(TLSError) {
                if let tls { try outbox.forEachPiece { (piece) throws(TLSError) in try tls.seal(piece) } }
            } catch {
                throw ClientError(error)
            }
            if tls != nil { outbox.removeAll() }
            try write()
        }
        if !isFlushed { try write() }
    }

    private func frames() throws(ClientError) -> Bool {
        if let tls, tls.isHandshaking { return false }
        do throws(HTTP2Error) { return try session.send(into: &outbox, bytesMax: 1 << 18) } catch {
            throw over("\(error)")
        }
    }

    private func write() throws(ClientError) {
        do throws(SystemError) {
            if let tls { _ = try wire.socket.write(&tls.ciphertext) } else { _ = try wire.socket.write(&outbox) }
        } catch {
            throw over("\(error)")
        }
    }

    private func wait(until deadline: Int64) throws(ClientError) {
        do throws(SystemError) {
            if try wire.wait(toWrite: !isFlushed, until: deadline) { return }
        } catch {
            throw over("\(error)")
        }
        let sentence = "no answer came within \(endpoint.timeoutText)"
        throw session.framesReceived > 0 ? .status(.deadlineExceeded, sentence) : .unreachable(sentence)
    }

    private func receive() throws(ClientError) {
        session.now = Clock.now()
        let result: ReadResult
        do throws(SystemError) { result = try wire.socket.read(into: &inbox, bytesMax: 1 << 18) } catch {
            throw over("\(error)")
        }
        if case .closed = result { throw over("the server closed the connection") }
        defer {
            inbox.removeAll()
            plaintext.removeAll()
        }
        do throws(TLSError) { _ = try tls?.open(inbox.view, into: &plaintext) } catch {
            // The server should still hear why.
            if let tls { _ = try? wire.socket.write(&tls.ciphertext) }
            throw ClientError(error)
        }
        do throws(HTTP2Error) {
            try session.receive(tls == nil ? inbox.view : plaintext.view)
        } catch {
            throw .unreachable("what answers there does not speak HTTP/2")
        }
    }

    /// The connection broke: before the first frame nobody has answered.
    private func over(_ reason: String) -> ClientError {
        if session.framesReceived > 0 { return .status(.unavailable, "\(reason): try again") }
        return .unreachable(tls == nil ? "\(reason) (if it speaks TLS, say so by --tls-ca FILE or --tls)" : reason)
    }

    private static func connect(_ endpoint: Endpoint) throws(ClientError) -> Wire {
        let deadline = Clock.now() + endpoint.timeoutNanoseconds
        var reasons: [String] = []
        for address in endpoint.addresses {
            do throws(SystemError) {
                return try Wire.connect(to: address, until: deadline)
            } catch {
                reasons.append("\(error)")
            }
        }
        throw .unreachable(
            "\(Set(reasons).sorted().joined(separator: ", ")); start one with \"vencejo serve\" (models are changed "
                + "where --control says), or name another by --endpoint, VENCEJO_ENDPOINT or VENCEJO_CONTROL")
    }
}
