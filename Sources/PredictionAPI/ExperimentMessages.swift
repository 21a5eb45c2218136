// Enters: messages of vencejo.v1.ModelControlService about experiments. Leaves: values; and the way back.
import Memory
import Protobuf

/// `vencejo.v1.Assignment`. Source: proto/vencejo/v1/control.proto.
public enum AssignmentMessage: Int64, Sendable, CaseIterable {
    case random, sticky, epsilonGreedy, thompson

    /// As users write it.
    public var name: String {
        switch self {
        case .random: "random"
        case .sticky: "sticky"
        case .epsilonGreedy: "epsilon-greedy"
        case .thompson: "thompson"
        }
    }
}

/// `vencejo.v1.ExperimentPolicy`.
public struct ExperimentPolicyMessage: Equatable, Sendable {
    /// `nil`: a number that we do not know.
    public var assignment: AssignmentMessage? = .random
    /// 0 or empty: not given; likewise below.
    public var baseline: Int64 = 0
    public var seed: UInt64 = 0
    public var epsilonPercent: Int64 = 0
    public var floorPercent: Int64 = 0
    public var rewardMin = 0.0
    public var rewardMax = 0.0
    public var smallestEffect = 0.0
    public var joinSeconds: Int64 = 0
    public var isZeroUnlessReported = false

    public init() {}

    func encode(into writer: inout WireWriter, in arena: inout Arena) throws(ArenaFull) {
        try writer.number(1, assignment?.rawValue ?? 0, in: &arena)
        try writer.number(2, baseline, in: &arena)
        try writer.number(3, seed, in: &arena)
        try writer.number(4, epsilonPercent, in: &arena)
        try writer.number(5, floorPercent, in: &arena)
        try writer.double(6, rewardMin, in: &arena)
        try writer.double(7, rewardMax, in: &arena)
        try writer.double(8, smallestEffect, in: &arena)
        try writer.number(9, joinSeconds, in: &arena)
        try writer.bool(10, isZeroUnlessReported, in: &arena)
    }

    mutating func decode(_ message: WireReader) throws(PredictionDecodeError) {
        try eachField(of: message) { (field) throws(PredictionDecodeError) in
            switch field.number {
            case 1: assignment = AssignmentMessage(rawValue: try signed(field))
            case 2: baseline = try signed(field)
            case 3: seed = try reading { () throws(WireError) in try field.unsigned() }
            case 4: epsilonPercent = try signed(field)
            case 5: floorPercent = try signed(field)
            case 6: rewardMin = try double(field)
            case 7: rewardMax = try double(field)
            case 8: smallestEffect = try double(field)
            case 9: joinSeconds = try signed(field)
            case 10: isZeroUnlessReported = try reading { () throws(WireError) in try field.bool() }
            default: break
            }
        }
    }
}

extension StatusResponse {
    /// `vencejo.v1.ExperimentStatus`.
    public struct Experiment: Equatable, Sendable {
        public var assignment = AssignmentMessage.random
        public var baseline: Int64 = 0
        public var seed: UInt64 = 0
        public var arms: [Arm] = []
        public var comparisons: [Comparison] = []
        public var ratioEvidence = 0.0
        public var ratioEvidenceMax = 0.0
        public var calls: Int64 = 0
        public var callsWithoutId: Int64 = 0
        public var callsRepeatedId: Int64 = 0
        public var callsForgotten: Int64 = 0
        public var unknownRewards: Int64 = 0
        /// Since 1970, UTC.
        public var startedMilliseconds: Int64 = 0

        public init() {}
    }

    public struct Arm: Equatable, Sendable {
        public var version: Int64 = 0
        public var percent: Int64 = 0
        public var rewards: Int64 = 0
        public var mean = 0.0

        public init() {}
    }

    public struct Comparison: Equatable, Sendable {
        public enum Verdict: Int64, Sendable {
            case open, better, worse, alike
        }

