// Enters: the audit folder, keys and anchors. Leaves: the log that this life writes, from its valid end on.
public import Audit
public import Cryptography
internal import Memory

/// A log, ready to be written.
public struct OpenedLog<Volume: AuditVolume> {
    public let volume: Volume
    public let state: LogState
    let beginning: LogBeginning
    let found: LastSegment
}

/// Chooses the log and recovers it (TRUST 4.1, "Recovery").
public struct LogOpening<Folders: AuditFolders> {
    private static var numberMax: Int { 9999 }
    private let folders: Folders
    private let deployment: String
    private let auditKeys: [String: Secret]
    private let anchors: AnchoredCheckpoints
    private let random: (Int) -> [UInt8]

    /// - Parameter anchors: of any deployment; those of others are passed over.
    public init(
        _ folders: Folders, deployment: String, auditKeys: [String: Secret], anchors: AnchoredCheckpoints,
        random: @escaping (Int) -> [UInt8]
    ) {
        (self.folders, self.deployment, self.auditKeys) = (folders, deployment, auditKeys)
        (self.anchors, self.random) = (anchors, random)
    }

    /// Errors: the folder or a file cannot be read, the last segment's key is missing, `deployment` is none.
    public func open() throws(AgentError) -> OpenedLog<Folders.Volume> {
        do throws(VolumeError) { return try openLog() } catch { throw AgentError(sentence: error.sentence) }
    }

    private func openLog() throws(VolumeError) -> OpenedLog<Folders.Volume> {
        let names = try folders.names().filter { LogID.isFolderName($0) }.sorted()
        let newest = anchors.newest(of: deployment)
        guard let last = names.last else {
            guard let newest else { return try make(0, after: nil, oldestLog: 0) }
            let lost = Contradiction(of: newest)
            return try make(newest.origin.number + 1, after: lost, oldestLog: 0)
        }
        let number = LogID.number(of: last)
        let oldestHere = UInt32(LogID.number(of: names[0]))
        if let newest, newest.origin.number > number {
            let lost = Contradiction(of: newest)
            return try make(newest.origin.number + 1, after: lost, oldestLog: oldestHere)
        }
        let volume = try folders.open(last)
        switch try recover(volume, last) {
        case .state(let state):
            // Nothing but headers: it was not told why it begins.
            guard state.tree.size > state.sequence else { return try born(volume, names, state) }
            return try opened(volume, state, last)
        case .contradicted(_, let state):
            let old = try contradiction(volume, last, state)
            return try make(number + 1, after: old, oldestLog: state?.oldestLog ?? oldestHere)
        case .none:
            // Its segments are gone, and what was signed of it is not: it is no log that was never begun.
            let anchored = anchors.checkpoints(of: String(last.suffix(32))).max { $0.size < $1.size }
            guard let anchored else { return try born(volume, names, nil) }
            return try make(number + 1, after: Contradiction(of: anchored), oldestLog: oldestHere)
        }
    }

    /// The last of `names` has no record: a crash cut its birth. What made it begin is told by the log before.
    private func born(
        _ volume: Folders.Volume, _ names: [String], _ state: LogState?
    ) throws(VolumeError) -> OpenedLog<Folders.Volume> {
        guard let before = names.dropLast().last else {
            return try begin(volume, names[0], state, after: nil, oldestLog: 0)
        }
        let older = try folders.open(before)
        let left: LogState? =
            switch try recover(older, before) {
            case .none: nil
            case .state(let state): state
            case .contradicted(_, let state): state
            }
        let old = try contradiction(older, before, left)
        let oldestLog = left?.oldestLog ?? UInt32(LogID.number(of: names[0]))
        return try begin(volume, names[names.count - 1], state, after: old, oldestLog: oldestLog)
    }

    // MARK: A log that goes on

    private func opened(
        _ volume: Folders.Volume, _ state: LogState, _ name: String
    ) throws(VolumeError) -> OpenedLog<Folders.Volume> {
        var beginning = LogBeginning(.opened)
        beginning.previousLog = state.logID.bytes
        beginning.previousSize = state.tree.size
        beginning.previousRoot = state.tree.root.bytes
        beginning.anchorSize = anchors.sizeMax(of: state.origin.idHex)
        let found = try LastSegment(of: volume, folder: name, auditKeys: auditKeys)
        return OpenedLog(volume: volume, state: state, beginning: beginning, found: found)
    }

