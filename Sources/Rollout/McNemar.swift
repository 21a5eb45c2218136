// Enters: on how many rows only the one of two versions was right, and only the other. Leaves: what chance makes of that.
import Glibc

/// McNemar's test, exact (McNemar, 1947): rows on which both are right, or both are wrong, say nothing of which is better. Of the
/// others each is a coin that falls for one or the other.
public enum McNemar {
    /// The chance that fair coins fall as unevenly as that, or more so, to either side.
    public static func p(onlyFirst: Int, onlySecond: Int) -> Double {
        let (rows, fewer) = (onlyFirst + onlySecond, min(onlyFirst, onlySecond))
        guard rows > 0 else { return 1 }
        // The binomial distribution's tail, from its largest term down.
        var term = exp(
            logFactorial(rows) - logFactorial(fewer) - logFactorial(rows - fewer) - Double(rows) * log(2))
        var tail = term
        for number in stride(from: fewer, to: 0, by: -1) where term > tail * 1e-18 {
            term *= Double(number) / Double(rows - number + 1)
            tail += term
        }
        return min(1, 2 * tail)
    }

    private static func logFactorial(_ number: Int) -> Double { lgamma(Double(number) + 1) }
}
