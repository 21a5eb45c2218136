// Enters: a subject's id, and a reason. Leaves: the subject's payload keys erased, by the agent or here, and recorded.
import ArgumentParser
import Audit
import AuditAgent
import Foundation

struct EraseCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "erase",
        abstract: "Forget a subject: delete the keys of its payloads.",
        usage: """
            vencejo-audit erase --log <dir> --subject <id> --reason <text>
                  [--principal <name>] [--now] [--json]
                  [--keys <dir> [--payload-keys <file>] [--anchor <file>]]
            """,
        discussion: """
            The log stays as it is and still verifies. The envelopes of the subject's calls stay readable; their payloads \
            (request id, labels, peer, copies of bodies, the salt of digests) never open again. The log records what was wanted \
            before and what was done after.

            The file of payload keys is written anew, but the deleted entries may lie in freed blocks of its volume. They open \
            with the subject-store key, so they are gone for good when that key is deleted. Without --now the command prints when \
            that is due; with --now it prints the commands that do it at once.

            Backups of the file of payload keys bring a subject back: keep it out of them.

            Exit status: 0 done; 1 refused, for the subject is held; 4 a command line, a file or the agent is wrong: then it \
            may be given again.
            """)

    @OptionGroup var order: OrderOptions
    @Flag(help: "Print how to change the store key now.") var now = false

    func run() throws {
        let reply = try order.ask { .erase($0) }
        try order.finish(reply) { reply in
            guard let kid = reply.storeKey else { return "" }
            let ring = (order.keys ?? "KEYS") + "/subject-store"
            return now ? Self.changeNow(kid, ring) : Self.changeLater(kid, ends: reply.storeKeyEnds, ring)
        }
    }

    private static func changeLater(_ kid: String, ends: String?, _ ring: String) -> String {
        let date = ends.map { "which ends at \($0)" } ?? "to be changed once a month"
        return """

            The entries may lie in freed blocks until the subject-store key \(kid),
            \(date), is deleted. The next step of its rotation:
              vencejo key check \(ring)

            """
    }

    private static func changeNow(_ kid: String, _ ring: String) -> String {
        """

        The entries may lie in freed blocks, and open with the subject-store key
        \(kid). To make them unreadable now, change that key and delete it:
          vencejo key rotate --ring \(ring)
          vencejo key activate NEW-KID --ring \(ring)
          # when the agent has loaded the ring (a record `Keys` says so):
          vencejo key retire \(kid) --ring \(ring)   # revokes it
          vencejo key retire \(kid) --ring \(ring)   # deletes it

        """
    }
}

/// What `erase` and `hold` take.
struct OrderOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The audit folder.", valueName: "dir")) var log: String
    @Option(
        help: ArgumentHelp(
            "The folder of the rings audit, checkpoint, subject-store and subject-index; needed where no agent runs.",
            valueName: "dir"))
    var keys: String?
    @Option(help: ArgumentHelp("The subject's id, as calls carry it.", valueName: "id")) var subject: String
    @Option(help: ArgumentHelp("Why; the log keeps it.", valueName: "text")) var reason: String
    @Option(help: ArgumentHelp("In whose name. Default: the user id of this process.", valueName: "name"))
    var principal: String = ""
    @Option(
        help: ArgumentHelp(
            "The file of payload keys, where no agent runs. Default: payload.keys in --log.", valueName: "file"))
    var payloadKeys: String?
    @Option(help: ArgumentHelp("The anchor file, where no agent runs.", valueName: "file")) var anchor: String?
    @Flag(help: "Print the agent's answer as JSON.") var json = false

    /// By the agent, where one runs; else here, with the audit folder locked.
    func ask(_ request: (CommandSubject) -> CommandRequest) throws -> CommandReply {
        let subject = CommandSubject(id: subject, reason: reason, principal: principal)
        if let fault = subject.fault { throw Failure(sentence: fault) }
        let request = request(subject)
        do throws(VolumeError) {
            if let reply = try CommandSocketClient.ask("\(log)/agent.sock", request) { return reply }
        } catch {
            throw Failure(sentence: error.sentence)
        }
        guard let keys else {
            throw Failure(sentence: "no agent listens on \(log)/agent.sock: start it, or give --keys to do it here")
        }
        let place = CommandOffline(
            folder: log, keys: keys, payloadKeys: payloadKeys ?? "\(log)/payload.keys", anchor: anchor,
            name: "vencejo-audit \(VencejoAudit.configuration.version)", anchored: Self.tell)
        do throws(AgentError) { return try place.perform(request) } catch { throw Failure(sentence: error.sentence) }
    }

    private static func tell(_ line: String) { try? FileHandle.standardError.write(contentsOf: Data("\(line)\n".utf8)) }

    /// Prints the answer. - Parameter more: what follows where it was done.
    func finish(_ reply: CommandReply, more: (CommandReply) -> String) throws {
        guard reply.result != .failed else { throw Failure(sentence: reply.sentence) }
        if json {
            print(String(decoding: reply.line, as: UTF8.self), terminator: "")
        } else if reply.result == .done {
            let record = reply.record.map { "; entry \($0) of the log says so" } ?? ""
            print("\(reply.sentence)\(record)\n\(more(reply))", terminator: "")
        }
        if reply.result == .refused {
            throw Failure(status: 1, sentence: reply.sentence)
        }
    }
}
