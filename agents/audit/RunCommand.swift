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
    @Option(
        help: ArgumentHelp(
            "Show metrics in this page of shared memory, which vencejo-metrics --audit-page reads.", valueName: "path"))
    var metricsPage: String?

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
        let page = try metricsPage.map { (path) throws(AgentError) in
            try AgentPage(path, version: VencejoAudit.configuration.version, now: clock.now)
        }
        let keyrings = try AgentKeyrings(folder: keys, mayBeGroupReadable: groupReadableKeys, now: clock.now)
        let (file, anchors) = try openAnchor(keyrings, logger)
        let opened = try LogOpening(
            folder, deployment: deployment, auditKeys: keyrings.auditKeys, anchors: anchors, random: RandomBytes.make
        ).open()
        let payloadKeys = try payloadKeys(keyrings)
        let anchored = AnchoredSize()
        let output = CheckpointOutput { logger.warning("\($0)") }
        let voice = AgentVoice { level, sentence in
            logger.log(level: level.logged, "\(sentence)")
        } anchor: { line in
            anchored.note(line)
            output.write(line)
            if let problem = file?.append(line) { logger.error("\(problem)") }
        }
        let world = Agent.World(clock: clock, sockets: SeqPacketSockets(), random: RandomBytes.make)
        let agent = Agent(
            opened, rings: ring, keyrings: keyrings, payloadKeys: payloadKeys, copies: copies.bodies,
            name: "vencejo-audit \(VencejoAudit.configuration.version)", world: world, voice: voice)
        page?.show(agent, now: clock.now)
        let commands = CommandLoop(
            agent, from: opened.state, try commandSocket(), folder: log, policy: try retention.policy(),
            bytesMax: try retention.bytes(), world: world, voice: voice)
        logger.info(
            "the log is open", metadata: ["origin": "\(opened.state.origin)", "entries": "\(opened.state.tree.size)"])
        loop(agent, commands, anchored, clock, file, page)
        let isWhole = agent.finish { pause in _ = AgentSignals.next(withinNanoseconds: pause) }
        file?.sync(clock.now, isLast: true)
        page?.close()
        if isWhole { logger.info("the log is closed") } else { logger.error("records stay in the rings") }
    }

    /// Until a signal asks to end.
    private func loop(
        _ agent: Agent, _ commands: CommandLoop<FolderVolume, FolderVolume, CommandSocket>, _ anchored: AnchoredSize,
        _ clock: SystemClock, _ file: AnchorFile?, _ page: AgentPage?
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
            page?.show(agent, now: now)
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

/// Standard output, whose reader may be gone or stand still: the agent goes on, and waits for no reader.
private final class CheckpointOutput {
    private let warn: (String) -> Void
    private var isTold = false

    init(warn: @escaping (String) -> Void) { self.warn = warn }

    /// A line is shorter than a pipe takes whole, if it takes any (PIPE_BUF, pipe(7)).
    func write(_ line: String) {
        var output = pollfd(fd: STDOUT_FILENO, events: Int16(POLLOUT), revents: 0)
        if unsafe poll(&output, 1, 0) == 1, output.revents & Int16(POLLOUT) != 0 {
            try? FileHandle.standardOutput.write(contentsOf: Data("\(line)\n".utf8))
        } else if !isTold {
            isTold = true
            warn(
                "standard output takes no checkpoints, as its reader stands still: they are left out there; "
                    + "--anchor has them")
        }
    }
}

/// How many entries the newest checkpoint covers that was told.
private final class AnchoredSize {
    private(set) var entries: UInt64 = 0

    /// A checkpoint's second line is its size (C2SP tlog-checkpoint); in JSON its line ends are escaped.
    func note(_ line: String) {
        let lines = line.components(separatedBy: "\\n")
        if lines.count > 2, let size = UInt64(lines[1]) { entries = size }
    }
}

extension AgentPage {
    fileprivate func show(_ agent: Agent, now: AgentTime) {
        show(agent, payloadKeys: agent.payloadKeys.count, residentBytes: Self.residentBytes, now: now)
    }

    /// proc(5), /proc/pid/statm: its second number, in pages.
    private static var residentBytes: UInt64 {
        let text = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8)) ?? ""
        let numbers = text.split(separator: " ")
        return numbers.count > 1 ? (UInt64(numbers[1]) ?? 0) * UInt64(sysconf(Int32(_SC_PAGESIZE))) : 0
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
