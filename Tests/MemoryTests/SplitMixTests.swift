// Enters: seeds. Leaves: the words that SplitMix64 is known for.
import Memory
import Testing

/// The first words of two seeds, as Vigna's splitmix64.c gives them.
@Test(
    arguments: [
        (1_234_567, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]),
        (0, [0xe220_a839_7b1d_cdaf, 0x6e78_9e6a_a1b9_65f4, 0x06c4_5d18_8009_454f]),
    ] as [(UInt64, [UInt64])])
func wordsOfASeed(seed: UInt64, words: [UInt64]) {
    var random = SplitMix(seed: seed)
    #expect(words.map { _ in random.next() } == words)
}

@Test func units() {
    var random = SplitMix(seed: 5)
    let units = (0..<10_000).map { _ in random.unit() }
    #expect(units.allSatisfy { $0 > 0 && $0 <= 1 })
    #expect(abs(units.reduce(0, +) / 10_000 - 0.5) < 0.01)
}
