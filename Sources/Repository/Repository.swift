// Enters: the folder that holds the models. Leaves: which models and versions there are, and a model file's bytes.
internal import Glibc
internal import Memory

/// A folder that several threads use; the last of them closes it.
final class SharedFolder: Sendable {
    let folder: Folder
    init(_ folder: consuming Folder) { self.folder = folder }
}

/// The model repository: `<repository>/<model>/<version>/model.onnx`, with an optional `model.yaml` beside the versions.
///
/// Whoever can put files here can ship any bytes, but reaches nothing outside: every open is beneath the repository's
/// descriptor and follows no link (TRUST.md, section 6). Only the repository's own path may be or pass links, and it is
/// resolved once, at start. The `..data` link of a Kubernetes volume, which is swapped when the volume changes, is resolved
/// at each scan. Safe to use from several threads.
public final class Repository: Sendable {
    /// The path that was given, for messages.
    public let path: String
    public let limits: RepositoryLimits
    /// What `path` is.
    let given: Folder
    private let resolution: Resolution
    private let current: Lock<(target: String?, folder: SharedFolder)>

    /// Errors: `root`, `rootIsFile`, `dataLink`.
    public convenience init(path: String, limits: RepositoryLimits = RepositoryLimits()) throws(RepositoryError) {
        try self.init(path: path, limits: limits, resolution: .kernel)
    }

    init(path: String, limits: RepositoryLimits, resolution: Resolution) throws(RepositoryError) {
        let opened = unsafe Glibc.open(path, O_RDONLY | O_CLOEXEC | O_DIRECTORY)
        guard opened >= 0 else {
            throw errno == ENOTDIR ? .rootIsFile(path: path) : .root(path: path, code: errno)
        }
        given = Folder(Descriptor(adopting: opened), resolution: resolution)
        self.path = path
        self.limits = limits
        self.resolution = resolution
        current = Lock(try Self.resolve(given, path: path, resolution: resolution))
    }

    /// Where the models lie. Kubernetes writes a folder `..2026_01_31_…` beside the link `..data` and swaps the link to it; the
    /// models' own names are links through `..data`, which we would refuse.
    private static func resolve(
        _ given: borrowing Folder, path: String, resolution: Resolution
    ) throws(RepositoryError) -> (target: String?, folder: SharedFolder) {
        guard let target = given.target(of: "..data") else {
            return (nil, SharedFolder(try given.folder(".")))
        }
        guard !target.utf8.contains(UInt8(ascii: "/")), target != "..", target != "." else {
            throw .dataLink(path: path, target: target)
        }
        do throws(RepositoryError) {
            return (target, SharedFolder(try given.folder(target)))
        } catch {
            throw .dataLink(path: path, target: target)
        }
    }

    /// The folder that holds the models.
    var root: SharedFolder { current.withLock { $0.folder } }

    /// The same, after `..data` was looked at again.
    private func refreshed() throws(RepositoryError) -> SharedFolder {
        try current.withLock { (current) throws(RepositoryError) in
            if given.target(of: "..data") != current.target {
                current = try Self.resolve(given, path: path, resolution: resolution)
            }
            return current.folder
        }
    }

    /// Which models and versions there are now; opens no model file. Never fails for what one model's folder holds.
    ///
    /// Errors: `tooManyEntries`, `system`.
    public func scan() throws(RepositoryError) -> Scan {
        var models: [ModelFolder] = []
        var problems: [String] = []
        let root = try refreshed()
        for name in try root.folder.names(entriesMax: limits.entriesMax, full: ".") where !Layout.isIgnored(name) {
            guard Layout.isModelName(name) else {
                problems.append(RepositoryError.modelName(name).description)
                continue
            }
            do throws(RepositoryError) {
                switch try root.folder.kind(of: name, full: name) {
                case .folder: models.append(scan(model: name, in: root))
                case .file where !name.hasSuffix(".onnx"): break
                case .symbolicLink: throw .symbolicLink(path: name)
                case let found: throw .kind(path: name, found: found, wanted: .folder)
                }
            } catch {
                problems.append(error.description)
            }
        }
        return Scan(models: models, problems: problems)
    }

