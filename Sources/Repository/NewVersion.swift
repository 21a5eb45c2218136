// Enters: files of a version. Leaves: the version in the repository, whole or not at all.
internal import CFiles
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
        let number = try nextVersion(of: model, wanted: version)
        let isNew = try folder(of: model) == nil
        // A process of the same number may have left one behind.
        let staging = "\(path)/.import-\(getpid())-\(UInt32.random(in: .min ... .max))"
        try make(staging)
        do throws(RepositoryError) {
            let place = isNew ? "\(staging)/\(number)" : staging
            if isNew { try make(place) }
            for file in files { try write(file, in: place) }
            try Descriptor.syncFolder(place)
            if isNew {
                if let configuration { try write(configuration, in: staging) }
                try Descriptor.syncFolder(staging)
            }
            let target = isNew ? "\(path)/\(model)" : "\(path)/\(model)/\(number)"
            guard unsafe files_rename_new(staging, target) == 0 else {
                throw errno == EEXIST
                    ? .versionExists(model: model, version: number) : .notWritten(path: target, code: errno)
            }
            try Descriptor.syncFolder(isNew ? path : "\(path)/\(model)")
        } catch {
            remove(staging, [configuration?.name ?? ""] + files.map(\.name), number)
            throw error
        }
        return number
    }

    private func make(_ folder: String) throws(RepositoryError) {
        guard unsafe mkdir(folder, 0o755) == 0 else { throw .notWritten(path: folder, code: errno) }
    }

    private func write(_ file: NewFile, in folder: String) throws(RepositoryError) {
        let path = "\(folder)/\(file.name)"
        let opened = unsafe Glibc.open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o644)
        guard opened >= 0 else { throw .notWritten(path: path, code: errno) }
        let descriptor = Descriptor(adopting: opened)
        try descriptor.write(file.bytes, path: path)
        try descriptor.sync(path: path)
    }

    /// What was begun, and nothing else.
    private func remove(_ staging: String, _ names: [String], _ number: Int64) {
        for name in names where !name.isEmpty {
            unsafe unlink("\(staging)/\(name)")
            unsafe unlink("\(staging)/\(number)/\(name)")
        }
        unsafe rmdir("\(staging)/\(number)")
        unsafe rmdir(staging)
    }
}
