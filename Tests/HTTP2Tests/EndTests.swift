// Enters: streams and connections that end before their time. Leaves: news of it, and every exchange back in its pool.
import Memory
import TestSupport
import Testing

@testable import HTTP2

@Test(arguments: [ErrorCode.cancel, .internalError, .refusedStream])
func aResetByThePeerIsCancellation(code: ErrorCode) throws {
    let pair = Pair()
    let exchange = try #require(pair.client.session.request(Pair.head))
    try pair.run()
    #expect(pair.server.seen[1]?.news == .head)
    pair.client.session.reset(exchange, code: code)
    try pair.run()
    for side in [pair.client, pair.server] {
        let seen = try #require(side.seen[1])
        #expect(seen.news.contains(.closed) && seen.isCancelled && seen.code == code)
    }
    #expect(pair.isClean)
}

@Test func aReplyBeforeTheRequestsEnd() throws {
    let server = try RawServer()
    server.side.handler = { side, exchange, news in
        if news.contains(.head) { side.reply(exchange, [side.own([1, 2, 3])]) }
    }
    try server.give(RawFrame.headers(1, RawFrame.head) + RawFrame.data(1, [9]))
    let frames = server.written.filter { $0.stream == 1 }
    #expect(frames.map(\.type) == [1, 0, 1, 3])
    // END_STREAM stands on the trailers, and the reset after it says NO_ERROR (RFC 9113, 8.1).
    #expect(frames[2].flags & 1 == 1 && frames[3].payload == [0, 0, 0, 0])
    let seen = try #require(server.side.seen[1])
    #expect(seen.news.contains(.closed) && !seen.isCancelled)
    #expect(server.side.pool.inUse == 0)
    // What still comes of it is dropped, and costs nobody the connection.
    try server.give(RawFrame.data(1, [9, 9]) + RawFrame.data(1, [9], end: true))
    try server.give(RawFrame.headers(3, RawFrame.head, end: true))
    #expect(server.side.seen[3]?.news.contains(.head) == true && server.farewell == nil)
    server.close()
}

@Test func aBrokenConnectionCancelsAll() throws {
    let pair = Pair()
    for _ in 0..<10 { try pair.request(body: pattern(1000)) }
    try pair.run()
    #expect(pair.server.pool.inUse == 10 && pair.client.pool.inUse == 10)
    pair.close()
    for stream in stride(from: Int32(1), through: 19, by: 2) {
        for side in [pair.client, pair.server] {
            let seen = try #require(side.seen[stream])
            #expect(seen.news.contains(.closed) && seen.isCancelled && seen.code == .cancel)
        }
    }
    #expect(pair.isClean && pair.server.pool.seats == 10)
}

@Test func seatsAreUsedAgainAndClean() throws {
    let pool = ExchangePool(arenaBytesMax: 1 << 20)
    for round in 0..<50 {
        let session = Session(role: .client, limits: Limits(), exchanges: pool, now: 0)
        let one = try #require(session.request(Pair.head))
        let two = try #require(session.request(Pair.head))
        #expect(pool.inUse == 2 && pool.seats == 2 && one.seat != two.seat)
        for exchange in [one, two] {
            #expect(exchange.body.isEmpty && exchange.arena.bytesUsed == 0 && !exchange.isClosed, "round \(round)")
            _ = try exchange.arena.copy(pattern(10_000))
        }
        session.connectionClosed()
        while session.nextNews() != nil {}
        session.outboxIsEmpty()
        #expect(pool.inUse == 0)
    }
}

@Test func aSeatIsKeptWhileItIsNeeded() throws {
    let server = try RawServer()
    try server.give(RawFrame.headers(1, RawFrame.head))
    let exchange = server.side.pool[0]
    exchange.hold()
    try server.give(RawFrame.reset(1))
    // A handler holds it.
    #expect(server.side.pool.inUse == 1 && server.side.session.open == 1 && server.side.session.openExchanges == 0)
    server.side.session.release(exchange)
    server.side.session.outboxIsEmpty()
    #expect(server.side.pool.inUse == 0 && server.side.session.open == 0)
    // News that were not told keep it, too.
    try server.side.session.receive(RawFrame.headers(3, RawFrame.head) + RawFrame.reset(3))
    server.side.session.outboxIsEmpty()
    #expect(server.side.pool.inUse == 1)
    #expect(server.side.tellNews() && server.side.seen[3]?.isCancelled == true)
    server.side.session.outboxIsEmpty()
    #expect(server.side.pool.inUse == 0)
    server.close()
}