    /// One model's folder as it is now; `nil`: there is none. Errors: `modelName`, `symbolicLink`, `kind`, `system`.
    public func folder(of model: String) throws(RepositoryError) -> ModelFolder? {
        guard Layout.isModelName(model), !Layout.isIgnored(model) else { throw .modelName(model) }
        let root = try refreshed()
        do throws(RepositoryError) {
            switch try root.folder.kind(of: model, full: model) {
            case .folder: return scan(model: model, in: root)
            case .symbolicLink: throw .symbolicLink(path: model)
            case let found: throw .kind(path: model, found: found, wanted: .folder)
            }
        } catch {
            if case .missing = error { return nil }
            throw error
        }
    }

    private func scan(model: String, in root: SharedFolder) -> ModelFolder {
        var versions: [Int64] = []
        var configuration: [UInt8]?
        var tritonConfiguration: [UInt8]?
        var failure: RepositoryError?
        var problems: [String] = []
        do throws(RepositoryError) {
            let folder = try root.folder.folder(model)
            for name in try folder.names(entriesMax: limits.entriesMax, full: model) {
                let path = "\(model)/\(name)"
                if name == Layout.configurationFile {
                    configuration = try small([model, name], in: root)
                } else if name == Layout.tritonFile {
                    tritonConfiguration = try small([model, name], in: root)
                } else if let version = Layout.version(name) {
                    switch try folder.kind(of: name, full: path) {
                    case .folder: versions.append(version)
                    case .symbolicLink: problems.append(RepositoryError.symbolicLink(path: path).description)
                    case let found:
                        problems.append(RepositoryError.kind(path: path, found: found, wanted: .folder).description)
                    }
                } else if Layout.resemblesVersion(name), try folder.kind(of: name, full: path) == .folder {
                    problems.append(RepositoryError.noVersionName(path: path).description)
                }
            }
            if configuration != nil && tritonConfiguration != nil { throw .twoConfigurations(model: model) }
        } catch {
            failure = error
        }
        return ModelFolder(
            name: model, versions: versions.sorted(), configuration: configuration, failure: failure,
            problems: problems, tritonConfiguration: tritonConfiguration)
    }

    private func small(
        _ path: [String], in root: SharedFolder, bytesMax: Int? = nil
    ) throws(RepositoryError) -> [UInt8] {
        try ModelFile(
            reading: root.folder.open(path, as: .file), path: path.joined(separator: "/"),
            bytesMax: bytesMax ?? limits.configurationBytesMax, mayBeEmpty: true
        ).withBytes { $0.array }
    }

    /// Reads `<model>/warmup/<name>`, the bytes of a tensor. `name` was checked to be a plain name.
    public func warmUpFile(model: String, name: String) throws(RepositoryError) -> [UInt8] {
        try small([model, Layout.warmUpFolder, name], in: root, bytesMax: limits.warmUpBytesMax)
    }

    /// Reads `<model>/<version>/model.onnx` into memory: some time for a large file, so never on a shard.
    ///
    /// Errors: all of `RepositoryError` that name a file.
    /// `file`: another name that its configuration gives; it was checked to be a plain one.
    public func open(
        model: String, version: Int64, file: String? = nil
    ) throws(RepositoryError) -> ModelFile {
        guard Layout.isModelName(model) else { throw .modelName(model) }
        guard Layout.isVersion(version) else { throw .version(model: model, version: version) }
        let path = [model, String(version), file ?? Layout.modelFile]
        return try ModelFile(
            reading: root.folder.open(path, as: .file), path: path.joined(separator: "/"),
            bytesMax: limits.modelBytesMax, cachedBytesMax: limits.cachedBytesMax)
    }
}
