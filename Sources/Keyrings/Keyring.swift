// Enters: what was read of a ring. Leaves: its keys, by kid and by state.
public import Cryptography

/// The keys of one purpose, as they were when the ring was loaded. Never changes.
public struct Keyring: Sendable {
    public struct Key: Sendable {
        public let entry: KeyringDocument.Entry
        /// `nil`: revoked, and its file deleted.
        public let material: KeyMaterial?

        public var kid: String { entry.kid }

        /// `nil`: a public key, or one whose file was deleted.
        public var secret: Secret? {
            guard case .secret(let secret) = material else { return nil }
            return secret
        }
    }

    /// As it was read.
    public let document: KeyringDocument
    /// In any state, from the oldest to the newest.
    public let keys: [Key]
    /// The one that makes new things.
    public let active: Key
    private let indices: [String: Int]

    public var purpose: KeyPurpose { document.purpose }

    init(_ document: KeyringDocument, keys: [Key], active: Key) {
        self.document = document
        self.keys = keys
        self.active = active
        indices = Dictionary(uniqueKeysWithValues: keys.enumerated().map { ($1.kid, $0) })
    }

    /// The key that opens or verifies what `kid` made. `nil`: there is none, it is revoked, or `now` is outside its time.
    public func key(_ kid: String, at now: UTCTime) -> Key? {
        guard let key = self[kid], key.entry.state != .revoked, key.entry.isCurrent(at: now) else { return nil }
        return key
    }

    /// In any state.
    public subscript(kid: String) -> Key? { indices[kid].map { keys[$0] } }
}

/// What became of a key when its ring was loaded anew.
public struct KeyringChange: Equatable, Sendable {
    public enum Action: String, CaseIterable, Sendable {
        case added, removed
        /// Another key under the same kid, or for another algorithm.
        case replaced
        /// To a state.
        case activated
        case verify
        case revoked
    }

    public let kid: String
    public let action: Action
}

extension Keyring {
    /// What is other than in `old`, in the order of the keys; removed ones last.
    public func changes(since old: Keyring) -> [KeyringChange] {
        var changes: [KeyringChange] = []
        for key in keys {
            func note(_ action: KeyringChange.Action) { changes.append(KeyringChange(kid: key.kid, action: action)) }
            let before = old[key.kid]
            if let before {
                if !key.isSame(as: before) { note(.replaced) }
            } else {
                note(.added)
            }
            guard key.entry.state != before?.entry.state else { continue }
            switch key.entry.state {
            case .active: note(.activated)
            case .verify: if before != nil { note(.verify) }
            case .revoked: note(.revoked)
            }
        }
        return changes + old.keys.filter { self[$0.kid] == nil }.map { KeyringChange(kid: $0.kid, action: .removed) }
    }
}

extension Keyring.Key {
    /// A deleted file does not make another key of it.
    fileprivate func isSame(as other: Self) -> Bool {
        guard entry.algorithm == other.entry.algorithm else { return false }
        guard let material, let before = other.material else { return true }
        return material.isSame(as: before)
    }
}