@Test func streamsAboveTheBoundAreRefused() throws {
    var limits = Limits()
    limits.streamsMax = 3
    limits.peerResets = Budget.Size(burst: 1000, perSecond: 1)
    let session = Side(.server, limits, now: 0)
    try session.session.receive(RawFrame.preface)
    // Opened and taken back at once, and never written: handlers' places are not free by that (rapid reset).
    for number in 0..<20 as Range<UInt32> {
        try session.session.receive(RawFrame.headers(2 * number + 1, RawFrame.head) + RawFrame.reset(2 * number + 1))
    }
    #expect(session.session.open == 6 && session.pool.seats == 6)
    // At a time: nghttp2 refuses what is above the bound that we announced.
    let server = try RawServer(limits)
    var bytes: [UInt8] = []
    for number in 0..<5 as Range<UInt32> { bytes += RawFrame.headers(2 * number + 1, RawFrame.head) }
    try server.give(bytes)
    #expect(server.side.session.open <= 6)
    let polite = try RawServer(limits)
    try polite.give(RawFrame.bytes(4, 1, 0))
    for number in 0..<3 as Range<UInt32> { try polite.give(RawFrame.headers(2 * number + 1, RawFrame.head)) }
    #expect(polite.side.session.openExchanges == 3)
    session.session.connectionClosed()
    _ = session.tellNews()
    session.session.outboxIsEmpty()
    server.close()
    polite.close()
    #expect(session.pool.inUse + server.side.pool.inUse + polite.side.pool.inUse == 0)
}

@Test func aRefusedStreamIsToldSo() throws {
    var limits = Limits()
    limits.streamsMax = 2
    let server = try RawServer(limits)
    // Four places: two streams, and as many on their way out.
    for first in [1, 5] as [UInt32] {
        for stream in [first, first + 2] { try server.give(RawFrame.headers(stream, RawFrame.head, end: true)) }
        for seat in 0..<server.side.pool.seats {
            server.side.pool[seat].hold()
            server.side.session.reset(server.side.pool[seat], code: .noError)
        }
        try server.give([])
    }
    #expect(server.side.session.open == 4 && server.side.session.openExchanges == 0)
    try server.give(RawFrame.headers(9, RawFrame.head))
    #expect(server.resets[9] == ErrorCode.refusedStream.rawValue)
    // Its head was whole: no clock runs for it.
    #expect(server.side.session.headBeganNanoseconds == nil)
    #expect(server.side.session.open == 4)
    for seat in 0..<4 { server.side.session.release(server.side.pool[seat]) }
    server.side.session.outboxIsEmpty()
    try server.give(RawFrame.headers(11, RawFrame.head))
    #expect(server.side.seen[11]?.news.contains(.head) == true)
    server.close()
}

@Test func aHeadThatIsWrongRunsNoClock() throws {
    let server = try RawServer()
    // No path: a stream's error.
    try server.give(RawFrame.headers(1, [0x83, 0x86]))
    #expect(server.resets[1] == ErrorCode.protocolError.rawValue)
    #expect(server.side.session.headBeganNanoseconds == nil && server.farewell == nil)
    #expect(server.side.pool.inUse == 0)
    // One that has begun, and not ended, does.
    server.side.session.now = 77
    try server.give(RawFrame.headers(3, [0x83], isWhole: false))
    #expect(server.side.session.headBeganNanoseconds == 77 && server.side.session.openExchanges == 1)
    try server.give(RawFrame.bytes(9, 4, 3, Array(RawFrame.head.dropFirst())))
    #expect(server.side.session.headBeganNanoseconds == nil && server.side.seen[3]?.path == "/a")
    server.close()
}

@Test func goingAwayTakesTwoSteps() throws {
    let pair = Pair()
    try pair.request(body: [1])
    try pair.run()
    // On its way while the server says the first time that it goes.
    try pair.request(body: [2])
    pair.server.session.goAway(final: false)
    let first = RawFrame.parse(try pair.server.takeBytes()).filter { $0.type == 7 }
    #expect(first.map { $0.number(at: 0) } == [0x7fff_ffff] && first.map { $0.number(at: 4) } == [0])
    #expect(pair.server.session.isGoingAway)
    try pair.run()
    #expect(pair.server.seen[3]?.body == [2])
    pair.server.session.goAway(final: true)
    let second = RawFrame.parse(try pair.server.takeBytes()).filter { $0.type == 7 }
    #expect(second.map { $0.number(at: 0) } == [3])
    #expect(!pair.server.session.isFinished)
    for seat in 0..<2 { pair.server.reply(pair.server.pool[seat], []) }
    try pair.run()
    #expect(pair.client.seen[3]?.trailers == ["grpc-status": "0"])
    #expect(pair.server.session.isFinished && pair.isClean)
}
