// Enters: nghttp2's calls. Leaves: notes in the session and in its exchanges. Nothing here calls up.
import CNghttp2
import Memory

/// The callback table and the options, made once for the process.
@safe struct Library: @unchecked Sendable {
    static let shared = Library()

    let callbacks: OpaquePointer
    let options: OpaquePointer

    private init() {
        var callbacks: OpaquePointer?
        var options: OpaquePointer?
        guard unsafe nghttp2_session_callbacks_new(&callbacks) == 0, unsafe nghttp2_option_new(&options) == 0,
            let callbacks = unsafe callbacks, let options = unsafe options
        else { fatalError("no memory for nghttp2's tables") }
        unsafe nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks, onBeginFrame)
        unsafe nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, onBeginHeaders)
        unsafe nghttp2_session_callbacks_set_on_header_callback(callbacks, onHeader)
        unsafe nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, onDataChunk)
        unsafe nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, onFrame)
        unsafe nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, onInvalidFrame)
        unsafe nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, onFrameSent)
        unsafe nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, onStreamClose)
        unsafe nghttp2_session_callbacks_set_send_data_callback(callbacks, onSendData)
        unsafe nghttp2_session_callbacks_set_data_source_read_length_callback(callbacks, onReadLength)
        // The peer's windows are opened when a body was dealt with, not when it was received.
        unsafe nghttp2_option_set_no_auto_window_update(options, 1)
        unsafe nghttp2_option_set_no_closed_streams(options, 1)
        // nghttp2 passes over frames of unknown types without a call, which then cost a flood nothing: all are ours.
        unsafe nghttp2_session_callbacks_set_unpack_extension_callback(callbacks, onExtension)
        for type in 10...UInt8.max { unsafe nghttp2_option_set_user_recv_extension_type(options, type) }
        unsafe self.callbacks = callbacks
        unsafe self.options = options
    }
}

/// The session that nghttp2 calls for. Lent, not counted: it owns nghttp2's session and outlives the call.
@inline(__always)
private func with(_ context: UnsafeMutableRawPointer?, _ body: (Session) -> CInt) -> CInt {
    guard let context = unsafe context else { preconditionFailure("nghttp2 lost the session") }
    return unsafe Unmanaged<Session>.fromOpaque(context)._withUnsafeGuaranteedRef { body($0) }
}

/// The session, and the exchange of a stream; 0 if the stream has none. Lent, not counted: the pool owns exchanges.
@inline(__always)
private func with(
    _ context: UnsafeMutableRawPointer?, _ raw: OpaquePointer?, _ id: Int32, _ body: (Session, Exchange) -> CInt
) -> CInt {
    unsafe with(context) { session in
        guard let data = unsafe nghttp2_session_get_stream_user_data(raw, id) else { return 0 }
        return unsafe Unmanaged<Exchange>.fromOpaque(data)._withUnsafeGuaranteedRef { body(session, $0) }
    }
}

private func exchange(_ raw: OpaquePointer?, _ id: Int32) -> Exchange? {
    guard let data = unsafe nghttp2_session_get_stream_user_data(raw, id) else { return nil }
    return unsafe Unmanaged<Exchange>.fromOpaque(data).takeUnretainedValue()
}

private let onBeginFrame: nghttp2_on_begin_frame_callback = { _, header, context in
    unsafe with(context) { session in
        guard let header = unsafe header?.pointee else { return 0 }
        session.noteFrame(type: header.type, flags: header.flags, bytes: header.length)
        return 0
    }
}

private let onBeginHeaders: nghttp2_on_begin_headers_callback = { raw, frame, context in
    unsafe with(context) { session in
        guard let frame = unsafe frame else { return 0 }
        if session.role == .server, unsafe frame.pointee.headers.cat == NGHTTP2_HCAT_REQUEST {
            let id = unsafe frame.pointee.hd.stream_id
            // nghttp2 counts streams until they are closed; a stream counts with us until its handler has ended and its
            // answer has left, with as many again allowed to be on their way out.
            if session.open >= 2 * session.limits.streamsMax || session.isTerminating {
                _ = unsafe nghttp2_submit_rst_stream(raw, 0, id, ErrorCode.refusedStream.rawValue)
                session.headed = nil
                return 0
            }
            let exchange = session.opened(id)
            _ = unsafe nghttp2_session_set_stream_user_data(raw, id, Unmanaged.passUnretained(exchange).toOpaque())
            session.headed = Pinned(exchange)
        } else {
            session.headed = unsafe exchange(raw, frame.pointee.hd.stream_id).map { Pinned($0) }
        }
        session.headBeganNanoseconds = session.now
        return 0
    }
}

