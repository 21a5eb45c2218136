// Enters: how an experiment is to go, and what answers brought. Leaves: what was done.
import ArgumentParser
import Foundation
import Memory
import PredictionAPI
import Tensors

enum AssignmentName: String, ExpressibleByArgument, CaseIterable {
    case random, sticky, thompson
    case epsilonGreedy = "epsilon-greedy"

    fileprivate var message: AssignmentMessage? { AssignmentMessage.allCases.first { $0.name == rawValue } }
}

struct ExperimentCommand: ParsableCommand {
    static let configuration = control(
        "experiment", "Divide a model's calls among versions, and find out which is rewarded most.",
        """
        Callers tell what an answer brought by its request id (PredictionService.Feedback, "vencejo feedback"). "vencejo ps" \
        shows the means, by how much they differ, and how many rewards are still needed; the intervals hold however often \
        one looks. "vencejo swap" to one of the versions ends it, and "vencejo abort".

        Examples:
          vencejo experiment iris 6 7
          vencejo experiment iris 6=90 7=10 --assign sticky --smallest-effect 0.005
          vencejo experiment iris 6 7 8 --assign thompson --seed 42 --zero-unless-reported --join-seconds 600
        """)

    @Argument(help: "The model's name.") var model: String
    @Argument(
        help: ArgumentHelp(
            "The versions, with their shares in percent or, without any, the same for all.",
            valueName: "version[=percent]"))
    var versions: [String]
    @Option(
        help: "Who gets which version: by chance; by routing key; most to the best; by how likely each is the best.")
    var assign = AssignmentName.random
    @Option(
        help: ArgumentHelp("What the others are compared with. Default: the live version.", valueName: "version"))
    var baseline: Int64?
    @Option(
        help: ArgumentHelp(
            "The same seed, request ids and shares deal out the same way. Default: by chance.", valueName: "number"))
    var seed: UInt64?
    @Option(help: ArgumentHelp("With epsilon-greedy: goes to all alike. Default: 10.", valueName: "percent"))
    var epsilon: Int64?
    @Option(help: ArgumentHelp("Where shares adapt: no version gets less. Default: 5.", valueName: "percent"))
    var floor: Int64?
    @Option(help: ArgumentHelp("The least and the most that a reward can be. Default: 0,1.", valueName: "min,max"))
    var rewards: String?
    @Option(
        help: ArgumentHelp(
            "A difference of means that matters. Default: a hundredth of what rewards can differ.", valueName: "number")
    )
    var smallestEffect: Double?
    @Option(help: ArgumentHelp("A reward that comes later does not count. Default: 3600.", valueName: "seconds"))
    var joinSeconds: Int64?
    @Flag(help: "A call without a reward in that time counts as one of 0; else it does not count.")
    var zeroUnlessReported = false
    @Flag(help: "Also if callers of the live version would notice.") var force = false
    @OptionGroup var order: OrderOptions

    func run() throws {
        var request = order.request(model)
        request.isForced = force
        for text in versions {
            let parts = text.split(separator: "=", omittingEmptySubsequences: false).map { Int64($0) }
            guard 1...2 ~= parts.count, let version = parts[0], version > 0,
                let percent = parts.count == 2 ? parts[1] : 0
            else {
                throw Failure.usage("\(quoted(text)): a version is expected, or a version and its percent, as 7=10")
            }
            request.shares.append(ControlRequest.Share(version: version, percent: percent))
        }
        for (name, value) in [
            ("--baseline", baseline), ("--epsilon", epsilon), ("--floor", floor), ("--join-seconds", joinSeconds),
        ] {
            if let value, value < 1 { throw Failure.usage("\(name): \(value) is below 1") }
        }
        if let smallestEffect, !(smallestEffect > 0) {
            throw Failure.usage("--smallest-effect: \(smallestEffect) is not above 0")
        }
        request.experiment.assignment = assign.message
        request.experiment.baseline = baseline ?? 0
        request.experiment.seed = seed ?? 0
        request.experiment.epsilonPercent = epsilon ?? 0
        request.experiment.floorPercent = floor ?? 0
        request.experiment.joinSeconds = joinSeconds ?? 0
        request.experiment.smallestEffect = smallestEffect ?? 0
        request.experiment.isZeroUnlessReported = zeroUnlessReported
        if let rewards {
            let parts = rewards.split(separator: ",").compactMap { Double($0) }
            guard parts.count == 2, parts[0] < parts[1] else {
                throw Failure.usage("--rewards: \(quoted(rewards)): the least and the most are expected, as 0,1")
            }
            (request.experiment.rewardMin, request.experiment.rewardMax) = (parts[0], parts[1])
        }
        try order.perform("/vencejo.v1.ModelControlService/Experiment", request)
    }
}

struct FeedbackCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "feedback", abstract: "Tell what answers brought, for an experiment or a rollout.",
        discussion: """
            An answer is named by the request id that its call had ("vencejo predict --request-id"). Of each the first reward counts. \
            To a rollout they are labels, from 0 (wrong) to 1 (right).

            Examples:
              vencejo feedback iris order-1017=1 order-1018=0
              vencejo feedback iris - < rewards.txt        (a line each: order-1017=1)
            """)

    @Argument(help: "The model's name.") var model: String
    @Argument(help: ArgumentHelp("What answers brought; - reads lines.", valueName: "request-id=number"))
    var rewards: [String]
    @OptionGroup var server: EndpointOptions
    @OptionGroup var options: OutputOptions

    private static let rewardsPerMessage = 1000

    func run() throws {
        var pairs: [(id: String, value: Double)] = []
        for text in rewards {
            guard text == "-" else {
                pairs.append(try pair(text))
                continue
            }
            while let line = readLine() {
                if !line.isEmpty { pairs.append(try pair(line)) }
            }
        }
        let client = try server.connect()
        var sum = Feedback()
        for start in stride(from: 0, to: pairs.count, by: Self.rewardsPerMessage) {
            let part = Array(pairs[start..<min(pairs.count, start + Self.rewardsPerMessage)])
            do throws(ClientError) {
                let answer = try client.feedback(part, of: model)
                sum.joined += answer.joined
                sum.unknown += answer.unknown
                sum.repeated += answer.repeated
            } catch {
                throw error.failure(at: client.endpoint)
            }
        }
        switch options.output {
        case .table:
            say("\(sum.joined) joined, \(sum.unknown) of no answer that waits for one, \(sum.repeated) repeated")
        case .json:
            say(
                JSON.object([
                    ("schema", .number(1)), ("joined", .number(sum.joined)), ("unknown", .number(sum.unknown)),
                    ("repeated", .number(sum.repeated)),
                ]).pretty)
        }
    }

    /// The id may have a "=" of its own.
    private func pair(_ text: String) throws -> (id: String, value: Double) {
        guard let mark = text.lastIndex(of: "="), mark > text.startIndex,
            let value = Double(text[text.index(after: mark)...]), value.isFinite
        else { throw Failure.usage("\(quoted(text)): a request id and a number are expected, as order-1017=1") }
        return (String(text[..<mark]), value)
    }
}
