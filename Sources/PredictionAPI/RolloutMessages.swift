// Enters: messages of vencejo.v1.ModelControlService about rollouts. Leaves: values; and the way back.
import Memory
import Protobuf

/// `vencejo.v1.RolloutPolicy`. Source: proto/vencejo/v1/control.proto.
public struct RolloutPolicyMessage: Equatable, Sendable {
    /// Empty: not given; likewise 0 below.
    public var percents: [Int64] = []
    public var stepSeconds: Int64 = 0
    public var stepCalls: Int64 = 0
    public var holdSeconds: Int64 = 0
    public var decideSeconds: Int64 = 0
    /// Names of gates.
    public var gates: [String] = []
    public var accepted: [String] = []

    public init() {}

    func encode(into writer: inout WireWriter, in arena: inout Arena) throws(ArenaFull) {
        var list = List<Int64>()
        for percent in percents { try list.append(percent, in: &arena) }
        try writer.packed(1, list, in: &arena)
        try writer.number(2, stepSeconds, in: &arena)
        try writer.number(3, stepCalls, in: &arena)
        try writer.number(4, holdSeconds, in: &arena)
        try writer.number(5, decideSeconds, in: &arena)
        for gate in gates { try writer.element(6, arena.copy(gate), in: &arena) }
        for gate in accepted { try writer.element(7, arena.copy(gate), in: &arena) }
    }

    mutating func decode(_ message: WireReader) throws(PredictionDecodeError) {
        try eachField(of: message) { (field) throws(PredictionDecodeError) in
            switch field.number {
            case 1:
                do throws(WireOrBody<Never>) {
                    try field.eachVarint { percents.append(Int64(bitPattern: $0)) }
                } catch {
                    if case .wire(let error) = error { throw .wire(error) }
                }
            case 2: stepSeconds = try signed(field)
            case 3: stepCalls = try signed(field)
            case 4: holdSeconds = try signed(field)
            case 5: decideSeconds = try signed(field)
            case 6: gates.append(try text(field))
            case 7: accepted.append(try text(field))
            default: break
            }
        }
    }
}

extension StatusResponse.Rollout {
    func encode(into writer: inout WireWriter, in arena: inout Arena) throws(ArenaFull) {
        try writer.number(1, version, in: &arena)
        try writer.number(2, step, in: &arena)
        try writer.number(3, steps, in: &arena)
        try writer.string(4, arena.copy(verdict), in: &arena)
        for gate in gates {
            let mark = try writer.begin(5, in: &arena)
            try writer.string(1, arena.copy(gate.name), in: &arena)
            try writer.number(2, gate.evidence, in: &arena)
            try writer.string(3, arena.copy(gate.finding), in: &arena)
            try writer.bool(4, gate.isWorse, in: &arena)
            try writer.end(mark, in: &arena)
        }
        try writer.number(6, evidenceMax, in: &arena)
        try writer.bool(7, isWaiting, in: &arena)
        try writer.number(8, decideUntilMilliseconds, in: &arena)
        for gate in accepted { try writer.element(9, arena.copy(gate), in: &arena) }
    }

    init(decoding message: WireReader) throws(PredictionDecodeError) {
        try eachField(of: message) { (field) throws(PredictionDecodeError) in
            switch field.number {
            case 1: version = try signed(field)
            case 2: step = try signed(field)
            case 3: steps = try signed(field)
            case 4: verdict = try text(field)
            case 5: gates.append(try StatusResponse.Gate(decoding: try reader(field)))
            case 6: evidenceMax = try signed(field)
            case 7: isWaiting = try reading { () throws(WireError) in try field.bool() }
            case 8: decideUntilMilliseconds = try signed(field)
            case 9: accepted.append(try text(field))
            default: break
            }
        }
    }
}

extension StatusResponse.Gate {
    fileprivate init(decoding message: WireReader) throws(PredictionDecodeError) {
        try eachField(of: message) { (field) throws(PredictionDecodeError) in
            switch field.number {
            case 1: name = try text(field)
            case 2: evidence = try signed(field)
            case 3: finding = try text(field)
            case 4: isWorse = try reading { () throws(WireError) in try field.bool() }
            default: break
            }
        }
    }
}
