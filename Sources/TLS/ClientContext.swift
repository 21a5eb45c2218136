// Enters: whom the client believes and who it is. Leaves: connections, each a client's side.
internal import CSSL
internal import Glibc

/// What all connections of a client share: our own command line's, and a sidecar's.
public final class ClientContext: Sendable {
    public struct Configuration: Sendable, Equatable {
        /// PEM: the authorities that servers are believed by; `nil`: those that the system believes.
        public var authorityFile: String?
        /// PEM, with `keyFile`: what the client shows to a server that demands it.
        public var certificateFile: String?
        public var keyFile: String?
        public var minimumVersion = TLSVersion.tls13
        /// For tests of the server's side.
        var maximumVersion = TLSVersion.tls13
        var applicationProtocols = ["h2"]

        public init(authorityFile: String? = nil, certificateFile: String? = nil, keyFile: String? = nil) {
            self.authorityFile = authorityFile
            self.certificateFile = certificateFile
            self.keyFile = keyFile
        }
    }

    public let configuration: Configuration
    private let context: Context

    /// Reads the files. Errors: the operator's cases of `TLSError`, and `noMemory`.
    public init(_ configuration: Configuration) throws(TLSError) {
        self.configuration = configuration
        context = try unsafe Context(TLS_client_method(), configuration.minimumVersion...configuration.maximumVersion)
        try context.trust(authorityFile: configuration.authorityFile)
        if let certificateFile = configuration.certificateFile {
            // One file may hold both.
            try context.identify(certificateFile: certificateFile, keyFile: configuration.keyFile ?? certificateFile)
        }
        unsafe SSL_CTX_set_verify(context.raw, SSL_VERIFY_PEER, nil)
        let offer = configuration.applicationProtocols.flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) }
        if !offer.isEmpty, unsafe SSL_CTX_set_alpn_protos(context.raw, offer, UInt32(offer.count)) != 0 {
            throw .noMemory
        }
    }

    /// A connection to `host`, a name or an IP address, which the server's certificate must be for. The first `open`,
    /// of no bytes, begins the handshake. Errors: `noMemory`.
    public func connection(to host: String) throws(TLSError) -> TLSConnection {
        let connection = try context.connection(.client)
        try connection.expect(host: host)
        return connection
    }
}
