// Enters: requests and replies of all sizes. Leaves: the same at the other end, whatever the windows and the chunks.
import Memory
import TestSupport
import Testing

@testable import HTTP2

struct BodyRow: Sendable, CustomTestStringConvertible {
    var request: Int
    var reply: Int
    var window: Int
    var chunkMax: Int
    var testDescription: String { "\(request) bytes in, \(reply) out, window \(window), chunks to \(chunkMax)" }

    static let all: [BodyRow] = [
        BodyRow(request: 0, reply: 0, window: 65535, chunkMax: 10),
        BodyRow(request: 1, reply: 1, window: 1, chunkMax: 1),
        BodyRow(request: 100, reply: 37, window: 7, chunkMax: 5),
        BodyRow(request: 8191, reply: 8192, window: 65535, chunkMax: 1000),
        BodyRow(request: 16384, reply: 16385, window: 16384, chunkMax: 16384),
        BodyRow(request: 20000, reply: 50000, window: 1000, chunkMax: 300),
        BodyRow(request: 300_000, reply: 3, window: 65535, chunkMax: 100_000),
        BodyRow(request: 3, reply: 300_000, window: 65535, chunkMax: 100_000),
        BodyRow(request: 2 << 20, reply: 2 << 20, window: 65535, chunkMax: 1 << 20),
        BodyRow(request: 2 << 20, reply: 2 << 20, window: 1 << 20, chunkMax: 1 << 20),
    ]

    var limits: Limits {
        var limits = Limits()
        limits.streamWindowBytes = window
        limits.connectionWindowBytes = max(65535, window)
        // A window of one byte makes a frame and an update of each byte: no flood in a test.
        limits.idleFrames = Budget.Size(burst: 1_000_000, perSecond: 1)
        return limits
    }
}

@Test(arguments: BodyRow.all, [1, 2, 3] as [UInt64])
func bodiesArriveWhole(row: BodyRow, seed: UInt64) throws {
    let pair = Pair(client: row.limits, server: row.limits, seed: seed, chunkMax: row.chunkMax)
    let request = pattern(row.request)
    let reply = pattern(row.reply, 5)
    pair.server.handler = { server, exchange, news in
        if news.contains(.end) { server.reply(exchange, [server.own(reply)]) }
    }
    try pair.request(body: request)
    try pair.run()
    let inward = try #require(pair.server.seen[1])
    let outward = try #require(pair.client.seen[1])
    #expect(inward.path == "/vencejo.Test/Call" && inward.fields == ["te": "trailers"])
    #expect(inward.body == request)
    #expect(inward.news.isSuperset(of: [.head, .end, .closed]) && !inward.isCancelled)
    #expect(outward.status == "200" && outward.fields == ["content-type": "application/grpc"])
    #expect(outward.body == reply)
    #expect(outward.trailers == ["grpc-status": "0"])
    #expect(outward.news.isSuperset(of: [.head, .end, .closed]) && !outward.isCancelled)
    // All that was used has gone back without the connection's end.
    #expect(pair.isClean)
    #expect(pair.server.pool.seats == 1 && pair.client.pool.seats == 1)
}

@Test func manyAtATimeUnderASeed() throws {
    for seed in 1...8 as ClosedRange<UInt64> {
        var limits = Limits()
        limits.streamWindowBytes = 10_000
        limits.connectionWindowBytes = 65535
        let pair = Pair(client: limits, server: limits, seed: seed, chunkMax: 5000)
        pair.server.handler = { server, exchange, news in
            guard news.contains(.end), !news.contains(.closed) else { return }
            let body = server.seen[exchange.streamID]?.body ?? []
            server.reply(exchange, [server.own(Array(body.reversed())), server.own([1, 2, 3])])
        }
        var bodies: [Int32: [UInt8]] = [:]
        for round in 0..<60 {
            let body = pattern(pair.random.below(round % 10 == 0 ? 100_000 : 3000), round)
            bodies[Int32(2 * round + 1)] = body
            try pair.request(body: body)
            if pair.random.below(4) == 0 { try pair.run() }
        }
        try pair.run()
        for (stream, body) in bodies {
            #expect(pair.server.seen[stream]?.body == body, "seed \(seed), stream \(stream)")
            #expect(
                pair.client.seen[stream]?.body == Array(body.reversed()) + [1, 2, 3], "seed \(seed), stream \(stream)")
        }
        #expect(pair.isClean, "seed \(seed)")
    }
}

