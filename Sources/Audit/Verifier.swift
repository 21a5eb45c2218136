// Enters: the files of logs, and what an auditor brings. Leaves: whether the logs are whole.
public import Cryptography
internal import Memory

/// Verifies logs as TRUST 4.1 says, "Verify", steps 1 to 7; without a key it looks at everything but the plaintexts.
public struct Verifier: Sendable {
    private let signers: TrustedSigners?
    private let expected: [Checkpoint]
    /// By key id; `nil`: plaintexts are not looked at.
    private let auditKeys: [String: Secret]?

    public init(signers: TrustedSigners?, expected: ExpectedCheckpoints?, auditKeys: [String: Secret]?) {
        (self.signers, self.expected, self.auditKeys) = (signers, expected?.checkpoints ?? [], auditKeys)
    }

    /// DIR is one log's folder.
    /// - Parameter visit: gets its entries in order, for as long as they hold.
    public func verify(
        _ log: LogFiles, visit: ((LogEntry, SegmentHeader) -> Void)? = nil
    ) throws(UnreadableFile) -> VerifyReport {
        var report = VerifyReport(hasSigners: signers != nil)
        report.logs = [try verifyLog(log, visit)]
        for checkpoint in expected where checkpoint.origin != report.logs[0].origin {
            if report.logs[0].origin == nil {
                report.faults.append(
                    Finding("a checkpoint of \(checkpoint.size) entries is expected, and no log is here"))
            } else {
                report.expectedPassedOver += 1
            }
        }
        return report
    }

    /// DIR is a folder of logs, those whose names are that of a log.
    /// - Parameter visit: gets the entries of one log after another, each in order, for as long as they hold.
    public func verify(
        folder logs: [LogFiles], visit: ((LogEntry, SegmentHeader) -> Void)? = nil
    ) throws(UnreadableFile) -> VerifyReport {
        var report = VerifyReport(hasSigners: signers != nil)
        let logs = logs.filter { LogID.isFolderName($0.name) }.sorted { $0.name < $1.name }
        for log in logs { report.logs.append(try verifyLog(log, visit)) }
        let numbers = logs.map { LogID.number(ofFolder: $0.name) }
        for (number, next) in zip(numbers, numbers.dropFirst()) where next != number + 1 {
            let what = next == number ? "two logs have the number \(next)" : "log \(number + 1) is missing"
            report.faults.append(Finding(what))
        }
        let oldest = report.logs.map(\.coveredOldestLog).max() ?? 0
        if let first = numbers.first, first > Int(oldest) {
            report.faults.append(
                Finding(
                    "logs before number \(first) are missing, and no checkpoint covers a header that says they are pruned"
                ))
        }
        let origins = Set(report.logs.compactMap(\.origin))
        for checkpoint in expected where !origins.contains(checkpoint.origin) {
            if checkpoint.origin.number < Int(oldest) {
                report.expectedPassedOver += 1
            } else {
                report.faults.append(
                    Finding("a checkpoint of \(checkpoint.origin) is expected, and that log is not here"))
            }
        }
        return report
    }

    /// One log's entries, in order, for as long as they hold.
    public func read(
        _ log: LogFiles, visit: @escaping (LogEntry, SegmentHeader) -> Void
    ) throws(UnreadableFile) -> LogReport { try verifyLog(log, visit) }

    private func verifyLog(
        _ log: LogFiles, _ visit: ((LogEntry, SegmentHeader) -> Void)?
    ) throws(UnreadableFile) -> LogReport {
        var verification = LogVerification(
            log, signers: signers, expected: expected, auditKeys: auditKeys, visit: visit)
        try verification.run()
        return verification.report
    }
}
