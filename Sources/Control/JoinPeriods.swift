// Enters: stretches of time in which calls are dealt out by the same shares. Leaves: what rewards came of each since the last look.
import Experiments

/// The periods of an experiment, or of a rollout that is told labels. The last one goes on; those before wait for rewards.
struct JoinPeriods: Sendable {
    /// A stretch of time in which the shares stay.
    struct Period: Sendable {
        let number: UInt8
        /// Percent by arm.
        let shares: [Int]
        let began: Int64
        fileprivate(set) var ended: Int64?
        /// Rewards come too late from now on.
        fileprivate(set) var isExpired = false
        /// As of the last look, by arm.
        fileprivate var read: [Totals]
    }

    private(set) var periods: [Period] = []
    /// As `Exposures.begin` gave it.
    private let number: UInt16
    /// A reward that comes later is unknown.
    private let joinNanoseconds: Int64
    /// So that all periods that wait for rewards have a number.
    private let periodNanoseconds: Int64
    /// How many there were; their numbers go round.
    private var opened = 0

    init(_ number: UInt16, joinSeconds: Int) {
        self.number = number
        joinNanoseconds = Int64(joinSeconds) * 1_000_000_000
        periodNanoseconds = Int64((joinSeconds + 199) / 200) * 1_000_000_000
    }

    /// The number of the one that goes on.
    var current: UInt8 { periods.last?.number ?? 0 }

    /// The one that goes on has lasted long enough.
    func isDue(now: Int64) -> Bool { periods.last.map { now - $0.began >= periodNanoseconds } ?? false }

    /// No reward of its calls is joined any more, or at the next look none will be.
    func isOver(_ period: Period, now: Int64) -> Bool {
        period.isExpired || period.ended.map { now - $0 >= joinNanoseconds } ?? false
    }

    mutating func open(_ shares: [Int], _ exposures: Exposures, now: Int64) {
        if let last = periods.indices.last { periods[last].ended = now }
        // Steps may use up the numbers: the oldest period gives up its own.
        if periods.count == Exposures.periodsMax { exposures.expire(number, period: periods.removeFirst().number) }
        let period = UInt8(opened % Exposures.periodsMax)
        opened += 1
        let read = shares.indices.map { exposures.totals(number, period: period, arm: $0) }
        periods.append(Period(number: period, shares: shares, began: now, read: read))
    }

    /// What came since the last look, by arm.
    mutating func since(_ index: Int, _ exposures: Exposures) -> [Totals] {
        let before = periods[index].read
        periods[index].read = before.indices.map {
            exposures.totals(number, period: periods[index].number, arm: $0)
        }
        return zip(periods[index].read, before).map { $0 - $1 }
    }

    /// Takes away those whose last rewards were added up, and ends those whose time is over. To be called after all were looked at.
    mutating func expire(_ exposures: Exposures, now: Int64) {
        periods.removeAll(where: \.isExpired)
        for index in periods.indices where isOver(periods[index], now: now) {
            // What was told until now is added up at the next look.
            exposures.expire(number, period: periods[index].number)
            periods[index].isExpired = true
        }
    }

    mutating func removeAll() { periods = [] }
}
