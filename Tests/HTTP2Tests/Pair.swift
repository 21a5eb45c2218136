// Enters: limits, what each side does with its news, a seed. Leaves: a client and a server, back to back in memory.
import Memory
import TestSupport

@testable import HTTP2

/// What one side saw of one stream.
struct Seen {
    var path = ""
    var status = ""
    var fields: [String: String] = [:]
    var trailers: [String: String] = [:]
    var body: [UInt8] = []
    var news: News = []
    var sentCount = 0
    var isTooLarge = false
    var isCancelled = false
    var code = ErrorCode.noError
}

/// One end of a connection, and a record of what it was told.
final class Side {
    let pool = ExchangePool(arenaBytesMax: 16 << 20)
    let session: Session
    var seen: [Int32: Seen] = [:]
    /// What a handler does beyond being recorded. The body is consumed after it unless `keepsBodies`.
    var handler: (Side, Exchange, News) -> Void = { _, _, _ in }
    var keepsBodies = false
    /// Bytes that replies refer to.
    var owned: [OwnedBytes] = []
    var bytesMax = 1 << 20
    /// The outbox's own memory, at its largest.
    var outboxBytesReserved = 0

    init(_ role: Session.Role, _ limits: Limits, now: Int64) {
        session = Session(role: role, limits: limits, exchanges: pool, now: now)
    }

    func own(_ bytes: [UInt8]) -> ByteView {
        owned.append(OwnedBytes(bytes))
        return owned[owned.count - 1].view
    }

    func tellNews() -> Bool {
        var any = false
        while let (exchange, news) = session.nextNews() {
            any = true
            record(exchange, news)
            handler(self, exchange, news)
            if !keepsBodies && !exchange.body.isEmpty { session.consume(exchange, bytes: exchange.body.count) }
        }
        return any
    }

    private func record(_ exchange: Exchange, _ news: News) {
        var record = seen[exchange.streamID] ?? Seen()
        record.news.formUnion(news)
        if news.contains(.sent) { record.sentCount += 1 }
        if news.contains(.head) {
            record.path = exchange.head.path.text
            record.status = exchange.head.status.text
            record.isTooLarge = exchange.head.isTooLarge
            for field in exchange.head.fields.array { record.fields[field.name.text] = field.value.text }
        }
        if !keepsBodies { record.body += exchange.body.view.array }
        for field in exchange.trailers.array { record.trailers[field.name.text] = field.value.text }
        if news.contains(.closed) {
            record.isCancelled = exchange.isCancelled
            record.code = exchange.closeCode
        }
        seen[exchange.streamID] = record
    }

    /// What is ready to leave, as the corridor would write it: all of it, and then the exchanges are free.
    func takeBytes() throws(HTTP2Error) -> [UInt8] {
        var bytes: [UInt8] = []
        var outbox = Outbox()
        while true {
            let hasMore = try session.send(into: &outbox, bytesMax: bytesMax)
            outboxBytesReserved = max(outboxBytesReserved, outbox.bytesReserved)
            outbox.forEachPiece { bytes += $0.array }
            outbox.removeAll()
            session.outboxIsEmpty()
            guard hasMore else { return bytes }
        }
    }

    func give(_ bytes: [UInt8], chunkMax: Int, _ random: inout SplitMix) throws(HTTP2Error) {
        var offset = 0
        while offset < bytes.count {
            let end = min(bytes.count, offset + 1 + random.below(chunkMax))
            try session.receive(bytes[offset..<end])
            offset = end
            // Now and then a turn ends in the middle.
            if random.below(3) == 0 { _ = tellNews() }
        }
    }
}

extension Session {
    func receive(_ bytes: ArraySlice<UInt8>) throws(HTTP2Error) {
        try unsafe bytes.span.bytes.withUnsafeBytes { (bytes) throws(HTTP2Error) in try unsafe receive(ByteView(bytes))
        }
    }

    func receive(_ bytes: [UInt8]) throws(HTTP2Error) { try receive(bytes[...]) }
}

final class Pair {
    let client: Side
    let server: Side
    var random: SplitMix
    let chunkMax: Int
    /// Virtual: nobody here asks a clock.
    var now: Int64 = 1_000_000

    init(client: Limits = Limits(), server: Limits = Limits(), seed: UInt64 = 1, chunkMax: Int = 100_000) {
        self.client = Side(.client, client, now: now)
        self.server = Side(.server, server, now: now)
        self.chunkMax = chunkMax
        random = SplitMix(seed: seed)
    }

    /// Carries bytes to and fro until neither side has any, nor news.
    func run() throws(HTTP2Error) {
        var isBusy = true
        while isBusy {
            isBusy = false
            for turn in 0..<2 {
                let from = turn == 0 ? client : server
                let to = turn == 0 ? server : client
                now += 1_000_000
                from.session.now = now
                to.session.now = now
                let bytes = try from.takeBytes()
                if !bytes.isEmpty { try to.give(bytes, chunkMax: chunkMax, &random) }
                for side in [from, to] { isBusy = side.tellNews() || isBusy }
                if !bytes.isEmpty { isBusy = true }
            }
        }
    }

    /// Both ends of the connection break; afterwards nothing may be in use.
    func close() {
        for side in [client, server] {
            side.session.connectionClosed()
            _ = side.tellNews()
            side.session.outboxIsEmpty()
        }
    }

    var isClean: Bool {
        [client, server].allSatisfy {
            $0.pool.inUse == 0 && $0.session.open == 0 && $0.session.bodyBytes == 0 && $0.session.openExchanges == 0
        }
    }

    /// A request with a body, which ends.
    @discardableResult
    func request(_ more: [Field] = [], body: [UInt8]? = nil) throws -> Exchange {
        let exchange = client.session.request(Self.head + more, endsAtOnce: body == nil)
        guard let exchange else { throw ArenaFull(bytesMax: 0) }
        if let body {
            var pieces = List<ByteView>()
            try pieces.append(client.own(body), in: &exchange.arena)
            try client.session.send(exchange, pieces)
            client.session.finish(exchange, trailers: List())
        }
        return exchange
    }

    static let head = [
        Field(":method", "POST"), Field(":scheme", "http"), Field(":path", "/vencejo.Test/Call"),
        Field(":authority", "test"), Field("te", "trailers"),
    ]
    static let reply = [Field(":status", "200"), Field("content-type", "application/grpc")]
}

extension Side {
    /// Head, pieces, trailers: a whole reply.
    func reply(_ exchange: Exchange, _ views: [ByteView], trailers: [Field] = [Field("grpc-status", "0")]) {
        session.respond(exchange, Pair.reply)
        do {
            var pieces = List<ByteView>()
            for view in views { try pieces.append(view, in: &exchange.arena) }
            try session.send(exchange, pieces)
            var fields = List<Field>()
            for field in trailers { try fields.append(field, in: &exchange.arena) }
            session.finish(exchange, trailers: fields)
        } catch {
            preconditionFailure("the test's arena is too small")
        }
    }
}
