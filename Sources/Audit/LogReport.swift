// Enters: what verifying found. Leaves: a status that scripts read, and words for people.
public import Cryptography

/// The exit status of `vencejo-audit verify` (TRUST 4.1).
public enum VerifyStatus: Int32, Sendable, Equatable {
    case whole = 0
    case tampered = 1
    case unclean = 2
    case unverifiable = 3
    /// Usage, a file that cannot be read, a bad line.
    case failed = 4
}

/// Something found, and where.
public struct Finding: Equatable, Sendable {
    /// A file's name; `nil`: the log, or the folder.
    public var file: String?
    /// The offset in bytes.
    public var offset: Int?
    public var sentence: String

    init(_ sentence: String, file: String? = nil, offset: Int? = nil) {
        (self.sentence, self.file, self.offset) = (sentence, file, offset)
    }
}

/// What verifying one log found.
public struct LogReport: Sendable {
    public let name: String
    public internal(set) var origin: Origin?
    public internal(set) var segments = 0
    public internal(set) var entries: UInt64 = 0
    public internal(set) var records = 0
    public internal(set) var checkpoints = 0
    /// Entries that good checkpoints in the log's files cover.
    public internal(set) var covered: UInt64 = 0
    /// The largest checkpoint in the log's files.
    public internal(set) var newest: GoodCheckpoint?
    /// Over the entries before the first that is here.
    public internal(set) var start = CompactRange()
    /// Over all entries.
    public internal(set) var root: Digest?
    /// Expected checkpoints that were compared, and those that were passed over, for the entries before them are pruned.
    public internal(set) var expectedFound = 0
    public internal(set) var expectedPassedOver = 0
    /// Why it is tampered with or broken; then what follows was not looked at.
    public internal(set) var faults: [Finding] = []
    /// What is as after a crash, or while the log is written.
    public internal(set) var unclean: [Finding] = []
    /// Key ids of segments that `--keys` does not have.
    public internal(set) var missingKeys: Set<String> = []
    public internal(set) var notes: [Finding] = []
    /// The largest values in headers that a checkpoint covers.
    var coveredOldestLog: UInt32 = 0
    var coveredOldest: UInt64 = 0

    init(name: String) { self.name = name }

    public var isUncovered: Bool { covered < entries }
}

/// What verifying a folder found.
public struct VerifyReport: Sendable {
    public internal(set) var logs: [LogReport] = []
    /// Of the logs together.
    public internal(set) var faults: [Finding] = []
    /// Of logs that are not here.
    public internal(set) var expectedPassedOver = 0
    public let hasSigners: Bool

    public var status: VerifyStatus {
        if !faults.isEmpty || logs.contains(where: { !$0.faults.isEmpty }) { return .tampered }
        if !hasSigners || logs.contains(where: { !$0.missingKeys.isEmpty }) { return .unverifiable }
        let isUnclean = logs.isEmpty || logs.contains { !$0.unclean.isEmpty || $0.isUncovered || $0.origin == nil }
        return isUnclean ? .unclean : .whole
    }
}
