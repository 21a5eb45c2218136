// Enters: records in batches, and time. Leaves: them in segments, durable, and checkpoints over what is durable.
public import Cryptography
internal import Memory

/// What does not change during one process's life but for its keys.
public struct LogKeys: Sendable {
    public var keyID: String
    public var auditKey: Secret
    public var signer: Ed25519PrivateKey

    public init(keyID: String, auditKey: Secret, signer: Ed25519PrivateKey) {
        (self.keyID, self.auditKey, self.signer) = (keyID, auditKey, signer)
    }
}

/// Where a record will stand: what its payload is sealed for.
public struct RecordPlace: Sendable {
    public internal(set) var index: UInt64
    public let logID: LogID
    public let salt: [UInt8]
}

/// A record without its place. `isUrgent`: a checkpoint follows at once.
public struct Draft: Sendable {
    public let isUrgent: Bool
    public let plaintext: [UInt8]

    public init(isUrgent: Bool = false, plaintext: [UInt8]) {
        (self.isUrgent, self.plaintext) = (isUrgent, plaintext)
    }
}

/// The segment that is written. It does not depend on the kind of volume, and other modules that hold a writer need its layout.
struct WrittenSegment {
    let header: SegmentHeader
    var checkpoints: UInt32 = 0
}

/// The one writer of a log (TRUST 4.1, "Writer"). What `append` returned is durable.
public struct LogWriter<Volume: AuditVolume>: ~Copyable {
    public static var segmentBytesMax: Int { 64 << 20 }
    public static var segmentNanosecondsMax: UInt64 { 24 * 3600 * 1_000_000_000 }
    public static var checkpointEntries: UInt64 { 1000 }
    public static var checkpointNanoseconds: UInt64 { 10_000_000_000 }

    private let volume: Volume
    private let logID: LogID
    public let origin: Origin
    private var keys: LogKeys
    private let random: (Int) -> [UInt8]
    /// Gets each checkpoint, when all that it covers is durable.
    private let anchor: (String, _ now: UInt64) -> Void
    /// Over what is durable.
    public private(set) var tree: CompactRange
    /// That this life has made durable.
    public private(set) var records: UInt64 = 0
    private var sequence: UInt64
    private var oldest: UInt64
    public private(set) var oldestLog: UInt32
    /// Of the segment that is written; `nil`: the next batch begins one.
    private var segment: WrittenSegment?
    private var segmentKeys: SegmentKeys?
    /// Bytes that count of the segment before, or of this one.
    private var durableBytes: UInt64
    /// The frames of a batch while it is written, and where each ends; a record's plaintext.
    private var buffer: [UInt8] = []
    private var ends: [Int] = []
    private var plaintext: [UInt8] = []
    /// Entries that the newest checkpoint of this life covers, 0 before the first, and when that was made.
    public private(set) var checkpointed: UInt64
    public private(set) var checkpointedAt: UInt64

    /// The next batch begins a segment.
    public var isBetweenSegments: Bool { segment == nil }

    /// Goes on from `state`, in a new segment.
    /// - Parameters:
    ///   - random: so many random bytes.
    ///   - anchor: gets each checkpoint's note, when all that it covers is durable.
    public init(
        _ volume: Volume, from state: LogState, keys: LogKeys, now: UInt64, random: @escaping (Int) -> [UInt8],
        anchor: @escaping (String, UInt64) -> Void
    ) {
        (self.volume, self.keys, self.random, self.anchor) = (volume, keys, random, anchor)
        (logID, origin, tree, sequence) = (state.logID, state.origin, state.tree, state.sequence)
        (oldest, oldestLog, durableBytes) = (state.oldest, state.oldestLog, state.previousLength)
        (checkpointed, checkpointedAt) = (0, now)
    }

    /// A log that is not there yet.
    public static func newState(logID: LogID, origin: Origin, oldestLog: UInt32) -> LogState {
        LogState(
            logID: logID, origin: origin, tree: CompactRange(), sequence: 0, previousLength: 0, oldest: 0,
            oldestLog: oldestLog)
    }

    /// Writes a batch into one segment and makes it durable. If a write or a sync fails, it is tried once more in a new segment.
    /// - Returns: the indexes, which are consecutive. Errors: the second failure; then nothing of the batch counts.
    public mutating func append(_ batch: [Draft], now: UInt64) throws(VolumeError) -> Range<UInt64> {
        try append(batch.count, isUrgent: batch.contains(where: \.isUrgent), now: now) { number, _, plaintext in
            plaintext += batch[number].plaintext
        }
    }

    /// The same of `count` records.
    /// - Parameters:
    ///   - isUrgent: a checkpoint follows at once.
    ///   - write: adds a record's plaintext, by its number from 0; asked once more for each if a write fails.
    public mutating func append(
        _ count: Int, isUrgent: Bool, now: UInt64, _ write: (Int, RecordPlace, inout [UInt8]) -> Void
    ) throws(VolumeError) -> Range<UInt64> {
        precondition(count > 0, "a batch of no records")
        let range: Range<UInt64>
        do throws(VolumeError) { range = try attempt(count, now, write) } catch {
            // That file is never written again; what was durable of it counts.
            abandon()
            do throws(VolumeError) { range = try attempt(count, now, write) } catch {
                abandon()
                throw error
            }
        }
        if durableBytes >= UInt64(Self.segmentBytesMax) {
            roll(.size, now: now)
        } else if let created = segment?.header.created, now >= created &+ Self.segmentNanosecondsMax {
            roll(.age, now: now)
        } else if isUrgent || tree.size - checkpointed >= Self.checkpointEntries {
            checkpoint(now: now)
        }
        return range
    }

