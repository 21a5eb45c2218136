// Enters: the folders of four rings. Leaves: the keys that the agent writes with, and records of what became of them.
public import Audit
public import Cryptography
public import Keyrings
internal import Memory

/// The rings `audit`, `checkpoint`, `subject-store` and `subject-index` under one folder. A bad state of one leaves it as it was.
public struct AgentKeyrings: Sendable {
    private var audit: KeyringWatch
    private var checkpoint: KeyringWatch
    private var store: KeyringWatch
    private var index: KeyringWatch
    public private(set) var logKeys: LogKeys
    /// Turns ids of subjects into pseudonyms.
    public private(set) var indexKey: Secret

    public init(folder: String, mayBeGroupReadable: Bool = false, now: AgentTime) throws(AgentError) {
        func watch(_ purpose: KeyPurpose) throws(KeyringError) -> KeyringWatch {
            try KeyringWatch(
                KeyringFolder(
                    path: "\(folder)/\(purpose.rawValue)", purpose: purpose, mayBeGroupReadable: mayBeGroupReadable),
                at: now.utc, nanoseconds: Int64(clamping: now.nanoseconds))
        }
        do throws(KeyringError) {
            (audit, checkpoint) = (try watch(.audit), try watch(.checkpoint))
            (store, index) = (try watch(.subjectStore), try watch(.subjectIndex))
        } catch {
            throw AgentError(sentence: error.sentence)
        }
        guard let keys = Self.logKeys(audit.ring, checkpoint.ring), let indexKey = index.ring.active.secret else {
            throw AgentError(sentence: "\(folder): an active key has no file")
        }
        (logKeys, self.indexKey) = (keys, indexKey)
    }

    /// By key id, in any state: what a segment may be under.
    public var auditKeys: [String: Secret] {
        Dictionary(audit.ring.keys.compactMap { key in key.secret.map { (key.kid, $0) } }) { $1 }
    }

    /// Those that checkpoints may be signed with, in any state.
    public var signers: [Ed25519PublicKey] {
        checkpoint.ring.keys.compactMap { key in
            CheckpointKey(key).flatMap { Ed25519PublicKey($0.publicKey.raw) }
        }
    }

    /// Seals the file of payload keys.
    public var storeRing: Keyring { store.ring }
    /// Names subjects.
    public var indexRing: Keyring { index.ring }

    private static func logKeys(_ audit: Keyring, _ checkpoint: Keyring) -> LogKeys? {
        guard let auditKey = audit.active.secret, let seed = checkpoint.active.secret else { return nil }
        return LogKeys(keyID: audit.active.kid, auditKey: auditKey, signer: Ed25519PrivateKey(seed: seed))
    }

    /// What became of the rings.
    struct News {
        var records: [OwnRecord] = []
        var sentences: [(level: AgentVoice.Level, text: String)] = []
        /// The log is written under other keys.
        var changesLog = false
        var changesIndex = false
    }

    /// - Parameter isOrdered: they are loaded anew although nothing seems to have changed.
    mutating func look(_ now: AgentTime, isOrdered: Bool) -> News {
        var news = News()
        Self.look(&audit, now, isOrdered, &news)
        Self.look(&checkpoint, now, isOrdered, &news)
        Self.look(&store, now, isOrdered, &news)
        Self.look(&index, now, isOrdered, &news)
        if let keys = Self.logKeys(audit.ring, checkpoint.ring), !keys.isSame(as: logKeys) {
            logKeys = keys
            news.changesLog = true
        }
        if let key = index.ring.active.secret, key != indexKey {
            indexKey = key
            news.changesIndex = true
        }
        return news
    }

    private static func look(_ watch: inout KeyringWatch, _ now: AgentTime, _ isOrdered: Bool, _ news: inout News) {
        let nanoseconds = Int64(clamping: now.nanoseconds)
        let outcome =
            isOrdered
            ? watch.reload(at: now.utc, nanoseconds: nanoseconds) : watch.look(at: now.utc, nanoseconds: nanoseconds)
        let purpose = watch.ring.purpose.rawValue
        switch outcome {
        case .unchanged: break
        case .reloaded(let changes):
            for change in changes {
                news.records.append(.keys(purpose: purpose, kid: change.kid, action: change.action.rawValue))
                news.sentences.append((.info, "the ring \(purpose): key \(change.kid) \(change.action.rawValue)"))
            }
        case .refused(let error):
            news.records.append(.keys(purpose: purpose, kid: "", action: "refused: \(error.reason.rawValue)"))
            news.sentences.append((.error, "the ring \(purpose) stays as it was: \(error.sentence)"))
        }
    }
}

extension LogKeys {
    fileprivate func isSame(as other: LogKeys) -> Bool {
        keyID == other.keyID && auditKey == other.auditKey && signer.publicKey == other.signer.publicKey
    }
}

extension AgentTime {
    var utc: UTCTime { UTCTime(seconds: Int64(unixNanoseconds / 1_000_000_000)) }
}
