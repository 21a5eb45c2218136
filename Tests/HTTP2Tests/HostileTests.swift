// Enters: bytes that no proper peer sends, from seeds. Leaves: an error or a farewell; never a trap, never a leak.
import Memory
import TestSupport
import Testing

@testable import HTTP2

/// Gives all, in chunks, until the session ends by itself; then breaks the connection. Whatever came, all must go back.
private func ends(_ role: Session.Role, _ bytes: [UInt8], _ random: inout SplitMix) -> Bool {
    var limits = Limits()
    limits.streamsMax = 10
    let side = Side(role, limits, now: 0)
    side.handler = { side, exchange, news in
        guard role == .server, news.contains(.head), !news.contains(.closed) else { return }
        side.reply(exchange, [side.own([1, 2, 3])])
    }
    if role == .client { for _ in 0..<3 { _ = side.session.request(Pair.head, endsAtOnce: true) } }
    do throws(HTTP2Error) {
        if role == .client { _ = try side.takeBytes() }
        var offset = 0
        while offset < bytes.count {
            let end = min(bytes.count, offset + 1 + random.below(200))
            try side.session.receive(bytes[offset..<end])
            offset = end
            _ = side.tellNews()
            if random.below(2) == 0 { _ = try side.takeBytes() }
            side.session.now += 1_000_000
        }
        _ = try side.takeBytes()
    } catch {}
    side.session.connectionClosed()
    _ = side.tellNews()
    side.session.outboxIsEmpty()
    return side.pool.inUse == 0 && side.session.open == 0 && side.session.bodyBytes == 0
}

@Test(arguments: [Session.Role.server, .client])
func noiseNeverTraps(role: Session.Role) {
    for seed in 1...200 as ClosedRange<UInt64> {
        var random = SplitMix(seed: seed)
        let noise = random.bytes(random.below(400))
        #expect(ends(role, noise, &random), "seed \(seed)")
        #expect(ends(role, (role == .server ? RawFrame.preface : RawFrame.settings) + noise, &random), "seed \(seed)")
    }
}

/// Frames of every type with right heads and wrong insides.
@Test(arguments: [Session.Role.server, .client])
func framesFromASeedNeverTrap(role: Session.Role) {
    for seed in 1...400 as ClosedRange<UInt64> {
        var random = SplitMix(seed: seed)
        var bytes = role == .server ? RawFrame.preface : RawFrame.settings
        for _ in 0..<random.below(60) {
            let stream = UInt32(random.below(8))
            switch random.below(6) {
            case 0:
                bytes += RawFrame.headers(
                    stream, RawFrame.head, end: random.below(2) == 0, isWhole: random.below(4) > 0)
            case 1: bytes += RawFrame.data(stream, pattern(random.below(300)), end: random.below(3) == 0)
            case 2: bytes += RawFrame.headers(stream, [0x88] + RawFrame.field("a", "b"), end: random.below(2) == 0)
            case 3: bytes += RawFrame.reset(stream, UInt32(random.below(20)))
            default:
                let payload = random.bytes(random.below(40))
                let flags = random.byte()
                bytes += RawFrame.bytes(UInt8(random.below(14)), flags, stream, payload)
            }
        }
        #expect(ends(role, bytes, &random), "seed \(seed)")
    }
}

