// Enters: one log's files. Leaves: a report on them.
internal import Cryptography
internal import Memory

/// Verifies one log: headers first, then its segments in order. A fault ends it.
struct LogVerification {
    private(set) var report: LogReport
    private let log: LogFiles
    private let signers: TrustedSigners?
    private let auditKeys: [String: Secret]?
    private let expected: [Checkpoint]
    private let visit: ((LogEntry, SegmentHeader) -> Void)?
    private var segments: [HeadedSegment] = []
    private var observed = Observations([])

    init(
        _ log: LogFiles, signers: TrustedSigners?, expected: [Checkpoint], auditKeys: [String: Secret]?,
        visit: ((LogEntry, SegmentHeader) -> Void)?
    ) {
        (self.log, self.signers, self.expected, self.auditKeys) = (log, signers, expected, auditKeys)
        self.visit = visit
        report = LogReport(name: log.name)
    }

    mutating func run() throws(UnreadableFile) {
        do throws(LogFault) {
            try readHeaders()
            guard let first = segments.first?.header else { return }
            try checkChain()
            var tree = first.range
            try join(&tree)
            report.root = tree.root
            report.start = first.range
            try checkEnd(tree)
        } catch {
            switch error {
            case .fault(let finding): report.faults.append(finding)
            case .unreadable(let file): throw file
            }
        }
    }

    // MARK: Steps 1 to 3

    /// Step 1. What is passed over is left out of `segments`.
    private mutating func readHeaders() throws(LogFault) {
        let sequences: [UInt64]
        do throws(ForeignName) { sequences = try log.sequences() } catch {
            throw .fault(Finding("the name is neither a segment's nor that of one torn at birth", file: error.name))
        }
        for (index, sequence) in sequences.enumerated() {
            let name = LogFiles.name(of: sequence)
            if index > 0, sequence != sequences[index - 1] + 1 {
                throw .fault(Finding("segment \(sequences[index - 1] + 1) is missing", file: name))
            }
            let isLast = index == sequences.count - 1
            guard let header = try readHeader(name, isLast: isLast) else { continue }
            guard header.sequence == sequence else {
                throw .fault(Finding("the header is that of segment \(header.sequence)", file: name))
            }
            try checkIdentity(header, name)
            segments.append(HeadedSegment(name: name, header: header))
        }
        report.segments = segments.count
        report.origin = segments.first?.header.origin
    }

    /// - Returns: `nil`: a last file that was torn at its birth.
    private mutating func readHeader(_ name: String, isLast: Bool) throws(LogFault) -> SegmentHeader? {
        let file = try log.readOrFault(name, SegmentHeader.byteCountMax + 1)
        defer { withExtendedLifetime(file) {} }
        guard let header = SegmentHeader(file.view) else {
            guard isLast && file.view.count <= SegmentHeader.byteCountMax else {
                throw .fault(Finding("it does not begin with a segment's header", file: name))
            }
            report.unclean.append(Finding("it was torn when it was begun; nothing of it counts", file: name))
            return nil
        }
        guard let keys = keys(header), keys.commitment != header.commitment else { return header }
        guard isLast && file.view.count == header.byteCount else {
            throw .fault(Finding("its header was not made with the audit key \(header.keyID)", file: name))
        }
        report.unclean.append(Finding("its header was torn when it was begun; nothing of it counts", file: name))
        return nil
    }

    private func checkIdentity(_ header: SegmentHeader, _ name: String) throws(LogFault) {
        let first = segments.first?.header ?? header
        guard header.logID == first.logID else { throw .fault(Finding("it is of log \(header.logID.hex)", file: name)) }
        guard header.origin == first.origin else {
            throw .fault(Finding("its origin is \(header.origin), before it was \(first.origin)", file: name))
        }
        guard header.origin.idHex == header.logID.hex else {
            throw .fault(Finding("its origin does not end in its log's id", file: name))
        }
        guard !LogID.isFolderName(log.name) || log.name == header.logID.folderName else {
            throw .fault(Finding("its log's folder should be called \(header.logID.folderName)", file: name))
        }
        guard let signers, !signers.trusts(header.publicKey, for: header.origin) else { return }
        throw .fault(Finding("its checkpoints are signed by a key that --pubkey does not have", file: name))
    }

