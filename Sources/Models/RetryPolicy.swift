// Enters: how often a version failed, one time after the other. Leaves: when it may be tried again by itself, if ever.
import Memory

/// When to try again what nobody asked for anew. A function of its arguments: no clock, no chance of its own.
public enum RetryPolicy {
    /// After so many failures in a row a version is left alone.
    public static let failuresMax = 5
    /// A version that was on its way when so many processes ended, one after the other, is left alone.
    public static let crashesMax = 2

    private static let firstNanoseconds: Int64 = 1_000_000_000
    private static let longestNanoseconds: Int64 = 300_000_000_000

    /// 1 s, 2 s, 4 s … up to 5 minutes, ± 20 %, so that many do not try at once. `nil`: not any more.
    /// `seed`: the same seed and number give the same wait.
    public static func wait(afterFailures failures: Int, seed: UInt64) -> Int64? {
        guard failures < failuresMax else { return nil }
        return backOff(failures, seed: seed)
    }

    static func backOff(_ failures: Int, seed: UInt64) -> Int64 {
        guard failures > 0 else { return 0 }
        let doublings = min(failures - 1, 20)
        let full = min(longestNanoseconds, firstNanoseconds << doublings)
        // ± 20 % in steps of a thousandth.
        let share = 800 + Int64(SplitMix.mixed((seed &+ UInt64(failures)) &* SplitMix.step) % 401)
        return min(longestNanoseconds, full / 1000 * share)
    }
}
