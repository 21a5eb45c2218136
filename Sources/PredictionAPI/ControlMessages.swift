// Enters: messages of vencejo.v1.ModelControlService. Leaves: values; and the way back. Control plane: values that own.
public import Memory
public import Protobuf

/// `vencejo.v1.ControlRequest`. Source: proto/vencejo/v1/control.proto.
public struct ControlRequest: Equatable, Sendable {
    public struct ModelVersion: Equatable, Sendable {
        public var model: String
        /// 0: none is named.
        public var version: Int64

        public init(model: String = "", version: Int64 = 0) {
            self.model = model
            self.version = version
        }
    }

    /// Percent by version.
    public struct Share: Equatable, Sendable {
        public var version: Int64 = 0
        public var percent: Int64 = 0

        public init(version: Int64 = 0, percent: Int64 = 0) {
            self.version = version
            self.percent = percent
        }
    }

    public var model = ""
    /// 0: none is named.
    public var version: Int64 = 0
    public var isForced = false
    public var label = ""
    public var swaps: [ModelVersion] = []
    public var author = ""
    public var reason = ""
    public var isDryRun = false
    public var shares: [Share] = []
    public var policy = RolloutPolicyMessage()
    public var percent: Int64 = 0
    /// Empty: none is named.
    public var slot = ""
    public var experiment = ExperimentPolicyMessage()

    public init() {}

    public func encode(headroom: Int, in arena: inout Arena) throws(ArenaFull) -> WireWriter {
        var writer = try WireWriter(headroom: headroom, expectedBytes: 256, in: &arena)
        try writer.string(1, arena.copy(model), in: &arena)
        try writer.number(2, version, in: &arena)
        try writer.bool(3, isForced, in: &arena)
        try writer.string(4, arena.copy(label), in: &arena)
        for swap in swaps {
            let mark = try writer.begin(5, in: &arena)
            try writer.string(1, arena.copy(swap.model), in: &arena)
            try writer.number(2, swap.version, in: &arena)
            try writer.end(mark, in: &arena)
        }
        try writer.string(6, arena.copy(author), in: &arena)
        try writer.string(7, arena.copy(reason), in: &arena)
        try writer.bool(8, isDryRun, in: &arena)
        for share in shares {
            let mark = try writer.begin(9, in: &arena)
            try writer.number(1, share.version, in: &arena)
            try writer.number(2, share.percent, in: &arena)
            try writer.end(mark, in: &arena)
        }
        if policy != RolloutPolicyMessage() {
            let mark = try writer.begin(10, in: &arena)
            try policy.encode(into: &writer, in: &arena)
            try writer.end(mark, in: &arena)
        }
        try writer.number(11, percent, in: &arena)
        try writer.string(12, arena.copy(slot), in: &arena)
        if experiment != ExperimentPolicyMessage() {
            let mark = try writer.begin(13, in: &arena)
            try experiment.encode(into: &writer, in: &arena)
            try writer.end(mark, in: &arena)
        }
        return writer
    }

    public static func decode(_ message: ByteView) throws(PredictionDecodeError) -> ControlRequest {
        var request = ControlRequest()
        try eachField(of: WireReader(message)) { (field) throws(PredictionDecodeError) in
            switch field.number {
            case 1: request.model = try text(field)
            case 2: request.version = try signed(field)
            case 3: request.isForced = try reading { () throws(WireError) in try field.bool() }
            case 4: request.label = try text(field)
            case 5:
                var swap = ModelVersion()
                try eachField(of: try reader(field)) { (field) throws(PredictionDecodeError) in
                    switch field.number {
                    case 1: swap.model = try text(field)
                    case 2: swap.version = try signed(field)
                    default: break
                    }
                }
                request.swaps.append(swap)
            case 6: request.author = try text(field)
            case 7: request.reason = try text(field)
            case 8: request.isDryRun = try reading { () throws(WireError) in try field.bool() }
            case 9:
                var share = Share()
                try eachField(of: try reader(field)) { (field) throws(PredictionDecodeError) in
                    switch field.number {
                    case 1: share.version = try signed(field)
                    case 2: share.percent = try signed(field)
                    default: break
                    }
                }
                request.shares.append(share)
            case 10: try request.policy.decode(try reader(field))
            case 11: request.percent = try signed(field)
            case 12: request.slot = try text(field)
            case 13: try request.experiment.decode(try reader(field))
            default: break
            }
        }
        return request
    }
}

/// `vencejo.v1.ControlResponse`.
public struct ControlResponse: Equatable, Sendable {
    public struct Change: Equatable, Sendable {
        public var model = ""
        /// 0: none.
        public var from: Int64 = 0
        public var to: Int64 = 0

        public init(model: String = "", from: Int64 = 0, to: Int64 = 0) {
            self.model = model
            self.from = from
            self.to = to
        }
    }

    public var epoch: UInt64 = 0
    public var spreadNanoseconds: Int64 = 0
    public var changes: [Change] = []
    public var steps: [String] = []

    public init() {}

