// Enters: a log, and what is asked for. Leaves: a report, and its JSON taken apart.
import Audit
import AuditReports
import Cryptography
import Foundation
import Memory

let period = (since: SampleLog.start, until: SampleLog.start + 3_600_000_000_000)

/// A report on one log.
func report(
    _ files: LogFiles, _ profile: ReportProfile, since: UInt64 = period.since, until: UInt64 = period.until,
    subject: String? = nil, isHighFrequency: Bool = false, rows: ReportRequest.Rows = .summary,
    pubkey: String? = TestKeys.pubkey, audit: [String: Secret] = TestKeys.audit
) throws -> Report {
    let request = ReportRequest(
        profile: profile, since: since, until: until, subject: subject, isHighFrequency: isHighFrequency, rows: rows)
    let keys = ReportKeys(audit: audit, index: [TestKeys.index], payloads: TestKeys.payloads)
    return try Reporter(request, signers: pubkey.map { try TrustedSigners($0) }, expected: nil, keys: keys)
        .report([files], isOneLog: true, hasProofs: true)
}

struct Document {
    let root: [String: Any]

    init(_ report: Report) throws {
        root = try JSONSerialization.jsonObject(with: Data(report.json)) as? [String: Any] ?? [:]
    }

    var log: [String: Any] { (root["logs"] as? [[String: Any]])?.first ?? [:] }
    var sections: [[String: Any]] { log["sections"] as? [[String: Any]] ?? [] }

    func rows(_ section: String) -> [[String: Any]] {
        sections.first { $0["name"] as? String == section }?["rows"] as? [[String: Any]] ?? []
    }

    /// Of each row of a section the value of a column, as text.
    func values(_ section: String, _ column: String) -> [String] {
        rows(section).map { row in
            ((row["values"] as? [String: Any])?[column]).map { "\($0)" } ?? "absent"
        }
    }
}
