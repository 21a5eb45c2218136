// Enters: what verifying and reading found. Leaves: what both forms of a report say of it.
public import Audit

/// A report: evidence for one regime from one period.
public struct Report: Sendable {
    let request: ReportRequest
    let verification: VerifyReport
    let logs: [LogEvidence]
    let payloadMonths: [PayloadMonth]?

    /// As that of `vencejo-audit verify`.
    public var status: VerifyStatus { verification.status }

    var regime: String { request.profile.description.regime }

    var purpose: String {
        "This report is evidence for a regime: what a log says of a period, and where each row can be checked. It is no "
            + "certificate of compliance."
    }

    var retention: RetentionFinding { RetentionFinding(self) }
}

/// How far back the logs reach, beside what is asked for.
struct RetentionFinding {
    /// The creation of the oldest segment that is here; `nil`: none is.
    let begins: UInt64?
    /// Nothing came before: it is the first segment of the first log.
    let isComplete: Bool
    let reachesSince: Bool
    /// `nil`: the regime sets no minimum.
    let keepsMinimum: Bool?
    let minimum: ProfileDescription.Retention?

    init(_ report: Report) {
        let first = report.logs.first { $0.firstHeader != nil }?.firstHeader
        begins = first?.created
        isComplete = first.map { $0.logID.number == 0 && $0.sequence == 0 } ?? false
        let (begins, isComplete) = (begins ?? .max, isComplete)
        reachesSince = begins <= report.request.since
        minimum = report.request.profile.description.retention
        keepsMinimum = minimum.map { minimum in
            isComplete || begins <= Timestamp.subtracting(months: minimum.months, from: report.request.until)
        }
    }

    var sentences: [String] {
        guard let begins else { return ["No log is here."] }
        let before = isComplete ? "nothing was before" : "what was before is pruned, or is not here"
        let minimum = keepsMinimum.map { keeps in
            "The regime wants \(self.minimum?.words ?? "") kept: of those before --until "
                + (keeps ? "nothing was pruned." : "**some are pruned, or are not here.**")
        }
        return [
            "The oldest entry is of \(Timestamp.text(begins)); \(before).",
            reachesSince ? "The log reaches back to --since." : "The log does **not** reach back to --since.",
            minimum ?? "The regime sets no minimum of its own.",
        ]
    }
}