        public var version: Int64 = 0
        public var difference = 0.0
        public var low = 0.0
        public var high = 0.0
        public var pValue = 0.0
        public var verdict = Verdict.open
        /// 0: nothing is known yet.
        public var needed: Int64 = 0

        public init() {}
    }
}

extension StatusResponse.Experiment {
    func encode(into writer: inout WireWriter, in arena: inout Arena) throws(ArenaFull) {
        try writer.number(1, assignment.rawValue, in: &arena)
        try writer.number(2, baseline, in: &arena)
        try writer.number(3, seed, in: &arena)
        for arm in arms {
            let mark = try writer.begin(4, in: &arena)
            try writer.number(1, arm.version, in: &arena)
            try writer.number(2, arm.percent, in: &arena)
            try writer.number(3, arm.rewards, in: &arena)
            try writer.double(4, arm.mean, in: &arena)
            try writer.end(mark, in: &arena)
        }
        for comparison in comparisons {
            let mark = try writer.begin(5, in: &arena)
            try writer.number(1, comparison.version, in: &arena)
            let numbers = [comparison.difference, comparison.low, comparison.high, comparison.pValue]
            for (index, number) in numbers.enumerated() { try writer.double(2 + index, number, in: &arena) }
            try writer.number(6, comparison.verdict.rawValue, in: &arena)
            try writer.number(7, comparison.needed, in: &arena)
            try writer.end(mark, in: &arena)
        }
        try writer.double(6, ratioEvidence, in: &arena)
        try writer.double(7, ratioEvidenceMax, in: &arena)
        let counts = [calls, callsWithoutId, callsRepeatedId, callsForgotten, unknownRewards, startedMilliseconds]
        for (index, count) in counts.enumerated() { try writer.number(8 + index, count, in: &arena) }
    }

    init(decoding message: WireReader) throws(PredictionDecodeError) {
        try eachField(of: message) { (field) throws(PredictionDecodeError) in
            switch field.number {
            case 1: assignment = AssignmentMessage(rawValue: try signed(field)) ?? .random
            case 2: baseline = try signed(field)
            case 3: seed = try reading { () throws(WireError) in try field.unsigned() }
            case 4: arms.append(try StatusResponse.Arm(decoding: try reader(field)))
            case 5: comparisons.append(try StatusResponse.Comparison(decoding: try reader(field)))
            case 6: ratioEvidence = try double(field)
            case 7: ratioEvidenceMax = try double(field)
            case 8: calls = try signed(field)
            case 9: callsWithoutId = try signed(field)
            case 10: callsRepeatedId = try signed(field)
            case 11: callsForgotten = try signed(field)
            case 12: unknownRewards = try signed(field)
            case 13: startedMilliseconds = try signed(field)
            default: break
            }
        }
    }
}

extension StatusResponse.Arm {
    fileprivate init(decoding message: WireReader) throws(PredictionDecodeError) {
        try eachField(of: message) { (field) throws(PredictionDecodeError) in
            switch field.number {
            case 1: version = try signed(field)
            case 2: percent = try signed(field)
            case 3: rewards = try signed(field)
            case 4: mean = try double(field)
            default: break
            }
        }
    }
}

extension StatusResponse.Comparison {
    fileprivate init(decoding message: WireReader) throws(PredictionDecodeError) {
        try eachField(of: message) { (field) throws(PredictionDecodeError) in
            switch field.number {
            case 1: version = try signed(field)
            case 2: difference = try double(field)
            case 3: low = try double(field)
            case 4: high = try double(field)
            case 5: pValue = try double(field)
            case 6: verdict = Verdict(rawValue: try signed(field)) ?? .open
            case 7: needed = try signed(field)
            default: break
            }
        }
    }
}

private func double(_ field: WireField) throws(PredictionDecodeError) -> Double {
    try reading { () throws(WireError) in try field.double() }
}
