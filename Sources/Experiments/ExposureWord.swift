// Enters: an answer that waits for its reward. Leaves: the same in 64 bits, so that it changes as a whole.

/// Where a call of an experiment was dealt to.
public struct Exposure: BitwiseCopyable, Sendable, Equatable {
    /// As `Exposures.begin` gave it.
    public var experiment: UInt16
    /// A stretch of time in which the shares did not change.
    public var period: UInt8
    public var arm: UInt8

    public init(experiment: UInt16, period: UInt8, arm: UInt8) {
        self.experiment = experiment
        self.period = period
        self.arm = arm
    }
}

/// One place of the table of `Exposures`.
struct Word {
    static let tagMask: UInt64 = (1 << 44) - 1
    /// What says in which bucket it lies, and its low bits which one there.
    var hash: UInt64
    var raw: UInt64 { upper | hash & Self.tagMask }
    private var upper: UInt64

    init(raw: UInt64) {
        hash = raw & Self.tagMask
        upper = raw & ~Self.tagMask
    }

    init(slot: Int, period: UInt8, arm: UInt8, isLenient: Bool, tag: UInt64) {
        hash = tag
        upper = 1 << 63 | UInt64(arm) << 56 | UInt64(slot) << 52 | UInt64(period) << 44
        self.isLenient = isLenient
    }

    var tag: UInt64 { hash & Self.tagMask }
    var isUsed: Bool { upper != 0 }
    var slot: Int { Int(upper >> 52 & 15) }
    var arm: UInt8 { UInt8(upper >> 56 & 7) }
    var period: UInt8 { UInt8(upper >> 44 & 255) }

    private func flag(_ bit: UInt64) -> Bool { upper >> bit & 1 == 1 }
    private mutating func set(_ bit: UInt64, _ value: Bool) { upper = upper & ~(1 << bit) | (value ? 1 << bit : 0) }

    /// It is no answer but a caller's key, which is kept so that it counts once.
    var isKey: Bool {
        get { flag(62) }
        set { set(62, newValue) }
    }
    var isSettled: Bool {
        get { flag(61) }
        set { set(61, newValue) }
    }
    /// Its caller has had an answer before.
    var isRepeat: Bool {
        get { flag(60) }
        set { set(60, newValue) }
    }

    /// It belongs to a rollout, which would like labels; an experiment needs its rewards.
    var isLenient: Bool {
        get { flag(59) }
        set { set(59, newValue) }
    }

    /// Below this stands what an experiment waits for; no word of a rollout takes its place.
    static let neededMax = 999

    /// Free places first, then what has its reward, then what a rollout waits for, then what an experiment waits for; of each the
    /// newcomer's own oldest first, and keys last. Periods of two experiments are not comparable, so others have no age.
    func dispensability(for newcomer: Word) -> Int {
        if !isUsed { return 4000 }
        if isKey { return isLenient ? 1000 : 0 }
        var age = 0
        if slot == newcomer.slot {
            age = Int(newcomer.period) - Int(period)
            if age < 0 { age += Exposures.periodsMax }
        }
        return age + 1 + (isSettled ? 2000 : 0) + (isLenient ? 1000 : 0)
    }
}
