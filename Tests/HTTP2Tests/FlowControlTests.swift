// Enters: a body that nobody reads, or that is dealt with piece by piece. Leaves: windows that shut and open.
import Memory
import TestSupport
import Testing

@testable import HTTP2

private func narrow() -> Limits {
    var limits = Limits()
    limits.streamWindowBytes = 50_000
    limits.bodyBytesMax = 100_000
    return limits
}

@Test func aStreamsWindowStaysShutWhileMuchWaits() throws {
    let pair = Pair(server: narrow())
    pair.server.keepsBodies = true
    let body = pattern(700_000)
    try pair.request(body: body)
    try pair.run()
    let exchange = pair.server.pool[0]
    var got: [UInt8] = []
    var rounds = 0
    while !exchange.hasEnded {
        // Never more than the bound and a window on top of it.
        let waiting = exchange.body.count
        #expect(waiting >= 100_000 && waiting <= 150_000 && pair.server.session.bodyBytes == waiting)
        // Nothing more comes of itself.
        try pair.run()
        try #require(exchange.body.count == waiting)
        got += exchange.body.view.array
        pair.server.session.consume(exchange, bytes: waiting)
        try pair.run()
        rounds += 1
        try #require(exchange.body.count > 0 && rounds < 20)
    }
    got += exchange.body.view.array
    #expect(got == body && rounds >= 4)
    pair.close()
    #expect(pair.isClean)
}

@Test func consumingAPartOpensTheWindowBelowTheBound() throws {
    let pair = Pair(server: narrow())
    pair.server.keepsBodies = true
    try pair.request(body: pattern(400_000))
    try pair.run()
    let exchange = pair.server.pool[0]
    let waiting = exchange.body.count
    // Still at the bound: shut.
    pair.server.session.consume(exchange, bytes: waiting - 100_000)
    try pair.run()
    #expect(exchange.body.count == 100_000)
    pair.server.session.consume(exchange, bytes: 1)
    try pair.run()
    #expect(exchange.body.count > 100_000)
    pair.close()
    #expect(pair.isClean)
}

@Test func otherStreamsAreNotHeldUp() throws {
    let pair = Pair(server: narrow())
    pair.server.keepsBodies = true
    try pair.request(body: pattern(400_000))
    try pair.run()
    pair.server.keepsBodies = false
    pair.server.handler = { server, exchange, news in
        if exchange.streamID != 1, news.contains(.end) { server.reply(exchange, []) }
    }
    // Together more than the connection's window: it is opened as bytes arrive.
    for _ in 0..<60 {
        try pair.request(body: pattern(300_000))
        try pair.run()
    }
    #expect(pair.server.seen[121]?.body.count == 300_000)
    #expect(pair.client.seen[121]?.trailers == ["grpc-status": "0"])
    #expect(pair.server.pool[0].body.count >= 100_000)
    pair.close()
    #expect(pair.isClean)
}

@Test func whatIsDiscardedOpensNoWindow() throws {
    let pair = Pair(server: narrow())
    pair.server.keepsBodies = true
    var received = 0
    pair.server.handler = { server, exchange, news in
        received += exchange.body.count
        server.session.discard(exchange)
    }
    try pair.request(body: pattern(1_000_000))
    try pair.run()
    // At most what was acknowledged before the first look, and a window.
    #expect(received > 0 && received <= 150_000)
    #expect(pair.server.session.bodyBytes == 0 && !pair.server.pool[0].hasEnded)
    pair.close()
    #expect(pair.isClean)
}

@Test func aReplyStopsAtThePeersWindow() throws {
    var limits = Limits()
    limits.streamWindowBytes = 30_000
    limits.bodyBytesMax = 1
    let pair = Pair(client: limits)
    pair.client.keepsBodies = true
    pair.server.handler = { server, exchange, news in
        if news.contains(.end) { server.reply(exchange, [server.own(pattern(100_000))]) }
    }
    try pair.request()
    try pair.run()
    let exchange = pair.client.pool[0]
    // What was there at the last news: at the end the seat goes back.
    var last = 0
    pair.client.handler = { _, exchange, _ in last = exchange.body.count }
    #expect(exchange.body.count == 30_000 && pair.server.pool[0].outBytes == 70_000)
    #expect(pair.server.pool[0].isDrained == false)
    var total = 0
    while pair.client.seen[1]?.news.contains(.end) != true {
        try #require(exchange.body.count == 30_000)
        total += exchange.body.count
        pair.client.session.consume(exchange, bytes: exchange.body.count)
        try pair.run()
    }
    #expect(total == 90_000 && last == 10_000)
    #expect(pair.client.seen[1]?.trailers == ["grpc-status": "0"])
    #expect(pair.isClean)
}

