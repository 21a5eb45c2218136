// Enters: replies and requests. Leaves: frames, in an outbox; news of what has been sent.
import CNghttp2
public import Memory

extension Session {
    /// Opens a stream, where we are the client. `endsAtOnce`: no body will follow.
    public func request(_ fields: [Field], endsAtOnce: Bool = false) -> Exchange? {
        let exchange = exchanges.take()
        // Given here and not later: until the frame leaves, nghttp2 would look for the stream in a list of all that wait.
        let context = unsafe Unmanaged.passUnretained(exchange).toOpaque()
        let id = unsafe withNameValues(fields) { fields in
            if endsAtOnce {
                return unsafe nghttp2_submit_request(session, nil, fields.baseAddress, fields.count, nil, context)
            }
            var provider = unsafe dataProvider(exchange)
            return unsafe nghttp2_submit_request(session, nil, fields.baseAddress, fields.count, &provider, context)
        }
        guard id > 0 else {
            exchanges.giveBack(exchange)
            return nil
        }
        exchange.open(streamID: id, now: now)
        exchange.livePosition = live.count
        live.append(Pinned(exchange))
        open += 1
        return exchange
    }

    /// The peer takes further requests, where we are the client: it has not said GOAWAY, and stream numbers are left.
    public var takesRequests: Bool { unsafe nghttp2_session_check_request_allowed(session) != 0 }

    /// Streams at a time that the peer takes from us; requests above it wait in the session.
    public var peerStreamsMax: Int {
        Int(unsafe nghttp2_session_get_remote_settings(session, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS))
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

    /// The same for one piece, which may lie outside of the exchange's memory if it stays until `News.sent`.
    public func send(_ exchange: Exchange, _ piece: ByteView) throws(ArenaFull) {
        guard !exchange.isClosed, !piece.isEmpty else { return }
        try exchange.out.append(piece, in: &exchange.arena)
        exchange.outBytes += piece.count
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
        for index in drained.indices {
            let exchange = drained[index].object
            if exchange.isDrained && !exchange.isClosed { note(.sent, of: exchange) }
        }
        drained.removeAll(keepingCapacity: true)
        guard !closing.isEmpty else { return }
        var kept = 0
        for index in closing.indices {
            let exchange = closing[index].object
            // News that were not told yet, or a handler at work, keep the seat.
            if exchange.isHeld || exchange.isQueued {
                closing[kept] = closing[index]
                kept += 1
            } else {
                bodyBytes -= exchange.body.count
                open -= 1
                exchanges.giveBack(exchange)
            }
        }
        closing.removeSubrange(kept...)
    }

    /// A handler has ended.
    public func release(_ exchange: Exchange) { exchange.holds -= 1 }

    /// The connection is gone: every exchange is cancelled. Ask for the news, drop the outbox, then `outboxIsEmpty`.
    public func connectionClosed() {
        while let exchange = live.last?.object { closed(exchange, code: ErrorCode.cancel.rawValue) }
    }

    /// The open streams, for a look at their clocks.
    public var openExchanges: Int { live.count }
    public func openExchange(_ position: Int) -> Exchange { live[position].object }

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

    /// What a stream may send before we acknowledge, from now on, for all streams of the connection (RFC 9113, 6.9.2).
    public func setStreamWindow(_ bytes: Int) {
        guard bytes != streamWindowBytes, !isGoingAway else { return }
        streamWindowBytes = bytes
        var setting = nghttp2_settings_entry(
            settings_id: Int32(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE.rawValue), value: UInt32(bytes))
        check(unsafe nghttp2_submit_settings(session, 0, &setting, 1))
    }

    /// Opens the window of one stream so far that the rest of a large message fits: it need not wait for us in between.
    func widen(_ exchange: Exchange, to bytes: Int) {
        guard bytes > streamWindowBytes, streamWindowBytes >= limits.streamWindowBytes else { return }
        _ = unsafe nghttp2_session_set_local_window_size(
            session, 0, exchange.streamID, Int32(min(bytes, limits.bodyBytesMax)))
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
