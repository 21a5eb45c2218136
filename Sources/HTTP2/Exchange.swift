// Enters: what nghttp2's callbacks noted of one stream. Leaves: head, body and end of a request; pieces of a reply.
public import Memory
import Synchronization

/// One header field, as it came: names are lower case (RFC 9113, 8.2).
public struct Field: BitwiseCopyable, Sendable {
    public var name: ByteView
    public var value: ByteView

    public init(name: ByteView, value: ByteView) {
        self.name = name
        self.value = value
    }

    public init(_ name: StaticString, _ value: StaticString) {
        self.init(name: ByteView(name), value: ByteView(value))
    }
}

/// The head of a request, or of a response where we are the client.
public struct Head: BitwiseCopyable, Sendable {
    public var method = ByteView.empty
    public var path = ByteView.empty
    public var scheme = ByteView.empty
    public var authority = ByteView.empty
    /// Of a response: three digits.
    public var status = ByteView.empty
    public var fields = List<Field>()
    /// Sum over the fields of name + value + 32 bytes (RFC 9113, 6.5.2).
    public var listBytes = 0
    /// The list passed its bound; what came after is not kept.
    public var isTooLarge = false

    /// Of a response: 1xx, an interim one (RFC 9110, 15.2).
    var isInterim: Bool { status.count == 3 && status[0] == UInt8(ascii: "1") }
}

/// What has happened to an exchange since the corridor last asked.
public struct News: OptionSet, Sendable {
    public let rawValue: UInt8
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// The head is complete.
    public static let head = News(rawValue: 1)
    /// Body bytes have arrived.
    public static let body = News(rawValue: 2)
    /// The peer will send no more.
    public static let end = News(rawValue: 4)
    /// The stream is gone: answered, reset by either side, or its connection closed.
    public static let closed = News(rawValue: 8)
    /// All that was given to send has left.
    public static let sent = News(rawValue: 16)
}

/// One HTTP/2 stream: a request and its reply, and the memory that both lie in.
///
/// A class because nghttp2 keeps its address. Taken from a pool when the stream opens, and given back when the stream
/// is closed, its handler has let go, and nothing in an outbox points into it any more.
public final class Exchange {
    /// Its place in the pool: the corridor keeps what it knows of the exchange under this number.
    public let seat: Int
    public internal(set) var streamID: Int32 = 0
    public internal(set) var head = Head()
    /// Trailers of a response, where we are the client.
    public internal(set) var trailers = List<Field>()
    /// The body as far as it is here and not yet consumed.
    public internal(set) var body = ByteQueue()
    public internal(set) var hasEnded = false
    public internal(set) var isClosed = false
    /// The peer took the stream back, or the connection broke.
    public internal(set) var isCancelled = false
    /// Why the stream was closed: the code of whichever side reset it.
    public internal(set) var closeCode = ErrorCode.noError
    public internal(set) var openedNanoseconds: Int64 = 0
    public internal(set) var lastProgressNanoseconds: Int64 = 0
    public internal(set) var headIsComplete = false
    public internal(set) var hasReplied = false

    /// Memory of the message being handled: reset between the messages of a stream.
    public var arena: Arena
    /// Memory of the head: lives as long as the exchange.
    public var headArena = Arena(firstChunkBytes: 2048, bytesMax: 256 << 10)

    var news: News = []
    /// Handlers that still work on it, here or on another thread: as long as there are any the seat is not given back, and
    /// the arena is theirs.
    public internal(set) var holds = 0
    /// Nobody waits for an answer any more. For handlers on other threads, who look before they begin.
    private let abandoned = Atomic<Bool>(false)
    var isQueued = false
    /// What still comes of the body is thrown away: the peer's window stays shut.
    var isDiscarded = false
    var livePosition = 0
    /// Bytes received and not yet given back to the peer's stream window.
    var unacknowledgedBytes = 0

    // What is left to send, in order.
    var out = List<ByteView>()
    var outFirst = 0
    var outBytes = 0
    var outEnds = false
    var outIsDeferred = false
    var trailerFields = List<Field>()

    init(seat: Int, arenaBytesMax: Int) {
        self.seat = seat
        arena = Arena(firstChunkBytes: 4096, bytesMax: arenaBytesMax)
    }

    public var isHeld: Bool { holds > 0 }

    public var isAbandoned: Bool { abandoned.load(ordering: .relaxed) }

    public func abandon() { abandoned.store(true, ordering: .relaxed) }

    /// A handler begins to work on it.
    public func hold() { holds += 1 }

    /// Everything handed to `send` has been taken by the connection.
    public var isDrained: Bool { outBytes == 0 }

    func open(streamID: Int32, now: Int64) {
        self.streamID = streamID
        openedNanoseconds = now
        lastProgressNanoseconds = now
    }

