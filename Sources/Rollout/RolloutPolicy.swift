// Enters: what an operator says of a rollout. Leaves: the same, checked.
import Tensors

/// How a version is given more and more of the traffic, and what ends that.
public struct RolloutPolicy: Sendable, Equatable {
    /// What share of the calls it gets, in percent, step by step, ascending. After the last it becomes live.
    public var percents = [5, 25, 50]
    /// A step takes at least so long, and so many of the version's calls.
    public var stepSeconds = 300
    public var stepCalls = 500
    /// A step that could not be judged within this time ends the rollout: nobody forgets it half-way.
    public var holdSeconds = 1800
    /// A rollout that waits for a decision is taken back if none came within this time.
    public var decideSeconds = 86_400
    /// What is judged. What is stopped without statistics is stopped in any case.
    public var gates = Gate.Name.allCases
    /// Differences that the operator accepts, of `Gate.Name.acceptable`.
    public var accepted: [Gate.Name] = []
    /// The chance that a rollout of a version that is like the live one is taken back, at most.
    public var falseAlarms = 0.01
    /// A version is worse if so much more of its calls fail, or are refused; 0 to 1.
    public var errorMargin = 0.005
    /// A version is slower if its 99th percentile is more than the live one's by this factor and this time.
    public var latencyFactor = 1.2
    public var latencyMarginNanoseconds: Int64 = 5_000_000
    /// Its answers are others if their distribution is so far from the live one's; 0 to 1, see `ShiftEvidence.distance`.
    public var shiftMargin = 0.1
    /// Memory that the process may gain while it lasts.
    public var memoryBytesMax = 1 << 30

    public init() {}

    /// It says nothing but what is accepted: of a rollout that is on already.
    public var isAcceptance: Bool {
        var plain = RolloutPolicy()
        plain.accepted = accepted
        return !accepted.isEmpty && self == plain
    }

    /// "24 h", or "90 s".
    public var decideText: String {
        decideSeconds % 3600 == 0 ? "\(decideSeconds / 3600) h" : "\(decideSeconds) s"
    }

    /// What is wrong with it, for its operator.
    public var problem: String? {
        if percents.isEmpty { return "no step is named: give shares in percent, as 5,25,50" }
        for percent in percents where !(1...99 ~= percent) {
            return "a step of \(percent) %: allowed are 1 to 99, ascending; after the last the version becomes live"
        }
        if zip(percents, percents.dropFirst()).contains(where: { $0 >= $1 }) {
            return "the steps \(percents.map(String.init).joined(separator: ",")) do not ascend"
        }
        if !(0...86_400 ~= stepSeconds) { return "a step of \(stepSeconds) s: allowed are 0 to 86400" }
        if !(1...1_000_000_000 ~= stepCalls) { return "\(stepCalls) calls a step: allowed are 1 to 1000000000" }
        if !(1...604_800 ~= holdSeconds) { return "a hold of \(holdSeconds) s: allowed are 1 to 604800" }
        if stepSeconds > holdSeconds {
            return "a step of \(stepSeconds) s is held for \(holdSeconds) s at most: hold longer"
        }
        if !(1...2_592_000 ~= decideSeconds) {
            return "\(decideSeconds) s to decide: must be between 1 and 2592000"
        }
        return nil
    }
}

/// A gate that is not known, or of which that cannot be said.
public struct GateNameError: Error, Equatable {
    /// What is wrong, and what is allowed.
    public let sentence: String
}

extension Gate.Name {
    /// The gates that are to be judged. Empty: all that there are.
    public static func judged(_ names: [String]) throws(GateNameError) -> [Gate.Name] {
        if names.isEmpty { return allCases }
        var found: [Gate.Name] = []
        for name in names {
            guard let gate = allCases.first(where: { $0.rawValue == name }) else {
                let allowed = allCases.map(\.rawValue).joined(separator: ", ")
                throw GateNameError(sentence: "'\(escaped(name))' is no gate of a rollout: must be of \(allowed)")
            }
            if !found.contains(gate) { found.append(gate) }
        }
        return found
    }

    /// The gates whose difference is accepted.
    public static func accepted(_ names: [String]) throws(GateNameError) -> [Gate.Name] {
        for name in names where !acceptable.contains(where: { $0.rawValue == name }) {
            let allowed = acceptable.map(\.rawValue).joined(separator: ", ")
            throw GateNameError(sentence: "'\(escaped(name))' cannot be accepted: only \(allowed) can")
        }
        return names.isEmpty ? [] : acceptable
    }
}
