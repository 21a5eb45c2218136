// Leaves: what was counted of an experiment's answers and rewards.

/// What became of a reward.
public enum RewardOutcome: Sendable, Equatable {
    case joined
    /// No answer with that id was given, or it is too long ago.
    case unknown
    /// That answer has its reward.
    case repeated
}

/// Sums of one period and arm.
public struct Totals: Sendable, Equatable {
    /// Answers that can be rewarded; of callers with a key the first one's.
    public var units = 0
    /// Those of them that were.
    public var rewarded = 0
    public var sum = 0.0
    public var squares = 0.0

    public init() {}

    public static func - (later: Totals, earlier: Totals) -> Totals {
        var totals = later
        totals.units -= earlier.units
        totals.rewarded -= earlier.rewarded
        totals.sum -= earlier.sum
        totals.squares -= earlier.squares
        return totals
    }
}

/// What went past an experiment's joining of answers and rewards.
public struct Losses: Sendable, Equatable {
    public var calls = 0
    /// Their rewards cannot be joined.
    public var withoutId = 0
    /// Answers with an id that another had; the first counts.
    public var repeatedIds = 0
    /// More answers waited for their rewards than are kept.
    public var forgotten = 0
    /// Rewards for ids that no answer had, or too long ago.
    public var unknownRewards = 0
    /// Of those, values that are not allowed, for answers that wait for a reward.
    public var refusedRewards = 0

    public init(
        calls: Int = 0, withoutId: Int = 0, repeatedIds: Int = 0, forgotten: Int = 0, unknownRewards: Int = 0,
        refusedRewards: Int = 0
    ) {
        self.calls = calls
        self.withoutId = withoutId
        self.repeatedIds = repeatedIds
        self.forgotten = forgotten
        self.unknownRewards = unknownRewards
        self.refusedRewards = refusedRewards
    }
}
