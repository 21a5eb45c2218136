// Enters: a purpose, or a ring. Leaves: a ring with one more key.
import ArgumentParser
import Foundation
import Keyrings

struct KeyGenerateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "generate", abstract: "Make a ring, or add a key to one.",
        usage: """
            vencejo key generate --purpose <purpose> --ring <dir> [--kid <kid>]
                  [--from <file>] [--output <output>]
            """,
        discussion: """
            Where there is no ring yet, its folder is made, and its first key, which is active. Else the key is added in state \
            verify: it opens and verifies, and makes nothing until "vencejo key activate".

            A key is 32 bytes of the system's random generator. Files get the mode 0600, or that of the ring's keyring.json.

            Examples:
              vencejo key generate --purpose audit --ring keys/audit
              vencejo key generate --purpose verify --ring keys/verify \\
                  --kid billing-2 --from billing/sign/billing-2.key
              vencejo key generate --purpose model --ring keys/model --from model.pem
            """)

    @Option(help: "What the keys are for.") var purpose: KeyPurpose
    @OptionGroup var ring: RingOptions
    @OptionGroup var key: NewKeyOptions
    @OptionGroup var options: OutputOptions

    func run() throws {
        var editor = try KeyringEditor.opened(ring.path, purpose: purpose)
        let isNew = editor.document == nil
        let entry = try key.add(to: &editor)
        let words = "\(entry.kid) (\(entry.algorithm.rawValue), \(entry.state.rawValue))"
        guard isNew else { return editor.tell(["added the key \(words) to the ring \(editor.path)"], options) }
        editor.tell(
            [
                "made the ring \(editor.path) for \(purpose.rawValue), with the key \(words)",
                "bring the folder to every process that uses it",
            ], options)
    }
}

struct KeyRotateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rotate", abstract: "Begin a rotation: add a key in state verify.",
        usage: """
            vencejo key rotate --ring <dir> [--kid <kid>] [--from <file>]
                  [--output <output>]
            """,
        discussion: """
            The active key stays active until "vencejo key activate". One rotation at a time: while a key waits to be activated \
            no other is added.

            Examples:
              vencejo key rotate --ring keys/audit
              vencejo key rotate --ring keys/audit --kid audit-2027
            """)

    @OptionGroup var ring: RingOptions
    @OptionGroup var key: NewKeyOptions
    @OptionGroup var options: OutputOptions

    func run() throws {
        var editor = try KeyringEditor.opened(ring.path)
        if let step = editor.document?.nextStep(ring: editor.path), step.kind == .activate {
            throw Failure(
                code: .failed,
                sentence:
                    "a rotation of the ring \(editor.path) is under way, and the key \(step.kid ?? "") waits to be active; run: "
                    + step.command)
        }
        let entry = try key.add(to: &editor)
        editor.tell(
            [
                "added the key \(entry.kid) (\(entry.algorithm.rawValue), \(entry.state.rawValue)) to the ring \(editor.path)",
                "bring the folder to every process that uses it",
            ], options)
    }
}
