// Enters: what a server counted. Leaves: a table of who gets which calls, and how rollouts go.
import ArgumentParser
import Foundation
import PredictionAPI
import Tensors

struct PsCommand: ParsableCommand {
    static let configuration = control(
        "ps", "Show which versions get which calls, and how rollouts and experiments go.",
        """
        Calls are counted while a model's traffic is divided.

        Examples:
          vencejo ps
          vencejo ps iris --watch
          vencejo ps -o json
        """)

    @Argument(help: "The model's name. Default: all.") var model: String?
    @Flag(name: [.customShort("w"), .long], help: "Show it again whenever it changes, until Ctrl-C.") var watch = false
    @OptionGroup var server: EndpointOptions
    @OptionGroup var options: OutputOptions

    func run() throws {
        var request = ControlRequest()
        request.model = model ?? ""
        if watch {
            return try server.watch(request) { status in
                show(status)
                return true
            }
        }
        let client = try server.connectForControl()
        do throws(ClientError) { show(try client.status(request)) } catch {
            throw error.failure(at: client.endpoint, isOrder: true)
        }
    }

    private func show(_ status: StatusResponse) {
        switch options.output {
        case .json: say(watch ? status.json(server).compact : status.json(server).pretty)
        case .table:
            // On a terminal the new picture takes the old one's place.
            let table = status.table(server)
            if watch && isatty(1) == 1 { say("\u{1b}[H\u{1b}[2J" + table) } else { say(table) }
        }
    }
}

extension StatusResponse {
    fileprivate func table(_ server: EndpointOptions) -> String {
        let rows = models.flatMap { model in
            model.versions.map { version in
                [
                    printable(model.name), "\(version.number)", version.slot.isEmpty ? "-" : version.slot,
                    version.state,
                    "\(version.percent) %", "\(version.calls)", "\(version.failed)", "\(version.refused)",
                    Self.milliseconds(version.p50Nanoseconds), Self.milliseconds(version.p99Nanoseconds),
                ]
            }
        }
        var lines = [
            vencejo.table(
                ["MODEL", "VERSION", "SLOT", "STATE", "SHARE", "CALLS", "FAILED", "REFUSED", "P50", "P99"], rows)
        ]
        for model in models {
            for version in model.versions where !version.failedGates.isEmpty {
                lines.append("")
                lines.append(
                    "version \(version.number) of \(printable(model.name)) did not pass its gates: "
                        + printable(version.failedGates.joined(separator: "; ")))
            }
            if let shadow = model.shadow {
                lines.append("")
                lines.append(
                    "shadow of \(printable(model.name)), version \(shadow.version): repeated \(shadow.calls) calls "
                        + "(\(shadow.percent) %), \(shadow.failed) failed, \(shadow.differing) answers differ, "
                        + "\(shadow.disagreeing) decide otherwise; mean difference \(Self.short(shadow.meanDifference)), "
                        + "largest \(Self.short(shadow.largestDifference)); \(Self.milliseconds(shadow.meanNanoseconds)) a call"
                )
            }
            if let experiment = model.experiment {
                lines.append("")
                lines.append(experiment.table(of: model.name))
            }
            guard let rollout = model.rollout else { continue }
            lines.append("")
            lines.append("rollout of \(printable(model.name)) \(rollout.version): \(printable(rollout.verdict))")
            if let until = rollout.decideUntil {
                lines +=
                    RolloutDecision(model.name, rollout.version, server).lines + [
                        "  without a decision it is taken back at \(until)"
                    ]
            }
            lines.append(
                vencejo.table(
                    ["GATE", "EVIDENCE", "OF", "FINDING"],
                    rollout.gates.map { gate in
                        [gate.name, "\(gate.evidence)", "\(rollout.evidenceMax)", printable(gate.finding)]
                    }))
        }
        return lines.joined(separator: "\n")
    }

    private static func short(_ number: Double) -> String { String(format: "%.3g", number) }

    private static func milliseconds(_ nanoseconds: Int64) -> String {
        nanoseconds == 0 ? "-" : "\(Double(nanoseconds / 10_000) / 100) ms"
    }

    fileprivate func json(_ server: EndpointOptions) -> JSON {
        .object([
            ("schema", .number(1)), ("epoch", .number(Int64(clamping: epoch))),
            ("models", .array(models.map { $0.json(server) })),
        ])
    }
}

extension StatusResponse.Model {
    fileprivate func json(_ server: EndpointOptions) -> JSON {
        .object([
            ("model", .string(name)),
            (
                "versions",
                .array(
                    versions.map { version in
                        .object([
                            ("version", .number(version.number)),
                            ("slot", version.slot.isEmpty ? .null : .string(version.slot)),
                            ("state", .string(version.state)), ("percent", .number(version.percent)),
                            ("calls", .number(version.calls)), ("failed", .number(version.failed)),
                            ("refused", .number(version.refused)), ("p50_nanoseconds", .number(version.p50Nanoseconds)),
                            ("p99_nanoseconds", .number(version.p99Nanoseconds)),
                            ("failed_gates", .array(version.failedGates.map { .string($0) })),
                        ])
                    })
            ), ("rollout", rollout.map { $0.json(RolloutDecision(name, $0.version, server)) } ?? .null),
            ("shadow", shadow?.json ?? .null),
            ("experiment", experiment?.json ?? .null),
        ])
    }
}

extension StatusResponse.Shadow {
    fileprivate var json: JSON {
        .object([
            ("version", .number(version)), ("percent", .number(percent)), ("calls", .number(calls)),
            ("differing", .number(differing)), ("disagreeing", .number(disagreeing)), ("failed", .number(failed)),
            ("mean_nanoseconds", .number(meanNanoseconds)), ("mean_difference", .literal("\(meanDifference)")),
            ("largest_difference", .literal("\(largestDifference)")),
        ])
    }
}

extension StatusResponse.Rollout {
    fileprivate func json(_ decision: RolloutDecision) -> JSON {
        .object([
            ("version", .number(version)), ("step", .number(step)), ("steps", .number(steps)),
            ("verdict", .string(verdict)),
            ("waiting", .bool(isWaiting)), ("decide_until", decideUntil.map { .string($0) } ?? .null),
            ("run", isWaiting ? decision.json : .null), ("accepted", .array(accepted.map { .string($0) })),
            ("evidence_max", .number(evidenceMax)),
            (
                "gates",
                .array(
                    gates.map { gate in
                        .object([
                            ("name", .string(gate.name)), ("evidence", .number(gate.evidence)),
                            ("finding", .string(gate.finding)), ("worse", .bool(gate.isWorse)),
                        ])
                    })
            ),
        ])
    }
}
