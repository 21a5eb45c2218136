// Enters: plaintext of one connection. Leaves: exchanges with news; frames to send, in an outbox.
import CNghttp2
public import Memory

/// The HTTP/2 side of one connection, over libnghttp2. No socket, no clock: time is told by `now`.
///
/// nghttp2's callbacks (Callbacks.swift) note what happened; whoever feeds the session asks afterwards with `nextNews`.
/// nghttp2's checks of HTTP messages stay on: they refuse CR, LF, NUL, lying content-lengths and wrong pseudo-headers.
@safe public final class Session {
    public enum Role: Sendable { case server, client }

    let role: Role
    let limits: Limits
    let exchanges: ExchangePool
    /// Tells from a body's first bytes how long it will be, so that its memory is taken once. At most 1 MiB is
    /// believed: memory is never taken on a peer's word alone.
    let bodySize: @Sendable (ByteView) -> Int?
    /// Nanoseconds on the shard's clock, told before each `receive` and `send`.
    public var now: Int64 = 0

    var session: OpaquePointer
    private var news: [Pinned<Exchange>] = []
    private var newsFirst = 0
    var closing: [Pinned<Exchange>] = []
    /// The outbox while `send` runs: nghttp2 hands payload to a callback. The owner's is moved in and out.
    var outbox = Outbox()
    /// Of the `send` that runs: no frame of a body begins above it.
    var outboxBytesMax = 0
    var isOutboxFull = false
    var peerResets: Budget
    var serverResets: Budget
    var idleFrames: Budget

    /// Streams whose handler or stream has not ended.
    public internal(set) var open = 0
    /// Body bytes that wait in the exchanges of this connection.
    public internal(set) var bodyBytes = 0
    public internal(set) var framesReceived = 0
    /// A frame that carries a request (HEADERS or DATA) came at this time.
    public internal(set) var lastRequestNanoseconds: Int64 = 0
    /// The exchange whose header block is being read: nghttp2 would have to look it up for each field.
    var headed: Pinned<Exchange>?
    /// What streams may send before we acknowledge.
    var streamWindowBytes: Int
    /// A header block has begun and not ended.
    public internal(set) var headBeganNanoseconds: Int64?
    public internal(set) var isGoingAway = false
    /// A budget is used up. The session is terminated when nghttp2 has returned, never from inside a callback
    /// (CVE-2026-27135: frames that arrive after a termination).
    public internal(set) var isTerminating = false
    var wasTerminated = false
    /// The last `ping` was answered.
    public internal(set) var isPingAnswered = false
    var isPingAsked = false
    /// Streams that are not closed, in no order.
    var live: [Pinned<Exchange>] = []
    /// Streams whose queued pieces are all in the outbox, and that will send more.
    var drained: [Pinned<Exchange>] = []

    public init(
        role: Role, limits: Limits, exchanges: ExchangePool, now: Int64,
        bodySize: @escaping @Sendable (ByteView) -> Int? = { _ in nil }
    ) {
        self.role = role
        self.limits = limits
        self.exchanges = exchanges
        self.bodySize = bodySize
        self.now = now
        lastRequestNanoseconds = now
        streamWindowBytes = limits.streamWindowBytes
        peerResets = Budget(limits.peerResets)
        serverResets = Budget(limits.serverResets)
        idleFrames = Budget(limits.idleFrames)
        unsafe session = OpaquePointer(bitPattern: 1).unsafelyUnwrapped
        let context = unsafe Unmanaged.passUnretained(self).toOpaque()
        var made: OpaquePointer?
        let options = unsafe Library.shared.options
        var memory = unsafe memory(of: exchanges.slab)
        let result =
            role == .server
            ? unsafe nghttp2_session_server_new3(&made, Library.shared.callbacks, context, options, &memory)
            : unsafe nghttp2_session_client_new3(&made, Library.shared.callbacks, context, options, &memory)
        guard result == 0, let made = unsafe made else { fatalError("no memory for a session") }
        unsafe session = made
        submitSettings()
    }

