// Enters: the words of keyring.json. Leaves: what a key is for, by which algorithm, and whether it may still be used.

/// What the keys of a ring are for. A key of one purpose is refused for another.
public enum KeyPurpose: String, CaseIterable, Sendable {
    /// Encrypts the segments of the audit log.
    case audit
    /// Encrypts the file of payload keys.
    case subjectStore = "subject-store"
    /// Signs checkpoints: the seed of an Ed25519 key (RFC 8032, section 5.1.5).
    case checkpoint
    /// Turns a subject's id into the name that its payload keys are filed under.
    case subjectIndex = "subject-index"
    /// Signs requests, at the client.
    case sign
    /// Verifies requests, at the server. The secrets are those of the clients' `sign` rings.
    case verify
    /// Wraps the keys of sealed artifacts (RFC 3394).
    case artifact
    /// Verifies signed models: public keys only.
    case model

    /// The algorithms that its keys may have; the first is that of new keys.
    public var algorithms: [KeyAlgorithm] {
        switch self {
        case .audit, .subjectStore: [.a256GCM]
        case .checkpoint: [.ed25519]
        case .subjectIndex, .sign, .verify: [.hs256]
        case .artifact: [.a256KW]
        case .model: [.es256, .es384, .es512]
        }
    }

    /// Else its keys are PEM.
    public var isSecret: Bool { self != .model }
}

/// JOSE's names (RFC 7518; `Ed25519`: RFC 9864, which replaces RFC 8037's `EdDSA`).
public enum KeyAlgorithm: String, CaseIterable, Sendable {
    case a256GCM = "A256GCM"
    case a256KW = "A256KW"
    case ed25519 = "Ed25519"
    case hs256 = "HS256"
    case es256 = "ES256"
    case es384 = "ES384"
    case es512 = "ES512"
}

public enum KeyState: String, CaseIterable, Sendable {
    /// The one that makes new things. It also opens and verifies what it made.
    case active
    /// Opens and verifies only: not yet active, or no longer.
    case verify
    /// Not to be used at all. Its file may be gone.
    case revoked
}

public enum KeyID {
    public static let bytesMax = 64

    /// `[A-Za-z0-9][A-Za-z0-9._-]{0,63}`.
    public static func isValid(_ kid: String) -> Bool {
        func isAlphanumeric(_ byte: UInt8) -> Bool {
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "a")...UInt8(ascii: "z"):
                true
            default: false
            }
        }
        guard let first = kid.utf8.first, kid.utf8.count <= bytesMax else { return false }
        let punctuation = Array("._-".utf8)
        return isAlphanumeric(first) && kid.utf8.allSatisfy { isAlphanumeric($0) || punctuation.contains($0) }
    }

    /// A name for a new key: the day, and six digits so that a name never comes again.
    public static func new(at now: UTCTime, using random: inout some RandomNumberGenerator) -> String {
        let digits = String(UInt32.random(in: 0..<0x100_0000, using: &random), radix: 16)
        let day = now.description.prefix(10).filter { $0 != "-" }
        return "\(day)-\(String(repeating: "0", count: 6 - digits.count))\(digits)"
    }
}
