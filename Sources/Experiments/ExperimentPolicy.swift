// Enters: what an operator says of an experiment. Leaves: the same, checked.

/// How an experiment is to go.
public struct ExperimentPolicy: Codable, Sendable, Equatable {
    /// Who gets which version.
    public enum Assignment: String, Codable, Sendable, CaseIterable {
        /// Each call by chance, by shares that stay.
        case random
        /// All calls of a routing key the same, by shares that stay. Of each key only the first call counts.
        case sticky
        /// Most calls to the version with the best mean so far, the rest equally to all.
        case epsilonGreedy = "epsilon_greedy"
        /// Each version as often as it is likely to be the best (Thompson, 1933).
        case thompson

        /// The shares go by what was rewarded.
        public var isAdaptive: Bool { self == .epsilonGreedy || self == .thompson }
    }

    public var assignment = Assignment.random
    /// Versions, ascending.
    public var arms: [Int64] = []
    /// Percent at the beginning, in the order of `arms`; 100 together.
    public var shares: [Int] = []
    /// The version that the others are compared with.
    public var baseline: Int64 = 0
    /// Decides which call goes where, by its request id, and what Thompson sampling draws.
    public var seed: UInt64 = 0
    /// Of epsilon-greedy: so many percent go to all versions alike.
    public var epsilonPercent = 10
    /// Of both that adapt: no version gets less.
    public var floorPercent = 5
    /// What a reward may be.
    public var rewardMin = 0.0
    public var rewardMax = 1.0
    /// A difference of means that matters, in the unit of the rewards.
    public var smallestEffect = 0.01
    /// A reward that comes later is not joined.
    public var joinSeconds = 3600
    /// A call for which no reward came within that time counts as one of 0; else it does not count.
    public var isZeroUnlessReported = false

    /// All intervals of one experiment hold together, at every moment, with this probability.
    public static let confidence = 0.95
    public static let armsMax = Exposures.armsMax
    static let joinSecondsMax = 30 * 86_400

    public init() {}

    var baselineIndex: Int { arms.firstIndex(of: baseline) ?? 0 }

    /// Shares as equal as whole percent can be.
    public static func equalShares(_ count: Int) -> [Int] {
        (0..<count).map { 100 / count + ($0 < 100 % count ? 1 : 0) }
    }

    /// What is wrong with it, and what is allowed.
    public var problem: String? {
        guard 2...Self.armsMax ~= arms.count else {
            return
                "an experiment with \(arms.count) version\(arms.count == 1 ? "" : "s"); allowed are 2 to \(Self.armsMax)"
        }
        if Set(arms).count < arms.count { return "a version is named twice" }
        if !arms.contains(baseline) {
            return "the others are to be compared with version \(baseline), which is not part of the experiment: name "
                + "another baseline"
        }
        if let index = shares.firstIndex(of: 0) {
            return "version \(arms[index]) has no share: give each version one, or none"
        }
        if let share = shares.first(where: { !(1...99 ~= $0) }) { return "a share of \(share) %; allowed are 1 to 99" }
        guard shares.reduce(0, +) == 100 else {
            return "the shares are \(shares.reduce(0, +)) % together; they must be 100 %"
        }
        guard rewardMin.isFinite, rewardMax.isFinite, rewardMin < rewardMax else {
            return "rewards from \(rewardMin) to \(rewardMax); the first must be less than the second"
        }
        guard smallestEffect > 0, smallestEffect < rewardMax - rewardMin else {
            return "a smallest effect of \(smallestEffect); it must be above 0 and less than \(rewardMax - rewardMin), "
                + "which is all that rewards can differ"
        }
        guard 1...Self.joinSecondsMax ~= joinSeconds else {
            return "rewards joined for \(joinSeconds) s; allowed are 1 to \(Self.joinSecondsMax)"
        }
        if isZeroUnlessReported && !(rewardMin...rewardMax ~= 0) {
            return "what is not reported is to count as 0, but rewards are from \(rewardMin) to \(rewardMax)"
        }
        guard assignment.isAdaptive else { return nil }
        guard 1...100 ~= epsilonPercent else { return "an epsilon of \(epsilonPercent) %; allowed are 1 to 100" }
        let floorMax = 100 / arms.count
        guard 1...floorMax ~= floorPercent else {
            return "at least \(floorPercent) % for each of \(arms.count) versions; allowed are 1 to \(floorMax)"
        }
        return nil
    }
}
