// Enters: a checkpoint key's seed, and an origin. Leaves: the public key, and the line that a verifier is given.
internal import Cryptography
internal import Memory

/// The public side of a key for checkpoints.
public struct CheckpointKey: Sendable {
    /// 32 bytes of Ed25519 (RFC 8032).
    public let publicKey: [UInt8]

    /// `nil`: a key of another purpose, or one whose file was deleted.
    public init?(_ key: Keyring.Key) {
        guard key.entry.algorithm == .ed25519, let secret = key.secret else { return nil }
        self.init(publicKey: Ed25519PrivateKey(seed: secret).publicKey)
    }

    init(publicKey: [UInt8]) { self.publicKey = publicKey }

    /// Canonical base64 of the 32 bytes.
    public var base64: String { publicKey.withRawSpan(Base64.encode) }

    /// A vkey, `<name>+<key id>+<base64 of 01 and the public key>` (c2sp.org/signed-note): the key's name is the origin.
    public func verifierKey(origin: String) -> String {
        let typed = [Self.ed25519] + publicKey
        let named = Array(origin.utf8) + [UInt8(ascii: "\n")] + typed
        let id = named.withRawSpan { SHA256.digest(of: $0) }.bytes.prefix(4)
        return "\(origin)+\(Array(id).hex)+\(typed.withRawSpan(Base64.encode))"
    }

    /// Fit for a key's name: 1 to 255 bytes of printable ASCII without spaces and plus signs.
    public static func isOrigin(_ text: String) -> Bool {
        (1...255).contains(text.utf8.count)
            && text.utf8.allSatisfy { (0x21...0x7e).contains($0) && $0 != UInt8(ascii: "+") }
    }

    private static let ed25519: UInt8 = 1
}
