// Enters: a verified certificate of the peer. Leaves: the names in it.
internal import CSSL
internal import Memory

/// Who the peer is, by a certificate that our authority has signed and that is valid now.
public struct PeerCertificate: Sendable, Equatable {
    /// The subject as RFC 2253 writes it, for example `CN=billing,O=Example`.
    public let subject: String
    /// The alternative names that are host names (RFC 5280, section 4.2.1.6).
    public let dnsNames: [String]
    /// The alternative names that are URIs, for example SPIFFE's `spiffe://example.org/billing`.
    public let uris: [String]
    /// SHA-256 of the certificate (DER), 64 lower-case hexadecimal digits.
    public let fingerprint: String

    @unsafe init?(_ certificate: OpaquePointer) {
        guard let bio = unsafe BIO_new(BIO_s_mem()) else { return nil }
        defer { unsafe BIO_free(bio) }
        guard unsafe tls_subject(bio, certificate) >= 0 else { return nil }
        var start: UnsafeMutablePointer<CChar>?
        let count = unsafe tls_bio_bytes(bio, &start)
        subject = unsafe String(decoding: UnsafeRawBufferPointer(start: start, count: count), as: UTF8.self)
        let names = unsafe tls_names(certificate)
        defer { unsafe tls_names_free(names) }
        dnsNames = unsafe Self.texts(names, GEN_DNS)
        uris = unsafe Self.texts(names, GEN_URI)
        guard let fingerprint = unsafe Self.fingerprint(certificate) else { return nil }
        self.fingerprint = fingerprint
    }

    /// The name by which the peer goes: a SPIFFE id, else a host name, else the subject.
    public var principal: String {
        uris.first { $0.hasPrefix("spiffe://") } ?? dnsNames.first ?? subject
    }

    @unsafe private static func fingerprint(_ certificate: OpaquePointer) -> String? {
        var bytes = [UInt8](repeating: 0, count: 32)
        var count: UInt32 = 0
        guard unsafe X509_digest(certificate, EVP_sha256(), &bytes, &count) == 1, count == 32 else { return nil }
        return bytes.hex
    }

    /// Names with a zero byte or other controls in them are left out: they are made to be mistaken for other names.
    @unsafe private static func texts(_ names: OpaquePointer?, _ kind: CInt) -> [String] {
        guard let names = unsafe names else { return [] }
        return unsafe (0..<tls_names_count(names)).compactMap { index in
            guard let text = unsafe tls_name(names, index, kind) else { return nil }
            let bytes = unsafe UnsafeBufferPointer(
                start: ASN1_STRING_get0_data(text), count: Int(ASN1_STRING_length(text)))
            guard unsafe bytes.allSatisfy({ 0x20..<0x7f ~= $0 }) else { return nil }
            return unsafe String(decoding: bytes, as: UTF8.self)
        }
    }
}