    private func recover(_ volume: Folders.Volume, _ name: String) throws(VolumeError) -> LogRecovery.Outcome {
        try recover(volume, anchors: anchors.checkpoints(of: String(name.suffix(32))))
    }

    private func recover(
        _ volume: Folders.Volume, anchors: [Checkpoint]
    ) throws(VolumeError) -> LogRecovery.Outcome {
        do throws(LogRecovery.Failure) {
            return try LogRecovery.recover(volume, auditKeys: auditKeys, anchors: anchors)
        } catch {
            throw VolumeError(sentence: error.sentence)
        }
    }

    // MARK: A log that begins

    /// What is said of a log that is left as it is.
    private struct Contradiction {
        var beginning: LogBeginning
        var found = LastSegment()

        init(_ reason: LogBeginning.Reason) { beginning = LogBeginning(reason) }

        /// The whole log is gone, and its anchors are not.
        init(of anchored: Checkpoint) {
            beginning = LogBeginning(.rolledBack)
            beginning.previousLog = [UInt8](hex: anchored.origin.idHex) ?? []
            beginning.previousSize = anchored.size
            beginning.previousRoot = anchored.root.bytes
            beginning.anchorSize = anchored.size
        }
    }

    /// - Parameter state: what of it could be read.
    private func contradiction(
        _ volume: Folders.Volume, _ name: String, _ state: LogState?
    ) throws(VolumeError) -> Contradiction {
        // Without anchors it is whole: an older state of it was put back.
        var isWhole = false
        if case .state = try recover(volume, anchors: []) { isWhole = true }
        var old = Contradiction(isWhole ? .rolledBack : .damaged)
        old.beginning.previousLog = [UInt8](hex: name.suffix(32)) ?? []
        old.beginning.previousSize = state?.tree.size ?? 0
        old.beginning.previousRoot = state?.tree.root.bytes ?? []
        old.beginning.anchorSize = anchors.sizeMax(of: String(name.suffix(32)))
        old.found = try LastSegment(of: volume, folder: name, auditKeys: auditKeys)
        return old
    }

    private func make(
        _ number: Int, after old: Contradiction?, oldestLog: UInt32
    ) throws(VolumeError) -> OpenedLog<Folders.Volume> {
        guard number <= Self.numberMax, let id = LogID([UInt8(number >> 8), UInt8(number & 0xff)] + random(14)) else {
            throw VolumeError(
                sentence: "log \(number) cannot be made: logs are numbered up to \(Self.numberMax); "
                    + "begin another folder")
        }
        // Before anything is made of a name that is none.
        _ = try origin(id)
        return try begin(try folders.make(id.folderName), id.folderName, nil, after: old, oldestLog: oldestLog)
    }

    private func begin(
        _ volume: Folders.Volume, _ name: String, _ state: LogState?, after old: Contradiction?, oldestLog: UInt32
    ) throws(VolumeError) -> OpenedLog<Folders.Volume> {
        guard let id = [UInt8](hex: name.suffix(32)).flatMap(LogID.init) else {
            throw VolumeError(sentence: "\(name) is no name of a log's folder")
        }
        let new = LogWriter<Folders.Volume>.newState(logID: id, origin: try origin(id), oldestLog: oldestLog)
        return OpenedLog(
            volume: volume, state: state ?? new, beginning: old?.beginning ?? LogBeginning(.new),
            found: old?.found ?? LastSegment())
    }

    private func origin(_ id: LogID) throws(VolumeError) -> Origin {
        guard let origin = Origin(deployment: deployment, id) else {
            throw VolumeError(
                sentence: "the deployment \(deployment.debugDescription) must be one to three parts with / between, "
                    + "each of 1 to 63 of a-z 0-9 . - and begin with a letter or a digit")
        }
        return origin
    }
}

extension LogID {
    /// Of a folder's name that is one.
    static func number(of folder: String) -> Int { Int(folder.dropFirst(4).prefix(4)) ?? 0 }
}
