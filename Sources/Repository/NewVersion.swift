// Enters: files of a version. Leaves: the version in the repository, whole or not at all.
internal import Glibc
public import Memory

/// A file that is to lie in a version's folder.
public struct NewFile: Sendable {
    public let name: String
    public let bytes: ByteView

    /// `bytes` stay in place until the version is there.
    public init(name: String, bytes: ByteView) {
        self.name = name
        self.bytes = bytes
    }
}

extension ModelFile {
    /// Reads a file that lies anywhere.
    public convenience init(path: String, bytesMax: Int) throws(RepositoryError) {
        let opened = unsafe Glibc.open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard opened >= 0 else { throw .system(path: path, code: errno) }
        try self.init(reading: Descriptor(adopting: opened), path: path, bytesMax: bytesMax)
    }
}

extension Repository {
    /// The number that `add` would give. Errors: `modelName`, `version`, `versionExists`, and what else names a file.
    public func nextVersion(of model: String, wanted: Int64?) throws(RepositoryError) -> Int64 {
        let there = try folder(of: model)?.versions ?? []
        let number = wanted ?? (there.last ?? 0) &+ 1
        guard Layout.isVersion(number) else { throw .version(model: model, version: number) }
        if there.contains(number) { throw .versionExists(model: model, version: number) }
        return number
    }

    /// Writes a version beside the models, in a hidden folder, syncs it, and renames it into its place: a server that looks
    /// meanwhile sees nothing of it or all of it. `version` `nil`: one above the highest. `configuration`: for the model's own
    /// folder, if it is new.
    /// - Returns: the version's number.
    @discardableResult
    public func add(
        model: String, version: Int64?, files: [NewFile], configuration: NewFile? = nil
    ) throws(RepositoryError) -> Int64 {
        let staged = try stage(model: model, version: version)
        do throws(RepositoryError) {
            try staged.write(files, configuration: configuration)
            try staged.put()
        } catch {
            staged.discard()
            throw error
        }
        return staged.version
    }

    /// The same in steps: the version's folder is made, and nothing is in it. `discard` or `put` ends it. `place`: where the hidden
    /// folder is made instead, if the version is only tried: then nothing is written into this repository.
    public func stage(
        model: String, version: Int64?, triedIn place: Repository? = nil
    ) throws(RepositoryError) -> StagedVersion {
        let number = try nextVersion(of: model, wanted: version)
        let isNew = try folder(of: model) == nil
        StagedVersion.removeAbandoned(in: place ?? self)
        return try StagedVersion(of: model, number, in: self, place: place ?? self, isNew: isNew)
    }
}
