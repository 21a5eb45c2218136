// Enters: a text with signatures, and keys. Leaves: the text, if a key signed it; or a text with our signature.
public import Cryptography
internal import Memory

/// A C2SP signed note: a text of whole lines, an empty line, and signature lines `— <name> <base64(key id || signature)>`.
///
/// Source: c2sp.org/signed-note.
public struct SignedNote: Equatable, Sendable {
    public struct Signature: Equatable, Sendable {
        public let name: String
        public let keyID: UInt32
        public let bytes: [UInt8]
    }

    /// With the newline at its end.
    public let text: String
    public let signatures: [Signature]

    static let dash = "\u{2014} "
    private static let signaturesMax = 16

    /// `nil`: it is no note, or one with a line that is no signature.
    public init?(_ note: String) {
        let bytes = Array(note.utf8)
        // Control characters but the newline are no part of a text.
        guard bytes.last == 0x0a, bytes.allSatisfy({ $0 >= 0x20 || $0 == 0x0a }) else { return nil }
        guard let gap = Self.lastGap(bytes) else { return nil }
        guard let text = String(validating: bytes[...gap], as: UTF8.self) else { return nil }
        let lines = bytes[(gap + 2)...].dropLast().split(separator: 0x0a, omittingEmptySubsequences: false)
        guard (1...Self.signaturesMax).contains(lines.count) else { return nil }
        var signatures: [Signature] = []
        for line in lines {
            guard let signature = Signature(line: line) else { return nil }
            signatures.append(signature)
        }
        (self.text, self.signatures) = (text, signatures)
    }

    /// `text`: with the newline at its end.
    public init(_ text: String, signedBy key: Ed25519PrivateKey, name: String) {
        self.text = text
        let message = Array(text.utf8)
        signatures = [
            Signature(
                name: name, keyID: NoteKey(name: name, key.publicKey).id,
                bytes: key.signature(of: message.raw))
        ]
    }

    /// The newline before the empty line behind which only signatures stand.
    private static func lastGap(_ bytes: [UInt8]) -> Int? {
        var index = bytes.count - 2
        while index > 0 {
            if bytes[index] == 0x0a && bytes[index - 1] == 0x0a { return index - 1 }
            index -= 1
        }
        return nil
    }

    public var note: String { text + "\n" + signatures.map(\.line).joined() }

    /// Whether one of the signatures is that of `key`.
    public func isSigned(by key: NoteKey) -> Bool {
        let message = Array(text.utf8)
        return signatures.contains { signature in
            signature.name == key.name && signature.keyID == key.id
                && key.publicKey.isValid(signature.bytes.raw, of: message.raw)
        }
    }
}

extension SignedNote.Signature {
    fileprivate init?(line: some Collection<UInt8>) {
        guard let line = String(validating: line, as: UTF8.self), line.hasPrefix(SignedNote.dash) else { return nil }
        let parts = line.dropFirst(SignedNote.dash.count).split(separator: " ", omittingEmptySubsequences: false)
        guard parts.count == 2, !parts[0].isEmpty, !parts[0].contains("+"),
            let bytes = Base64.decode(String(parts[1])), bytes.count > 4
        else { return nil }
        name = String(parts[0])
        keyID = bytes.prefix(4).reduce(0) { $0 << 8 | UInt32($1) }
        self.bytes = Array(bytes.dropFirst(4))
    }

    fileprivate var line: String {
        var bytes: [UInt8] = []
        bytes.append(bigEndian: keyID)
        bytes += self.bytes
        return "\(SignedNote.dash)\(name) \(Base64.encode(bytes.raw))\n"
    }
}

/// An Ed25519 key under the name that it signs as.
public struct NoteKey: Sendable {
    private static let ed25519: UInt8 = 1

    public let name: String
    public let publicKey: Ed25519PublicKey
    /// The first four bytes of SHA-256(name || 0a || 01 || key).
    public let id: UInt32

    public init(name: String, _ publicKey: Ed25519PublicKey) {
        (self.name, self.publicKey) = (name, publicKey)
        let input = Array(name.utf8) + [0x0a, Self.ed25519] + publicKey.bytes
        id = SHA256.digest(of: input.raw).bytes.prefix(4).reduce(0) { $0 << 8 | UInt32($1) }
    }

    init(name: String, _ publicKey: [UInt8]) {
        guard let key = Ed25519PublicKey(publicKey.raw) else { preconditionFailure("a key of our own is none") }
        self.init(name: name, key)
    }

    /// A verifier key, `<name>+<key id, 8 hexadecimal digits>+<base64(01 || key)>`. `nil`: it is none.
    public init?(vkey: String) {
        let parts = vkey.split(separator: "+", maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count == 3, !parts[0].isEmpty, parts[1].utf8.count == 8, parts[1].utf8.allSatisfy(isHexadecimal),
            let bytes = Base64.decode(String(parts[2])), bytes.count == 33, bytes[0] == Self.ed25519,
            let key = Ed25519PublicKey(Array(bytes.dropFirst()).raw)
        else { return nil }
        self.init(name: String(parts[0]), key)
        guard UInt32(parts[1], radix: 16) == id else { return nil }
    }

    public var vkey: String {
        let bytes = [Self.ed25519] + publicKey.bytes
        var keyID: [UInt8] = []
        keyID.append(bigEndian: id)
        return "\(name)+\(keyID.hex)+\(Base64.encode(bytes.raw))"
    }
}
