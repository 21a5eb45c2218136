// Enters: folders of rings and keys, signals. Leaves: an audit log; checkpoints on standard output.
import ArgumentParser
import Audit
import AuditAgent
import Cryptography
import Foundation
import Keyrings
import Logging
import StructuredLog

/// Of --copies.
enum Copies: String, CaseIterable, ExpressibleByArgument {
    case none, request, answer, both

    var bodies: BodyCopies {
        switch self {
        case .none: .none
        case .request: .request
        case .answer: .answer
        case .both: .both
        }
    }
}

struct RunCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Keep the audit log of the servers on this machine.",
        usage: """
            vencejo-audit run --log <dir> --ring <dir> --keys <dir>
                              --deployment <name> [<options>]
            """,
        discussion: """
            Reads the rings of servers, writes what is in them to the log, and tells the servers what is durable. One agent \
            writes a folder. It goes on where the last one ended, and begins another log where the one that is there \
            contradicts what was signed.

            Standard output gets each checkpoint as a line of JSON: keep the lines away from the log, for with them an \
            auditor sees that an older state was put back. Standard error gets what happens, also as JSON.

            SIGTERM writes what is in the rings, ends the log's segment and exits, within 15 s. SIGHUP loads the keys anew; \
            a change of their folders is also seen within seconds.

            Exit status: 0 after SIGTERM; 4 it cannot start.
            """)

    @Option(help: ArgumentHelp("The audit folder; made if it is not there.", valueName: "dir")) var log: String
    @Option(help: ArgumentHelp("The folder of the servers' rings, on a memory volume.", valueName: "dir"))
    var ring: String
    @Option(
        help: ArgumentHelp(
            "The folder of the rings audit, checkpoint, subject-store, subject-index.", valueName: "dir"))
    var keys: String
    @Option(
        help: ArgumentHelp(
            "What logs begun from here on are called before their id: 1 to 3 parts of a-z 0-9 . -, with / between.",
            valueName: "name"))
    var deployment: String
    @Option(help: ArgumentHelp("Append checkpoints here, too: a file on another volume.", valueName: "file"))
    var anchor: String?
    @Flag(help: "Start only if the anchor file is there.") var anchorRequired = false
    @Option(help: ArgumentHelp("The file of payload keys. Default: payload.keys in --log.", valueName: "file"))
    var payloadKeys: String?
    @Option(help: "Which messages payloads hold, besides their digests.") var copies = Copies.none
    @OptionGroup var retention: RetentionOptions
    @Flag(help: "Key files may be readable by their group.") var groupReadableKeys = false

    func validate() throws {
        guard !anchorRequired || anchor != nil else {
            throw ValidationError("--anchor-required names no file: give --anchor FILE too")
        }
    }

    func run() throws {
        AgentSignals.take()
        let logger = Logger(label: "vencejo-audit") { _ in JSONLogHandler(StandardError()) }
        do throws(AgentError) { try keep(logger) } catch { throw Failure(sentence: error.sentence) }
    }

    private func keep(_ logger: Logger) throws(AgentError) {
        let clock = SystemClock()
        let folder = try AuditDirectory(locking: log)
        let keyrings = try AgentKeyrings(folder: keys, mayBeGroupReadable: groupReadableKeys, now: clock.now)
        let (file, anchors) = try openAnchor(keyrings, logger)
        let opened = try LogOpening(
            folder, deployment: deployment, auditKeys: keyrings.auditKeys, anchors: anchors, random: RandomBytes.make
        ).open()
        let payloadKeys = try payloadKeys(keyrings)
        let anchored = AnchoredSize()
        let voice = AgentVoice { level, sentence in
            logger.log(level: level.logged, "\(sentence)")
        } anchor: { line in
            anchored.note(line)
            // A reader that went away takes no lines; the agent goes on.
            try? FileHandle.standardOutput.write(contentsOf: Data("\(line)\n".utf8))
            if let problem = file?.append(line) { logger.error("\(problem)") }
        }
        let world = Agent.World(clock: clock, sockets: SeqPacketSockets(), random: RandomBytes.make)
        let agent = Agent(
            opened, rings: ring, keyrings: keyrings, payloadKeys: payloadKeys, copies: copies.bodies,
            name: "vencejo-audit \(VencejoAudit.configuration.version)", world: world, voice: voice)
        let commands = CommandLoop(
            agent, from: opened.state, try commandSocket(), folder: log, policy: try retention.policy(),
            bytesMax: try retention.bytes(), world: world, voice: voice)
        logger.info(
            "the log is open", metadata: ["origin": "\(opened.state.origin)", "entries": "\(opened.state.tree.size)"])
        loop(agent, commands, anchored, clock, file)
        let isWhole = agent.finish { pause in _ = AgentSignals.next(withinNanoseconds: pause) }
        file?.sync(clock.now, isLast: true)
        if isWhole { logger.info("the log is closed") } else { logger.error("records stay in the rings") }
    }

    /// Until a signal asks to end.
    private func loop(
        _ agent: Agent, _ commands: CommandLoop<FolderVolume, FolderVolume, CommandSocket>, _ anchored: AnchoredSize,
        _ clock: SystemClock, _ file: AnchorFile?
    ) {
        let second: UInt64 = 1_000_000_000
        var looked = clock.now.nanoseconds
        while true {
            switch AgentSignals.next(withinNanoseconds: agent.step()) {
            case .end: return
            case .reload: agent.lookAtKeys(isOrdered: true)
            case nil: break
            }
            commands.anchored = anchored.entries
            commands.step()
            let now = clock.now
            guard now.nanoseconds >= looked + second else { continue }
            looked = now.nanoseconds
            agent.lookAtKeys(isOrdered: false)
            file?.sync(now)
        }
    }

    private func openAnchor(
        _ keyrings: AgentKeyrings, _ logger: Logger
    ) throws(AgentError) -> (AnchorFile?, AnchoredCheckpoints) {
        guard let anchor else { return (nil, .none(signers: keyrings.signers)) }
        do throws(AgentError) {
            let file = try AnchorFile(anchor, mustExist: anchorRequired)
            return (file, try file.read(signers: keyrings.signers))
        } catch {
            throw AgentError(sentence: "--anchor: \(error.sentence)")
        }
    }

    private func payloadKeys(_ keyrings: AgentKeyrings) throws(AgentError) -> PayloadKeyStore<FolderVolume> {
        guard let keys = PayloadStoreKeys(keyrings.storeRing) else {
            throw AgentError(sentence: "\(self.keys)/subject-store has no active key with a file")
        }
        let (parent, name) = PayloadKeyPath.split(payloadKeys ?? "\(log)/payload.keys")
        let volume: FolderVolume
        do throws(VolumeError) { volume = try FolderVolume(parent) } catch {
            throw AgentError(sentence: "--payload-keys: \(error.sentence)")
        }
        do throws(PayloadKeyStoreError) {
            return try PayloadKeyStore(volume, name: name, keys: keys, random: RandomBytes.make)
        } catch {
            throw AgentError(sentence: error.sentence)
        }
    }

    private func commandSocket() throws(AgentError) -> CommandSocket {
        do throws(VolumeError) { return try CommandSocket("\(log)/agent.sock") } catch {
            throw AgentError(sentence: error.sentence)
        }
    }
}

private typealias Agent = AuditAgent<FolderVolume, PayloadKeyStore<FolderVolume>>

/// How many entries the newest checkpoint covers that was told.
private final class AnchoredSize {
    private(set) var entries: UInt64 = 0

    /// A checkpoint's second line is its size (C2SP tlog-checkpoint); in JSON its line ends are escaped.
    func note(_ line: String) {
        let lines = line.components(separatedBy: "\\n")
        if lines.count > 2, let size = UInt64(lines[1]) { entries = size }
    }
}

extension AgentVoice.Level {
    fileprivate var logged: Logger.Level {
        switch self {
        case .info: .info
        case .warning: .warning
        case .error: .error
        }
    }
}
