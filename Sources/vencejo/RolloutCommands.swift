// Enters: how an operator wants calls divided. Leaves: what was done, and how a rollout goes.
import ArgumentParser
import Foundation
import Memory
import PredictionAPI
import Rollout
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
        looks; what fails outright, answers with NaN, always the same, or numbers ten times as large, is taken back after a \
        few calls.

        A version whose answers are only distributed otherwise, as those of a retrained model are, waits for a decision and keeps \
        its share: --accept answers lets it go on, "vencejo promote" makes it live, "vencejo abort" takes it back. Labels that \
        callers tell by Feedback (0 to 1, larger is better), golden cases and a shadow's comparison decide it, too.

        With --watch the exit code is 0 when the version became live, 1 when it was taken back, 5 when it waits for a decision.

        Examples:
          vencejo rollout iris --version 7 --watch
          vencejo rollout iris --steps 1,10,50 --step-seconds 60 --step-calls 1000
          vencejo rollout iris --version 7 --accept answers --reason "retrained on October"
          vencejo rollout iris --gates errors,refusals,latency,answers,shapes
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
    @Option(
        help: ArgumentHelp(
            "A version that waits for a decision is taken back if none comes within this time. Default: 86400.",
            valueName: "seconds"))
    var decideWithin: Int64?
    @Option(
        help: ArgumentHelp(
            "What is judged. Default: errors,refusals,latency,answers,shapes,labels.", valueName: "gate,..."))
    var gates: String?
    @Option(
        help: ArgumentHelp(
            "answers: that they differ is accepted, now or from the start.", valueName: "gate"))
    var accept: String?
    @Flag(help: "Also if callers of the live version would notice.") var force = false
    @Flag(
        name: [.customShort("w"), .long],
        help: "Stay until it ends or waits for a decision; exit code 1 if it was taken back, 5 if it waits.")
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
            ("--decide-within", decideWithin),
        ] {
            if let value, value < 1 { throw Failure.usage("\(name): \(value) is below 1") }
        }
        request.policy.stepSeconds = stepSeconds ?? 0
        request.policy.stepCalls = stepCalls ?? 0
        request.policy.holdSeconds = holdSeconds ?? 0
        request.policy.decideSeconds = decideWithin ?? 0
        request.policy.gates = try names("--gates", gates) { (names) throws(GateNameError) in
            try Gate.Name.judged(names)
        }
        request.policy.accepted = try names("--accept", accept) { (names) throws(GateNameError) in
            try Gate.Name.accepted(names)
        }
        try order.perform("/vencejo.v1.ModelControlService/Rollout", request)
        if watch && !order.dryRun { try follow() }
    }

    /// The names in a list, if all are known.
    private func names(
        _ option: String, _ list: String?, _ check: ([String]) throws(GateNameError) -> [Gate.Name]
    ) throws(Failure) -> [String] {
        guard let list else { return [] }
        let names = list.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        do throws(GateNameError) { return try check(names).map(\.rawValue) } catch {
            throw .usage("\(option): \(error.sentence)")
        }
    }

    private func follow() throws {
        var request = ControlRequest()
        request.model = model
        var told = ""
        var waits: StatusResponse.Rollout?
        try order.server.watch(request) { status in
            guard let rollout = status.models.first?.rollout else { return false }
            if rollout.isWaiting {
                waits = rollout
                return false
            }
            if rollout.verdict != told { line(rollout.verdict) }
            told = rollout.verdict
            return true
        }
        if let waits { try tellOfWaiting(waits) }
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

    private func tellOfWaiting(_ rollout: StatusResponse.Rollout) throws(Failure) -> Never {
        let decision = RolloutDecision(model, rollout.version, order.server)
        line(rollout.verdict, decision)
        if order.options.output == .table { decision.lines.forEach(say) }
        throw Failure(
            code: .undecided,
            sentence: "version \(rollout.version) of \(printable(model)) waits for a decision until "
                + "\(rollout.decideUntil ?? "it is taken back"): \(decision.sentence)")
    }

    /// `decision`: it waits for that.
    private func line(_ text: String, _ decision: RolloutDecision? = nil) {
        let time = Date().formatted(.iso8601)
        switch order.options.output {
        case .table: say("\(time)  \(printable(text))")
        case .json:
            say(
                JSON.object([
                    ("time", .string(time)), ("verdict", .string(text)), ("waiting", .bool(decision != nil)),
                    ("run", decision?.json ?? .null),
                ]).compact)
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
