// Enters: the bytes of a key file. Leaves: a secret, or a public key. Bytes of secrets are overwritten on the way.
public import Cryptography
internal import Memory

/// What lies in a key file.
public enum KeyMaterial: Sendable {
    /// 32 bytes.
    case secret(Secret)
    /// On P-256, P-384 or P-521. `pem`: the file's bytes.
    case publicKey(ECDSAPublicKey, pem: [UInt8])

    public static let secretBytes = 32
    /// 44 characters and a newline.
    static let base64Bytes = 45
    /// Of any key file. PEM of P-521 has 268.
    static let fileBytesMax = 4096

    /// A new one, from the system's generator. Of secrets only.
    static func random() -> KeyMaterial { .secret(.random(count: secretBytes)) }

    /// Takes a file's bytes over; those of a secret are overwritten. Errors: `length`, `encoding`, `zero`.
    init(_ bytes: inout [UInt8], of purpose: KeyPurpose, path: String) throws(KeyringError) {
        if purpose.isSecret {
            defer { wipe(&bytes) }
            self = .secret(try Self.secret(bytes, path: path))
        } else {
            guard let key = ECDSAPublicKey(pem: String(decoding: bytes, as: UTF8.self)) else { throw .notPEM(path) }
            self = .publicKey(key, pem: bytes)
        }
    }

    private static func secret(_ bytes: [UInt8], path: String) throws(KeyringError) -> Secret {
        let secret: Secret
        switch bytes.count {
        case secretBytes: secret = bytes.withRawSpan(Secret.init(copying:))
        case base64Bytes:
            secret = try Secret(count: secretBytes) { (room: inout OutputRawSpan) throws(KeyringError) in
                let isDecoded = bytes.withRawSpan { text in
                    Base64.decode(text.extracting(0..<base64Bytes - 1), into: &room)
                }
                guard isDecoded, bytes.last == UInt8(ascii: "\n") else { throw .notBase64(path) }
            }
            guard secret.count == secretBytes else { throw .notBase64(path) }
        default: throw .length(path, bytes.count)
        }
        // In constant time, like all that is done with a secret.
        let zero = [UInt8](repeating: 0, count: secretBytes)
        if secret == zero.withRawSpan(Secret.init(copying:)) { throw .zero(path) }
        return secret
    }

    /// That of the public key; `nil`: a secret, of which its purpose decides.
    var algorithm: KeyAlgorithm? {
        guard case .publicKey(let key, _) = self else { return nil }
        return switch key.curve {
        case .p256: .es256
        case .p384: .es384
        case .p521: .es512
        }
    }

    /// Secrets are compared in constant time, public keys without their line ends.
    func isSame(as other: KeyMaterial) -> Bool {
        switch (self, other) {
        case (.secret(let left), .secret(let right)): left == right
        case (.publicKey(_, let left), .publicKey(_, let right)):
            left.lazy.filter { !Self.lineEnds.contains($0) }.elementsEqual(
                right.lazy.filter { !Self.lineEnds.contains($0) })
        default: false
        }
    }

    private static let lineEnds = Array("\r\n".utf8)
}