    deinit { unsafe nghttp2_session_del(session) }

    private func submitSettings() {
        let settings = [
            nghttp2_settings_entry(
                settings_id: Int32(NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS.rawValue), value: UInt32(limits.streamsMax)),
            nghttp2_settings_entry(
                settings_id: Int32(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE.rawValue),
                value: UInt32(limits.streamWindowBytes)),
            nghttp2_settings_entry(
                settings_id: Int32(NGHTTP2_SETTINGS_MAX_FRAME_SIZE.rawValue), value: UInt32(limits.frameBytesMax)),
            nghttp2_settings_entry(
                settings_id: Int32(NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE.rawValue),
                value: UInt32(limits.headerListBytesMax)),
            nghttp2_settings_entry(settings_id: Int32(NGHTTP2_SETTINGS_ENABLE_PUSH.rawValue), value: 0),
        ]
        // A server does not announce ENABLE_PUSH.
        let count = role == .server ? settings.count - 1 : settings.count
        check(unsafe nghttp2_submit_settings(session, 0, settings, count))
        check(unsafe nghttp2_session_set_local_window_size(session, 0, 0, Int32(limits.connectionWindowBytes)))
    }

    /// Only our own mistake, or no memory, makes these calls fail.
    func check(_ result: CInt) { precondition(result == 0, unsafe String(cString: nghttp2_strerror(result))) }

    // MARK: in

    /// Feeds bytes from the connection.
    public func receive(_ bytes: ByteView) throws(HTTP2Error) {
        let taken = unsafe nghttp2_session_mem_recv(
            session, bytes.pointer?.assumingMemoryBound(to: UInt8.self), bytes.count)
        if taken < 0 { throw violation(CInt(taken)) }
        calmIfExhausted()
    }

    func calmIfExhausted() {
        guard isTerminating, !wasTerminated else { return }
        wasTerminated = true
        terminate(.enhanceYourCalm)
    }

    func violation(_ code: CInt) -> HTTP2Error {
        .protocolViolation(code: code, reason: unsafe String(cString: nghttp2_strerror(code)))
    }

    /// The next exchange to which something happened, and what; each is told once for all that happened since.
    public func nextNews() -> (exchange: Exchange, news: News)? {
        guard newsFirst < news.count else {
            news.removeAll(keepingCapacity: true)
            newsFirst = 0
            return nil
        }
        let exchange = news[newsFirst].object
        newsFirst += 1
        exchange.isQueued = false
        defer { exchange.news = [] }
        return (exchange, exchange.news)
    }

    func note(_ news: News, of exchange: Exchange) {
        exchange.news.formUnion(news)
        guard !exchange.isQueued else { return }
        exchange.isQueued = true
        self.news.append(Pinned(exchange))
    }

    /// The first `bytes` of the body are dealt with.
    public func consume(_ exchange: Exchange, bytes: Int) {
        exchange.body.consume(bytes)
        bodyBytes -= bytes
        acknowledge(exchange)
    }

    /// Throws the body away and leaves the peer's stream window shut: for an exchange that is answered already.
    public func discard(_ exchange: Exchange) {
        bodyBytes -= exchange.body.count
        exchange.body.removeAll()
        exchange.isDiscarded = true
    }

    /// Opens the peer's stream window again, unless too much of the body waits.
    func acknowledge(_ exchange: Exchange) {
        guard exchange.unacknowledgedBytes > 0, exchange.body.count < limits.bodyBytesMax else { return }
        guard !exchange.isClosed, !exchange.isDiscarded else { return }
        _ = unsafe nghttp2_session_consume_stream(session, exchange.streamID, exchange.unacknowledgedBytes)
        exchange.unacknowledgedBytes = 0
    }

    func acknowledgeConnection(_ bytes: Int) { _ = unsafe nghttp2_session_consume_connection(session, bytes) }
}
