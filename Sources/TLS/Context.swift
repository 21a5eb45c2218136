// Enters: files with certificates and keys. Leaves: libssl's context, which every connection of one configuration shares.
internal import CSSL
internal import Glibc

/// Owns an SSL_CTX. It is complete when `init` and the two methods have run, and is then only read, which libssl allows
/// from any thread.
@safe final class Context: @unchecked Sendable {
    let raw: OpaquePointer

    init(_ method: OpaquePointer, _ versions: ClosedRange<TLSVersion>) throws(TLSError) {
        ErrorQueue.clear()
        guard let raw = unsafe SSL_CTX_new(method) else { throw .noMemory }
        unsafe self.raw = raw
        let set = unsafe tls_context_set_versions(raw, versions.lowerBound.code, versions.upperBound.code)
        unsafe tls_context_set_habits(raw)
        // 1.3: the cipher that costs least first. 1.2: only what RFC 9113, appendix A, does not forbid.
        let suites = unsafe SSL_CTX_set_ciphersuites(
            raw, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256")
        let ciphers = unsafe SSL_CTX_set_cipher_list(raw, "ECDHE+AESGCM:ECDHE+CHACHA20")
        precondition(set == 1 && suites == 1 && ciphers == 1, "libssl does not offer the versions or ciphers")
        // Otherwise libssl asks for a passphrase on the terminal.
        unsafe SSL_CTX_set_default_passwd_cb(raw) { _, _, _, _ in -1 }
    }

    deinit { unsafe SSL_CTX_free(raw) }

    /// Who we are: the chain, our own certificate first, and its key.
    func identify(certificateFile: String, keyFile: String) throws(TLSError) {
        try Self.checkReadable(certificateFile)
        try Self.checkReadable(keyFile)
        ErrorQueue.clear()
        guard unsafe SSL_CTX_use_certificate_chain_file(raw, certificateFile) == 1 else {
            throw .ofCertificate(file: certificateFile)
        }
        guard unsafe SSL_CTX_use_PrivateKey_file(raw, keyFile, SSL_FILETYPE_PEM) == 1,
            unsafe SSL_CTX_check_private_key(raw) == 1
        else { throw .ofKey(file: keyFile, certificate: certificateFile) }
    }

    /// Whom we believe: the authorities in the file; `nil`: those that the system believes.
    func trust(authorityFile: String?) throws(TLSError) {
        ErrorQueue.clear()
        guard let file = authorityFile else {
            guard unsafe SSL_CTX_set_default_verify_paths(raw) == 1 else { throw .noMemory }
            return
        }
        try Self.checkReadable(file)
        guard unsafe SSL_CTX_load_verify_file(raw, file) == 1 else { throw .ofCertificate(file: file) }
    }

    func connection(_ side: TLSConnection.Side) throws(TLSError) -> TLSConnection {
        ErrorQueue.clear()
        guard let ssl = unsafe SSL_new(raw) else { throw .noMemory }
        return try unsafe TLSConnection(adopting: ssl, side)
    }

    private static func checkReadable(_ file: String) throws(TLSError) {
        let descriptor = unsafe open(file, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .unreadable(file: file, code: errno) }
        close(descriptor)
    }
}

extension TLSVersion {
    var code: CInt {
        switch self {
        case .tls12: TLS1_2_VERSION
        case .tls13: TLS1_3_VERSION
        }
    }
}
