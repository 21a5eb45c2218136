// Enters: messages of both sides, as each is ready for the next. Leaves: all of them, in order, and the end.
import Memory
import TestSupport
import Testing

@testable import HTTP2

private func message(_ number: Int) -> [UInt8] { pattern(1 + number * 977 % 20_000, number) }

private func send(_ side: Side, _ exchange: Exchange, _ bytes: [UInt8]) {
    do {
        var pieces = List<ByteView>()
        try pieces.append(try exchange.arena.copy(bytes), in: &exchange.arena)
        try side.session.send(exchange, pieces)
    } catch {
        preconditionFailure("the test's arena is too small")
    }
}

/// Each side writes its next message when the last one has left, into memory that it uses again.
@Test(arguments: [(1, 1, 65535), (2, 40, 65535), (3, 40, 500), (4, 3, 1 << 20)] as [(UInt64, Int, Int)])
func bothSidesStream(seed: UInt64, count: Int, window: Int) throws {
    var limits = Limits()
    limits.streamWindowBytes = window
    limits.idleFrames = Budget.Size(burst: 1_000_000, perSecond: 1)
    let pair = Pair(client: limits, server: limits, seed: seed, chunkMax: 3000)
    var sent = [0, 0]
    let handler: (Side, Exchange, News) -> Void = { side, exchange, news in
        let isServer = side.session.role == .server
        if isServer && news.contains(.head) {
            side.session.respond(exchange, Pair.reply)
        } else if !news.contains(.sent) || news.contains(.closed) {
            return
        }
        let index = isServer ? 1 : 0
        exchange.arena.reset()
        if sent[index] < count {
            send(side, exchange, message(sent[index]))
            sent[index] += 1
        } else {
            var trailers = List<Field>()
            if isServer { try? trailers.append(Field("grpc-status", "0"), in: &exchange.arena) }
            side.session.finish(exchange, trailers: trailers)
        }
    }
    pair.client.handler = handler
    pair.server.handler = handler
    let exchange = try #require(pair.client.session.request(Pair.head))
    send(pair.client, exchange, message(0))
    sent[0] = 1
    try pair.run()
    let expected = (0..<count).flatMap(message)
    let (inward, outward) = (try #require(pair.server.seen[1]), try #require(pair.client.seen[1]))
    #expect(inward.body == expected)
    #expect(outward.body == expected && outward.trailers == ["grpc-status": "0"])
    // One for each message: the end is told by `closed`.
    #expect(inward.sentCount == count && outward.sentCount == count)
    #expect(!inward.isCancelled && !outward.isCancelled && pair.isClean)
}

@Test func sentIsNotToldWhileBytesWait() throws {
    let pair = Pair()
    pair.client.keepsBodies = true
    pair.server.handler = { server, exchange, news in
        guard news.contains(.head) else { return }
        server.session.respond(exchange, Pair.reply)
        send(server, exchange, pattern(100_000))
    }
    var small = Limits()
    small.streamWindowBytes = 10_000
    let narrow = Pair(client: small)
    narrow.client.keepsBodies = true
    narrow.server.handler = pair.server.handler
    for pair in [pair, narrow] {
        _ = try pair.request(body: [1])
        try pair.run()
    }
    #expect(pair.server.seen[1]?.sentCount == 1)
    // The client's window opens as bytes arrive, up to bodyBytesMax: all has left here as well, but in several turns.
    #expect(narrow.server.seen[1]?.sentCount == 1)
    small.bodyBytesMax = 5000
    let shut = Pair(client: small)
    shut.client.keepsBodies = true
    shut.server.handler = pair.server.handler
    try shut.request(body: [1])
    try shut.run()
    #expect(shut.server.seen[1]?.sentCount == 0)
    #expect(shut.server.pool[0].isDrained == false)
}

@Test func nothingIsSentIntoAStreamThatIsGone() throws {
    let pair = Pair()
    var kept: Exchange?
    pair.server.handler = { server, exchange, news in
        if news.contains(.head) {
            kept = exchange
            server.session.respond(exchange, Pair.reply)
        }
        if news.contains(.closed) {
            send(server, exchange, [1, 2, 3])
            server.session.finish(exchange, trailers: List())
            server.session.reset(exchange, code: .cancel)
            server.session.respond(exchange, Pair.reply, endsAtOnce: true)
        }
    }
    let exchange = try pair.request(body: [7])
    try pair.run()
    pair.client.session.reset(exchange, code: .cancel)
    try pair.run()
    #expect(kept != nil && pair.server.seen[1]?.isCancelled == true)
    #expect(pair.client.seen[1]?.body == [])
    #expect(pair.isClean)
}
