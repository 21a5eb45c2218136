// Enters: a `FeedbackRequest`. Leaves: its rewards; and how many were known.
public import Memory
public import Protobuf

/// `vencejo.v1.FeedbackResponse`. Source: proto/vencejo/v1/prediction.proto.
public struct Feedback: Equatable, Sendable {
    /// `vencejo.v1.Reward`.
    public struct Reward: BitwiseCopyable, Sendable {
        public var model = ByteView.empty
        public var id = ByteView.empty
        public var value = 0.0

        public init() {}
    }

    public var joined: Int64 = 0
    public var unknown: Int64 = 0
    public var repeated: Int64 = 0

    public init() {}

    /// `message` must stay in place as long as the rewards are used.
    public static func decode(_ message: ByteView, in arena: inout Arena) throws(PredictionDecodeError) -> List<Reward>
    {
        var rewards = List<Reward>()
        var reader = WireReader(message)
        while let field = try reading({ () throws(WireError) in try reader.next() }) {
            guard field.number == 1 else { continue }
            var reward = Reward()
            var inner = try reading { () throws(WireError) in try field.message() }
            while let field = try reading({ () throws(WireError) in try inner.next() }) {
                switch field.number {
                case 1: reward.model = try reading { () throws(WireError) in try field.string() }
                case 2: reward.id = try reading { () throws(WireError) in try field.string() }
                case 3: reward.value = try reading { () throws(WireError) in try field.double() }
                default: break
                }
            }
            try keeping { () throws(ArenaFull) in try rewards.append(reward, in: &arena) }
        }
        return rewards
    }

    public func encode(headroom: Int, in arena: inout Arena) throws(ArenaFull) -> WireWriter {
        var writer = try WireWriter(headroom: headroom, expectedBytes: 32, in: &arena)
        try writer.number(1, joined, in: &arena)
        try writer.number(2, unknown, in: &arena)
        try writer.number(3, repeated, in: &arena)
        return writer
    }

    // MARK: - For clients

    /// A `FeedbackRequest` of one model.
    public static func encode(
        _ rewards: [(id: String, value: Double)], of model: String, headroom: Int, in arena: inout Arena
    ) throws(ArenaFull) -> WireWriter {
        var writer = try WireWriter(headroom: headroom, expectedBytes: 64 * rewards.count, in: &arena)
        for reward in rewards {
            let mark = try writer.begin(1, in: &arena)
            try writer.string(1, arena.copy(model), in: &arena)
            try writer.string(2, arena.copy(reward.id), in: &arena)
            try writer.double(3, reward.value, in: &arena)
            try writer.end(mark, in: &arena)
        }
        return writer
    }

    public static func decode(response message: ByteView) throws(PredictionDecodeError) -> Feedback {
        var feedback = Feedback()
        try eachField(of: WireReader(message)) { (field) throws(PredictionDecodeError) in
            switch field.number {
            case 1: feedback.joined = try signed(field)
            case 2: feedback.unknown = try signed(field)
            case 3: feedback.repeated = try signed(field)
            default: break
            }
        }
        return feedback
    }
}
