// Enters: what was found of a version, and what is asked of it. Leaves: gates, passed or not, with a sentence each.
import Memory
import Models
import Reactor
import Repository
import Serving
import Tensors

/// What was found of a version before callers depend on it.
public struct Facts: Codable, Sendable, Equatable {
    /// What came of its examples; empty: it has none.
    public var golden: [GoldenResult] = []
    /// Whether all its answers to inputs of ours were numbers; `nil`: it takes none of ours, or nobody asked.
    public var isFinite: Bool?
    /// Why it answers no inputs of ours, in the runtime's words; `nil`: it does, or takes none, or nobody asked.
    public var refusal: String?
    /// How many single runs were measured, and what they took; 0: none was.
    public var runs = 0
    public var p50Nanoseconds: Int64 = 0
    public var p99Nanoseconds: Int64 = 0
    /// What loading and running it added to a process's memory; `nil`: it was not alone in its process.
    public var memoryBytes: Int?

    public init() {}
}

/// One thing that a version has to pass before it may become live.
public struct Gate: Codable, Sendable, Equatable {
    public enum Name: String, Codable, Sendable { case signature, golden, answers, finite, latency, memory }
    public enum Outcome: String, Codable, Sendable { case passed, failed, skipped }

    public let name: Name
    public let outcome: Outcome
    /// A phrase that can follow the gate's name and a colon.
    public let sentence: String
    /// Somebody asked for it, by a file or a key.
    public let isAskedFor: Bool

    init(_ name: Name, _ outcome: Outcome, _ sentence: String, isAskedFor: Bool = false) {
        self.name = name
        self.outcome = outcome
        self.sentence = sentence
        self.isAskedFor = isAskedFor
    }
}

/// What the version that is live says to the same.
struct LiveFacts {
    /// How its callers would notice the other.
    var differences: [String]
    /// `nil`: it takes no inputs of ours.
    var isFinite: Bool?
    /// It answers no inputs of ours.
    var isRefusing = false
}

extension Facts {
    /// All gates, in their order. `live`: `nil` where no version is live. `isStart`: what others load beside makes times and memory
    /// say nothing.
    func gates(_ configuration: ModelConfiguration, isStart: Bool = false, beside live: LiveFacts?) -> [Gate] {
        func budget<Budget>(_ name: Gate.Name, _ budget: Budget?, _ gate: (Budget?) -> Gate) -> Gate {
            isStart && budget != nil
                ? Gate(name, .skipped, "it does not decide at a start", isAskedFor: true) : gate(budget)
        }
        return [
            signature(live), goldenGate, answers(configuration, live), finite(live),
            budget(.latency, configuration.latencyBudgetMilliseconds, latency),
            budget(.memory, configuration.memoryBudgetBytes, memory),
        ]
    }

    private func signature(_ live: LiveFacts?) -> Gate {
        guard let live else { return Gate(.signature, .skipped, "no version is live to compare it with") }
        if live.differences.isEmpty { return Gate(.signature, .passed, "it fits who calls the live version") }
        return Gate(.signature, .failed, live.differences.prefix(8).joined(separator: "; "))
    }

    private var goldenGate: Gate {
        if golden.isEmpty { return Gate(.golden, .skipped, "it has no golden cases") }
        let wrong = golden.compactMap { result in
            result.difference.map { "case '\(escaped(result.name))': \($0)" }
        }
        if wrong.isEmpty {
            return Gate(.golden, .passed, "it answers \(counted(golden.count)) as expected", isAskedFor: true)
        }
        let others = wrong.count > 3 ? "; and \(wrong.count - 3) more" : ""
        return Gate(
            .golden, .failed,
            "\(wrong.count) of \(counted(golden.count)) failed: \(wrong.prefix(3).joined(separator: "; "))\(others)",
            isAskedFor: true)
    }

    private func counted(_ cases: Int) -> String { cases == 1 ? "1 case" : "\(cases) cases" }

    /// A version that answers nothing must not become live. Inputs of ours may be none that a sound model takes: where its owner
    /// gave some, or the live version takes ours no better, they prove nothing.
    private func answers(_ configuration: ModelConfiguration, _ live: LiveFacts?) -> Gate {
        if refusal == nil {
            return isFinite == nil
                ? Gate(.answers, .skipped, "no inputs of ours were run")
                : Gate(.answers, .passed, "it answers inputs of ours")
        }
        if !golden.isEmpty { return Gate(.answers, .skipped, "it answers no inputs of ours; its golden cases decide") }
        if configuration.triton?.warmUps.isEmpty == false {
            return Gate(.answers, .passed, "it answers its warm-up, if no inputs of ours")
        }
        if live?.isRefusing == true {
            return Gate(.answers, .skipped, "it answers no inputs of ours, and neither does the live version")
        }
        return Gate(
            .answers, .failed,
            "it answers none of the inputs that we made for it, zeros and small random numbers (the server's log says why): "
                + "if it needs others, add a golden case that it answers")
    }

