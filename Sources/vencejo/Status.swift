// Enters: where a server should be. Leaves: how it is, and an exit code that scripts can wait for.
import ArgumentParser
import Foundation
import GRPC
import Health
import Reactor

struct Status: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Tell whether a server is ready.",
        discussion: """
            Exit codes: 0 ready, 3 not ready (models are loading, or it drains), 4 nobody answers.

            Examples:
              vencejo status
              vencejo status --wait 60 && python3 call_it.py
              vencejo status --endpoint 10.0.0.7:8001 --tls-ca ca.pem -o json
            """)

    @Option(help: ArgumentHelp("Ask again until it is ready, for so long at most.", valueName: "seconds"))
    var wait: Double?
    @OptionGroup var server: EndpointOptions
    @OptionGroup var options: OutputOptions

    private static let pauseNanoseconds: Int64 = 200_000_000

    func run() throws {
        if let wait, !(wait > 0 && wait <= 31_536_000) {
            throw Failure.usage("--wait: \"\(wait)\" is not allowed; allowed are seconds above 0, up to 31536000")
        }
        var endpoint = try server.resolve()
        let patience = endpoint.timeoutNanoseconds
        let end = Clock.now() + Int64((wait ?? 0) * 1_000_000_000)
        while true {
            if wait != nil {
                endpoint.timeoutNanoseconds = min(patience, max(Self.pauseNanoseconds, end - Clock.now()))
            }
            let (condition, facts) = ask(endpoint)
            if condition == .ready || Clock.now() + Self.pauseNanoseconds > end {
                return try show(condition, facts, endpoint)
            }
            Foundation.Thread.sleep(forTimeInterval: Double(Self.pauseNanoseconds) / 1_000_000_000)
        }
    }

    private enum Condition: Equatable {
        case ready, notReady
        /// The sentence says why.
        case unreachable(Failure)
        case refused(Failure)

        var name: String {
            switch self {
            case .ready: "ready"
            case .notReady: "not_ready"
            case .unreachable: "unreachable"
            case .refused: "unknown"
            }
        }

        static func == (left: Self, right: Self) -> Bool { left.name == right.name }
    }

    private func ask(_ endpoint: Endpoint) -> (Condition, ServerFacts) {
        do throws(ClientError) {
            let client = try Client(endpoint)
            let isReady = try client.health() == .serving
            // Another server may not tell what it is.
            return (isReady ? .ready : .notReady, (try? client.facts()) ?? ServerFacts())
        } catch {
            switch error {
            case .unreachable, .status(.unavailable, _), .status(.deadlineExceeded, _):
                return (
                    .unreachable(Failure(code: .unreachable, sentence: error.failure(at: endpoint).sentence)),
                    ServerFacts()
                )
            case .status: return (.refused(error.failure(at: endpoint)), ServerFacts())
            }
        }
    }

    private func show(_ condition: Condition, _ facts: ServerFacts, _ endpoint: Endpoint) throws {
        switch options.output {
        case .json:
            let known: [(key: String, value: JSON)] =
                facts.name.isEmpty
                ? []
                : [
                    ("server", .string(facts.name)), ("version", .string(facts.version)),
                    ("extensions", .strings(facts.extensions)),
                ]
            let always: [(key: String, value: JSON)] = [
                ("schema", .number(1)), ("endpoint", .string(endpoint.text)), ("status", .string(condition.name)),
            ]
            print(JSON.object(always + known).pretty)
        case .table:
            guard condition == .ready || condition == .notReady else { break }
            let row = [endpoint.text, condition.name.replacing("_", with: " "), facts.name, facts.version]
            let cells = row.map { $0.isEmpty ? "-" : printable($0) }
            print(table(["ENDPOINT", "STATUS", "SERVER", "VERSION"], [cells]))
        }
        switch condition {
        case .ready: return
        case .notReady:
            throw Failure(
                code: .notReady,
                sentence:
                    "the server at \(endpoint.text) is not ready: its models are loading, or it drains; look with "
                    + "\"vencejo models\", or wait with --wait SECONDS")
        case .unreachable(let failure), .refused(let failure): throw failure
        }
    }
}
