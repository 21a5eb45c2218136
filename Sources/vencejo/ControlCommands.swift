// Enters: what an operator wants of the models. Leaves: what was done, and from which epoch on it holds.
import ArgumentParser
import Foundation
import GRPC
import Memory
import PredictionAPI
import Tensors

/// What every command that changes something takes.
struct OrderOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Why; kept in the model's history.", valueName: "text")) var reason = ""
    @Flag(help: "Only say what would be done.") var dryRun = false
    @OptionGroup var server: EndpointOptions
    @OptionGroup var options: OutputOptions

    /// A request that says who asks and why.
    func request(_ model: String = "") -> ControlRequest {
        var request = ControlRequest()
        request.model = model
        request.author = NSUserName() + "@" + ProcessInfo.processInfo.hostName
        request.reason = reason
        request.isDryRun = dryRun
        return request
    }

    func connect() throws(Failure) -> Client { try server.connectForControl() }

    /// 0 stands for none that is named.
    static func number(_ version: Int64?) throws(Failure) -> Int64 {
        guard let version else { return 0 }
        guard version > 0 else { throw .usage("--version: \(version) must be between 1 and \(Int64.max)") }
        return version
    }

    /// Does it, and prints what came of it.
    func perform(_ method: StaticString, _ request: ControlRequest) throws(Failure) {
        let client = try connect()
        let response: ControlResponse
        do throws(ClientError) { response = try client.control(method, request) } catch {
            throw error.failure(at: client.endpoint, isOrder: true)
        }
        switch options.output {
        case .json: say(response.json(isDryRun: dryRun).pretty)
        case .table: say(response.text(isDryRun: dryRun))
        }
    }
}

extension EndpointOptions {
    /// The address where models may be loaded and swapped from.
    func connectForControl() throws(Failure) -> Client {
        var options = self
        options.endpoint = endpoint ?? ProcessInfo.processInfo.environment["VENCEJO_CONTROL"] ?? "127.0.0.1:8002"
        return try options.connect()
    }

    /// The status as it changes, until `take` has enough. A server lets no connection grow old: whose ends connects again.
    func watch(_ request: ControlRequest, _ take: (StatusResponse) -> Bool) throws(Failure) {
        while true {
            let client = try connectForControl()
            var isTold = false
            do throws(ClientError) {
                return try client.watch(request) { status in
                    isTold = true
                    return take(status)
                }
            } catch {
                if case .status(.unavailable, _) = error, isTold { continue }
                throw error.failure(at: client.endpoint)
            }
        }
    }
}

extension ControlResponse {
    fileprivate func text(isDryRun: Bool) -> String {
        let lines = steps.map { (isDryRun ? "would be: " : "") + printable($0) }
        if isDryRun { return (lines + ["nothing was changed"]).joined(separator: "\n") }
        let spread = spreadNanoseconds > 0 ? ", on every shard after \(spreadNanoseconds / 1000) us" : ""
        return (lines + ["epoch \(epoch)\(spread)"]).joined(separator: "\n")
    }

    fileprivate func json(isDryRun: Bool) -> JSON {
        .object([
            ("schema", .number(1)), ("dry_run", .bool(isDryRun)), ("epoch", .number(Int64(clamping: epoch))),
            ("spread_nanoseconds", .number(spreadNanoseconds)),
            (
                "changes",
                .array(
                    changes.map {
                        .object([
                            ("model", .string($0.model)), ("from_version", version($0.from)),
                            ("to_version", version($0.to)),
                        ])
                    })
            ), ("steps", .array(steps.map { .string($0) })),
        ])
    }
}

/// 0 stands for none.
func version(_ number: Int64) -> JSON { number == 0 ? .null : .number(number) }

func control(_ name: String, _ abstract: String, _ discussion: String) -> CommandConfiguration {
    CommandConfiguration(
        commandName: name, abstract: abstract,
        discussion: discussion
            + """


            The server is asked where model control is served (vencejo serve --control): --endpoint, then \
            $VENCEJO_CONTROL, then 127.0.0.1:8002.
            """)
}

struct LoadCommand: ParsableCommand {
    static let configuration = control(
        "load", "Bring a version into memory, beside what is served.",
        """
        It stands in the slot that is not live, or with --slot shadow beside both; what stood there goes when it is ready. Of a \
        model that has no live version it becomes that. It is waited for 600 s, unless --timeout says otherwise. Asked for by its number it answers at once; "vencejo swap" makes it live.

        A version that is loaded already is loaded anew if its file or its configuration changed: beside, tried, and in its \
        own place once it passed its gates. "vencejo rollback" brings back what was live.

        Examples:
          vencejo load iris
          vencejo load iris --version 7 --reason "retrained on October"
          vencejo load iris --version 8 --slot shadow
        """)

