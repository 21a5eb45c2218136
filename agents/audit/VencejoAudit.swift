// Enters: a command line. Leaves: an exit status: of `verify` those of its help, else 0 done, 1 it failed, 4 usage or a file.
import ArgumentParser
import Audit
import Foundation

@main
struct VencejoAudit: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "vencejo-audit",
        abstract: "Keeps the audit log of a vencejo server, and verifies it without trusting us.",
        discussion: """
            An auditor needs the log's folder, the public key of its checkpoints, and checkpoints that were kept away from \
            the log:

              vencejo-audit verify audit --pubkey checkpoint.pub --expect-checkpoint anchors.jsonl
            """,
        version: "0.1.0",
        subcommands: [
            RunCommand.self, VerifyCommand.self, DumpCommand.self, ExportCommand.self, ProveCommand.self,
            OpenCommand.self, CheckCommand.self, ReportCommand.self, EraseCommand.self, HoldCommand.self,
        ])

    static func main() {
        do {
            var command = try parseAsRoot()
            try command.run()
        } catch let code as ExitCode {
            Foundation.exit(code.rawValue)
        } catch let failure as Failure {
            complain(failure.sentence)
            Foundation.exit(failure.status)
        } catch {
            let code = exitCode(for: error)
            if code == .success { exit(withError: error) }
            complain(message(for: error).replacing("\n", with: " "))
            Foundation.exit(VerifyStatus.failed.rawValue)
        }
    }

    static func complain(_ sentence: String) {
        try? FileHandle.standardError.write(contentsOf: Data("vencejo-audit: \(sentence)\n".utf8))
    }
}

/// A command that ends without having done what it was asked.
struct Failure: Error {
    var status = VerifyStatus.failed.rawValue
    /// What is wrong, with what value, and what to do.
    let sentence: String
}