    /// To be called now and then: a checkpoint that is due by time, a segment that is too old.
    public mutating func tick(now: UInt64) {
        if let created = segment?.header.created, now >= created &+ Self.segmentNanosecondsMax {
            return roll(.age, now: now)
        }
        if tree.size > checkpointed, now >= checkpointedAt &+ Self.checkpointNanoseconds { checkpoint(now: now) }
    }

    /// Ends the segment with a seal and a checkpoint; the next batch begins another. What fails on the way ends it without.
    public mutating func roll(_ reason: SealReason, now: UInt64) {
        guard let segment else { return }
        do throws(VolumeError) {
            var body = [reason.rawValue]
            body.append(bigEndian: segment.checkpoints)
            var frame: [UInt8] = []
            Frame.appendHead(.seal, bodyBytes: body.count, index: tree.size, to: &frame)
            frame += body
            try volume.write(frame)
            try volume.sync()
            enter(frame.raw)
            durableBytes += UInt64(frame.count)
            checkpoint(now: now)
        } catch {}
        abandon()
    }

    /// Other keys hold from the next segment on.
    public mutating func change(keys: LogKeys, now: UInt64) {
        roll(.key, now: now)
        self.keys = keys
    }

    /// Segments below `sequence` may go when the header that says so is covered: the caller removes them then.
    public mutating func retain(from sequence: UInt64, oldestLog: UInt32, now: UInt64) {
        roll(.retention, now: now)
        (oldest, self.oldestLog) = (max(oldest, min(sequence, self.sequence)), max(self.oldestLog, oldestLog))
    }

    private mutating func attempt(
        _ count: Int, _ now: UInt64, _ write: (Int, RecordPlace, inout [UInt8]) -> Void
    ) throws(VolumeError) -> Range<UInt64> {
        if segment == nil { try begin(now) }
        guard let segment, let segmentKeys else { preconditionFailure("a segment was begun") }
        var place = RecordPlace(index: tree.size, logID: logID, salt: segment.header.salt)
        let first = place.index
        // New ones for each batch would cost as much in page faults as a quarter of the hashing.
        var (bytes, plaintext) = (buffer, plaintext)
        (buffer, self.plaintext) = ([], [])
        bytes.removeAll(keepingCapacity: true)
        ends.removeAll(keepingCapacity: true)
        for number in 0..<count {
            plaintext.removeAll(keepingCapacity: true)
            write(number, place, &plaintext)
            segmentKeys.seal(plaintext.raw, index: place.index, into: &bytes)
            ends.append(bytes.count)
            place.index += 1
        }
        try volume.write(bytes)
        try volume.sync()
        var start = 0
        for end in ends {
            enter(bytes.raw.extracting(start..<end))
            start = end
        }
        durableBytes += UInt64(bytes.count)
        (buffer, self.plaintext) = (bytes, plaintext)
        records += UInt64(count)
        return first..<tree.size
    }

    private mutating func begin(_ now: UInt64) throws(VolumeError) {
        var header = SegmentHeader(
            logID: logID, origin: origin, oldestLog: oldestLog, sequence: sequence, previousLength: durableBytes,
            oldest: oldest, created: now, salt: random(32), publicKey: keys.signer.publicKey, keyID: keys.keyID,
            range: tree)
        let derived = SegmentKeys(auditKey: keys.auditKey, committed: header.committed)
        header.commitment = derived.commitment
        let name = LogFiles.name(of: sequence)
        try volume.create(name)
        do throws(VolumeError) {
            try volume.write(header.bytes)
            try volume.sync()
            try volume.syncNames()
        } catch {
            // No entry of it counts; its number is used again.
            try volume.rename(name, to: LogFiles.nameAside(name, among: try volume.names()))
            throw error
        }
        segment = WrittenSegment(header: header)
        segmentKeys = derived
        let entry = header.bytes
        enter(entry.raw)
        sequence += 1
        durableBytes = UInt64(header.byteCount)
    }

    /// Over what is durable; that it is durable itself follows with the next batch.
    private mutating func checkpoint(now: UInt64) {
        guard tree.size > checkpointed, segment != nil else { return }
        let note = Checkpoint(origin: origin, size: tree.size, root: tree.root).signed(by: keys.signer)
        let body = Array(note.utf8)
        var frame: [UInt8] = []
        Frame.appendHead(.checkpoint, bodyBytes: body.count, index: tree.size, to: &frame)
        frame += body
        do throws(VolumeError) {
            try volume.write(frame)
            try volume.sync()
        } catch {
            return abandon()
        }
        durableBytes += UInt64(frame.count)
        segment?.checkpoints += 1
        (checkpointed, checkpointedAt) = (tree.size, now)
        anchor(note, now)
    }

    private mutating func enter(_ entry: RawSpan) {
        tree.append(MerkleTree.leafHash(SHA256.digest(of: entry)))
    }

    private mutating func abandon() {
        segment = nil
        segmentKeys = nil
    }
}