    @Argument(help: "The model's name.") var model: String
    @Option(help: ArgumentHelp("The version. Default: the highest of the repository.", valueName: "number"))
    var version: Int64?
    @Option(
        help: ArgumentHelp(
            "shadow: where it answers who asks for it only, and can be compared with the live one. Default: the one of blue and green that is not live.",
            valueName: "slot"))
    var slot: String?
    @Flag(help: "Load anew also if a gate fails, or callers of what was loaded would notice.") var force = false
    @OptionGroup var order: OrderOptions

    func run() throws {
        var request = order.request(model)
        request.version = try OrderOptions.number(version)
        request.isForced = force
        guard slot == nil || slot == "shadow" else {
            throw Failure.usage(
                "--slot \(quoted(slot ?? "")): allowed is shadow; without --slot it is the one of blue and green that is not live"
            )
        }
        request.slot = slot ?? ""
        // A large model takes its time.
        var order = order
        if order.server.timeout == 10 { order.server.timeout = 600 }
        try order.perform("/vencejo.v1.ModelControlService/Load", request)
    }
}

struct UnloadCommand: ParsableCommand {
    static let configuration = control(
        "unload", "Take a version, or a whole model, out of memory.",
        """
        Calls that have it end first. Without --version the whole model goes, with an experiment or a rollout of it; if a version \
        is live, only with --force.

        Examples:
          vencejo unload iris --version 6
          vencejo unload iris --force
        """)

    @Argument(help: "The model's name.") var model: String
    @Option(help: ArgumentHelp("The version. Default: all of them.", valueName: "number")) var version: Int64?
    @Flag(help: "Also if the version is live, or the model has a live version.") var force = false
    @OptionGroup var order: OrderOptions

    func run() throws {
        var request = order.request(model)
        request.version = try OrderOptions.number(version)
        request.isForced = force
        try order.perform("/vencejo.v1.ModelControlService/Unload", request)
    }
}

struct SwapCommand: ParsableCommand {
    static let configuration = control(
        "swap", "Make versions live, all of them in one commit.",
        """
        What was live stays loaded beside it, for "vencejo rollback". Callers see the old versions or the new ones, never a \
        mix. A version that takes or gives something else than the live one is refused, unless --force is given.

        Examples:
          vencejo swap iris
          vencejo swap iris=7 tickets=3
          vencejo swap iris=7 --dry-run
        """)

    @Argument(
        help: ArgumentHelp(
            "Which version of which model. Without a version: the one beside the live one.",
            valueName: "model[=version]"))
    var models: [String]
    @Flag(help: "Also if callers of the live version would notice.") var force = false
    @OptionGroup var order: OrderOptions

    func run() throws {
        var request = order.request()
        request.isForced = force
        for text in models {
            let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            var version: Int64 = 0
            if parts.count == 2 {
                guard let number = Int64(parts[1]), number > 0 else {
                    throw Failure.usage("\(quoted(text)): after = a version's number is expected, as in iris=7")
                }
                version = number
            }
            request.swaps.append(ControlRequest.ModelVersion(model: String(parts[0]), version: version))
        }
        try order.perform("/vencejo.v1.ModelControlService/Swap", request)
    }
}

struct RollbackCommand: ParsableCommand {
    static let configuration = control(
        "rollback", "Make the version live that was live before.",
        """
        It is in memory still, so this takes as long as a swap. --dry-run says which one it would be: what is live now is what a \
        second rollback brings back.

        Examples:
          vencejo rollback iris --dry-run
          vencejo rollback iris --reason "wrong prices since 10:40"
        """)

    @Argument(help: "The model's name.") var model: String
    @OptionGroup var order: OrderOptions

    func run() throws {
        try order.perform("/vencejo.v1.ModelControlService/Rollback", order.request(model))
    }
}

struct LabelCommand: ParsableCommand {
    static let configuration = control(
        "label", "Point a label to a version.",
        """
        Examples:
          vencejo label iris stable --version 6
          vencejo label iris canary --remove
        """)

    @Argument(help: "The model's name.") var model: String
    @Argument(help: "The label.") var label: String
    @Option(help: ArgumentHelp("The version.", valueName: "number")) var version: Int64?
    @Flag(help: "Take the label away.") var remove = false
    @OptionGroup var order: OrderOptions

    func validate() throws {
        guard (version == nil) == remove else { throw ValidationError("give --version or --remove") }
    }

    func run() throws {
        var request = order.request(model)
        request.label = label
        request.version = try OrderOptions.number(version)
        try order.perform("/vencejo.v1.ModelControlService/SetLabel", request)
    }
}
