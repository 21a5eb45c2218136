// Enters: segments, keys that open them, and the names of payload keys that are held. Leaves: which segment must stay.
internal import Audit
internal import Cryptography
internal import Memory

/// Looks for the first segment with a record of a held subject: its payload names one of the held keys. It reads one segment a call,
/// for it runs between batches, and remembers what it found until the holds change.
struct HoldScan {
    enum Answer: Equatable {
        /// No held subject's record is in any of them.
        case free
        /// From the segment with this number in the list on, they stay.
        case held(from: Int)
        /// One was looked at; to be asked again.
        case unfinished
    }

    private var generation: UInt64 = 0
    private var free: Set<String> = []
    private var held: Set<String> = []

    /// - Parameters:
    ///   - segments: from the oldest.
    ///   - generation: of the holds.
    ///   - auditKeys: by kid. A segment that none of them opens counts as held: what it has cannot be told.
    mutating func look(
        at segments: [RetentionSegment], _ folder: some RetentionFolder, heldNames: Set<[UInt8]>, generation: UInt64,
        auditKeys: [String: Secret]
    ) throws(VolumeError) -> Answer {
        guard !heldNames.isEmpty else { return .free }
        if generation != self.generation { (self.generation, free, held) = (generation, [], []) }
        for (index, segment) in segments.enumerated() {
            let key = "\(segment.log)/\(segment.name)"
            if held.contains(key) { return .held(from: index) }
            if free.contains(key) { continue }
            if try Self.names(one: heldNames, segment, folder, auditKeys) {
                held.insert(key)
                return .held(from: index)
            }
            free.insert(key)
            return index == segments.count - 1 ? .free : .unfinished
        }
        return .free
    }

    /// Whether a record of the segment names a key of `heldNames`.
    private static func names(
        one heldNames: Set<[UInt8]>, _ segment: RetentionSegment, _ folder: some RetentionFolder,
        _ auditKeys: [String: Secret]
    ) throws(VolumeError) -> Bool {
        let file = try folder.read(segment.log, segment.name, bytesMax: .max)
        defer { withExtendedLifetime(file) {} }
        guard let header = SegmentHeader(file.view), let auditKey = auditKeys[header.keyID],
            let signer = Ed25519PublicKey(header.publicKey.raw)
        else { return true }
        var walk = SegmentWalk(header.range)
        var isNamed = false
        _ = walk.walk(
            file.view, header, limit: file.view.count, key: NoteKey(name: header.origin.text, signer),
            keys: SegmentKeys(auditKey: auditKey, committed: header.committed)
        ) { entry, _ in
            guard !isNamed, let plaintext = entry.plaintext, let sealed = Payload.sealed(inRecord: plaintext) else {
                return
            }
            isNamed = heldNames.contains(sealed.key)
        }
        return isNamed
    }
}