    /// Step 2, and of step 3 what headers say of each other.
    private func checkChain() throws(LogFault) {
        var (oldest, oldestLog) = (UInt64(0), UInt32(0))
        for (index, segment) in segments.enumerated() {
            let header = segment.header
            if header.sequence == 0, header.first != 0 || header.previousLength != 0 || header.oldest != 0 {
                throw .fault(Finding("segment 0 has entries, bytes or segments before it", file: segment.name))
            }
            guard header.oldest <= header.sequence, index == 0 || header.oldest >= oldest else {
                throw .fault(
                    Finding("the oldest segment that its header names is \(header.oldest)", file: segment.name))
            }
            guard Int(header.oldestLog) <= header.logID.number, index == 0 || header.oldestLog >= oldestLog else {
                throw .fault(Finding("the oldest log that its header names is \(header.oldestLog)", file: segment.name))
            }
            (oldest, oldestLog) = (header.oldest, header.oldestLog)
        }
    }

    // MARK: Steps 3 to 7

    /// Takes the segments in order. Where nothing wants their entries, they were walked side by side before.
    private mutating func join(_ tree: inout CompactRange) throws(LogFault) {
        let unobserved = Observations(expected.filter { $0.origin == report.origin })
        observed = unobserved
        observed.compare(tree)
        let verification = SegmentVerification(
            log: log, segments: segments, unobserved: unobserved, auditKeys: auditKeys)
        let outcomes = visit == nil ? verification.walkAll() : [:]
        for index in segments.indices {
            let segment = segments[index]
            guard segment.header.range == tree else {
                throw .fault(
                    Finding("its header continues another log: \(tree.size) entries are before it", file: segment.name))
            }
            let outcome: SegmentOutcome
            if let walked = outcomes[index] {
                outcome = try walked.get()
            } else {
                outcome = try verification.walk(index, visit: visit)
            }
            tree = outcome.tree
            try join(outcome, segment, isLast: index == segments.count - 1)
        }
    }

    private mutating func join(
        _ outcome: SegmentOutcome, _ segment: HeadedSegment, isLast: Bool
    ) throws(LogFault) {
        if let kid = outcome.missingKey { report.missingKeys.insert(kid) }
        observed.add(outcome.observed)
        report.entries = outcome.tree.size
        report.records += outcome.records
        report.checkpoints += outcome.checkpoints
        if let covered = outcome.covered {
            (report.newest, report.covered) = (covered, covered.checkpoint.size)
            (report.coveredOldest, report.coveredOldestLog) = (segment.header.oldest, segment.header.oldestLog)
        }
        if let wrong = observed.wrong {
            throw .fault(Finding("an expected checkpoint of \(wrong) entries has another root", file: segment.name))
        }
        try settle(outcome, segment.name, isLast: isLast)
    }

    /// Steps 4 and 5: what the end of a segment's walk means.
    private mutating func settle(_ outcome: SegmentOutcome, _ name: String, isLast: Bool) throws(LogFault) {
        switch outcome.end {
        case .tampered(let at, let reason): throw .fault(Finding(reason, file: name, offset: at))
        case .damaged(let at, let fault):
            guard isLast else { throw .fault(Finding(fault.sentence, file: name, offset: at)) }
            report.unclean.append(Finding(fault.sentence, file: name, offset: at))
        case .whole(let isSealed, let isClosed):
            if isLast, !isClosed {
                report.unclean.append(Finding("it is not closed: no seal and checkpoint end it", file: name))
            }
            if !isLast, !isSealed { report.notes.append(Finding("it ended without a seal: a crash", file: name)) }
            guard let rest = outcome.rest else { return }
            report.notes.append(
                Finding("bytes that do not count follow: a batch that was never acknowledged", file: name, offset: rest)
            )
        }
        guard let newer = outcome.newer else { return }
        throw .fault(
            Finding(
                "a good checkpoint of \(newer) entries follows, and only \(outcome.tree.size) are there", file: name,
                offset: outcome.rest))
    }

    /// Steps 6 and 7, when all entries are known.
    private mutating func checkEnd(_ tree: CompactRange) throws(LogFault) {
        (report.expectedFound, report.notes) = (observed.found, report.notes + observed.findings)
        guard let first = segments.first?.header else { return }
        for checkpoint in expected where checkpoint.origin == first.origin {
            if checkpoint.size > tree.size {
                throw .fault(
                    Finding("a checkpoint of \(checkpoint.size) entries is expected, and \(tree.size) are there"))
            }
            if checkpoint.size < first.first { report.expectedPassedOver += 1 }
        }
        guard first.sequence <= report.coveredOldest else {
            throw .fault(
                Finding(
                    "segments before \(first.sequence) are missing, and no checkpoint covers a header that says they are pruned"
                ))
        }
    }

    private func keys(_ header: SegmentHeader) -> SegmentKeys? {
        guard let key = auditKeys?[header.keyID] else { return nil }
        return SegmentKeys(auditKey: key, committed: header.committed)
    }
}
