// Enters: a segment's bytes, and what the log was before it. Leaves: each entry and checkpoint that holds, and how it ends.
public import Cryptography
public import Memory

/// An entry of a log, as it lies in a segment.
public struct LogEntry {
    public enum Kind: Sendable { case header, record, seal }

    public let kind: Kind
    public let index: UInt64
    /// The whole header, or the whole frame.
    public let bytes: ByteView
    /// SHA-256 of `bytes`: the leaf's data.
    public let digest: Digest
    public let leafHash: Digest
    /// Of a record whose segment's key is there.
    public let plaintext: [UInt8]?
}

/// A checkpoint of a segment, and the note that it came in.
public struct GoodCheckpoint: Sendable {
    public let checkpoint: Checkpoint
    public let note: String
}

/// How a segment ends.
public enum SegmentEnd: Equatable, Sendable {
    /// At a frame's end. `isSealed`: the last entry is a seal; `isClosed`: its checkpoint stands behind it.
    case whole(isSealed: Bool, isClosed: Bool)
    case damaged(at: Int, FrameFault)
    /// Nothing but a hand does this.
    case tampered(at: Int, String)
}

/// Walks through segments one after another.
public struct SegmentWalk {
    /// Over all entries so far.
    public private(set) var tree: CompactRange
    /// The largest checkpoint that was good.
    public private(set) var covered: GoodCheckpoint?
    public private(set) var checkpoints = 0
    public private(set) var records = 0
    private var plaintext: [UInt8] = []

    /// - Parameter tree: over the entries before the first segment.
    public init(_ tree: CompactRange) { self.tree = tree }

    public var coveredSize: UInt64 { covered?.checkpoint.size ?? 0 }

    /// - Parameters:
    ///   - file: the segment's whole file, which begins with `header`.
    ///   - limit: how many of its bytes count, at least the header's.
    ///   - key: whose notes are good.
    ///   - visit: gets each entry, and the tree with it.
    public mutating func walk(
        _ file: ByteView, _ header: SegmentHeader, limit: Int, key: NoteKey, keys: SegmentKeys?,
        visit: (LogEntry, CompactRange) -> Void
    ) -> SegmentEnd {
        precondition(limit >= header.byteCount && limit <= file.count)
        enter(.header, file.prefix(header.byteCount), nil, visit)
        var state = State(at: header.byteCount)
        while state.place < limit {
            if state.isClosed { break }
            do throws(FrameFault) {
                let frame = try Frame(file[state.place..<limit])
                guard frame.index == tree.size else { throw .index(frame.index, wanted: tree.size) }
                guard !state.isSealed || frame.kind == .checkpoint else { throw .behindSeal }
                if let reason = try step(frame, &state, key, keys, visit) {
                    return .tampered(at: state.place, reason)
                }
                state.place += frame.bytes.count
            } catch {
                return .damaged(at: state.place, error)
            }
        }
        if state.isClosed && file.count > state.place {
            return .tampered(at: state.place, "there are bytes behind the checkpoint of a seal")
        }
        return .whole(isSealed: state.isSealed, isClosed: state.isClosed)
    }

    private struct State {
        var place: Int
        var checkpoints: UInt32 = 0
        var isSealed = false
        var isClosed = false

        init(at place: Int) { self.place = place }
    }

    /// - Returns: why the frame can only be a hand's.
    private mutating func step(
        _ frame: Frame, _ state: inout State, _ key: NoteKey, _ keys: SegmentKeys?,
        _ visit: (LogEntry, CompactRange) -> Void
    ) throws(FrameFault) -> String? {
        switch frame.kind {
        case .record:
            guard frame.body.count >= Frame.recordBodyBytesMin else { throw .recordLength(frame.body.count) }
            if let keys {
                plaintext.removeAll(keepingCapacity: true)
                guard keys.open(frame.bytes, index: frame.index, into: &plaintext) else { throw .tag }
                let digest = SHA256.digest(of: plaintext.raw)
                guard digest.withBytes({ bytes in frame.body.prefix(32).withBytes { constantTimeEqual($0, bytes) } })
                else { return "a record's plaintext is not the one that its frame promises" }
                enter(.record, frame.bytes, plaintext, visit)
            } else {
                enter(.record, frame.bytes, nil, visit)
            }
            records += 1
        case .checkpoint:
            guard coveredSize < tree.size else { throw .checkpointWithoutEntry }
            guard let note = String(validating: frame.body.array, as: UTF8.self),
                let checkpoint = Checkpoint.good(note, key)
            else { throw .note }
            guard checkpoint.size == tree.size && checkpoint.root == tree.root else {
                return "a checkpoint of \(checkpoint.size) entries stands behind \(tree.size), or has another root"
            }
            covered = GoodCheckpoint(checkpoint: checkpoint, note: note)
            checkpoints += 1
            state.checkpoints += 1
            state.isClosed = state.isSealed
        case .seal:
            let body = frame.body
            guard body.count == Frame.sealBodyBytes, SealReason(rawValue: body[0]) != nil,
                body.bigEndian(at: 1, as: UInt32.self) == state.checkpoints
            else { throw .seal }
            state.isSealed = true
            enter(.seal, frame.bytes, nil, visit)
        }
        return nil
    }

    private mutating func enter(
        _ kind: LogEntry.Kind, _ bytes: ByteView, _ plaintext: [UInt8]?,
        _ visit: (LogEntry, CompactRange) -> Void
    ) {
        let digest = SHA256.digest(of: bytes)
        let leafHash = MerkleTree.leafHash(digest)
        let index = tree.size
        tree.append(leafHash)
        visit(
            LogEntry(
                kind: kind, index: index, bytes: bytes, digest: digest, leafHash: leafHash, plaintext: plaintext),
            tree)
    }

    /// A good note of more than `size` entries that begins at any byte of `rest`: what was signed and is not there any more.
    static func newerCheckpoint(in rest: ByteView, _ key: NoteKey, than size: UInt64) -> Checkpoint? {
        ByteView.lending(Array("\(key.name)\n".utf8)) { start in
            var place = 0
            while place + start.count <= rest.count {
                defer { place += 1 }
                guard rest[place] == start[0], rest[place..<place + start.count] == start,
                    let note = firstNote(of: rest.dropFirst(place)),
                    // Signatures take long, and these bytes may be anything.
                    let claimed = SignedNote(note).flatMap({ Checkpoint(text: $0.text) }), claimed.size > size,
                    let checkpoint = Checkpoint.good(note, key)
                else { continue }
                return checkpoint
            }
            return nil
        }
    }

    /// Three lines, an empty one and one signature, if so many lines are there.
    private static func firstNote(of bytes: ByteView) -> String? {
        var newlines = 0
        for index in 0..<min(bytes.count, 1 << 10) where bytes[index] == 0x0a {
            newlines += 1
            if newlines == 5 { return String(validating: bytes.prefix(index + 1).array, as: UTF8.self) }
        }
        return nil
    }
}