    /// As new, but for the memory that an ordinary exchange needs.
    func recycle() {
        streamID = 0
        head = Head()
        trailers = List()
        body.removeAll()
        hasEnded = false
        isClosed = false
        isCancelled = false
        closeCode = .noError
        headIsComplete = false
        hasReplied = false
        news = []
        isQueued = false
        isDiscarded = false
        unacknowledgedBytes = 0
        out = List()
        outFirst = 0
        outBytes = 0
        outEnds = false
        outIsDeferred = false
        trailerFields = List()
        abandoned.store(false, ordering: .relaxed)
        arena.reset()
        headArena.reset()
    }

    /// The head was a response's 1xx, which says nothing yet: the one that counts follows. Its bytes stay counted.
    func dropInterimHead() {
        head.status = .empty
        head.fields.removeAll()
    }

    /// Keeps a field of the head; the views given are copied.
    func keep(name: ByteView, value: ByteView, listBytesMax: Int, fieldsMax: Int, isTrailer: Bool) {
        head.listBytes += name.count + value.count + 32
        guard head.listBytes <= listBytesMax, head.fields.count + trailers.count < fieldsMax, !head.isTooLarge else {
            head.isTooLarge = true
            return
        }
        do throws(ArenaFull) {
            if name.count > 0 && name[0] == UInt8(ascii: ":") {
                let value = try headArena.copy(value)
                switch name.count {
                case 5 where name == ":path": head.path = value
                case 7 where name == ":method": head.method = value
                case 7 where name == ":scheme": head.scheme = value
                case 7 where name == ":status": head.status = value
                case 10 where name == ":authority": head.authority = value
                default: break
                }
                return
            }
            let both = try headArena.join(name.count + value.count, alignment: 1, 2) { $0 == 0 ? name : value }
            let field = Field(name: both.prefix(name.count), value: both.dropFirst(name.count))
            if isTrailer {
                try trailers.append(field, in: &headArena)
            } else {
                try head.fields.append(field, in: &headArena)
            }
        } catch {
            head.isTooLarge = true
        }
    }

    /// Up to `bytes` at the front of what is left to send go to `take`, piece by piece.
    func drain(_ bytes: Int, _ take: (ByteView) -> Void) {
        var left = bytes
        while left > 0 {
            let piece = out[outFirst]
            let part = piece.prefix(left)
            take(part)
            left -= part.count
            outBytes -= part.count
            if part.count == piece.count { outFirst += 1 } else { out[outFirst] = piece.dropFirst(part.count) }
        }
        if outBytes == 0 {
            out = List()
            outFirst = 0
        }
    }
}

/// The exchanges of one shard, those in use and those that rest.
public final class ExchangePool {
    private var all: [Exchange] = []
    private var resting: [Int] = []
    private let arenaBytesMax: Int
    /// Where nghttp2 takes its memory: streams, header fields, frames, for all sessions of the shard.
    let slab = Slab()
    /// Memory of bodies that stays with resting seats, so that the next large body need not ask for it; and its bound.
    private var bodyBytesKept = 0
    private static let bodyBytesKeptMax = 32 << 20
    /// So many resting seats keep the memory that an ordinary exchange needs.
    private static let restingSeatsMax = 4096
    /// A body's memory up to this size stays in any case.
    private static let bodyBytesSmall = 16 << 10

    /// `arenaBytesMax`: memory that one message and its answer may take, beyond the body itself.
    public init(arenaBytesMax: Int) { self.arenaBytesMax = arenaBytesMax }

    public var seats: Int { all.count }
    public var inUse: Int { all.count - resting.count }

    func take() -> Exchange {
        if let seat = resting.popLast() {
            bodyBytesKept -= all[seat].body.bytesReserved
            return all[seat]
        }
        all.append(Exchange(seat: all.count, arenaBytesMax: arenaBytesMax))
        return all[all.count - 1]
    }

    /// A handler of an exchange has ended whose connection is gone. The last one gives the exchange back.
    public func release(orphan exchange: Exchange) {
        exchange.holds -= 1
        if exchange.holds == 0 { giveBack(exchange) }
    }

    func giveBack(_ exchange: Exchange) {
        exchange.recycle()
        if bodyBytesKept + exchange.body.bytesReserved > Self.bodyBytesKeptMax {
            exchange.body.shrink(above: Self.bodyBytesSmall)
        }
        // A burst's many seats do not keep their memory.
        if resting.count >= Self.restingSeatsMax {
            exchange.body.shrink(above: 0)
            exchange.arena.shrink()
            exchange.headArena.shrink()
        }
        bodyBytesKept += exchange.body.bytesReserved
        resting.append(exchange.seat)
    }

    public subscript(seat: Int) -> Exchange { all[seat] }

    /// Memory is short: what rests gives its own back.
    public func trim() {
        for seat in resting {
            all[seat].body.shrink(above: 0)
            all[seat].arena.shrink()
        }
        bodyBytesKept = 0
    }
}
