// Enters: ciphertext as it came, plaintext to send. Leaves: plaintext as it was sent, ciphertext to send. No socket.
internal import CSSL
public import Memory

/// One connection's TLS, either side. Not for two threads at a time.
///
/// Nothing is kept back: `open` opens every record that is complete, `seal` leaves all ciphertext in `ciphertext`. A
/// class because libssl keeps its address; it deletes libssl's connection before it goes.
@safe public final class TLSConnection {
    public enum State: Sendable, Equatable {
        case handshaking
        /// The handshake is done and `h2` agreed on.
        case open
        /// The peer has said that it sends no more (close_notify). An end of the stream without this is a cut.
        case closed
    }

    enum Side { case server, client }

    /// To be sent to the peer: handshake, records, alerts. Whoever sends consumes. After an error there may be an alert
    /// in it, which should still be sent.
    public var ciphertext = ByteQueue()

    public private(set) var state = State.handshaking
    private var failure: TLSError?
    /// What `open` was given and libssl has not taken yet.
    private var arrived = ByteView.empty
    private let ssl: OpaquePointer

    /// The most that one record holds (RFC 8446, section 5.1), and more than what one adds.
    private static let recordBytesMax = 16384
    private static let recordOverheadBytesMax = 64

    /// Owns `ssl` from here on, also when it throws.
    @unsafe init(adopting ssl: OpaquePointer, _ side: Side) throws(TLSError) {
        unsafe self.ssl = ssl
        guard let method = unsafe Transport.method, let bio = unsafe BIO_new(method) else { throw .noMemory }
        unsafe BIO_set_data(bio, Unmanaged.passUnretained(self).toOpaque())
        // One reference for both directions; SSL_free gives it back.
        unsafe SSL_set_bio(ssl, bio, bio)
        switch side {
        case .server: unsafe SSL_set_accept_state(ssl)
        case .client: unsafe SSL_set_connect_state(ssl)
        }
    }

    deinit { unsafe SSL_free(ssl) }

    /// Takes all of `arrived` and appends the plaintext that it completes. Also what a client begins with, of no bytes.
    ///
    /// Errors: the peer's cases of `TLSError`; after one, every call throws it again.
    public func open(_ arrived: ByteView, into plaintext: inout ByteQueue) throws(TLSError) -> State {
        if let failure { throw failure }
        self.arrived = arrived
        defer { self.arrived = .empty }
        // Once at least in a handshake: a client's first message answers nothing.
        var again = state == .handshaking || !arrived.isEmpty
        while again && state != .closed {
            let room = unsafe max(Int(SSL_pending(ssl)), min(self.arrived.count, Self.recordBytesMax), 64)
            ErrorQueue.clear()
            var result: CInt = 0
            _ = unsafe plaintext.fill(room) { room in
                var count = 0
                result = unsafe SSL_read_ex(ssl, room.baseAddress, room.count, &count)
                return count
            }
            if state == .handshaking, unsafe SSL_is_init_finished(ssl) == 1 {
                guard negotiatedProtocol == "h2" else { throw fail(.noApplicationProtocol) }
                state = .open
            }
            if result != 1 { try note(result) }
            again = unsafe !self.arrived.isEmpty || SSL_pending(ssl) > 0
        }
        return state
    }

    /// Appends `plaintext` in sealed records to `ciphertext`.
    ///
    /// Errors: `handshaking`, and what `open` threw before.
    public func seal(_ plaintext: ByteView) throws(TLSError) {
        if let failure { throw failure }
        guard !isHandshaking else { throw .handshaking }
        guard plaintext.count > 0 else { return }
        let records = plaintext.count / Self.recordBytesMax + 1
        ciphertext.reserve(plaintext.count + records * Self.recordOverheadBytesMax)
        ErrorQueue.clear()
        var count = 0
        let result = unsafe SSL_write_ex(ssl, plaintext.pointer, plaintext.count, &count)
        guard result == 1 else {
            try note(result)
            throw fail(.violation(reason: "a message of the handshake is missing"))
        }
    }

    /// Says that we send no more (close_notify). Nothing can be sealed afterwards.
    public func close() {
        guard failure == nil, !isHandshaking else { return }
        ErrorQueue.clear()
        _ = unsafe SSL_shutdown(ssl)
        ErrorQueue.clear()
    }

