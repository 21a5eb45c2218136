// Enters: an answer that waits for its reward. Leaves: the same in 64 bits, so that it changes as a whole.

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

    init(slot: Int, period: UInt8, arm: UInt8, tag: UInt64) {
        hash = tag
        upper = 1 << 63 | UInt64(arm) << 56 | UInt64(slot) << 52 | UInt64(period) << 44
    }

    var tag: UInt64 { hash & Self.tagMask }
    var isUsed: Bool { upper != 0 }
    var slot: Int { Int(upper >> 52 & 15) }
    var arm: UInt8 { UInt8(upper >> 56 & 15) }
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

    /// Free places first, then what has its reward, then the oldest; keys last.
    func dispensability(now: UInt8) -> Int {
        if !isUsed { return 2000 }
        let age = (Int(now) - Int(period) + Exposures.periodsMax) % Exposures.periodsMax
        if isKey { return 0 }
        return age + (isSettled ? 1000 : 1)
    }
}
