// Enters: files of a version. Leaves: a hidden folder that can be loaded from, then a version of the repository, or nothing.
internal import CFiles
internal import Glibc
internal import Memory

/// A version in a hidden folder beside the models. That folder is a repository of its own, of this one model: what loads
/// versions can try it there, and the bytes that were tried are those that are renamed into their place.
public final class StagedVersion: Sendable {
    private enum State { case staged, placed, discarded }

    public let model: String
    public let version: Int64
    /// The hidden folder.
    public let path: String
    /// The repository has no such model yet: the model's folder comes with the version.
    public let isNew: Bool
    private let repository: Repository
    /// Where the hidden folder lies: the repository, or a folder from which nothing is put into it.
    private let place: Repository
    /// Held while anything is written: `discard` may come from another thread, and leaves nothing.
    private let state = Lock(State.staged)

    init(
        of model: String, _ version: Int64, in repository: Repository, place: Repository, isNew: Bool
    ) throws(RepositoryError) {
        (self.model, self.version, self.repository, self.isNew) = (model, version, repository, isNew)
        self.place = place
        // A process of the same number may have left one behind.
        path = "\(place.path)/\(Self.prefix)\(getpid())-\(UInt32.random(in: .min ... .max))"
        do throws(RepositoryError) {
            try Self.make(path, mode: 0o700)
            try Self.make("\(path)/\(model)")
            try Self.make("\(path)/\(model)/\(version)")
        } catch {
            discard()
            throw error
        }
    }

    /// `configuration`: for the model's own folder. It is placed with a model that is new, and else tried with only.
    public func write(_ files: [NewFile], configuration: NewFile? = nil) throws(RepositoryError) {
        try whileStaged { () throws(RepositoryError) in
            let folder = "\(path)/\(model)"
            for file in files { try Self.write(file, in: "\(folder)/\(version)", isSynced: true) }
            try Descriptor.syncFolder("\(folder)/\(version)")
            if let configuration { try Self.write(configuration, in: folder, isSynced: isNew) }
            if isNew { try Descriptor.syncFolder(folder) }
        }
    }

    /// What a model that is there already has besides, so that it is tried with that: its other versions, without their files,
    /// and its warm-ups. None of it is placed.
    public func standIn(for versions: [Int64], warmUps: [NewFile]) throws(RepositoryError) {
        precondition(!isNew, "a new model has nothing besides")
        try whileStaged { () throws(RepositoryError) in
            for other in versions where other != version { try Self.make("\(path)/\(model)/\(other)") }
            guard !warmUps.isEmpty else { return }
            let folder = "\(path)/\(model)/\(Layout.warmUpFolder)"
            try Self.make(folder)
            for file in warmUps { try Self.write(file, in: folder, isSynced: false) }
        }
    }

    /// Renames it into its place. Errors: `versionExists`, `notWritten`.
    public func put() throws(RepositoryError) {
        precondition(place === repository, "what was staged elsewhere is only tried")
        try state.withLock { (state) throws(RepositoryError) in
            guard state == .staged else { throw .notWritten(path: path, code: ECANCELED) }
            let name = isNew ? model : "\(model)/\(version)"
            let target = "\(repository.path)/\(name)"
            guard unsafe files_rename_new("\(path)/\(name)", target) == 0 else {
                throw errno == EEXIST
                    ? .versionExists(model: model, version: version) : .notWritten(path: target, code: errno)
            }
            state = .placed
            removeStaging()
            try Descriptor.syncFolder(isNew ? repository.path : "\(repository.path)/\(model)")
        }
    }

    /// Nothing of it stays. - Returns: `false`: it is in its place.
    @discardableResult
    public func discard() -> Bool {
        state.withLock { state in
            guard state == .staged else { return state == .discarded }
            state = .discarded
            removeStaging()
            return true
        }
    }

    private func whileStaged(_ body: () throws(RepositoryError) -> Void) throws(RepositoryError) {
        try state.withLock { (state) throws(RepositoryError) in
            guard state == .staged else { throw .notWritten(path: path, code: ECANCELED) }
            try body()
        }
    }

    private func removeStaging() {
        let name = String(path.dropFirst(place.path.count + 1))
        try? Repository.delete(name, in: place.given, full: name, depth: 0)
    }

    private static let prefix = ".import-"
    /// Whether a process runs can be seen on its own host only: another one may import into a shared volume.
    private static let abandonedSeconds = 3600

    /// Removes hidden folders whose process was killed before it could.
    static func removeAbandoned(in place: Repository) {
        for name in (try? place.given.names(entriesMax: place.limits.entriesMax, full: ".")) ?? [] {
            guard name.hasPrefix(prefix), let process = pid_t(name.dropFirst(prefix.count).prefix { $0 != "-" }),
                process > 0, kill(process, 0) != 0, errno == ESRCH,
                let status = try? place.given.status(of: name, full: name),
                time(nil) - status.st_mtim.tv_sec >= abandonedSeconds
            else { continue }
            try? Repository.delete(name, in: place.given, full: name, depth: 0)
        }
    }

    private static func make(_ folder: String, mode: mode_t = 0o755) throws(RepositoryError) {
        guard unsafe mkdir(folder, mode) == 0 else { throw .notWritten(path: folder, code: errno) }
    }

    private static func write(_ file: NewFile, in folder: String, isSynced: Bool) throws(RepositoryError) {
        let path = "\(folder)/\(file.name)"
        let opened = unsafe Glibc.open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o644)
        guard opened >= 0 else { throw .notWritten(path: path, code: errno) }
        let descriptor = Descriptor(adopting: opened)
        try descriptor.write(file.bytes, path: path)
        if isSynced { try descriptor.sync(path: path) }
    }
}
