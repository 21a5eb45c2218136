// Enters: what nghttp2's callbacks saw. Leaves: the session's notes of it, and budgets spent.
import CNghttp2
import Memory

extension Session {
    func opened(_ id: Int32) -> Exchange {
        let exchange = exchanges.take()
        exchange.open(streamID: id, now: now)
        open += 1
        exchange.livePosition = live.count
        live.append(Pinned(exchange))
        return exchange
    }

    /// Every frame's header, known type or not.
    func noteFrame(type: UInt8, flags: UInt8, bytes: Int) {
        framesReceived += 1
        let isAck = UInt32(flags) & NGHTTP2_FLAG_ACK.rawValue != 0
        switch UInt32(type) {
        case NGHTTP2_HEADERS.rawValue, NGHTTP2_RST_STREAM.rawValue, NGHTTP2_GOAWAY.rawValue: return
        case NGHTTP2_DATA.rawValue:
            // An empty DATA frame that ends nothing is work without worth.
            if bytes > 0 || UInt32(flags) & NGHTTP2_FLAG_END_STREAM.rawValue != 0 { return }
        case NGHTTP2_PING.rawValue, NGHTTP2_SETTINGS.rawValue:
            if isAck && UInt32(type) == NGHTTP2_SETTINGS.rawValue { return }
            // An answer that nobody asked for is a flood's.
            if isAck && isPingAsked {
                isPingAsked = false
                isPingAnswered = true
                return
            }
        default: break
        }
        if !idleFrames.spend(now: now) { exhausted() }
    }

    func peerReset() {
        if !peerResets.spend(now: now) { exhausted() }
    }

    /// A frame was invalid, or made us reset a stream.
    func madeToReset() {
        // A client that takes back its own calls is not to blame for it.
        if role == .server, !serverResets.spend(now: now) { exhausted() }
    }

    private func exhausted() {
        guard !isTerminating else { return }
        isTerminating = true
    }

    func received(_ chunk: ByteView, of exchange: Exchange) {
        let kept = chunk.prefix(limits.bodyBytesKept - exchange.body.count)
        if exchange.body.isEmpty, let bytes = bodySize(chunk) {
            exchange.body.reserve(max(kept.count, min(bytes, 1 << 20, limits.bodyBytesKept)))
        }
        exchange.body.append(kept)
        bodyBytes += kept.count
        exchange.unacknowledgedBytes += chunk.count
        exchange.lastProgressNanoseconds = now
        acknowledge(exchange)
        note(.body, of: exchange)
    }

    func frameEnded(_ exchange: Exchange, isHeaders: Bool, isEnd: Bool) {
        if isHeaders {
            exchange.lastProgressNanoseconds = now
            if role == .client && !exchange.headIsComplete && exchange.head.isInterim && !isEnd {
                exchange.dropInterimHead()
            } else if !exchange.headIsComplete {
                exchange.headIsComplete = true
                note(.head, of: exchange)
            }
        }
        if isEnd {
            exchange.hasEnded = true
            note(.end, of: exchange)
        }
    }

    func closed(_ exchange: Exchange, code: UInt32) {
        guard !exchange.isClosed else { return }
        exchange.isClosed = true
        exchange.abandon()
        exchange.closeCode = ErrorCode(rawValue: code)
        exchange.isCancelled = exchange.closeCode != .noError
        forget(exchange)
        closing.append(Pinned(exchange))
        note(.closed, of: exchange)
    }

    /// Takes the exchange out of the list of living streams; the last one takes its place.
    func forget(_ exchange: Exchange) {
        let last = live.removeLast().object
        guard last !== exchange else { return }
        live[exchange.livePosition] = Pinned(last)
        last.livePosition = exchange.livePosition
    }

    func sentBody(_ exchange: Exchange) {
        exchange.lastProgressNanoseconds = now
        if exchange.isDrained && !exchange.outEnds { drained.append(Pinned(exchange)) }
    }
}
