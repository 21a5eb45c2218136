// Enters: a ring. Leaves: its keys without their secrets, and whether a server would load it.
import ArgumentParser
import Foundation
import Keyrings

struct KeyListCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List a ring's keys, never their secrets.",
        discussion: """
            Of checkpoint keys the public key is printed, or with --origin the line that a verifier is given (a vkey of \
            c2sp.org/signed-note); the origin is that of the audit log.

            Examples:
              vencejo key list --ring keys/audit
              vencejo key list --ring keys/checkpoint --origin example.com/4f… -o json
            """)

    @OptionGroup var ring: RingOptions
    @Option(help: ArgumentHelp("Print vkeys for this origin; of checkpoint keys only.", valueName: "name"))
    var origin: String?
    @OptionGroup var options: OutputOptions

    func run() throws {
        if let origin, !CheckpointKey.isOrigin(origin) {
            throw Failure.usage(
                "--origin \"\(printable(origin))\" must be 1 to 255 printable characters of ASCII, without spaces and +"
            )
        }
        let ring: Keyring
        // A list is no promise that a server loads it: that is what check is for.
        let folder = KeyringFolder(path: self.ring.path, purpose: nil, mayBeGroupReadable: true)
        do throws(KeyringError) { ring = try folder.load(at: nil).ring } catch { throw error.failure }
        if origin != nil && ring.purpose != .checkpoint {
            throw Failure.usage(
                "--origin is for rings of checkpoint keys, and \(folder.path) is one for \(ring.purpose.rawValue)")
        }
        let report = KeyReport(ring, path: folder.path, origin: origin)
        switch options.output {
        case .json: print(OutputOptions.json(report))
        case .table: print(report.table)
        }
    }
}

struct KeyCheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check", abstract: "Load a ring as a server would, and say what comes next.",
        usage: """
            vencejo key check <dir> [--purpose <purpose>] [--group-readable]
                  [--output <output>]
            """,
        discussion: """
            The exit code is 0 where the ring would be loaded, else 1, with the reason. Run it as the user that the server runs \
            as, on the machine or in the pod.

            Examples:
              vencejo key check keys/audit
              vencejo key check /etc/vencejo/audit --purpose audit --group-readable
            """)

    @Argument(help: ArgumentHelp("The ring's folder.", valueName: "dir")) var ring: String
    @Option(help: "What the keys must be for. Default: what keyring.json says.") var purpose: KeyPurpose?
    @Flag(help: "Allow files that their group can read, as with an fsGroup of Kubernetes.") var groupReadable = false
    @OptionGroup var options: OutputOptions

    func run() throws {
        let folder = KeyringFolder(
            path: RingOptions.plain(ring), purpose: purpose, mayBeGroupReadable: groupReadable)
        let loaded: KeyringFolder.Loaded
        do throws(KeyringError) { loaded = try folder.load(at: .now) } catch {
            let hint = error.reason == .groupReadable ? " (here: --group-readable)" : ""
            throw Failure(code: .failed, sentence: error.sentence + hint)
        }
        let report = KeyReport(loaded.ring, path: folder.path)
        switch options.output {
        case .json: print(OutputOptions.json(report))
        case .table:
            let count = report.keys.count == 1 ? "1 key" : "\(report.keys.count) keys"
            print("the ring \(folder.path) for \(report.purpose) is good: \(count), \(report.active) is active")
            print(report.table)
            if loaded.isMounted {
                print("it is a volume of Kubernetes; change the folder that its Secret is made from")
            }
            print(report.nextStep.text)
        }
    }
}