private let onHeader: nghttp2_on_header_callback = { _, _, name, nameBytes, value, valueBytes, _, context in
    unsafe with(context) { session in
        guard let headed = session.headed else { return 0 }
        return headed.with { exchange in
            exchange.keep(
                name: unsafe ByteView(start: name, count: nameBytes),
                value: unsafe ByteView(start: value, count: valueBytes),
                listBytesMax: session.limits.headerListBytesMax, fieldsMax: session.limits.headerFieldsMax,
                isTrailer: exchange.headIsComplete)
            // A table's entry of some KB can be named by one byte, again and again. Far above the bound the stream is reset,
            // which the budget of resets counts, and nghttp2 looks at none of its further fields.
            return exchange.head.listBytes > 4 * session.limits.headerListBytesMax
                ? CInt(NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE.rawValue) : 0
        }
    }
}

private let onDataChunk: nghttp2_on_data_chunk_recv_callback = { raw, _, id, bytes, count, context in
    _ = unsafe with(context) { session in
        session.acknowledgeConnection(count)
        return 0
    }
    return unsafe with(context, raw, id) { session, exchange in
        unsafe session.received(ByteView(start: bytes, count: count), of: exchange)
        return 0
    }
}

private let onFrame: nghttp2_on_frame_recv_callback = { raw, frame, context in
    guard let header = unsafe frame?.pointee.hd else { return 0 }
    let isHeaders = UInt32(header.type) == NGHTTP2_HEADERS.rawValue
    let isReset = UInt32(header.type) == NGHTTP2_RST_STREAM.rawValue
    guard isHeaders || isReset || UInt32(header.type) == NGHTTP2_DATA.rawValue else { return 0 }
    _ = unsafe with(context) { session in
        if isReset { session.peerReset() } else { session.lastRequestNanoseconds = session.now }
        if isHeaders { session.headBeganNanoseconds = nil }
        return 0
    }
    if isReset { return 0 }
    return unsafe with(context, raw, header.stream_id) { session, exchange in
        session.frameEnded(
            exchange, isHeaders: isHeaders, isEnd: UInt32(header.flags) & NGHTTP2_FLAG_END_STREAM.rawValue != 0)
        return 0
    }
}

private let onInvalidFrame: nghttp2_on_invalid_frame_recv_callback = { _, _, _, context in
    unsafe with(context) { session in
        session.headBeganNanoseconds = nil
        session.madeToReset()
        return 0
    }
}

/// Of no use to us: `onBeginFrame` has counted it.
private let onExtension: nghttp2_unpack_extension_callback = { _, _, _, _ in CInt(NGHTTP2_ERR_CANCEL.rawValue) }

private let onFrameSent: nghttp2_on_frame_send_callback = { raw, frame, context in
    guard let frame = unsafe frame else { return 0 }
    let header = unsafe frame.pointee.hd
    switch UInt32(header.type) {
    case NGHTTP2_RST_STREAM.rawValue:
        return unsafe with(context) { session in
            if unsafe frame.pointee.rst_stream.error_code != ErrorCode.noError.rawValue { session.madeToReset() }
            return 0
        }
    case NGHTTP2_HEADERS.rawValue, NGHTTP2_DATA.rawValue:
        return unsafe with(context, raw, header.stream_id) { session, exchange in
            session.idleFrames.refund(4)
            // The reply is whole; the peer need not send the rest of what nobody reads (RFC 9113, 8.1).
            if UInt32(header.flags) & NGHTTP2_FLAG_END_STREAM.rawValue != 0, session.role == .server,
                !exchange.hasEnded
            {
                _ = unsafe nghttp2_submit_rst_stream(raw, 0, header.stream_id, ErrorCode.noError.rawValue)
            }
            return 0
        }
    default: return 0
    }
}

