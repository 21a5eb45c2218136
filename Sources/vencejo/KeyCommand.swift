// Enters: a ring's folder. Leaves: what the commands for keys share: options, failures, the ring as text and as JSON.
public import ArgumentParser
import Foundation
public import Keyrings

struct KeyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "key",
        abstract: "Make, rotate and check keys: of the audit log, of requests, of models.",
        discussion: """
            A ring is a folder with the keys of one purpose: KID.key for each key, and keyring.json, which says by which \
            algorithm and in which state it is used. Servers, agents and clients load a ring as a whole or not at all, and load \
            it anew when it changes.

            Purposes:
              audit          encrypts the audit log
              subject-store  encrypts the file of payload keys
              subject-index  names subjects in that file
              checkpoint     signs the audit log's checkpoints
              sign           signs requests, at the client
              verify         verifies requests, at the server; holds the clients' keys
              artifact       wraps the keys of sealed models
              model          verifies signed models; holds public keys (PEM)

            A rotation, each step when every process has loaded the ring of the step before ("vencejo key check" says which step \
            comes next, and what must have happened before it):
              vencejo key rotate --ring DIR          adds a key in state verify
              vencejo key activate KID --ring DIR    the old one is in state verify now
              vencejo key retire OLD --ring DIR      revokes it
              vencejo key retire OLD --ring DIR      deletes it

            In Kubernetes the folder becomes a Secret:
              kubectl create secret generic NAME --from-file=DIR
            """,
        subcommands: [
            KeyGenerateCommand.self, KeyListCommand.self, KeyRotateCommand.self, KeyActivateCommand.self,
            KeyRetireCommand.self, KeyCheckCommand.self,
        ])
}

extension KeyPurpose: ExpressibleByArgument {}

/// What the commands take that change a ring or list it.
struct RingOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The ring's folder.", valueName: "dir")) var ring: String

    var path: String { Self.plain(ring) }

    /// Without slashes at the end.
    static func plain(_ path: String) -> String {
        var path = path
        while path.count > 1, path.hasSuffix("/") { path.removeLast() }
        return path
    }
}

/// What the commands take that add a key.
struct NewKeyOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The key's name. Default: the day and six digits.", valueName: "kid")) var kid: String?
    @Option(
        help: ArgumentHelp(
            "Take the key from this file, instead of making one: a client's sign key for verify, a PEM public key for model.",
            valueName: "file"))
    var from: String?

    func add(to editor: inout KeyringEditor) throws(Failure) -> KeyringDocument.Entry {
        if let kid, !KeyID.isValid(kid) {
            throw .usage(
                "--kid \(quotedArgument(kid)) must be 1 to \(KeyID.bytesMax) of A-Z a-z 0-9 . _ - and begin with a letter or a digit"
            )
        }
        var random = SystemRandomNumberGenerator()
        let name = kid ?? KeyID.new(at: .now, using: &random)
        do throws(KeyringError) { return try editor.add(name, from: from) } catch { throw error.failure }
    }

    private func quotedArgument(_ text: String) -> String { "\"\(printable(text))\"" }
}

extension UTCTime {
    static var now: UTCTime { UTCTime(seconds: Int64(Date.now.timeIntervalSince1970)) }
}

extension KeyringError {
    var failure: Failure { Failure(code: .failed, sentence: sentence) }
}

extension KeyringEditor {
    /// `purpose`: as of `KeyringEditor.init`.
    static func opened(_ path: String, purpose: KeyPurpose? = nil) throws(Failure) -> KeyringEditor {
        do throws(KeyringError) { return try KeyringEditor(path: path, purpose: purpose) } catch { throw error.failure }
    }

    /// Prints what was done, and what comes next.
    func tell(_ sentences: [String], _ options: OutputOptions) {
        guard let document else { return }
        var report = KeyReport(document, ring: path)
        report.done = sentences
        switch options.output {
        case .json: print(OutputOptions.json(report))
        case .table: print((sentences + [report.nextStep.text]).joined(separator: "\n"))
        }
    }
}

/// A ring without its secrets.
struct KeyReport: Encodable {
    struct Key: Encodable {
        let kid: String
        let alg: String
        let state: String
        let notBefore: String?
        let notAfter: String?
        /// Of checkpoint keys: base64.
        var publicKey: String?
        /// Of checkpoint keys, with an origin.
        var vkey: String?
    }

    struct Step: Encodable {
        let step: String
        let kid: String?
        let when: String
        let command: String

        var text: String { "next: \(when):\n  \(command)" }
    }

    let schema = 1
    let ring: String
    let purpose: String
    let active: String
    var keys: [Key]
    /// What the command did.
    var done: [String]?
    let nextStep: Step

    init(_ document: KeyringDocument, ring: String) {
        self.ring = ring
        purpose = document.purpose.rawValue
        active = document.active
        keys = document.entries.map { entry in
            Key(
                kid: entry.kid, alg: entry.algorithm.rawValue, state: entry.state.rawValue,
                notBefore: entry.notBefore?.description, notAfter: entry.notAfter?.description)
        }
        let step = document.nextStep(ring: ring)
        nextStep = Step(
            step: step.kind.rawValue, kid: step.kid, when: step.condition,
            command: step.command)
    }

    /// With the public keys of checkpoint keys.
    init(_ ring: Keyring, path: String, origin: String? = nil) {
        self.init(ring.document, ring: path)
        for (index, key) in ring.keys.enumerated() {
            guard let checkpoint = CheckpointKey(key) else { continue }
            keys[index].publicKey = checkpoint.base64
            keys[index].vkey = origin.map { checkpoint.verifierKey(origin: $0) }
        }
    }

    var table: String {
        let hasTimes = keys.contains { $0.notBefore != nil || $0.notAfter != nil }
        let hasVkeys = keys.contains { $0.vkey != nil }
        let hasPublicKeys = keys.contains { $0.publicKey != nil }
        let header =
            ["KID", "ALG", "STATE"] + (hasTimes ? ["NOT BEFORE", "NOT AFTER"] : [])
            + (hasVkeys ? ["VKEY"] : hasPublicKeys ? ["PUBLIC KEY"] : [])
        let rows = keys.map { key in
            [key.kid, key.alg, key.state] + (hasTimes ? [key.notBefore ?? "-", key.notAfter ?? "-"] : [])
                + (hasVkeys ? [key.vkey ?? "-"] : hasPublicKeys ? [key.publicKey ?? "-"] : [])
        }
        return vencejo.table(header, rows)
    }
}