/// A proper connection, cut at every place, and with bits turned.
@Test func aGoodConnectionCutAndTurned() throws {
    let pair = Pair()
    for number in 0..<3 { try pair.request(body: pattern(100 * number)) }
    let good = try pair.client.takeBytes()
    pair.close()
    var random = SplitMix(seed: 5)
    try #require(good.count > 400)
    for end in good.indices { #expect(ends(.server, Array(good[..<end]), &random), "cut at \(end)") }
    for seed in 1...400 as ClosedRange<UInt64> {
        random = SplitMix(seed: seed)
        var bytes = good
        for _ in 0...random.below(4) { bytes[random.below(bytes.count)] ^= 1 << UInt8(random.below(8)) }
        #expect(ends(.server, bytes, &random), "seed \(seed)")
    }
}

@Test(
    arguments: [
        ("not HTTP/2", Array("GET / HTTP/1.1\r\nHost: x\r\n\r\n".utf8)),
        ("a preface that is almost right", Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r ".utf8)),
    ] as [(String, [UInt8])])
func whatIsNotHTTP2IsAnError(name: String, bytes: [UInt8]) {
    let side = Side(.server, Limits(), now: 0)
    #expect(throws: HTTP2Error.self) { try side.session.receive(bytes) }
}

/// A connection's error: nghttp2 says goodbye with a code of its own.
@Test(
    arguments: [
        ("a frame above the bound", RawFrame.bytes(0, 0, 1, [], length: (1 << 18) + 1), 6),
        ("DATA on an idle stream", RawFrame.data(1, [1]), 1),
        ("an even stream", RawFrame.headers(2, RawFrame.head), 1),
        ("HEADERS on stream 0", RawFrame.headers(0, RawFrame.head), 1),
        ("a bad index in HPACK", RawFrame.headers(1, [0xff, 0xff, 0xff, 0x7f]), 9),
        ("a PING of the wrong size", RawFrame.bytes(6, 0, 0, [1]), 6),
        ("CONTINUATION without a head", RawFrame.bytes(9, 4, 1, [0x83]), 1),
        ("DATA inside a head", RawFrame.headers(1, [0x83], isWhole: false) + RawFrame.data(1, [1]), 1),
        ("PUSH_PROMISE of a client", RawFrame.bytes(5, 4, 1, [0, 0, 0, 2, 0x83]), 1),
        ("a window above the bound", RawFrame.bytes(8, 0, 0, [0x7f, 255, 255, 255]), 3),
        ("SETTINGS of the wrong size", RawFrame.bytes(4, 0, 0, [1]), 6),
        ("an initial window above the bound", RawFrame.bytes(4, 0, 0, [0, 4, 0xff, 255, 255, 255]), 3),
    ] as [(String, [UInt8], UInt32)])
func aConnectionsError(name: String, bytes: [UInt8], code: UInt32) throws {
    let server = try RawServer()
    try server.give(bytes)
    #expect(server.farewell?.rawValue == code)
    #expect(server.side.session.isFinished)
    server.close()
    #expect(server.side.pool.inUse == 0)
}

@Test func continuationsWithoutEnd() throws {
    let server = try RawServer()
    try server.give(RawFrame.headers(1, RawFrame.head, isWhole: false))
    var count = 0
    do {
        while server.farewell == nil {
            try server.give(RawFrame.bytes(9, 0, 1, RawFrame.field("x", "y")))
            count += 1
            try #require(count < 100)
        }
    } catch is HTTP2Error {}
    #expect(count <= 10)
    server.close()
    #expect(server.side.pool.inUse == 0)
}

/// Time is what the session was told, and nothing else.
@Test func timeIsVirtual() throws {
    let server = try RawServer(now: -5)
    #expect(server.side.session.lastRequestNanoseconds == -5)
    server.side.session.now = 1000
    try server.give(RawFrame.ping())
    #expect(server.side.session.lastRequestNanoseconds == -5)
    try server.give(RawFrame.headers(1, RawFrame.head))
    let exchange = server.side.session.openExchange(0)
    #expect(server.side.session.lastRequestNanoseconds == 1000 && exchange.openedNanoseconds == 1000)
    server.side.session.now = 3000
    try server.give(RawFrame.data(1, [1, 2]))
    #expect(exchange.lastProgressNanoseconds == 3000 && exchange.openedNanoseconds == 1000)
    server.side.session.now = 4000
    server.side.reply(exchange, [server.side.own([1])])
    #expect(exchange.lastProgressNanoseconds == 3000)
    server.close()
    #expect(server.side.pool.inUse == 0)
}
