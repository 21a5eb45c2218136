// Enters: messages of vencejo.v1.ModelControlService about traffic that is divided. Leaves: values; and the way back.
public import Memory
public import Protobuf

/// `vencejo.v1.StatusResponse`.
public struct StatusResponse: Equatable, Sendable {
    public struct Model: Equatable, Sendable {
        public var name = ""
        public var versions: [Version] = []
        public var rollout: Rollout?
        public var shadow: Shadow?
        public var experiment: Experiment?

        public init() {}
    }

    public struct Version: Equatable, Sendable {
        public var number: Int64 = 0
        public var state = ""
        public var slot = ""
        public var percent: Int64 = 0
        public var calls: Int64 = 0
        public var failed: Int64 = 0
        public var refused: Int64 = 0
        /// 0: no answers.
        public var p50Nanoseconds: Int64 = 0
        public var p99Nanoseconds: Int64 = 0
        public var failedGates: [String] = []

        public init() {}
    }

    public struct Shadow: Equatable, Sendable {
        public var version: Int64 = 0
        public var percent: Int64 = 0
        public var calls: Int64 = 0
        public var differing: Int64 = 0
        public var disagreeing: Int64 = 0
        public var failed: Int64 = 0
        public var meanNanoseconds: Int64 = 0
        public var meanDifference = 0.0
        public var largestDifference = 0.0

        public init() {}
    }

    public struct Rollout: Equatable, Sendable {
        public var version: Int64 = 0
        public var step: Int64 = 0
        public var steps: Int64 = 0
        public var verdict = ""
        public var gates: [Gate] = []
        public var evidenceMax: Int64 = 0
        /// It waits for a decision.
        public var isWaiting = false
        /// When it is taken back without one, since 1970, UTC; 0: it does not wait.
        public var decideUntilMilliseconds: Int64 = 0
        /// Gates whose difference an operator accepted.
        public var accepted: [String] = []

        public init() {}
    }

    public struct Gate: Equatable, Sendable {
        public var name = ""
        public var evidence: Int64 = 0
        public var finding = ""
        public var isWorse = false

        public init() {}
    }

    public var models: [Model] = []
    public var epoch: UInt64 = 0

    public init() {}

    public func encode(headroom: Int, in arena: inout Arena) throws(ArenaFull) -> WireWriter {
        var writer = try WireWriter(headroom: headroom, expectedBytes: 256 * models.count, in: &arena)
        for model in models {
            let mark = try writer.begin(1, in: &arena)
            try writer.string(1, arena.copy(model.name), in: &arena)
            for version in model.versions {
                let mark = try writer.begin(2, in: &arena)
                try version.encode(into: &writer, in: &arena)
                try writer.end(mark, in: &arena)
            }
            if let rollout = model.rollout {
                let mark = try writer.begin(3, in: &arena)
                try rollout.encode(into: &writer, in: &arena)
                try writer.end(mark, in: &arena)
            }
            if let shadow = model.shadow {
                let mark = try writer.begin(4, in: &arena)
                try shadow.encode(into: &writer, in: &arena)
                try writer.end(mark, in: &arena)
            }
            if let experiment = model.experiment {
                let mark = try writer.begin(5, in: &arena)
                try experiment.encode(into: &writer, in: &arena)
                try writer.end(mark, in: &arena)
            }
            try writer.end(mark, in: &arena)
        }
        try writer.number(2, epoch, in: &arena)
        return writer
    }

    public static func decode(_ message: ByteView) throws(PredictionDecodeError) -> StatusResponse {
        var response = StatusResponse()
        try eachField(of: WireReader(message)) { (field) throws(PredictionDecodeError) in
            switch field.number {
            case 1: response.models.append(try Model(decoding: try reader(field)))
            case 2: response.epoch = try reading { () throws(WireError) in try field.unsigned() }
            default: break
            }
        }
        return response
    }
}

extension StatusResponse.Model {
    fileprivate init(decoding message: WireReader) throws(PredictionDecodeError) {
        try eachField(of: message) { (field) throws(PredictionDecodeError) in
            switch field.number {
            case 1: name = try text(field)
            case 2: versions.append(try StatusResponse.Version(decoding: try reader(field)))
            case 3: rollout = try StatusResponse.Rollout(decoding: try reader(field))
            case 4: shadow = try StatusResponse.Shadow(decoding: try reader(field))
            case 5: experiment = try StatusResponse.Experiment(decoding: try reader(field))
            default: break
            }
        }
    }
}

extension StatusResponse.Version {
    fileprivate func encode(into writer: inout WireWriter, in arena: inout Arena) throws(ArenaFull) {
        try writer.number(1, number, in: &arena)
        try writer.string(2, arena.copy(state), in: &arena)
        try writer.string(3, arena.copy(slot), in: &arena)
        for (index, value) in [percent, calls, failed, refused, p50Nanoseconds, p99Nanoseconds].enumerated() {
            try writer.number(4 + index, value, in: &arena)
        }
        for gate in failedGates { try writer.element(10, arena.copy(gate), in: &arena) }
    }

    fileprivate init(decoding message: WireReader) throws(PredictionDecodeError) {
        try eachField(of: message) { (field) throws(PredictionDecodeError) in
            switch field.number {
            case 1: number = try signed(field)
            case 2: state = try text(field)
            case 3: slot = try text(field)
            case 4: percent = try signed(field)
            case 5: calls = try signed(field)
            case 6: failed = try signed(field)
            case 7: refused = try signed(field)
            case 8: p50Nanoseconds = try signed(field)
            case 9: p99Nanoseconds = try signed(field)
            case 10: failedGates.append(try text(field))
            default: break
            }
        }
    }
}

extension StatusResponse.Shadow {
    fileprivate func encode(into writer: inout WireWriter, in arena: inout Arena) throws(ArenaFull) {
        let numbers = [version, percent, calls, differing, disagreeing, failed, meanNanoseconds]
        for (index, number) in numbers.enumerated() { try writer.number(1 + index, number, in: &arena) }
        try writer.double(8, meanDifference, in: &arena)
        try writer.double(9, largestDifference, in: &arena)
    }

    fileprivate init(decoding message: WireReader) throws(PredictionDecodeError) {
        try eachField(of: message) { (field) throws(PredictionDecodeError) in
            switch field.number {
            case 1: version = try signed(field)
            case 2: percent = try signed(field)
            case 3: calls = try signed(field)
            case 4: differing = try signed(field)
            case 5: disagreeing = try signed(field)
            case 6: failed = try signed(field)
            case 7: meanNanoseconds = try signed(field)
            case 8: meanDifference = try reading { () throws(WireError) in try field.double() }
            case 9: largestDifference = try reading { () throws(WireError) in try field.double() }
            default: break
            }
        }
    }
}
