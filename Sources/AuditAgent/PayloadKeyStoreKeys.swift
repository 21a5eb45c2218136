// Enters: the subject-store ring. Leaves: the key that the file of payload keys is written under, and those that open it.
public import Cryptography
public import Keyrings

/// Keys of the file of payload keys.
public struct PayloadStoreKeys: Sendable {
    /// Of the active key.
    public let kid: String
    public let active: Secret
    /// By kid, in state active or verify: what the file may have been written under.
    public let all: [String: Secret]
    /// When the active key ends, as `YYYY-MM-DDThh:mm:ssZ`: what was erased before may lie in freed blocks until then. `nil`: the ring
    /// does not say.
    public let ends: String?

    public init(kid: String, active: Secret, all: [String: Secret], ends: String? = nil) {
        (self.kid, self.active, self.all, self.ends) = (kid, active, all, ends)
    }

    /// `nil`: a ring of another purpose.
    public init?(_ ring: Keyring) {
        guard ring.purpose == .subjectStore, let active = ring.active.secret else { return nil }
        var all: [String: Secret] = [:]
        for key in ring.keys where key.entry.state != .revoked { all[key.kid] = key.secret }
        self.init(kid: ring.active.kid, active: active, all: all, ends: ring.active.entry.notAfter?.description)
    }
}

/// Why the file of payload keys is not opened. The agent does not start then: it would write a file without the keys that are there.
public struct PayloadKeyStoreError: Error, Equatable, Sendable {
    public let sentence: String
    public init(sentence: String) { self.sentence = sentence }
}
