// Enters: one segment of a log, and the header behind it. Leaves: what its entries and its end say, whatever the other segments are.
internal import Cryptography
internal import Dispatch
internal import Memory

/// A segment whose header was read.
struct HeadedSegment: Sendable {
    let name: String
    let header: SegmentHeader
}

/// What one segment says. A walk may begin at any header, for each has the compact range of the entries before it; that the range
/// is theirs is settled when the segments are joined.
struct SegmentOutcome: Sendable {
    /// Over all entries to its end.
    let tree: CompactRange
    let covered: GoodCheckpoint?
    let checkpoints: Int
    let records: Int
    let observed: Observations
    let missingKey: String?
    let end: SegmentEnd
    /// Where the bytes begin that do not count; `nil`: all of them count.
    let rest: Int?
    /// The entries of a good checkpoint behind the end that are more than there are.
    let newer: UInt64?
}

/// Verifies segments by themselves: side by side, where nothing wants their entries in order.
struct SegmentVerification: Sendable {
    let log: LogFiles
    let segments: [HeadedSegment]
    /// With the expected checkpoints, before any entry.
    let unobserved: Observations
    let auditKeys: [String: Secret]?

    /// Steps 3 to 5 of TRUST 4.1, "Verify", of one segment.
    func walk(
        _ index: Int, visit: ((LogEntry, SegmentHeader) -> Void)? = nil
    ) throws(LogFault) -> SegmentOutcome {
        let (name, header) = (segments[index].name, segments[index].header)
        let file = try log.readOrFault(name, .max)
        defer { withExtendedLifetime(file) {} }
        // While it was read it may have grown; it cannot have become shorter.
        guard file.view.count >= header.byteCount, SegmentHeader(file.view) == header else {
            throw .fault(Finding("its header changed while it was read", file: name))
        }
        let limit = try limit(index, fileBytes: file.view.count)
        guard let signer = Ed25519PublicKey(header.publicKey.raw) else {
            throw .fault(Finding("its header's public key is none", file: name))
        }
        let key = NoteKey(name: header.origin.text, signer)
        let auditKey = auditKeys?[header.keyID]
        var walk = SegmentWalk(header.range)
        var observed = unobserved
        let end = walk.walk(
            file.view, header, limit: limit, key: key,
            keys: auditKey.map { SegmentKeys(auditKey: $0, committed: header.committed) }
        ) { entry, tree in
            observed.note(entry, name)
            observed.compare(tree)
            visit?(entry, header)
        }
        var rest: Int?
        switch end {
        case .tampered: break
        case .damaged(let at, _): rest = index == segments.count - 1 ? at : nil
        case .whole: rest = limit < file.view.count ? limit : nil
        }
        let newer = rest.flatMap {
            SegmentWalk.newerCheckpoint(in: file.view.dropFirst($0), key, than: walk.tree.size)
        }
        return SegmentOutcome(
            tree: walk.tree, covered: walk.covered, checkpoints: walk.checkpoints, records: walk.records,
            observed: observed, missingKey: auditKeys != nil && auditKey == nil ? header.keyID : nil, end: end,
            rest: rest, newer: newer?.size)
    }

    /// All segments, side by side on as many threads as there are cores. What lies behind the first that does not hold may be missing.
    func walkAll() -> [Int: Result<SegmentOutcome, LogFault>] {
        guard segments.count > 1 else { return [:] }
        let state = Lock(SideBySide(last: segments.count - 1))
        // Indexes are handed out in order, so all before the first fault were begun.
        DispatchQueue.concurrentPerform(iterations: segments.count) { index in
            guard state.withLock({ index <= $0.last }) else { return }
            let outcome = Result { () throws(LogFault) in try walk(index) }
            let isLast = !holds(index, outcome)
            state.withLock {
                $0.outcomes[index] = outcome
                if isLast { $0.last = min($0.last, index) }
            }
        }
        return state.withLock { $0.outcomes }
    }

    private struct SideBySide: Sendable {
        var outcomes: [Int: Result<SegmentOutcome, LogFault>] = [:]
        /// The first segment that does not hold: no other one needs to be walked.
        var last: Int

        init(last: Int) { self.last = last }
    }

    /// Whether verifying can go on behind this segment.
    private func holds(_ index: Int, _ outcome: Result<SegmentOutcome, LogFault>) -> Bool {
        guard case .success(let outcome) = outcome, outcome.newer == nil, outcome.observed.wrong == nil,
            index == segments.count - 1 || segments[index + 1].header.range == outcome.tree
        else { return false }
        if case .whole = outcome.end { return true }
        return false
    }

    /// How many bytes count: what the next header says, of the last segment all.
    private func limit(_ index: Int, fileBytes: Int) throws(LogFault) -> Int {
        guard index < segments.count - 1 else { return fileBytes }
        let length = segments[index + 1].header.previousLength
        guard length >= UInt64(segments[index].header.byteCount), length <= UInt64(fileBytes) else {
            throw .fault(
                Finding(
                    "the next header says that \(length) bytes of it count; it has \(fileBytes)",
                    file: segments[index].name))
        }
        return Int(length)
    }
}

extension LogFiles {
    func readOrFault(_ name: String, _ bytesMax: Int) throws(LogFault) -> OwnedBytes {
        do throws(UnreadableFile) { return try read(name, bytesMax) } catch { throw .unreadable(error) }
    }
}
