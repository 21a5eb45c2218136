// Enters: the server's certificate and key, and whose clients it believes. Leaves: connections, each a server's side.
internal import CSSL

/// What all connections of a server share. Immutable: a new certificate is a new context, which the connections to come
/// are made from; those that there are keep theirs.
public final class ServerContext: Sendable {
    public struct Configuration: Sendable, Equatable {
        /// PEM: the chain, the server's own certificate first.
        public var certificateFile: String
        /// PEM, not encrypted.
        public var keyFile: String
        /// PEM: the authorities whose clients are let in. When given, a client without a certificate is refused.
        public var clientAuthorityFile: String?
        public var minimumVersion = TLSVersion.tls13

        public init(certificateFile: String, keyFile: String, clientAuthorityFile: String? = nil) {
            self.certificateFile = certificateFile
            self.keyFile = keyFile
            self.clientAuthorityFile = clientAuthorityFile
        }
    }

    public let configuration: Configuration
    private let context: Context

    /// Reads the files. Errors: the operator's cases of `TLSError`, and `noMemory`.
    public init(_ configuration: Configuration) throws(TLSError) {
        self.configuration = configuration
        context = try unsafe Context(TLS_server_method(), configuration.minimumVersion...TLSVersion.tls13)
        try context.identify(certificateFile: configuration.certificateFile, keyFile: configuration.keyFile)
        // A ticket is bound to this server; one is enough, for a client that resumes gets another.
        let name: StaticString = "vencejo"
        _ = unsafe SSL_CTX_set_session_id_context(context.raw, name.utf8Start, UInt32(name.utf8CodeUnitCount))
        _ = unsafe SSL_CTX_set_num_tickets(context.raw, 1)
        if let file = configuration.clientAuthorityFile {
            try context.trust(authorityFile: file)
            unsafe SSL_CTX_set_client_CA_list(context.raw, SSL_load_client_CA_file(file))
            unsafe SSL_CTX_set_verify(context.raw, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nil)
        }
        // A client that does not offer `h2`, or offers nothing, is told so by an alert (RFC 7301, section 3.2).
        unsafe SSL_CTX_set_client_hello_cb(context.raw, refuseWithoutApplicationProtocol, nil)
        unsafe SSL_CTX_set_alpn_select_cb(context.raw, selectH2, nil)
    }

    /// A connection that has just been accepted. Errors: `noMemory`.
    public func connection() throws(TLSError) -> TLSConnection { try context.connection(.server) }
}

private let refuseWithoutApplicationProtocol: SSL_client_hello_cb_fn = { ssl, alert, _ in
    var bytes: UnsafePointer<UInt8>?
    var count = 0
    let extensionCode = UInt32(TLSEXT_TYPE_application_layer_protocol_negotiation)
    if unsafe SSL_client_hello_get0_ext(ssl, extensionCode, &bytes, &count) == 1 { return SSL_CLIENT_HELLO_SUCCESS }
    unsafe alert?.pointee = SSL_AD_NO_APPLICATION_PROTOCOL
    return SSL_CLIENT_HELLO_ERROR
}

private let selectH2: SSL_CTX_alpn_select_cb_func = { _, selected, selectedCount, offered, offeredCount, _ in
    // The offer: each name behind its length (RFC 7301, section 3.1). The selection points into it.
    let offer = unsafe UnsafeBufferPointer(start: offered, count: Int(offeredCount))
    var index = 0
    while index < offer.count {
        let length = unsafe Int(offer[index])
        if length == 2, index + 2 < offer.count, unsafe offer[index + 1] == UInt8(ascii: "h"),
            unsafe offer[index + 2] == UInt8(ascii: "2"), let offered = unsafe offered
        {
            unsafe selected?.pointee = offered + index + 1
            unsafe selectedCount?.pointee = 2
            return SSL_TLSEXT_ERR_OK
        }
        index += 1 + length
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL
}