@Test func aLargeReplyIsReferredToWhereItLies() throws {
    let pair = Pair(chunkMax: 1 << 20)
    let reply = pattern(2 << 20)
    pair.server.handler = { server, exchange, news in
        if news.contains(.end) { server.reply(exchange, [server.own(reply)]) }
    }
    pair.server.bytesMax = 4 << 20
    try pair.request()
    try pair.run()
    #expect(pair.client.seen[1]?.body == reply)
    // Frame heads and fields are all that is copied: one block of the outbox.
    #expect(pair.server.outboxBytesReserved == 65536)
}

@Test func piecesOfTheReplyLieInTheCallersMemory() throws {
    let pair = Pair()
    var exchange: Exchange?
    pair.server.handler = { _, opened, news in if news.contains(.head) { exchange = opened } }
    try pair.request()
    try pair.run()
    let body = pair.server.own(pattern(10_000))
    pair.server.reply(try #require(exchange), [body])
    var outbox = Outbox()
    _ = try pair.server.session.send(into: &outbox, bytesMax: 1 << 20)
    var found = 0
    outbox.forEachPiece { piece in if unsafe piece.pointer == body.pointer { found += piece.count } }
    #expect(found == 10_000)
}

@Test func trailersOnly() throws {
    let pair = Pair()
    pair.server.handler = { server, exchange, news in
        guard news.contains(.head) else { return }
        server.session.respond(exchange, Pair.reply + [Field("grpc-status", "12")], endsAtOnce: true)
    }
    try pair.request()
    try pair.run()
    let seen = try #require(pair.client.seen[1])
    #expect(seen.status == "200" && seen.fields["grpc-status"] == "12" && seen.trailers.isEmpty && seen.body.isEmpty)
    #expect(seen.news == [.head, .end, .closed] && !seen.isCancelled)
    #expect(pair.isClean)
}

@Test func aSecondReplyIsDropped() throws {
    let pair = Pair()
    pair.server.handler = { server, exchange, news in
        guard news.contains(.head) else { return }
        server.session.respond(exchange, Pair.reply + [Field("grpc-status", "5")], endsAtOnce: true)
        server.reply(exchange, [])
    }
    try pair.request()
    try pair.run()
    #expect(pair.client.seen[1]?.fields["grpc-status"] == "5")
    #expect(pair.client.seen[1]?.trailers.isEmpty == true)
    #expect(pair.isClean)
}

@Test func anInterimHeadIsPassedOver() throws {
    let pair = Pair()
    try pair.request()
    let hint: [UInt8] = [0x08, 3] + Array("103".utf8) + RawFrame.field("link", "x")
    let head: [UInt8] = [0x88] + RawFrame.field("grpc-status", "0")
    _ = try pair.client.takeBytes()
    try pair.client.session.receive(
        RawFrame.settings + RawFrame.headers(1, hint) + RawFrame.headers(1, head, end: true))
    _ = pair.client.tellNews()
    let seen = try #require(pair.client.seen[1])
    #expect(seen.status == "200" && seen.fields == ["grpc-status": "0"])
}

struct HeadRow: Sendable {
    var count: Int
    var valueBytes: Int
    var isTooLarge: Bool
}

/// The five fields of the request's head count too: 32 bytes and name and value each.
@Test(arguments: [
    HeadRow(count: 0, valueBytes: 0, isTooLarge: false),
    HeadRow(count: 99, valueBytes: 1, isTooLarge: false),
    HeadRow(count: 100, valueBytes: 1, isTooLarge: true),
    HeadRow(count: 1, valueBytes: 16384 - 229 - 33, isTooLarge: false),
    HeadRow(count: 1, valueBytes: 16384 - 229 - 32, isTooLarge: true),
    HeadRow(count: 1, valueBytes: 40000, isTooLarge: true),
])
func headsHaveABound(row: HeadRow) throws {
    let listBytes = Pair.head.reduce(0) { $0 + $1.name.count + $1.value.count + 32 }
    try #require(listBytes == 229)
    let pair = Pair(chunkMax: 3000)
    let value = pair.client.own(Array(repeating: UInt8(ascii: "v"), count: row.valueBytes))
    pair.server.handler = { server, exchange, news in
        if news.contains(.end) { server.reply(exchange, []) }
    }
    try pair.request(Array(repeating: Field(name: ByteView("x"), value: value), count: row.count))
    try pair.request()
    try pair.run()
    #expect(pair.server.seen[1]?.isTooLarge == row.isTooLarge)
    // The connection, and its header compression, are as they were.
    #expect(pair.server.seen[3]?.isTooLarge == false && pair.server.seen[3]?.path == "/vencejo.Test/Call")
    #expect(pair.client.seen[3]?.trailers == ["grpc-status": "0"])
    #expect(pair.isClean)
}
