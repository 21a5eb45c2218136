// Enters: a log's folder as the last life left it, and anchors. Leaves: where to go on; or that this log must be left as it is.
public import Cryptography
internal import Memory

/// Where a log can be continued.
public struct LogState: Sendable {
    public let logID: LogID
    public let origin: Origin
    /// Over all entries.
    public let tree: CompactRange
    /// Of the next segment.
    public let sequence: UInt64
    /// Bytes of the last segment that count.
    public let previousLength: UInt64
    public let oldest: UInt64
    public let oldestLog: UInt32
}

public enum LogRecovery {
    public enum Outcome: Sendable {
        /// There is no log yet.
        case none
        case state(LogState)
        /// It contradicts what was signed. It stays as it is, and the next log begins; what of this one could be read.
        case contradicted(reason: String, LogState?)
    }

    public enum Failure: Error, Equatable, Sendable {
        /// Without it the end of the last segment cannot be told; to roll before a key goes is the operator's to do.
        case keyMissing(String)
        case volume(VolumeError)

        public var sentence: String {
            switch self {
            case .keyMissing(let kid):
                "the last segment was written under the audit key \(kid), which is not in the ring: put it back, in state verify"
            case .volume(let error): error.sentence
            }
        }
    }

    /// Reads the last segment to its valid end (TRUST 4.1, "Recovery") and makes that durable. A segment torn at its birth is put
    /// aside.
    public static func recover(
        _ volume: some AuditVolume, auditKeys: [String: Secret], anchors: [Checkpoint]
    ) throws(Failure) -> Outcome {
        var last: Segment?
        do throws(VolumeError) { last = try lastSegment(volume, auditKeys) } catch { throw .volume(error) }
        guard let last else { return .none }
        switch last {
        case .bad(let reason): return .contradicted(reason: reason, nil)
        case .good(let name, let header):
            guard let key = auditKeys[header.keyID] else { throw .keyMissing(header.keyID) }
            do throws(VolumeError) { return try end(of: name, header, key, volume, anchors) } catch {
                throw .volume(error)
            }
        }
    }

    private enum Segment {
        case good(String, SegmentHeader)
        case bad(String)
    }

    private static func lastSegment(
        _ volume: some AuditVolume, _ auditKeys: [String: Secret]
    ) throws(VolumeError) -> Segment? {
        let names = try volume.names().filter { $0.hasPrefix(LogFiles.prefix) && $0.hasSuffix(".aud") }.sorted()
        for (index, name) in names.reversed().enumerated() {
            let file = try volume.read(name)
            defer { withExtendedLifetime(file) {} }
            let header = SegmentHeader(file.view)
            if let header {
                let keys = auditKeys[header.keyID].map { SegmentKeys(auditKey: $0, committed: header.committed) }
                let isCommitted = keys.map { $0.commitment == header.commitment } ?? true
                if isCommitted { return .good(name, header) }
            }
            // Only a header, or a part of one, can have been torn at birth; and only that of the last segment.
            let isTorn = file.view.count <= (header?.byteCount ?? SegmentHeader.byteCountMax)
            guard isTorn && index == 0 else { return .bad("\(name) does not begin with a header of this log") }
            try putAside(name, volume)
        }
        return nil
    }

    /// Its number is used again, so its name must go.
    private static func putAside(_ name: String, _ volume: some AuditVolume) throws(VolumeError) {
        try volume.rename(name, to: LogFiles.nameAside(name, among: try volume.names()))
        try volume.syncNames()
    }

    private static func end(
        of name: String, _ header: SegmentHeader, _ auditKey: Secret, _ volume: some AuditVolume,
        _ anchors: [Checkpoint]
    ) throws(VolumeError) -> Outcome {
        let file = try volume.read(name)
        defer { withExtendedLifetime(file) {} }
        guard let signer = Ed25519PublicKey(header.publicKey.raw) else {
            return .contradicted(reason: "\(name) names a public key that is none", nil)
        }
        let key = NoteKey(name: header.origin.text, signer)
        let keys = SegmentKeys(auditKey: auditKey, committed: header.committed)
        var walk = SegmentWalk(header.range)
        var observed = Observations(anchors.filter { $0.origin == header.origin })
        observed.compare(walk.tree)
        let found = walk.walk(file.view, header, limit: file.view.count, key: key, keys: keys) { _, tree in
            observed.compare(tree)
        }
        var length = file.view.count
        func state() -> LogState {
            LogState(
                logID: header.logID, origin: header.origin, tree: walk.tree, sequence: header.sequence + 1,
                previousLength: UInt64(length), oldest: header.oldest, oldestLog: header.oldestLog)
        }
        switch found {
        case .tampered(_, let reason): return .contradicted(reason: "\(name): \(reason)", state())
        case .damaged(let place, _): length = place
        case .whole: break
        }
        let size = walk.tree.size
        let behind = SegmentWalk.newerCheckpoint(in: file.view.dropFirst(length), key, than: size)?.size ?? 0
        let anchored = anchors.filter { $0.origin == header.origin }.map(\.size).max() ?? 0
        if let wrong = observed.wrong {
            return .contradicted(reason: "a checkpoint of \(wrong) entries was anchored with another root", state())
        }
        guard max(behind, anchored) <= size else {
            let what = anchored >= behind ? "was anchored: an older state was restored" : "stands behind damage"
            return .contradicted(
                reason: "a checkpoint of \(max(behind, anchored)) entries \(what), and \(size) are there", state())
        }
        try volume.sync(name)
        return .state(state())
    }
}
