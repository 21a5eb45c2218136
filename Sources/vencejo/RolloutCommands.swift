// Enters: how an operator wants calls divided. Leaves: what was done, and how a rollout goes.
import ArgumentParser
import Foundation
import Memory
import PredictionAPI
import Tensors

struct WeightsCommand: ParsableCommand {
    static let configuration = control(
        "weights", "Divide a model's calls among its versions.",
        """
        The shares are percent, 100 together; who names a version, a label or a slot gets that all the same. Calls with the \
        metadata vencejo-routing-key stay with one version by that key. "vencejo abort" gives all calls to the live version.

        Examples:
          vencejo weights iris 6=90 7=10
          vencejo weights iris 6=100
        """)

    @Argument(help: "The model's name.") var model: String
    @Argument(help: ArgumentHelp("Which version gets what share.", valueName: "version=percent")) var shares: [String]
    @Flag(help: "Also if callers of the live version would notice.") var force = false
    @OptionGroup var order: OrderOptions

    func run() throws {
        var request = order.request(model)
        request.isForced = force
        for text in shares {
            let parts = text.split(separator: "=").compactMap { Int64($0) }
            guard parts.count == 2, parts[0] > 0 else {
                throw Failure.usage("\(quoted(text)): a version and its percent are expected, as in 7=10")
            }
            request.shares.append(ControlRequest.Share(version: parts[0], percent: parts[1]))
        }
        try order.perform("/vencejo.v1.ModelControlService/SetWeights", request)
    }
}

struct RolloutCommand: ParsableCommand {
    static let configuration = control(
        "rollout", "Give a version more and more of the calls, and take it back if it is worse.",
        """
        All the while it is compared with the live version: failed and refused calls, latency, what the answers are like. A \
        version that is like the live one is taken back by mistake once in a hundred rollouts at most, however often one \
        looks; what fails outright, or answers with NaN, is taken back after a few calls.

        Examples:
          vencejo rollout iris --version 7 --watch
          vencejo rollout iris --steps 1,10,50 --step-seconds 60 --step-calls 1000
        """)

    @Argument(help: "The model's name.") var model: String
    @Option(help: ArgumentHelp("The version. Default: the one beside the live one.", valueName: "number"))
    var version: Int64?
    @Option(help: ArgumentHelp("Shares in percent, ascending. Default: 5,25,50.", valueName: "percent,...")) var steps:
        String?
    @Option(help: ArgumentHelp("A step takes at least so long. Default: 300.", valueName: "seconds")) var stepSeconds:
        Int64?
    @Option(help: ArgumentHelp("And so many calls of the version. Default: 500.", valueName: "calls")) var stepCalls:
        Int64?
    @Option(
        help: ArgumentHelp(
            "A step that could not be judged within this time ends the rollout. Default: 1800.", valueName: "seconds"))
    var holdSeconds: Int64?
    @Flag(help: "Also if callers of the live version would notice.") var force = false
    @Flag(name: [.customShort("w"), .long], help: "Stay until it ends; exit code 1 if the version was taken back.")
    var watch = false
    @OptionGroup var order: OrderOptions

    func run() throws {
        var request = order.request(model)
        request.version = try OrderOptions.number(version)
        request.isForced = force
        for text in steps?.split(separator: ",", omittingEmptySubsequences: false) ?? [] {
            guard let percent = Int64(text) else {
                throw Failure.usage("--steps: \(quoted(String(text))) is no percentage; give shares as 5,25,50")
            }
            request.policy.percents.append(percent)
        }
        for (name, value) in [
            ("--step-seconds", stepSeconds), ("--step-calls", stepCalls), ("--hold-seconds", holdSeconds),
        ] {
            if let value, value < 1 { throw Failure.usage("\(name): \(value) is below 1") }
        }
        request.policy.stepSeconds = stepSeconds ?? 0
        request.policy.stepCalls = stepCalls ?? 0
        request.policy.holdSeconds = holdSeconds ?? 0
        try order.perform("/vencejo.v1.ModelControlService/Rollout", request)
        if watch && !order.dryRun { try follow() }
    }

    private func follow() throws {
        var request = ControlRequest()
        request.model = model
        var told = ""
        try order.server.watch(request) { status in
            guard let rollout = status.models.first?.rollout else { return false }
            if rollout.verdict != told { line(rollout.verdict) }
            told = rollout.verdict
            return true
        }
        let client = try order.connect()
        let history: HistoryResponse
        do throws(ClientError) { history = try client.history(request) } catch {
            throw error.failure(at: client.endpoint, isOrder: true)
        }
        let end = history.events.last { ["abort", "promote", "swap", "rollback"].contains($0.verb) }
        line(end.map { "\($0.verb) by \(printable($0.author)): \(printable($0.reason))" } ?? "it is over")
        guard end?.verb != "abort" else {
            throw Failure(
                code: .failed, sentence: "the version was taken back; vencejo history \(model) tells all of it")
        }
    }

    private func line(_ text: String) {
        let time = Date().formatted(.iso8601)
        switch order.options.output {
        case .table: say("\(time)  \(printable(text))")
        case .json: say(JSON.object([("time", .string(time)), ("verdict", .string(text))]).compact)
        }
    }
}

struct PromoteCommand: ParsableCommand {
    static let configuration = control(
        "promote", "Make what is rolled out live at once.",
        """
        Example:
          vencejo promote iris --reason "looks good"
        """)

    @Argument(help: "The model's name.") var model: String
    @OptionGroup var order: OrderOptions

    func run() throws { try order.perform("/vencejo.v1.ModelControlService/Promote", order.request(model)) }
}

struct AbortCommand: ParsableCommand {
    static let configuration = control(
        "abort", "End a rollout, an experiment, or a division of calls: the live version gets all again.",
        """
        Example:
          vencejo abort iris --reason "customers complain"
        """)

    @Argument(help: "The model's name.") var model: String
    @OptionGroup var order: OrderOptions

    func run() throws { try order.perform("/vencejo.v1.ModelControlService/Abort", order.request(model)) }
}

struct ShadowCommand: ParsableCommand {
    static let configuration = control(
        "shadow", "Let a version repeat calls of the live one, and compare the answers.",
        """
        The version moves to the slot shadow. A call is repeated after its answer has left, when nobody else wants the core, \
        and for a quarter of a core at most; what the version says goes nowhere but into a comparison ("vencejo ps").

        Examples:
          vencejo shadow iris --version 8 --percent 10
          vencejo shadow iris --percent 0
        """)

    @Argument(help: "The model's name.") var model: String
    @Option(
        help: ArgumentHelp("The version. Default: the shadow, else the one beside the live one.", valueName: "number"))
    var version: Int64?
    @Option(help: "Of the live version's calls; 0 ends it.") var percent: Int64
    @OptionGroup var order: OrderOptions

    func run() throws {
        var request = order.request(model)
        request.version = try OrderOptions.number(version)
        request.percent = percent
        try order.perform("/vencejo.v1.ModelControlService/Shadow", request)
    }
}