    /// Zeros may lead to NaN in a sound model: it is a fault where the live one knows better.
    private func finite(_ live: LiveFacts?) -> Gate {
        guard let isFinite else { return Gate(.finite, .skipped, "no inputs of ours were run") }
        if isFinite { return Gate(.finite, .passed, "its outputs are numbers") }
        if live?.isFinite == true {
            return Gate(
                .finite, .failed, "it gives NaN or infinities for inputs to which the live version gives numbers")
        }
        return Gate(
            .finite, .skipped, "it gives NaN or infinities for inputs of ours, and no live version knows better")
    }

    private func latency(_ budgetMilliseconds: Double?) -> Gate {
        let p99 = Double(p99Nanoseconds) / 1_000_000
        guard let budgetMilliseconds else { return Gate(.latency, .skipped, "latency_budget_milliseconds is not set") }
        guard runs > 0 else { return Gate(.latency, .skipped, "it takes no inputs of ours", isAskedFor: true) }
        let times = "the 99th percentile of \(runs) runs is \(Self.written(p99)) ms"
        if p99 <= budgetMilliseconds {
            return Gate(.latency, .passed, "\(times), allowed are \(budgetMilliseconds) ms", isAskedFor: true)
        }
        return Gate(.latency, .failed, "\(times), only \(budgetMilliseconds) ms are allowed", isAskedFor: true)
    }

    private func memory(_ budgetBytes: Int?) -> Gate {
        guard let budgetBytes else { return Gate(.memory, .skipped, "memory_budget is not set") }
        guard let memoryBytes else {
            return Gate(
                .memory, .skipped, "it was not tried in a process of its own, where its memory can be told",
                isAskedFor: true)
        }
        let (took, budget) = (Self.megabytes(memoryBytes), Self.megabytes(budgetBytes))
        if memoryBytes <= budgetBytes {
            return Gate(.memory, .passed, "it takes \(took), allowed are \(budget)", isAskedFor: true)
        }
        return Gate(.memory, .failed, "it takes \(took), only \(budget) are allowed", isAskedFor: true)
    }

    /// Three digits or so.
    static func written(_ milliseconds: Double) -> String { "\((milliseconds * 1000).rounded() / 1000)" }

    public static func megabytes(_ bytes: Int) -> String {
        "\((Double(bytes) / Double(1 << 20) * 10).rounded() / 10) MiB"
    }
}

extension [Gate] {
    /// Why a version should not become live. What its callers would notice is compared at the swap, with what is live then.
    var faults: [String] {
        filter { $0.outcome == .failed && $0.name != .signature }.map { "\($0.name.rawValue): \($0.sentence)" }
    }

    /// What whoever loads it is told: what failed, and what was asked for.
    func steps(model: String, version: Int64) -> [String] {
        filter { $0.outcome == .failed || $0.isAskedFor }.map {
            "version \(version) of model '\(model)', gate \($0.name.rawValue), \($0.outcome.rawValue): \($0.sentence)"
        }
    }
}

extension Facts {
    /// Runs it. `rehearsed`: what its answers to inputs of ours are; `nil`: nobody asked. `runs`: how many are measured.
    init(_ servable: Servable, golden: [GoldenResult], rehearsed: Rehearsed?, runs: Int) {
        self.golden = golden
        isFinite = rehearsed?.isFinite
        refusal = rehearsed?.refusal
        var rehearsal = Rehearsal(servable)
        let times = rehearsal.times(runs: runs)
        self.runs = times.count
        guard !times.isEmpty else { return }
        p50Nanoseconds = times[(times.count - 1) / 2]
        p99Nanoseconds = times[Int((Double(times.count) * 0.99).rounded(.up)) - 1]
    }
}

/// What a model does with inputs of ours.
struct Rehearsed {
    /// Whether its answers are numbers; `nil`: there is none.
    var isFinite: Bool?
    /// Why none was answered; `nil`: one was, or it takes none of ours.
    var refusal: String?
}

extension Servable {
    /// Runs it.
    var rehearsed: Rehearsed {
        var isFinite = true
        var rehearsal = Rehearsal(self)
        let (isAny, refusal) = rehearsal.outputs { outputs in
            for index in outputs.indices where outputs[index].firstNotFinite != nil { isFinite = false }
        }
        return Rehearsed(isFinite: isAny ? isFinite : nil, refusal: isAny ? nil : refusal)
    }
}

extension LoadedVersion {
    /// What whoever ordered the load is told of how it went.
    func steps(_ plan: ModelPlan) -> [String] {
        let name = "version \(version.number) of model '\(plan.name)'"
        return (tried.map { ["\(name) was tried in a process of its own: \($0.summary)"] } ?? [])
            + gates.steps(model: plan.name, version: version.number)
    }
}

extension ProbeReport {
    fileprivate var summary: String {
        let load = "ready in \(Facts.written(Double(loadNanoseconds) / 1_000_000)) ms"
        let memory = facts.memoryBytes.map { ", with \(Facts.megabytes($0))" } ?? ""
        let p99 = Facts.written(Double(facts.p99Nanoseconds) / 1_000_000)
        return load + memory + (facts.runs > 0 ? ", \(p99) ms a run (p99 of \(facts.runs))" : "")
    }
}