/// No more than `bytesMax` and a frame is produced at a time, however wide the windows are.
@Test(arguments: [1000, 20_000, 200_000])
func theOutboxHasABound(bytesMax: Int) throws {
    var limits = Limits()
    limits.frameBytesMax = 16384
    let pair = Pair(client: limits)
    pair.server.handler = { server, exchange, news in
        if news.contains(.end) { server.reply(exchange, [server.own(pattern(1_000_000))]) }
    }
    try pair.request()
    let toServer = try pair.client.takeBytes()
    try pair.server.session.receive(toServer)
    _ = pair.server.tellNews()
    var outbox = Outbox()
    var turns = 0
    while try pair.server.session.send(into: &outbox, bytesMax: bytesMax) {
        turns += 1
        #expect(outbox.count >= bytesMax && outbox.count <= bytesMax + 16384 + 9)
        outbox.removeAll()
    }
    #expect(turns >= 1_000_000 / (bytesMax + 16384 + 9))
    #expect(turns <= 1_000_000 / bytesMax + 1)
    outbox.removeAll()
    pair.close()
}

/// The prefix of a body tells its length, so that its memory is taken once; a lie costs 1 MiB at most.
@Test(arguments: [(300_000, 300_000), (5, 256), (4_000_000_000, 1 << 20)])
func memoryIsTakenByTheFirstBytes(declared: Int, reserved: Int) throws {
    let pool = ExchangePool(arenaBytesMax: 1 << 20)
    let session = Session(role: .server, limits: Limits(), exchanges: pool, now: 0) { view in
        view.count >= 4 ? Int(view.bigEndian(at: 0, as: UInt32.self)) : nil
    }
    try session.receive(RawFrame.preface + RawFrame.headers(1, RawFrame.head))
    try session.receive(RawFrame.data(1, RawFrame.number(UInt32(declared)) + [1]))
    #expect(pool[0].body.bytesReserved == reserved && pool[0].body.count == 5)
    session.connectionClosed()
    while session.nextNews() != nil {}
    session.outboxIsEmpty()
    #expect(pool.inUse == 0)
}

/// A frame that waits for room in the outbox, and its stream, which goes in the meantime: by the peer or with all others.
@Test(arguments: [true, false])
func aStreamEndsWhileItsFrameWaits(byReset: Bool) throws {
    let server = try RawServer()
    try server.give(RawFrame.headers(1, RawFrame.head, end: true) + RawFrame.headers(3, RawFrame.head, end: true))
    let session = server.side.session
    for seat in 0..<2 { server.side.reply(server.side.pool[seat], [server.side.own(pattern(50_000))]) }
    var outbox = Outbox()
    #expect(try session.send(into: &outbox, bytesMax: 20_000))
    if byReset {
        try session.receive(RawFrame.reset(1))
        outbox.removeAll()
        _ = server.side.tellNews()
        session.outboxIsEmpty()
        // The other one's reply goes on, as far as the windows allow.
        try server.give([])
        let bytes = server.written.filter { $0.type == 0 && $0.stream == 3 }.reduce(0) { $0 + $1.payload.count }
        #expect(server.side.seen[1]?.isCancelled == true && bytes > 0)
        #expect(server.side.pool.inUse == 1)
    }
    server.close()
    #expect(server.side.pool.inUse == 0 && server.side.seen[3]?.isCancelled == true)
}

/// A load generator reads no bodies: what comes beyond the bound is acknowledged and gone.
@Test func aBodyIsKeptAsFarAsIsWanted() throws {
    var limits = narrow()
    limits.bodyBytesKept = 1000
    let pair = Pair(client: limits)
    pair.client.keepsBodies = true
    pair.server.handler = { server, exchange, news in
        if news.contains(.end) { server.reply(exchange, [server.own(pattern(700_000))]) }
    }
    var kept: [UInt8] = []
    var trailers = 0
    pair.client.handler = { _, exchange, news in
        guard news.contains(.end) else { return }
        kept = exchange.body.view.array
        trailers = exchange.trailers.count
    }
    try pair.request(body: [1])
    try pair.run()
    #expect(kept == Array(pattern(700_000).prefix(1000)) && trailers == 1)
    #expect(pair.client.pool[0].body.bytesReserved < 10_000)
    pair.close()
    #expect(pair.isClean)
}

@Test func aClientKnowsWhatItsPeerTakes() throws {
    var limits = Limits()
    limits.streamsMax = 7
    let pair = Pair(server: limits)
    try pair.run()
    #expect(pair.client.session.peerStreamsMax == 7 && pair.client.session.takesRequests)
    #expect(!pair.server.session.takesRequests)
    pair.server.session.goAway(final: false)
    try pair.run()
    #expect(!pair.client.session.takesRequests)
    pair.close()
    #expect(pair.isClean)
}
