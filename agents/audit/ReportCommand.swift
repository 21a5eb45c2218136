// Enters: logs, keys, a profile and a period. Leaves: a report on standard output, as Markdown or JSON.
import ArgumentParser
import Audit
import AuditReports
import Foundation
import Glibc

struct ReportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "report",
        abstract: "Print evidence for a regime from a period of a log.",
        discussion: """
            The report verifies the log as `verify` does and ends with the same exit status. Each row has its index: in \
            Markdown `vencejo-audit prove --index N` gives its proof, with --json the proof is in the document. A moment is \
            RFC 3339 or a date, which is its midnight in UTC; --until does not belong to the period.

            Exit status: 0 whole; 1 tampered with or broken; 2 unclean, or entries that no checkpoint covers; 3 not \
            verifiable, for --pubkey or a key of --keys is missing; 4 a command line, a file or a line of one is wrong.
            """)

    @Argument(help: ArgumentHelp("One log's folder, or a folder of logs.", valueName: "dir")) var folder: String
    @Option(help: "The regime: gdpr, ai-act, mifid2, sox or basel.", transform: named) var profile: ReportProfile
    @Option(help: ArgumentHelp("The period's beginning.", valueName: "time")) var since: String
    @Option(help: ArgumentHelp("The period's end.", valueName: "time")) var until: String
    @Option(help: ArgumentHelp("gdpr: the records of this subject; with --index-keys.", valueName: "id"))
    var subject: String?
    @Option(help: ArgumentHelp("The audit ring's folder.", valueName: "dir")) var keys: String?
    @Option(help: ArgumentHelp("The subject-index ring's folder, with --subject.", valueName: "dir"))
    var indexKeys: String?
    @OptionGroup var payloads: PayloadOptions
    @OptionGroup var trust: TrustOptions
    @Flag(help: "mifid2: the clock must be within 100 µs, not 1 ms.") var highFrequency = false
    @Option(help: "summary: calls grouped, 1000 rows a section; all: every row.", transform: named)
    var rows = ReportRequest.Rows.summary
    @Flag(help: "Print the report as JSON, with a proof of each row.") var json = false

    func run() throws {
        let request = try request()
        let (signers, expected) = try trust.read()
        let reporter = Reporter(request, signers: signers, expected: expected, keys: try reportKeys())
        let logs = try AuditFolder(folder)
        let report: Report
        do throws(ReportError) {
            report = try reporter.report(
                logs.logs, isOneLog: logs.isOneLog, hasProofs: json, progress: Self.progress)
        } catch {
            throw Failure(sentence: error.sentence)
        }
        Self.progress(0)
        if json {
            try? FileHandle.standardOutput.write(contentsOf: Data(report.json + [0x0a]))
        } else {
            print(report.markdown(folder: folder), terminator: "")
        }
        guard report.status == .whole else { throw ExitCode(report.status.rawValue) }
    }

    private func request() throws -> ReportRequest {
        let (since, until) = (try Self.time(since, "--since"), try Self.time(until, "--until"))
        guard since < until else {
            throw Failure(sentence: "--until: \(self.until) must be later than --since, \(self.since)")
        }
        guard subject == nil || profile == .gdpr else {
            throw Failure(sentence: "--subject: only the profile gdpr reports on one subject")
        }
        guard !highFrequency || profile == .mifid2 else {
            throw Failure(sentence: "--high-frequency: only the profile mifid2 has a bound for it")
        }
        return ReportRequest(
            profile: profile, since: since, until: until, subject: subject, isHighFrequency: highFrequency, rows: rows)
    }

    private func reportKeys() throws -> ReportKeys {
        guard let keys else { throw Failure(sentence: "records are encrypted: give --keys, the audit ring's folder") }
        guard subject == nil || (indexKeys != nil && payloads.payloadKeys != nil) else {
            throw Failure(
                sentence:
                    "--subject: a subject's records are found by keys: give --index-keys, --payload-keys, --store-keys")
        }
        return ReportKeys(
            audit: try Texts.keys(keys, option: "--keys"),
            index: try indexKeys.map { Array(try Texts.keys($0, option: "--index-keys").values) } ?? [],
            payloads: try payloads.keys())
    }

    private static func time(_ text: String, _ option: String) throws -> UInt64 {
        guard let time = Timestamp.parse(text) else {
            throw Failure(
                sentence:
                    "\(option): \(text) is neither a date such as 2026-07-28 nor RFC 3339 such as 2026-07-28T12:00:00Z, between 1970 and 2500"
            )
        }
        return time
    }

    /// Only for people: a script's log is spared. 0 clears the line.
    private static func progress(_ entries: UInt64) {
        guard isatty(STDERR_FILENO) == 1 else { return }
        let words = entries == 0 ? "" : "vencejo-audit: \(entries) entries"
        try? FileHandle.standardError.write(contentsOf: Data("\r\(words)\u{1b}[K".utf8))
    }
}

/// The value that the command line spells. Errors: there is no such value; the sentence lists those that there are.
private func named<Value: RawRepresentable<String> & CaseIterable>(_ text: String) throws -> Value {
    guard let value = Value(rawValue: text) else {
        throw ValidationError("must be one of \(Value.allCases.map(\.rawValue).joined(separator: ", "))")
    }
    return value
}
