// Enters: a model's name. Leaves: what was done to it, as a table or as JSON.
import ArgumentParser
import Foundation
import PredictionAPI
import Tensors

struct HistoryCommand: ParsableCommand {
    static let configuration = control(
        "history", "Show what was done to a model.",
        """
        VERSION is the one that it was done to, LIVE the one that answers since then, or the change of it.

        Examples:
          vencejo history iris
          vencejo history iris -o json
        """)

    @Argument(help: "The model's name.") var model: String
    @OptionGroup var server: EndpointOptions
    @OptionGroup var options: OutputOptions

    func run() throws {
        let client = try server.connectForControl()
        var request = ControlRequest()
        request.model = model
        let history: HistoryResponse
        do throws(ClientError) { history = try client.history(request) } catch {
            throw error.failure(at: client.endpoint, isOrder: true)
        }
        switch options.output {
        case .json: print(json(history).pretty)
        case .table:
            let rows = history.events.map { event in
                [
                    Self.time(event.timeMilliseconds), event.verb + (event.isForced ? " (forced)" : ""),
                    event.version == 0 ? "-" : "\(event.version)",
                    event.digest.isEmpty ? "-" : printable(String(event.digest.prefix(12))),
                    event.from == event.to ? Self.live(event.to) : "\(Self.live(event.from)) -> \(Self.live(event.to))",
                    "\(event.epoch)", printable(event.author),
                    printable(event.reason.isEmpty ? "-" : event.reason),
                ]
            }
            if rows.isEmpty {
                return print("nothing was ordered of model \(quoted(model)), as far as its server remembers")
            }
            print(table(["TIME", "WHAT", "VERSION", "SHA256", "LIVE", "EPOCH", "WHO", "WHY"], rows))
            print("")
            print(
                history.previous == 0
                    ? "a rollback would find nothing in memory that was live before"
                    : "a rollback would make version \(history.previous) live"
                        + (history.previous == Self.liveNow(history) ? ", as it was before it was loaded anew" : ""))
        }
    }

    private func json(_ history: HistoryResponse) -> JSON {
        .object([
            ("schema", .number(1)), ("model", .string(model)), ("previous_version", version(history.previous)),
            (
                "events",
                .array(
                    history.events.map { event in
                        .object([
                            ("time", .string(Self.time(event.timeMilliseconds))), ("verb", .string(event.verb)),
                            ("version", version(event.version)),
                            ("digest", event.digest.isEmpty ? .null : .string(event.digest)),
                            ("forced", .bool(event.isForced)),
                            ("from_version", version(event.from)), ("to_version", version(event.to)),
                            ("epoch", .number(Int64(clamping: event.epoch))), ("author", .string(event.author)),
                            ("reason", .string(event.reason)), ("steps", .array(event.steps.map { .string($0) })),
                        ])
                    })
            ),
        ])
    }

    private static func liveNow(_ history: HistoryResponse) -> Int64 { history.events.last?.to ?? 0 }

    private static func live(_ version: Int64) -> String { version == 0 ? "none" : "\(version)" }

    private static func time(_ milliseconds: Int64) -> String {
        Date(timeIntervalSince1970: Double(milliseconds) / 1000).formatted(.iso8601)
    }
}
