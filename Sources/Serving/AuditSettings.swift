// Enters: what the operator decided about the audit log. Leaves: the rings of this server's life, and what holds for which call.
public import RecordRing

/// What is done with a call of which there can be no record (TRUST 4.5).
public struct AuditPolicy: BitwiseCopyable, Sendable, Equatable {
    /// When a record is safe enough for its answer to leave.
    public enum Durability: String, BitwiseCopyable, Sendable, CaseIterable {
        /// In memory that outlives this process.
        case ring
        /// The agent has made it durable.
        case disk
    }

    /// What becomes of a call whose record cannot be kept so.
    public enum Otherwise: String, BitwiseCopyable, Sendable, CaseIterable {
        /// It is refused.
        case closed
        /// It goes unrecorded, and is counted.
        case open
    }

    public var durability: Durability
    public var otherwise: Otherwise

    public init(_ durability: Durability = .ring, _ otherwise: Otherwise = .closed) {
        (self.durability, self.otherwise) = (durability, otherwise)
    }
}

/// Whose payload key seals a call's payload: what erasing a subject goes by.
public enum AuditSubject: Sendable, Equatable {
    case none
    case principal
    /// The value of a field of the call's metadata, in lower case.
    case metadata(String)
    /// The value of a label of the call.
    case label(String)
}

public struct AuditSettings: Sendable, Equatable {
    /// For predictions and their feedback.
    public var predictions = AuditPolicy()
    /// For questions about models and the server. Health checks and reflection are not recorded: nothing is asked of a model.
    public var questions = AuditPolicy()
    public var subject = AuditSubject.none
    /// Of a message above 64 KiB a digest is kept; else nothing of its bytes.
    public var digestsLarge = true
    /// The user that the agent runs as; and whether that is not ours: then it is of the folder's group.
    public var agentUser: UInt32
    public var agentIsAnother = false

    public init(agentUser: UInt32) { self.agentUser = agentUser }

    /// How long the agent may let records of calls wait: where no answer waits for the disk, a sync a hundred times a second is enough.
    var patienceNanoseconds: UInt64 {
        predictions.durability == .ring && questions.durability == .ring ? 10_000_000 : 0
    }

    /// What holds for a call's record; `nil`: there is none. An order has one here where it is not carried out.
    @inline(__always)
    func policy(of method: Method) -> AuditPolicy? {
        switch method {
        case .predict, .modelInfer, .predictStream, .predictMany, .modelStreamInfer, .feedback: predictions
        case .healthCheck, .healthWatch, .reflection, .reflectionAlpha, .watch: nil
        default: questions
        }
    }
}

/// The rings of a server's life: one for each shard, and the last for what is no call.
public final class AuditRings: Sendable {
    public let settings: AuditSettings
    public let rings: RecordRings
    private let folder: String

    public init(
        folder: String, instance: RecordInstance, shards: Int, bytesPerRing: Int, _ settings: AuditSettings
    ) throws(RecordRingError) {
        self.folder = folder
        self.settings = settings
        rings = try RecordRings(
            folder: folder, instance: instance, rings: shards + 1, bytesPerRing: bytesPerRing, mode: .acknowledge,
            patienceNanoseconds: settings.patienceNanoseconds, isForGroup: settings.agentIsAnother)
    }

    /// Takes the file away: of a server that never served.
    public func remove() { rings.remove() }

    /// Where the agent connects to acknowledge a ring's records: `ring-<instance>.<ring>.sock`.
    func socketPath(of ring: Int) -> String {
        "\(folder)/\(rings.instance.fileName.dropLast(".ring".utf8.count)).\(ring).sock"
    }
}
