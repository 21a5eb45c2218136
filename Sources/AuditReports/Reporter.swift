// Enters: logs, keys, and what is asked for. Leaves: a report, with a proof of each row if it is wanted.
public import Audit
internal import Cryptography
internal import Memory

/// Why there is no report.
public enum ReportError: Error, Equatable, Sendable {
    case unreadable(UnreadableFile)
    /// The log of this name was another one when its proofs were made.
    case changed(String)

    public var sentence: String {
        switch self {
        case .unreadable(let file): file.sentence
        case .changed(let name): "\(name) changed while it was read; run the report again"
        }
    }
}

/// Makes reports (TRUST 4.6).
public struct Reporter: Sendable {
    private static let progressEntries: UInt64 = 1 << 16

    private let request: ReportRequest
    private let keys: ReportKeys
    private let verifier: Verifier

    public init(
        _ request: ReportRequest, signers: TrustedSigners?, expected: ExpectedCheckpoints?, keys: ReportKeys
    ) {
        (self.request, self.keys) = (request, keys)
        verifier = Verifier(signers: signers, expected: expected, auditKeys: keys.audit)
    }

    /// Reads the logs once, and a second time for proofs.
    /// - Parameters:
    ///   - logs: one, or those of a folder.
    ///   - progress: now and then gets how many entries were read.
    public func report(
        _ logs: [LogFiles], isOneLog: Bool, hasProofs: Bool, progress: @escaping (UInt64) -> Void = { _ in }
    ) throws(ReportError) -> Report {
        let subject = request.subject.map { SubjectKeys($0, keys) }
        var collectors: [String: LogCollector] = [:]
        var entries: UInt64 = 0
        func visit(_ entry: LogEntry, _ header: SegmentHeader) {
            let collector = collectors[header.logID.hex] ?? LogCollector(request, subject)
            collectors[header.logID.hex] = collector
            collector.visit(entry, header)
            entries += 1
            if entries % Self.progressEntries == 0 { progress(entries) }
        }
        let verification: VerifyReport
        do throws(UnreadableFile) {
            verification =
                isOneLog ? try verifier.verify(logs[0], visit: visit) : try verifier.verify(folder: logs, visit: visit)
        } catch {
            throw .unreadable(error)
        }
        var evidence = verification.logs.map { log in
            LogEvidence(log, log.origin.flatMap { collectors[$0.idHex] } ?? LogCollector(request, subject))
        }
        if hasProofs {
            for index in evidence.indices {
                guard let files = logs.first(where: { $0.name == evidence[index].report.name }) else { continue }
                try evidence[index].prove(files)
            }
        }
        return Report(
            request: request, verification: verification, logs: evidence,
            payloadMonths: payloadMonths(evidence, subject))
    }

    /// Of the file of payload keys, for the profile that asks for them.
    private func payloadMonths(_ logs: [LogEvidence], _ subject: SubjectKeys?) -> [PayloadMonth]? {
        guard request.profile == .gdpr, let keys = keys.payloads else { return nil }
        let oldest = logs.compactMap { $0.lastRetention?.number(RetentionField.oldestPeriod) }.max() ?? 0
        let own = keys.filter { subject?.pseudonyms.contains($0.subject) ?? true }
        return Dictionary(grouping: own, by: \.month).map { month, keys in
            PayloadMonth(
                month: UInt64(month), keys: UInt64(keys.count), held: UInt64(keys.count(where: \.isHeld)),
                isDue: oldest == 0 ? nil : UInt64(month) < oldest)
        }.sorted { $0.month < $1.month }
    }
}

/// A month of which payloads can be read.
struct PayloadMonth: Sendable {
    /// As yyyymm.
    let month: UInt64
    let keys: UInt64
    let held: UInt64
    /// It lies before the oldest one that the log's last retention left. `nil`: there was none.
    let isDue: Bool?
}

/// What one log says.
struct LogEvidence: Sendable {
    let report: LogReport
    let firstHeader: SegmentHeader?
    let closed: UInt64
    let unreadable: UInt64
    let sections: [ReportSection]
    let clock: ClockSummary
    let lastRetention: EventRecord?
    /// c2sp.org/tlog-proof@v1 by index, of the entries that a checkpoint covers.
    private(set) var proofs: [UInt64: String] = [:]

    init(_ report: LogReport, _ collector: LogCollector) {
        self.report = report
        sections = collector.finish()
        (firstHeader, closed, unreadable) = (collector.firstHeader, collector.closed, collector.unreadable)
        (clock, lastRetention) = (collector.clock, collector.lastRetention)
    }

    /// The rows' entries with their leaf hashes.
    private var entries: [UInt64: Digest] {
        let rows = sections.flatMap(\.rows)
        let all = rows.map(\.entry) + rows.compactMap(\.related)
        return Dictionary(all.map { ($0.index, $0.leafHash) }) { first, _ in first }
    }

    /// Reads the log again. Errors: `changed`: its leaves are not those of the checkpoint any more.
    mutating func prove(_ files: LogFiles) throws(ReportError) {
        guard let newest = report.newest, let start = firstHeader?.range else { return }
        let (checkpoint, leaves) = (newest.checkpoint, entries.filter { $0.key < newest.checkpoint.size })
        guard !leaves.isEmpty else { return }
        var paths = InclusionPaths(of: leaves.keys, in: checkpoint.size, behind: start)
        var bytes: [UInt64: [UInt8]] = [:]
        do throws(UnreadableFile) {
            _ = try Verifier(signers: nil, expected: nil, auditKeys: nil).read(files) { entry, _ in
                paths.append(entry.leafHash)
                if leaves[entry.index] == entry.leafHash { bytes[entry.index] = entry.bytes.array }
            }
        } catch {
            throw .unreadable(error)
        }
        for (index, leaf) in leaves {
            guard let entry = bytes[index], let hashes = paths.hashes(of: index),
                MerkleTree.includes(
                    leaf, at: index, size: checkpoint.size, root: checkpoint.root, proof: hashes)
            else { throw .changed(report.name) }
            proofs[index] = InclusionProof(entry: entry, index: index, hashes: hashes, note: newest.note).text
        }
    }
}
