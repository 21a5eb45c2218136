// Enters: a key of a ring. Leaves: the ring with that key in its next state.
import ArgumentParser
import Foundation
import Keyrings

struct KeyActivateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "activate", abstract: "Make a key the active one of its ring.",
        discussion: """
            The key must be in state verify, and every process must have loaded it: one that has not refuses what the key makes. The \
            key that was active is in state verify then: what it made is still opened and verified.

            Examples:
              vencejo key activate 20270101-5f3a9c --ring keys/audit
            """)

    @Argument(help: ArgumentHelp("The key's name.", valueName: "kid")) var kid: String
    @OptionGroup var ring: RingOptions
    @OptionGroup var options: OutputOptions

    func run() throws {
        var editor = try KeyringEditor.opened(ring.path)
        let old: String
        do throws(KeyringError) { old = try editor.activate(kid, at: .now) } catch { throw error.failure }
        editor.tell(
            [
                "the key \(kid) is active; \(old), which was, is in state verify",
                "bring the folder to every process that uses it",
            ], options)
    }
}

struct KeyRetireCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "retire", abstract: "Revoke a key; once revoked, delete it.",
        discussion: """
            A key in state verify is revoked: what it made is refused from then on. A key that is revoked is deleted, with its \
            file: what only it decrypts is lost. An active key is not retired; activate another one first.

            Examples:
              vencejo key retire 20260101-0c41d7 --ring keys/audit
            """)

    @Argument(help: ArgumentHelp("The key's name.", valueName: "kid")) var kid: String
    @OptionGroup var ring: RingOptions
    @OptionGroup var options: OutputOptions

    func run() throws {
        var editor = try KeyringEditor.opened(ring.path)
        let retirement: KeyringEditor.Retirement
        do throws(KeyringError) { retirement = try editor.retire(kid) } catch { throw error.failure }
        let sentence =
            switch retirement {
            case .revoked: "the key \(kid) is revoked"
            case .deleted: "the key \(kid) and its file are deleted"
            }
        editor.tell([sentence, "bring the folder to every process that uses it"], options)
    }
}
