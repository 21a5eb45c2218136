// Enters: a request's head and body. Leaves: exchanges of a client and a server, back to back in memory; frames taken apart.
import GRPC
import HTTP2
import Memory

let wireOperations: [Operation] = [
    Operation(name: "HTTP/2 exchange, both ends", run: exchanges),
    Operation(name: "unframe", run: unframe),
]

/// One end of a connection.
private final class End {
    let session: Session
    private var outbox = Outbox()

    init(_ role: Session.Role) {
        session = Session(role: role, limits: Limits(), exchanges: ExchangePool(arenaBytesMax: 1 << 20), now: 1)
    }

    /// What is ready to leave arrives at the other end.
    func send(to other: End) throws {
        while try session.send(into: &outbox, bytesMax: 1 << 20) || !outbox.isEmpty {
            try outbox.forEachPiece { (piece) throws(HTTP2Error) in try other.session.receive(piece) }
            outbox.removeAll()
            session.outboxIsEmpty()
        }
    }
}

private let requestHead = [
    Field(":method", "POST"), Field(":scheme", "http"),
    Field(":path", "/inference.GRPCInferenceService/ModelInfer"), Field(":authority", "localhost"),
    Field("content-type", "application/grpc"), Field("te", "trailers"), Field("grpc-timeout", "5000000u"),
]
private let responseHead = [Field(":status", "200"), Field("content-type", "application/grpc")]

/// Unary calls of 157 bytes, one after another: HPACK both ways, flow control, the streams' beginning and end.
@Sendable private func exchanges(_ count: Int) throws -> Int {
    let body = OwnedBytes([UInt8](repeating: 7, count: 157))
    let (client, server) = (End(.client), End(.server))
    var answered = 0
    for _ in 0..<count {
        guard let request = client.session.request(requestHead) else { return 0 }
        try client.session.send(request, body.view)
        client.session.finish(request, trailers: List())
        try client.send(to: server)
        while let (exchange, news) = server.session.nextNews() {
            if news.contains(.end) { try answer(exchange, body.view, on: server.session) }
        }
        try server.send(to: client)
        while let (exchange, news) = client.session.nextNews() {
            answered += exchange.body.count
            client.session.consume(exchange, bytes: exchange.body.count)
            if news.contains(.closed) { client.session.outboxIsEmpty() }
        }
        while server.session.nextNews() != nil {}
        client.session.outboxIsEmpty()
        server.session.outboxIsEmpty()
    }
    precondition(answered == count * 157 && client.session.open == 0 && server.session.open == 0)
    return answered
}

private func answer(_ exchange: Exchange, _ body: ByteView, on session: Session) throws {
    session.consume(exchange, bytes: exchange.body.count)
    session.respond(exchange, responseHead)
    try session.send(exchange, body)
    var trailers = List<Field>()
    try trailers.append(Field("grpc-status", "0"), in: &exchange.arena)
    session.finish(exchange, trailers: trailers)
}

@Sendable private func unframe(_ count: Int) throws -> Int {
    var arena = Arena(bytesMax: 1 << 20)
    let body = OwnedBytes([0, 0, 0, 0, 157] + [UInt8](repeating: 7, count: 157))
    var sum = 0
    for _ in 0..<count {
        guard let frame = try Frame.next(in: body.view, messageBytesMax: 4 << 20) else { return 0 }
        sum += try frame.message(encoding: .identity, messageBytesMax: 4 << 20, in: &arena).count
        try Frame.end(body.view.dropFirst(frame.frameBytes))
    }
    return sum
}
