// Enters: what libssl says and which file it is about. Leaves: one sentence, and for the metrics a closed set of cases.
internal import CSSL
internal import Glibc

public enum TLSVersion: Sendable, Comparable {
    /// RFC 5246; only with an ephemeral key exchange and an authenticated cipher.
    case tls12
    /// RFC 8446.
    case tls13
}

/// Why a context cannot be made, or why a connection has ended.
public enum TLSError: Error, Equatable {
    // The operator's.

    /// The file cannot be opened; `code` is an `errno`.
    case unreadable(file: String, code: CInt)
    case noCertificate(file: String)
    case noKey(file: String)
    case encryptedKey(file: String)
    case keyMismatch(key: String, certificate: String)
    /// libssl does not take what is in the file: too weak, expired format, damaged. `reason` is libssl's own.
    case unusable(file: String, reason: String)

    // The peer's. After one of these the connection is of no use; an alert may wait in `ciphertext`.

    /// What came is not TLS at all.
    case notTLS
    /// The peer offers no version that is allowed here.
    case version
    case noSharedCipher
    /// The peer did not agree on `h2` (RFC 7301, RFC 9113, section 3.2).
    case noApplicationProtocol
    /// A client certificate is demanded and none came.
    case certificateMissing
    /// The peer's certificate does not prove who it is; `reason` is libssl's own.
    case certificateRefused(reason: String)
    /// The peer ended it with this alert (RFC 8446, section 6.2).
    case alert(UInt8)
    /// Anything else against the protocol: damaged records, messages out of order. `reason` is libssl's own.
    case violation(reason: String)

    // The moment's.

    /// Sealing before the handshake is done.
    case handshaking
    case noMemory
}

extension TLSError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .unreadable(let file, let code):
            unsafe "the file '\(file)' cannot be read: \(String(cString: strerror(code)))"
        case .noCertificate(let file):
            "'\(file)' holds no certificate in PEM form ('-----BEGIN CERTIFICATE-----'); give the chain, its own "
                + "certificate first"
        case .noKey(let file):
            "'\(file)' holds no private key in PEM form ('-----BEGIN PRIVATE KEY-----'); give the key of the certificate"
        case .encryptedKey(let file):
            "the private key in '\(file)' is encrypted with a passphrase; give it without one, in a file that only this "
                + "server may read"
        case .keyMismatch(let key, let certificate):
            "the private key in '\(key)' does not belong to the first certificate in '\(certificate)'; give the two that "
                + "were made together"
        case .unusable(let file, let reason): "'\(file)' cannot be used: \(reason)"
        case .notTLS: "what the peer sent is not TLS"
        case .version: "the peer and we have no TLS version in common"
        case .noSharedCipher: "the peer and we have no cipher in common"
        case .noApplicationProtocol: "the peer did not agree on the application protocol 'h2'"
        case .certificateMissing: "the peer gave no certificate, which is demanded here"
        case .certificateRefused(let reason): "the peer's certificate was refused: \(reason)"
        case .alert(let code):
            unsafe "the peer sent the TLS alert \(code) (\(String(cString: SSL_alert_desc_string_long(CInt(code)))))"
        case .violation(let reason): "the peer broke the TLS protocol: \(reason)"
        case .handshaking: "the TLS handshake is not done"
        case .noMemory: "no memory for a TLS connection"
        }
    }
}

/// The thread's error queue of libcrypto, which every call may add to: emptied before a call, read after a failed one.
enum ErrorQueue {
    static func clear() { ERR_clear_error() }

    /// The first of the errors in the queue, which is the cause of the others; the queue is empty afterwards.
    static func take() -> (library: CInt, reason: CInt, text: String) {
        let code = ERR_get_error()
        defer { ERR_clear_error() }
        let text = unsafe ERR_reason_error_string(code).map { unsafe String(cString: $0) }
        return (ERR_GET_LIB(code), ERR_GET_REASON(code), text ?? "error \(code)")
    }
}

extension TLSError {
    /// What a failed call on a connection was about.
    static func ofConnection(verifyResult: Int) -> TLSError {
        let (library, reason, text) = ErrorQueue.take()
        guard library == ERR_LIB_SSL else { return .violation(reason: text) }
        switch reason {
        case SSL_R_NO_APPLICATION_PROTOCOL, SSL_R_CALLBACK_FAILED: return .noApplicationProtocol
        case SSL_R_UNSUPPORTED_PROTOCOL, SSL_R_VERSION_TOO_LOW: return .version
        case SSL_R_HTTP_REQUEST, SSL_R_HTTPS_PROXY_REQUEST, SSL_R_WRONG_VERSION_NUMBER: return .notTLS
        case SSL_R_NO_SHARED_CIPHER: return .noSharedCipher
        case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE: return .certificateMissing
        case SSL_R_CERTIFICATE_VERIFY_FAILED:
            return unsafe .certificateRefused(reason: String(cString: X509_verify_cert_error_string(verifyResult)))
        case SSL_AD_REASON_OFFSET...SSL_AD_REASON_OFFSET + 255: return .alert(UInt8(reason - SSL_AD_REASON_OFFSET))
        default: return .violation(reason: text)
        }
    }

    /// What a failed reading of a certificate was about.
    static func ofCertificate(file: String) -> TLSError {
        let (library, reason, text) = ErrorQueue.take()
        switch (library, reason) {
        case (ERR_LIB_PEM, PEM_R_NO_START_LINE), (ERR_LIB_X509, X509_R_NO_CERTIFICATE_OR_CRL_FOUND):
            return .noCertificate(file: file)
        default: return .unusable(file: file, reason: text)
        }
    }

    /// What a failed reading of a private key was about.
    static func ofKey(file: String, certificate: String) -> TLSError {
        let (library, reason, text) = ErrorQueue.take()
        switch (library, reason) {
        case (ERR_LIB_X509, X509_R_KEY_VALUES_MISMATCH), (ERR_LIB_X509, X509_R_KEY_TYPE_MISMATCH):
            return .keyMismatch(key: file, certificate: certificate)
        case (ERR_LIB_PEM, PEM_R_BAD_PASSWORD_READ), (_, tls_reason_interrupted): return .encryptedKey(file: file)
        case (ERR_LIB_PEM, PEM_R_NO_START_LINE), (ERR_LIB_OSSL_DECODER, _): return .noKey(file: file)
        default: return .unusable(file: file, reason: text)
        }
    }
}