    public func encode(headroom: Int, in arena: inout Arena) throws(ArenaFull) -> WireWriter {
        var writer = try WireWriter(headroom: headroom, expectedBytes: 256, in: &arena)
        try writer.number(1, epoch, in: &arena)
        try writer.number(2, spreadNanoseconds, in: &arena)
        for change in changes {
            let mark = try writer.begin(3, in: &arena)
            try writer.string(1, arena.copy(change.model), in: &arena)
            try writer.number(2, change.from, in: &arena)
            try writer.number(3, change.to, in: &arena)
            try writer.end(mark, in: &arena)
        }
        for step in steps { try writer.element(4, arena.copy(step), in: &arena) }
        return writer
    }

    public static func decode(_ message: ByteView) throws(PredictionDecodeError) -> ControlResponse {
        var response = ControlResponse()
        try eachField(of: WireReader(message)) { (field) throws(PredictionDecodeError) in
            switch field.number {
            case 1: response.epoch = try reading { () throws(WireError) in try field.unsigned() }
            case 2: response.spreadNanoseconds = try signed(field)
            case 3:
                var change = Change()
                try eachField(of: try reader(field)) { (field) throws(PredictionDecodeError) in
                    switch field.number {
                    case 1: change.model = try text(field)
                    case 2: change.from = try signed(field)
                    case 3: change.to = try signed(field)
                    default: break
                    }
                }
                response.changes.append(change)
            case 4: response.steps.append(try text(field))
            default: break
            }
        }
        return response
    }
}

/// `vencejo.v1.HistoryResponse`.
public struct HistoryResponse: Equatable, Sendable {
    public struct Event: Equatable, Sendable {
        /// Since 1970, UTC.
        public var timeMilliseconds: Int64 = 0
        public var verb = ""
        /// 0: none.
        public var from: Int64 = 0
        public var to: Int64 = 0
        public var epoch: UInt64 = 0
        public var author = ""
        public var reason = ""
        public var steps: [String] = []
        /// 0: several, or none.
        public var version: Int64 = 0
        /// Hexadecimal; empty: not known.
        public var digest = ""
        public var isForced = false

        public init() {}
    }

    /// The latest last.
    public var events: [Event] = []
    /// 0: nothing.
    public var previous: Int64 = 0

    public init() {}

    public func encode(headroom: Int, in arena: inout Arena) throws(ArenaFull) -> WireWriter {
        var writer = try WireWriter(headroom: headroom, expectedBytes: 128 * events.count, in: &arena)
        for event in events {
            let mark = try writer.begin(1, in: &arena)
            try writer.number(1, event.timeMilliseconds, in: &arena)
            try writer.string(2, arena.copy(event.verb), in: &arena)
            try writer.number(3, event.from, in: &arena)
            try writer.number(4, event.to, in: &arena)
            try writer.number(5, event.epoch, in: &arena)
            try writer.string(6, arena.copy(event.author), in: &arena)
            try writer.string(7, arena.copy(event.reason), in: &arena)
            for step in event.steps { try writer.element(8, arena.copy(step), in: &arena) }
            try writer.number(9, event.version, in: &arena)
            try writer.string(10, arena.copy(event.digest), in: &arena)
            try writer.bool(11, event.isForced, in: &arena)
            try writer.end(mark, in: &arena)
        }
        try writer.number(2, previous, in: &arena)
        return writer
    }

    public static func decode(_ message: ByteView) throws(PredictionDecodeError) -> HistoryResponse {
        var response = HistoryResponse()
        try eachField(of: WireReader(message)) { (field) throws(PredictionDecodeError) in
            switch field.number {
            case 1:
                var event = Event()
                try eachField(of: try reader(field)) { (field) throws(PredictionDecodeError) in
                    switch field.number {
                    case 1: event.timeMilliseconds = try signed(field)
                    case 2: event.verb = try text(field)
                    case 3: event.from = try signed(field)
                    case 4: event.to = try signed(field)
                    case 5: event.epoch = try reading { () throws(WireError) in try field.unsigned() }
                    case 6: event.author = try text(field)
                    case 7: event.reason = try text(field)
                    case 8: event.steps.append(try text(field))
                    case 9: event.version = try signed(field)
                    case 10: event.digest = try text(field)
                    case 11: event.isForced = try reading { () throws(WireError) in try field.bool() }
                    default: break
                    }
                }
                response.events.append(event)
            case 2: response.previous = try signed(field)
            default: break
            }
        }
        return response
    }
}

// MARK: - Fields

func eachField(
    of reader: WireReader, _ body: (WireField) throws(PredictionDecodeError) -> Void
) throws(PredictionDecodeError) {
    var reader = reader
    while let field = try reading({ () throws(WireError) in try reader.next() }) { try body(field) }
}

func text(_ field: WireField) throws(PredictionDecodeError) -> String {
    try reading { () throws(WireError) in try field.string().text }
}

func signed(_ field: WireField) throws(PredictionDecodeError) -> Int64 {
    try reading { () throws(WireError) in try field.signed() }
}

func reader(_ field: WireField) throws(PredictionDecodeError) -> WireReader {
    try reading { () throws(WireError) in try field.message() }
}
