// Enters: what an operator wants done to a ring. Leaves: its files, changed whole and for good.
internal import Cryptography

/// A ring that one command changes: locked, and loaded as a server loads it, but for times: an expired key must not keep
/// an operator from rotating it.
public struct KeyringEditor: ~Copyable {
    public let purpose: KeyPurpose
    /// `nil`: the ring is new and has no key yet.
    public private(set) var document: KeyringDocument?
    private let folder: RingFolder
    private let ring: Keyring?
    private let ownership: Ownership?

    public var path: String { folder.path }

    /// - Parameter purpose: what the keys must be for; where there is no ring yet, one is made for it.
    ///   `nil`: whatever they are for, and the ring must be there.
    /// Errors: all reasons but `time`, `changed`.
    public init(path: String, purpose: KeyPurpose?) throws(KeyringError) {
        if purpose != nil { try RingFolder.make(path) }
        let folder = try RingFolder(path: path)
        if folder.dataTarget != nil { throw .mounted(path) }
        try folder.lock()
        let names = try folder.names()
        let isNew = purpose != nil && !names.contains(KeyringDocument.fileName)
        if isNew, let name = names.first { throw .notEmpty(path, name) }
        // What the group may read is up to the server that reads it.
        let place = KeyringFolder(path: path, purpose: purpose, mayBeGroupReadable: true)
        let ring = isNew ? nil : try place.read(folder, at: nil)
        let ownership = isNew ? nil : try folder.ownership()
        guard let purpose = purpose ?? ring?.purpose else { throw .missingDocument(path) }
        self.purpose = purpose
        self.ring = ring
        self.ownership = ownership
        document = ring?.document
        self.folder = folder
    }

    /// Adds a key: active where it is the first, else in state `verify`.
    /// - Parameter file: where its bytes are; `nil`: new random ones.
    /// Errors: `kid`, `state`, `length`, `encoding`, `zero`, `repeated`, `large`, `kind`, `system`, `permissions`.
    public mutating func add(_ kid: String, from file: String? = nil) throws(KeyringError) -> KeyringDocument.Entry {
        guard KeyID.isValid(kid) else {
            throw .kid(
                "--kid \(quoted(kid)) must be 1 to \(KeyID.bytesMax) of A-Z a-z 0-9 . _ - and begin with a letter or a digit"
            )
        }
        if document?[kid] != nil { throw .kid("the ring \(quoted(path)) has a key \(kid) already; give another --kid") }
        let count = document?.entries.count ?? 0
        guard count < KeyringDocument.keysMax else {
            throw .state(
                "the ring \(quoted(path)) has \(count) keys, which is the limit; retire some with vencejo key retire")
        }
        let material = try material(from: file)
        let entry = KeyringDocument.Entry(
            kid: kid, algorithm: material.algorithm ?? purpose.algorithms[0],
            state: document == nil ? .active : .verify, notBefore: nil, notAfter: nil)
        var changed = document ?? KeyringDocument(purpose: purpose, active: entry)
        if document != nil { changed.entries.append(entry) }
        switch material {
        case .secret(let secret):
            try secret.withBytes { (bytes) throws(KeyringError) in
                try folder.put(bytes, as: entry.fileName, listedBy: changed.encoded, ownership)
            }
        case .publicKey(_, let pem):
            try pem.withRawSpan { (bytes) throws(KeyringError) in
                try folder.put(bytes, as: entry.fileName, listedBy: changed.encoded, ownership)
            }
        }
        document = changed
        return entry
    }

    private func material(from file: String?) throws(KeyringError) -> KeyMaterial {
        guard let file else {
            guard purpose.isSecret else {
                throw .state("a ring for model holds public keys only; give the PEM file of one with --from FILE")
            }
            return .random()
        }
        var bytes = try RingFolder.readFile(file, bytesMax: KeyMaterial.fileBytesMax)
        let material = try KeyMaterial(&bytes, of: purpose, path: file)
        if let same = ring?.keys.first(where: { $0.material?.isSame(as: material) == true }) {
            throw .repeated(file, folder.path(of: same.entry.fileName))
        }
        return material
    }

    /// Makes a key of state `verify` the active one; the one that was active is in state `verify` then, and its kid returned.
    /// Errors: `kid`, `state`, `time`, `system`, `permissions`.
    public mutating func activate(_ kid: String, at now: UTCTime) throws(KeyringError) -> String {
        let document = try self.document(with: kid)
        let changed = try document.activating(kid, at: now, path: path)
        try folder.replaceDocument(changed.encoded, ownership)
        self.document = changed
        return document.active
    }

    public enum Retirement: Equatable, Sendable { case revoked, deleted }

    /// A key of state `verify` is revoked; the file and the entry of one that is revoked are deleted.
    /// Errors: `kid`, `state`, `system`, `permissions`.
    public mutating func retire(_ kid: String) throws(KeyringError) -> Retirement {
        let (changed, retirement) = try document(with: kid).retiring(kid, path: path)
        // A revoked key may lack its file, and a file must not lack its entry.
        if retirement == .deleted { try folder.delete(kid + KeyringDocument.Entry.fileSuffix) }
        try folder.replaceDocument(changed.encoded, ownership)
        document = changed
        return retirement
    }

    private func document(with kid: String) throws(KeyringError) -> KeyringDocument {
        guard let document else { throw .missingDocument(path) }
        guard document[kid] != nil else {
            let kids = document.entries.map(\.kid).joined(separator: ", ")
            throw .kid("the ring \(quoted(path)) has no key \(quoted(kid)); its keys are \(kids)")
        }
        return document
    }
}