    public var isHandshaking: Bool { state == .handshaking }

    /// What was agreed on by ALPN; `nil`: nothing, or not yet.
    public var negotiatedProtocol: String? {
        var name: UnsafePointer<UInt8>?
        var count: UInt32 = 0
        unsafe SSL_get0_alpn_selected(ssl, &name, &count)
        return unsafe count == 0 ? nil : ByteView(start: name, count: Int(count)).text
    }

    /// `nil`: not agreed on yet.
    public var version: TLSVersion? {
        guard !isHandshaking else { return nil }
        return unsafe SSL_version(ssl) == TLS1_3_VERSION ? .tls13 : .tls12
    }

    /// The peer's certificate, when it gave one and the handshake is done. Allocates: ask once.
    public var peer: PeerCertificate? {
        guard !isHandshaking, let certificate = unsafe SSL_get0_peer_certificate(ssl) else { return nil }
        return unsafe PeerCertificate(certificate)
    }

    /// A client's side: the name (RFC 6125) or address that the server's certificate must be for.
    func expect(host: String) throws(TLSError) {
        ErrorQueue.clear()
        if unsafe X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1 { return }
        ErrorQueue.clear()
        unsafe SSL_set_hostflags(ssl, UInt32(X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS))
        guard unsafe SSL_set1_host(ssl, host) == 1, unsafe tls_set_server_name(ssl, host) == 1 else { throw .noMemory }
    }

    /// What a call that did not succeed means: more bytes are wanted, the end, or an error.
    private func note(_ result: CInt) throws(TLSError) {
        switch unsafe SSL_get_error(ssl, result) {
        case SSL_ERROR_WANT_READ: break
        // Before the handshake is done nobody is known to be there: not an end but close_notify as any other alert.
        case SSL_ERROR_ZERO_RETURN where isHandshaking: throw fail(.alert(UInt8(SSL_AD_CLOSE_NOTIFY)))
        case SSL_ERROR_ZERO_RETURN: state = .closed
        default: throw unsafe fail(.ofConnection(verifyResult: SSL_get_verify_result(ssl)))
        }
    }

    private func fail(_ error: TLSError) -> TLSError {
        failure = error
        return error
    }
}

extension TLSConnection {
    /// For `Transport`: libssl wants bytes from the peer. Returns how many it got.
    @unsafe fileprivate func take(_ target: UnsafeMutableRawBufferPointer) -> Int {
        let piece = arrived.prefix(target.count)
        if let source = unsafe piece.pointer {
            unsafe target.baseAddress?.copyMemory(from: source, byteCount: piece.count)
        }
        arrived = arrived.dropFirst(piece.count)
        return piece.count
    }
}

/// What libssl takes for the network: the connection's own two ends. Thunks only; the methods are above.
enum Transport {
    /// Made once, kept for good; `nil`: no memory.
    nonisolated(unsafe) static let method: OpaquePointer? = {
        guard let method = unsafe BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "vencejo") else {
            return nil
        }
        unsafe BIO_meth_set_read_ex(method) { bio, bytes, count, taken in
            let target = unsafe UnsafeMutableRawBufferPointer(start: bytes, count: count)
            let got = unsafe connection(of: bio).take(target)
            unsafe taken?.pointee = got
            unsafe tls_bio_clear_retry(bio)
            if got == 0 { unsafe tls_bio_set_retry_read(bio) }
            return got > 0 ? 1 : 0
        }
        unsafe BIO_meth_set_write_ex(method) { bio, bytes, count, written in
            unsafe connection(of: bio).ciphertext.append(ByteView(start: bytes, count: count))
            unsafe written?.pointee = count
            return 1
        }
        // Flushing is what libssl demands an answer to; there is nothing to flush.
        unsafe BIO_meth_set_ctrl(method) { _, command, _, _ in command == BIO_CTRL_FLUSH ? 1 : 0 }
        return unsafe method
    }()

    @unsafe private static func connection(of bio: OpaquePointer?) -> TLSConnection {
        unsafe Unmanaged<TLSConnection>.fromOpaque(BIO_get_data(bio)).takeUnretainedValue()
    }
}

extension TLSConnection {
    /// OpenSSL's version, as the library in this process tells it.
    public static var libraryVersion: String { unsafe String(cString: OpenSSL_version(OPENSSL_VERSION_STRING)) }
}
