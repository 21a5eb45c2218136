// Enters: logs, public keys, checkpoints from elsewhere. Leaves: whether the logs are whole, as text, JSON and an exit status.
import ArgumentParser
import Audit
import Cryptography
import Foundation

struct VerifyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Say whether a log is whole.",
        discussion: """
            Without --keys the contents of records are not looked at, and everything else is. Without --expect-checkpoint it \
            cannot be seen that whole segments are gone from the end: keep the anchor file, or the lines that the agent \
            prints, away from the log.

            Exit status: 0 whole; 1 tampered with or broken; 2 unclean (a crash, or the log is being written), or entries \
            that no checkpoint covers; 3 not verifiable, for --pubkey or a key of --keys is missing; 4 a command line, a file \
            or a line of one is wrong.
            """)

    @Argument(help: ArgumentHelp("One log's folder, or a folder of logs.", valueName: "dir")) var folder: String
    @OptionGroup var trust: TrustOptions
    @Option(help: ArgumentHelp("The audit ring's folder: look at the contents too.", valueName: "dir")) var keys:
        String?
    @Flag(help: "Print the report as JSON.") var json = false

    func run() throws {
        let (signers, expected) = try trust.read()
        let auditKeys = try keys.map { try Texts.keys($0, option: "--keys") }
        let folder = try AuditFolder(folder)
        let verifier = Verifier(signers: signers, expected: expected, auditKeys: auditKeys)
        let report: VerifyReport
        do throws(UnreadableFile) {
            report = folder.isOneLog ? try verifier.verify(folder.logs[0]) : try verifier.verify(folder: folder.logs)
        } catch {
            throw Failure(sentence: error.sentence)
        }
        print(json ? report.json : report.text)
        guard report.status == .whole else { throw ExitCode(report.status.rawValue) }
    }
}

/// What an auditor trusts.
struct TrustOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Keys of checkpoints, a line each: base64, or a C2SP verifier key for its origin alone.", valueName: "file")
    )
    var pubkey: String?
    @Option(
        help: ArgumentHelp(
            "A checkpoint, or an anchor file's lines, from outside of the log; with --pubkey.", valueName: "file"))
    var expectCheckpoint: String?

    func read() throws -> (TrustedSigners?, ExpectedCheckpoints?) {
        let signers = try pubkey.map { try Self.signers($0) }
        var expected: ExpectedCheckpoints?
        if let expectCheckpoint {
            guard let signers else {
                throw Failure(
                    sentence: "--expect-checkpoint is only good under a key that is trusted: give --pubkey too")
            }
            let text = try Texts.text(expectCheckpoint, option: "--expect-checkpoint")
            do throws(BadLine) { expected = try ExpectedCheckpoints(text, signers: signers) } catch {
                throw Failure(sentence: "--expect-checkpoint: \(expectCheckpoint), line \(error.line): \(error.reason)")
            }
        }
        return (signers, expected)
    }

    static func signers(_ path: String) throws -> TrustedSigners {
        let text = try Texts.text(path, option: "--pubkey")
        do throws(BadLine) { return try TrustedSigners(text) } catch {
            throw Failure(sentence: "--pubkey: \(path), line \(error.line): \(error.reason)")
        }
    }
}

extension VerifyReport {
    private struct Document: Encodable {
        struct Finding: Encodable {
            let file: String?
            let offset: Int?
            let sentence: String

            init(_ finding: Audit.Finding) {
                (file, offset, sentence) = (finding.file, finding.offset, finding.sentence)
            }
        }
        struct Log: Encodable {
            let name: String
            let origin: String?
            let segments: Int
            let entries: UInt64
            let records: Int
            let checkpoints: Int
            let coveredEntries: UInt64
            let root: String?
            let expectedFound: Int
            let expectedPassedOver: Int
            let faults: [Finding]
            let unclean: [Finding]
            let missingKeys: [String]
            let notes: [Finding]
        }
        let schema = 1
        let status: String
        let exit: Int32
        let logs: [Log]
        let faults: [Finding]
        let expectedPassedOver: Int
    }

    var json: String {
        let logs = logs.map { log in
            Document.Log(
                name: log.name, origin: log.origin?.text, segments: log.segments, entries: log.entries,
                records: log.records, checkpoints: log.checkpoints, coveredEntries: log.covered, root: log.root?.hex,
                expectedFound: log.expectedFound, expectedPassedOver: log.expectedPassedOver,
                faults: log.faults.map(Document.Finding.init), unclean: log.unclean.map(Document.Finding.init),
                missingKeys: log.missingKeys.sorted(), notes: log.notes.map(Document.Finding.init))
        }
        let document = Document(
            status: "\(status)", exit: status.rawValue, logs: logs, faults: faults.map(Document.Finding.init),
            expectedPassedOver: expectedPassedOver)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        encoder.keyEncodingStrategy = .convertToSnakeCase
        guard let data = try? encoder.encode(document) else { preconditionFailure("a report of ours has no JSON") }
        return String(decoding: data, as: UTF8.self)
    }

    var text: String {
        var lines: [String] = []
        for log in logs {
            lines.append("\(log.name): \(log.origin.map { "\($0)" } ?? "no segment")")
            lines.append(
                "  \(log.entries) entries in \(log.segments) segments, \(log.records) of them records; "
                    + "\(log.checkpoints) checkpoints cover \(log.covered)")
            if log.expectedFound + log.expectedPassedOver > 0 {
                lines.append(
                    "  expected checkpoints: \(log.expectedFound) hold, \(log.expectedPassedOver) are of pruned entries"
                )
            }
            lines += log.faults.map { "  TAMPERED \($0.line)" } + log.unclean.map { "  unclean  \($0.line)" }
            lines += log.missingKeys.sorted().map { "  no key   \($0): its segments were not opened" }
            lines += log.notes.map { "  note     \($0.line)" }
            if log.faults.isEmpty && log.isUncovered {
                lines.append("  unclean  no checkpoint covers the last \(log.entries - log.covered) entries")
            }
        }
        lines += faults.map { "TAMPERED \($0.line)" }
        if logs.isEmpty { lines.append("no log is here") }
        if !hasSigners { lines.append("give --pubkey: without it anybody could have made this log") }
        return (lines + ["\(status)"]).joined(separator: "\n")
    }
}

extension Finding {
    fileprivate var line: String {
        guard let file else { return sentence }
        return "\(file)\(offset.map { ", byte \($0)" } ?? ""): \(sentence)"
    }
}
