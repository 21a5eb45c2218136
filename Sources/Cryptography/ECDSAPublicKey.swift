// Enters: a public key as DER or PEM; messages. Leaves: whether a signature is valid.
internal import CCrypto
internal import Memory

/// An ECDSA key that verifies (FIPS 186-5, section 6), on one of the NIST curves.
public struct ECDSAPublicKey: Sendable {
    public enum Curve: Sendable, CaseIterable {
        case p256, p384, p521

        /// What stands before the point in the key's only accepted encoding: SubjectPublicKeyInfo (RFC 5480, section 2) with
        /// id-ecPublicKey and the curve's name, and the mark of a point that is not compressed.
        fileprivate var prefix: [UInt8] {
            switch self {
            case .p256:
                [
                    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
                    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
                ]
            case .p384:
                [
                    0x30, 0x76, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b,
                    0x81, 0x04, 0x00, 0x22, 0x03, 0x62, 0x00, 0x04,
                ]
            case .p521:
                [
                    0x30, 0x81, 0x9b, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05,
                    0x2b, 0x81, 0x04, 0x00, 0x23, 0x03, 0x81, 0x86, 0x00, 0x04,
                ]
            }
        }

        /// The bytes of each of a point's two coordinates.
        fileprivate var coordinateBytes: Int {
            switch self {
            case .p256: 32
            case .p384: 48
            case .p521: 66
            }
        }
    }

    public enum Hash: Sendable, CaseIterable {
        case sha256, sha384, sha512

        fileprivate var name: String {
            switch self {
            case .sha256: "SHA256"
            case .sha384: "SHA384"
            case .sha512: "SHA512"
            }
        }
    }

    private let key: AsymmetricKey
    public let curve: Curve

    /// - Parameter der: a SubjectPublicKeyInfo with a named curve and a point that is not compressed, as all current tools
    ///   write it. `nil`: anything else, bytes behind it, or no point of the curve.
    public init?(derSubjectPublicKeyInfo der: RawSpan) {
        let curve = Curve.allCases.first { curve in
            let prefix = curve.prefix
            return unsafe der.byteCount == prefix.count + 2 * curve.coordinateBytes
                && constantTimeEqual(der.extracting(0..<prefix.count), prefix.span.bytes)
        }
        guard let curve else { return nil }
        let made = unsafe der.withOctets { octets in
            var next = unsafe octets
            return unsafe AsymmetricKey(adopting: d2i_PUBKEY(nil, &next, der.byteCount))
        }
        guard let made else { return nil }
        key = made
        self.curve = curve
    }

    /// - Parameter pem: one `PUBLIC KEY` (RFC 7468, section 13) and nothing else; lines end in LF or CRLF.
    public init?(pem: String) {
        guard let der = Self.der(ofPEM: pem) else { return nil }
        unsafe self.init(derSubjectPublicKeyInfo: der.span.bytes)
    }

    /// Whether `derSignature` is one of `message`. Only DER is accepted: each signature has one encoding.
    public func isValid(derSignature: RawSpan, of message: RawSpan, hash: Hash) -> Bool {
        key.isValid(derSignature, of: message, digest: hash.name)
    }

    private static func der(ofPEM pem: String) -> [UInt8]? {
        var lines = pem.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).map { line in
            Substring(line.last == UInt8(ascii: "\r") ? line.dropLast() : line)
        }
        if lines.last == "" { lines.removeLast() }
        guard lines.count >= 3, lines.first == "-----BEGIN PUBLIC KEY-----", lines.last == "-----END PUBLIC KEY-----"
        else { return nil }
        return Base64.decode(lines.dropFirst().dropLast().joined())
    }
}
