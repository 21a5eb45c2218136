// Enters: a subject's id, and a reason. Leaves: the subject held or let go, by the agent or here, and recorded.
import ArgumentParser
import AuditAgent

struct HoldCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "hold",
        abstract: "Keep a subject's records until the hold is lifted.",
        usage: """
            vencejo-audit hold --log <dir> --subject <id> --reason <text>
                  [--principal <name>] [--lift] [--json]
                  [--keys <dir> [--payload-keys <file>] [--anchor <file>]]
            """,
        discussion: """
            While a hold stands, `erase` of the subject is refused, its payload keys stay although their months are due, and \
            retention keeps every segment from the subject's first record on. A subject can be held before its first call.

            A hold is kept under the subject's pseudonyms of the keys that the subject-index ring has now. Give the command again \
            when that ring is rotated.

            Exit status: 0 done; 1 refused, for there is no hold to lift; 4 a command line, a file or the agent is wrong: then \
            it may be given again.
            """)

    @OptionGroup var order: OrderOptions
    @Flag(help: "End the hold.") var lift = false

    func run() throws {
        let reply = try order.ask { .hold($0, isLifted: lift) }
        try order.finish(reply) { _ in "" }
    }
}
