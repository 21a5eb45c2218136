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

    private var session: OpaquePointer
    private var news: [Exchange] = []
    private var newsFirst = 0
    var closing: [Exchange] = []
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
    /// A header block has begun and not ended.
    public internal(set) var headBeganNanoseconds: Int64?
    public private(set) var isGoingAway = false
    /// A budget is used up. The session is terminated when nghttp2 has returned, never from inside a callback
    /// (CVE-2026-27135: frames that arrive after a termination).
    public internal(set) var isTerminating = false
    private var wasTerminated = false
    /// The last `ping` was answered.
    public internal(set) var isPingAnswered = false
    var isPingAsked = false
    /// Streams that are not closed, in no order.
    var live: [Exchange] = []
    /// Streams whose queued pieces are all in the outbox, and that will send more.
    var drained: [Exchange] = []

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
        peerResets = Budget(limits.peerResets)
        serverResets = Budget(limits.serverResets)
        idleFrames = Budget(limits.idleFrames)
        unsafe session = OpaquePointer(bitPattern: 1).unsafelyUnwrapped
        let context = unsafe Unmanaged.passUnretained(self).toOpaque()
        var made: OpaquePointer?
        let options = unsafe Library.shared.options
        let result =
            role == .server
            ? unsafe nghttp2_session_server_new2(&made, Library.shared.callbacks, context, options)
            : unsafe nghttp2_session_client_new2(&made, Library.shared.callbacks, context, options)
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

    private func calmIfExhausted() {
        guard isTerminating, !wasTerminated else { return }
        wasTerminated = true
        terminate(.enhanceYourCalm)
    }

    private func violation(_ code: CInt) -> HTTP2Error {
        .protocolViolation(code: code, reason: unsafe String(cString: nghttp2_strerror(code)))
    }

    /// The next exchange to which something happened, and what; each is told once for all that happened since.
    public func nextNews() -> (exchange: Exchange, news: News)? {
        guard newsFirst < news.count else {
            news.removeAll(keepingCapacity: true)
            newsFirst = 0
            return nil
        }
        let exchange = news[newsFirst]
        newsFirst += 1
        exchange.isQueued = false
        defer { exchange.news = [] }
        return (exchange, exchange.news)
    }

    func note(_ news: News, of exchange: Exchange) {
        exchange.news.formUnion(news)
        guard !exchange.isQueued else { return }
        exchange.isQueued = true
        self.news.append(exchange)
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

    // MARK: out

    /// Opens a stream, where we are the client. `endsAtOnce`: no body will follow.
    public func request(_ fields: [Field], endsAtOnce: Bool = false) -> Exchange? {
        let exchange = exchanges.take()
        let id = unsafe withNameValues(fields) { fields in
            if endsAtOnce {
                return unsafe nghttp2_submit_request(session, nil, fields.baseAddress, fields.count, nil, nil)
            }
            var provider = unsafe dataProvider(exchange)
            return unsafe nghttp2_submit_request(session, nil, fields.baseAddress, fields.count, &provider, nil)
        }
        guard id > 0 else {
            exchanges.giveBack(exchange)
            return nil
        }
        exchange.open(streamID: id, now: now)
        exchange.livePosition = live.count
        live.append(exchange)
        open += 1
        _ = unsafe nghttp2_session_set_stream_user_data(session, id, Unmanaged.passUnretained(exchange).toOpaque())
        return exchange
    }

    /// Sends the reply's head; `endsAtOnce`: the head is all there is (a trailers-only answer). Else `send` and `finish`
    /// follow. A reply to a stream that is gone is dropped.
    public func respond(_ exchange: Exchange, _ fields: [Field], endsAtOnce: Bool = false) {
        guard !exchange.isClosed, !exchange.hasReplied else { return }
        exchange.hasReplied = true
        let result = unsafe withNameValues(fields) { fields in
            if endsAtOnce {
                return unsafe nghttp2_submit_response(session, exchange.streamID, fields.baseAddress, fields.count, nil)
            }
            var provider = unsafe dataProvider(exchange)
            return unsafe nghttp2_submit_response(
                session, exchange.streamID, fields.baseAddress, fields.count, &provider)
        }
        check(result)
    }

    /// Queues pieces behind what is left to send. They lie in the exchange's memory, and stay until `News.sent`.
    public func send(_ exchange: Exchange, _ pieces: List<ByteView>) throws(ArenaFull) {
        guard !exchange.isClosed else { return }
        for index in pieces.indices where !pieces[index].isEmpty {
            try exchange.out.append(pieces[index], in: &exchange.arena)
            exchange.outBytes += pieces[index].count
        }
        resume(exchange)
    }

    /// After what is queued come these trailers, and the end. Fields must lie in the exchange's memory or the program's.
    public func finish(_ exchange: Exchange, trailers: List<Field>) {
        guard !exchange.isClosed else { return }
        exchange.trailerFields = trailers
        exchange.outEnds = true
        resume(exchange)
    }

    private func resume(_ exchange: Exchange) {
        guard exchange.outIsDeferred else { return }
        exchange.outIsDeferred = false
        check(unsafe nghttp2_session_resume_data(session, exchange.streamID))
    }

    /// Takes the stream back.
    public func reset(_ exchange: Exchange, code: ErrorCode) {
        guard !exchange.isClosed else { return }
        check(unsafe nghttp2_submit_rst_stream(session, 0, exchange.streamID, code.rawValue))
    }

    func submitTrailers(_ exchange: Exchange) {
        let fields = exchange.trailerFields
        unsafe withUnsafeTemporaryAllocation(of: nghttp2_nv.self, capacity: fields.count) { values in
            for index in fields.indices { unsafe values.initializeElement(at: index, to: nameValue(fields[index])) }
            check(unsafe nghttp2_submit_trailer(session, exchange.streamID, values.baseAddress, values.count))
        }
    }

    /// Moves the frames that are ready into `box`, as far as the peer's windows and `bytesMax` allow.
    /// - Returns: whether more is ready.
    public func send(into box: inout Outbox, bytesMax: Int) throws(HTTP2Error) -> Bool {
        swap(&box, &outbox)
        defer { swap(&box, &outbox) }
        outboxBytesMax = bytesMax
        isOutboxFull = false
        while outbox.count < bytesMax {
            var frames: UnsafePointer<UInt8>?
            let bytes = unsafe nghttp2_session_mem_send(session, &frames)
            if bytes < 0 { throw violation(CInt(bytes)) }
            if isOutboxFull { return true }
            if bytes == 0 {
                guard isTerminating, !wasTerminated else { return false }
                calmIfExhausted()
                continue
            }
            unsafe outbox.append(ByteView(start: frames, count: bytes))
        }
        return true
    }

    /// Nothing points into exchanges any more: what was sent is told, and those that have ended go back to the pool.
    public func outboxIsEmpty() {
        for exchange in drained where exchange.isDrained && !exchange.isClosed { note(.sent, of: exchange) }
        drained.removeAll(keepingCapacity: true)
        guard !closing.isEmpty else { return }
        var kept = 0
        for index in closing.indices {
            let exchange = closing[index]
            // News that were not told yet, or a handler at work, keep the seat.
            if exchange.isHeld || exchange.isQueued {
                closing[kept] = exchange
                kept += 1
            } else {
                bodyBytes -= exchange.body.count
                open -= 1
                exchanges.giveBack(exchange)
            }
        }
        closing.removeSubrange(kept...)
    }

    /// The connection is gone: every exchange is cancelled. Ask for the news, drop the outbox, then `outboxIsEmpty`.
    public func connectionClosed() {
        while let exchange = live.last { closed(exchange, code: ErrorCode.cancel.rawValue) }
    }

    /// The open streams, for a look at their clocks.
    public var openExchanges: Int { live.count }
    public func openExchange(_ position: Int) -> Exchange { live[position] }

    /// GOAWAY. `final: false` is the first of two (RFC 9113, 6.8): it names no stream, so that what is on its way still
    /// comes in; `final: true` names the last stream that is served.
    public func goAway(final: Bool, code: ErrorCode = .noError) {
        isGoingAway = true
        if !final {
            check(unsafe nghttp2_submit_shutdown_notice(session))
        } else {
            let last = unsafe nghttp2_session_get_last_proc_stream_id(session)
            check(unsafe nghttp2_submit_goaway(session, 0, last, code.rawValue, nil, 0))
        }
    }

    /// Ends the connection after a GOAWAY with `code`; frames that still arrive are dropped.
    public func terminate(_ code: ErrorCode) {
        isGoingAway = true
        _ = unsafe nghttp2_session_terminate_session(session, code.rawValue)
    }

    /// libnghttp2's version, as the library in this process tells it.
    public static var libraryVersion: String {
        guard let info = unsafe nghttp2_version(0) else { return "unknown" }
        return unsafe String(cString: info.pointee.version_str)
    }

    /// 1.52.0 or later. What distributions mended without a new number is checked where the package is installed.
    public static var libraryIsSafe: Bool { unsafe (nghttp2_version(0)?.pointee.version_num ?? 0) >= 0x013400 }

    /// Frames wait to be sent.
    public var hasFrames: Bool { unsafe nghttp2_session_want_write(session) != 0 }

    /// Neither side has anything left to say.
    public var isFinished: Bool {
        unsafe nghttp2_session_want_read(session) == 0 && nghttp2_session_want_write(session) == 0
    }

    /// Keep-alive: the peer must answer.
    public func ping() {
        isPingAnswered = false
        isPingAsked = true
        check(unsafe nghttp2_submit_ping(session, 0, nil))
    }
}

/// RFC 9113, section 7.
public struct ErrorCode: RawRepresentable, Equatable, Sendable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }
    public static let noError = ErrorCode(rawValue: 0)
    public static let protocolError = ErrorCode(rawValue: 1)
    public static let internalError = ErrorCode(rawValue: 2)
    public static let refusedStream = ErrorCode(rawValue: 7)
    public static let cancel = ErrorCode(rawValue: 8)
    public static let enhanceYourCalm = ErrorCode(rawValue: 11)
}
