// Enters: a seed, or a word. Leaves: words that look like chance. For samples, jitter and spreading; not for secrets.

/// A small seeded generator (SplitMix64; Steele, Lea and Flood, 2014): a seed names a run.
public struct SplitMix: RandomNumberGenerator, Sendable {
    private var state: UInt64

    public init(seed: UInt64) { state = seed }

    public mutating func next() -> UInt64 {
        state &+= Self.step
        return Self.mixed(state)
    }

    /// Above 0, up to 1.
    public mutating func unit() -> Double { Double(next() >> 11 + 1) * 0x1p-53 }

    /// What the state grows by: 2⁶⁴ over the golden ratio.
    public static let step: UInt64 = 0x9e37_79b9_7f4a_7c15

    /// Its last step: whichever bit of the word changes, half of the result's bits do.
    public static func mixed(_ word: UInt64) -> UInt64 {
        var word = word
        word = (word ^ (word >> 30)) &* 0xbf58_476d_1ce4_e5b9
        word = (word ^ (word >> 27)) &* 0x94d0_49bb_1331_11eb
        return word ^ (word >> 31)
    }
}
