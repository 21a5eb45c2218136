// Enters: a ring's folder, and what time it is. Leaves: all of its keys, or why it is refused.

/// Where a ring lies, and what is allowed of it.
public struct KeyringFolder: Sendable {
    public let path: String
    /// What its keys must be for; `nil`: whatever they are for.
    public let purpose: KeyPurpose?
    /// Its files may be readable by their group, as with an fsGroup of Kubernetes.
    public let mayBeGroupReadable: Bool

    public init(path: String, purpose: KeyPurpose?, mayBeGroupReadable: Bool = false) {
        self.path = path
        self.purpose = purpose
        self.mayBeGroupReadable = mayBeGroupReadable
    }

    /// A ring, and what its folder looked like when it was read.
    public struct Loaded: Sendable {
        public let ring: Keyring
        public let stamp: KeyringStamp
        /// The folder is a volume of Kubernetes.
        public var isMounted: Bool { stamp.dataTarget != nil }
    }

    /// What the folder looks like now.
    func seen() -> ReloadDebounce.Seen {
        do throws(KeyringError) { return .stamp(try RingFolder(path: path).stamp()) } catch { return .failure(error) }
    }

    /// All keys, or none. A ring that changes meanwhile is read again, three times at most. Errors: all reasons but
    /// `busy` and `state`.
    /// - Parameter now: each key that is not revoked must be within its time; `nil`: times are not looked at.
    public func load(at now: UTCTime?) throws(KeyringError) -> Loaded { try load(at: now, whenListed: {}) }

    /// `whenListed`: what else happens when an attempt has the names of the files and no more; of tests.
    func load(at now: UTCTime?, whenListed: () -> Void) throws(KeyringError) -> Loaded {
        for _ in 0..<3 {
            let seen = self.seen()
            do throws(KeyringError) {
                let ring = try read(try RingFolder(path: path), at: now, whenListed: whenListed)
                if case .stamp(let stamp) = seen, self.seen() == seen { return Loaded(ring: ring, stamp: stamp) }
            } catch {
                // Between the system calls of a command that changes it a ring may look wrong.
                if self.seen() == seen { throw error }
            }
        }
        throw .changed(path)
    }

    /// Of a folder that is open, once.
    func read(
        _ folder: borrowing RingFolder, at now: UTCTime?, whenListed: () -> Void = {}
    ) throws(KeyringError) -> Keyring {
        let names = Set(try folder.names())
        whenListed()
        guard names.contains(KeyringDocument.fileName) else { throw .missingDocument(path) }
        let document = try document(of: folder)
        let documentPath = folder.path(of: KeyringDocument.fileName)
        if let purpose, purpose != document.purpose {
            throw .purpose(documentPath, found: document.purpose, wanted: purpose)
        }
        try checkNames(names, document, folder)
        var keys: [Keyring.Key] = []
        for entry in document.entries { keys.append(try key(entry, of: document.purpose, names, folder)) }
        try checkRepeated(keys)
        if let now { try checkTimes(document, now, documentPath) }
        guard let active = keys.first(where: { $0.kid == document.active }) else {
            throw .activeNotListed(documentPath, document.active)
        }
        return Keyring(document, keys: keys, active: active)
    }

    private func document(of folder: borrowing RingFolder) throws(KeyringError) -> KeyringDocument {
        let name = KeyringDocument.fileName
        let bytes = try folder.read(
            name, bytesMax: KeyringDocument.bytesMax, mayBeGroupReadable: mayBeGroupReadable)
        return try KeyringDocument(reading: bytes, path: folder.path(of: name))
    }

    /// What lies in the folder is the document or a key that it lists.
    private func checkNames(
        _ names: Set<String>, _ document: KeyringDocument, _ folder: borrowing RingFolder
    ) throws(KeyringError) {
        let listed = Set(document.entries.map(\.fileName))
        for name in names.subtracting(listed).sorted() where name != KeyringDocument.fileName {
            let suffix = KeyringDocument.Entry.fileSuffix
            let isKey = name.hasSuffix(suffix) && KeyID.isValid(String(name.dropLast(suffix.count)))
            throw isKey ? .unlisted(folder.path(of: name)) : .name(folder.path(of: name))
        }
    }

    private func key(
        _ entry: KeyringDocument.Entry, of purpose: KeyPurpose, _ names: Set<String>, _ folder: borrowing RingFolder
    ) throws(KeyringError) -> Keyring.Key {
        let path = folder.path(of: entry.fileName)
        guard names.contains(entry.fileName) else {
            guard entry.state == .revoked else { throw .missingKey(path, entry) }
            return Keyring.Key(entry: entry, material: nil)
        }
        var bytes = try folder.read(
            entry.fileName, bytesMax: KeyMaterial.fileBytesMax, mayBeGroupReadable: mayBeGroupReadable)
        let material = try KeyMaterial(&bytes, of: purpose, path: path)
        if let algorithm = material.algorithm, algorithm != entry.algorithm { throw .curve(path, entry, algorithm) }
        return Keyring.Key(entry: entry, material: material)
    }

    /// Revoked ones, too: the same bytes must not come back under another kid.
    private func checkRepeated(_ keys: [Keyring.Key]) throws(KeyringError) {
        for (index, key) in keys.enumerated() {
            guard let material = key.material else { continue }
            for other in keys[..<index] where other.material?.isSame(as: material) == true {
                throw .repeated("\(path)/\(key.entry.fileName)", "\(path)/\(other.entry.fileName)")
            }
        }
    }

    private func checkTimes(_ document: KeyringDocument, _ now: UTCTime, _ path: String) throws(KeyringError) {
        for entry in document.entries where entry.state != .revoked {
            if let begin = entry.notBefore, now < begin { throw .notYet(path, entry.kid, begin, now: now) }
            if let end = entry.notAfter, now >= end { throw .expired(path, entry.kid, end, now: now) }
        }
    }
}