private let onStreamClose: nghttp2_on_stream_close_callback = { raw, id, code, context in
    unsafe with(context, raw, id) { session, exchange in
        session.closed(exchange, code: code)
        return 0
    }
}

/// nghttp2 asks how much of the reply may go into a DATA frame: as much as the windows and the peer's frame size allow.
private let onReadLength: nghttp2_data_source_read_length_callback = { _, _, _, connection, stream, frameMax, _ in
    min(Int(min(connection, stream)), Int(frameMax))
}

private let onRead: nghttp2_data_source_read_callback = { raw, id, _, length, flags, source, context in
    guard let source = unsafe source, let flags = unsafe flags else { return 0 }
    return unsafe Unmanaged<Exchange>.fromOpaque(source.pointee.ptr)._withUnsafeGuaranteedRef { exchange in
        let bytes = min(length, exchange.outBytes)
        if bytes == exchange.outBytes {
            if exchange.outEnds {
                unsafe flags.pointee |= NGHTTP2_DATA_FLAG_EOF.rawValue
                if exchange.trailerFields.count > 0 {
                    unsafe flags.pointee |= NGHTTP2_DATA_FLAG_NO_END_STREAM.rawValue
                    _ = unsafe with(context) { session in
                        session.submitTrailers(exchange)
                        return 0
                    }
                }
            } else if bytes == 0 {
                exchange.outIsDeferred = true
                return Int(NGHTTP2_ERR_DEFERRED.rawValue)
            }
        }
        unsafe flags.pointee |= NGHTTP2_DATA_FLAG_NO_COPY.rawValue
        return bytes
    }
}

private let onSendData: nghttp2_send_data_callback = { _, _, header, length, source, context in
    unsafe with(context) { session in
        // nghttp2 would go on with the next frame as long as windows allow it: the frame is asked for again by the next
        // `send`.
        if session.outbox.count >= session.outboxBytesMax {
            session.isOutboxFull = true
            return CInt(NGHTTP2_ERR_WOULDBLOCK.rawValue)
        }
        guard let pointer = unsafe source?.pointee.ptr else { return 0 }
        return unsafe Unmanaged<Exchange>.fromOpaque(pointer)._withUnsafeGuaranteedRef { exchange in
            unsafe session.outbox.append(ByteView(start: header, count: 9))
            exchange.drain(length) { piece in session.outbox.reference(piece) }
            session.sentBody(exchange)
            return 0
        }
    }
}

func dataProvider(_ exchange: Exchange) -> nghttp2_data_provider {
    unsafe nghttp2_data_provider(
        source: nghttp2_data_source(ptr: Unmanaged.passUnretained(exchange).toOpaque()), read_callback: onRead)
}

/// A field as nghttp2 takes it, without a copy: fields lie in the exchange's memory or in the program's.
func nameValue(_ field: Field) -> nghttp2_nv {
    unsafe nghttp2_nv(
        name: UnsafeMutableRawPointer(mutating: field.name.pointer)?.assumingMemoryBound(to: UInt8.self),
        value: UnsafeMutableRawPointer(mutating: field.value.pointer)?.assumingMemoryBound(to: UInt8.self),
        namelen: field.name.count, valuelen: field.value.count,
        flags: UInt8(NGHTTP2_NV_FLAG_NO_COPY_NAME.rawValue | NGHTTP2_NV_FLAG_NO_COPY_VALUE.rawValue))
}

/// The fields as nghttp2 takes them, on the stack, for as long as `body` runs.
func withNameValues(_ fields: [Field], _ body: (UnsafeMutableBufferPointer<nghttp2_nv>) -> Int32) -> Int32 {
    unsafe withUnsafeTemporaryAllocation(of: nghttp2_nv.self, capacity: fields.count) { values in
        for index in fields.indices { unsafe values.initializeElement(at: index, to: nameValue(fields[index])) }
        return unsafe body(values)
    }
}
