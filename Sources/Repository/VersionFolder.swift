// Enters: a version's folder. Leaves: what lies in it, without its bytes; its manifest; the digests of its files.
public import Cryptography
internal import Glibc
internal import Memory

/// What a version's folder looks like from outside. Two that are equal hold the same files, unless somebody hides it.
public struct VersionStamp: Sendable, Equatable {
    public struct Entry: Sendable, Equatable {
        public let name: String
        public let bytes: Int
        /// Nanoseconds since 1970: when its bytes changed, and when anything about it did.
        let modified: Int64
        let changed: Int64
        let inode: UInt64
    }

    /// By name, ascending.
    public let entries: [Entry]

    public func has(_ file: String) -> Bool { entries.contains { $0.name == file } }
    public var hasManifest: Bool { entries.contains { $0.name == Layout.manifestFile } }
}

/// A file with the digest of its bytes.
public struct FileFacts: Sendable {
    public let name: String
    public let bytes: Int
    public let digest: Digest
}

extension Repository {
    /// Opens the version's folder and none of its files. Errors: those that name a folder.
    public func stamp(model: String, version: Int64) throws(RepositoryError) -> VersionStamp {
        let path = "\(model)/\(version)"
        let folder = try versionFolder(model, version)
        var entries: [VersionStamp.Entry] = []
        for name in try folder.names(entriesMax: limits.entriesMax, full: path) {
            // What went between the two looks is not there.
            guard let info = try folder.status(of: name, full: "\(path)/\(name)") else { continue }
            entries.append(
                VersionStamp.Entry(
                    name: name, bytes: Int(info.st_size), modified: info.st_mtim.nanoseconds,
                    changed: info.st_ctim.nanoseconds, inode: UInt64(info.st_ino)))
        }
        return VersionStamp(entries: entries)
    }

    /// The bytes of its `manifest.json`; `nil`: there is none. Errors: all of `RepositoryError` that name a file.
    public func manifest(model: String, version: Int64) throws(RepositoryError) -> [UInt8]? {
        let folder = try versionFolder(model, version)
        let path = "\(model)/\(version)/\(Layout.manifestFile)"
        guard try folder.status(of: Layout.manifestFile, full: path) != nil else { return nil }
        return try ModelFile(
            reading: folder.open([Layout.manifestFile], as: .file), path: path, bytesMax: limits.manifestBytesMax
        ).withBytes { $0.array }
    }

    /// Every file of a version's folder except its manifest and what begins with a dot, read and hashed. `path` is the folder's
    /// own, which need not lie in a repository.
    public static func files(
        in path: String, limits: RepositoryLimits = RepositoryLimits()
    ) throws(RepositoryError) -> [FileFacts] {
        let opened = unsafe Glibc.open(path, O_RDONLY | O_CLOEXEC | O_DIRECTORY)
        guard opened >= 0 else { throw .system(path: path, code: errno) }
        let folder = Folder(Descriptor(adopting: opened), resolution: .kernel)
        var files: [FileFacts] = []
        for name in try folder.names(entriesMax: limits.entriesMax, full: path)
        where !name.hasPrefix(Layout.manifestFile) && !Layout.isIgnored(name) {
            // Golden files are not the model: they may come later.
            if name == Self.goldenFolder { continue }
            let file = try ModelFile(
                reading: folder.open([name], as: .file), path: name, bytesMax: limits.modelBytesMax, mayBeEmpty: true)
            files.append(FileFacts(name: name, bytes: file.byteCount, digest: file.digest))
        }
        return files
    }

    private func versionFolder(_ model: String, _ version: Int64) throws(RepositoryError) -> Folder {
        guard Layout.isModelName(model) else { throw .modelName(model) }
        guard Layout.isVersion(version) else { throw .version(model: model, version: version) }
        return try root.folder.folder(model, "\(version)")
    }
}

extension timespec {
    fileprivate var nanoseconds: Int64 { Int64(tv_sec) &* 1_000_000_000 &+ Int64(tv_nsec) }
}
