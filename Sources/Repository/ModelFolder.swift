// Enters: what a scan found. Leaves: one model's versions and configuration, and what the operator should know.

/// What `Repository.scan` found.
public struct Scan: Sendable, Equatable {
    /// By name, ascending.
    public let models: [ModelFolder]
    /// One sentence each on what was passed over although somebody may have meant it as a model. For the log.
    public let problems: [String]
}

/// One model's folder, by its names only: no model file has been opened.
public struct ModelFolder: Sendable, Equatable {
    public let name: String
    /// Ascending. A version's folder may still lack its model file: `Repository.open` tells.
    public let versions: [Int64]
    /// The bytes of `model.yaml`; `nil`: there is none, or `failure` says why it was not read.
    public let configuration: [UInt8]?
    /// Why the model cannot be served as its owner wants: its `model.yaml` is there and could not be read, or the folder
    /// could not.
    public let failure: RepositoryError?
    /// One sentence each on what was passed over in this folder. For the log.
    public let problems: [String]
    /// The bytes of Triton's `config.pbtxt`, where there is no `model.yaml`.
    public internal(set) var tritonConfiguration: [UInt8]?

    /// The versions to serve. The engine `identity` needs no file, hence no version's folder: it then has version 1.
    public func versions(with configuration: ModelConfiguration) throws(RepositoryError) -> [Int64] {
        if !versions.isEmpty { return versions }
        guard configuration.engine == .identity else { throw .noVersion(model: name) }
        return [1]
    }
}
