// Enters: nothing. Leaves: what came of loading one version, for who reports it.
public import Tensors

/// What came of loading one version.
public struct LoadReport: Sendable {
    public let model: String
    public let version: Int64
    /// `nil`: it stands in none.
    public var slot: Slot?
    /// Lower-case hexadecimal; empty where there is no file.
    public var digest = ""
    public var bytes = 0
    /// What loading it added to a process's memory: its trial's if there was one, else this one's, whatever else came meanwhile.
    var memoryBytes = 0
    /// What its maker says of it.
    public var manifest: Manifest?
    public var nanoseconds: Int64 = 0
    /// `nil`: it is ready. Else our sentence.
    public var failure: String?
    /// The same for who ordered the load, where there is more to say.
    var detail: String?
    /// What it had to pass.
    public var gates: [Gate] = []
    /// What the runtime said, for the log.
    public var log: String?
    /// What of the configuration has no effect, unless the start said so.
    public var note: String?
    /// The how-manieth of how many that the server begins with; `nil`: it came later.
    public var place: (reported: Int, of: Int)?

    init(model: String, version: Int64) {
        self.model = model
        self.version = version
    }
}
