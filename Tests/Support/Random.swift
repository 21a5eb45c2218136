// Enters: a seed. Leaves: numbers, bytes and choices, the same in each run.
internal import Glibc
public import Memory

extension SplitMix {
    /// From 0, below `bound`; 0 where `bound` is 0.
    public mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(max(1, bound))) }

    public mutating func below(_ bound: Int64) -> Int64 { Int64(next() % UInt64(max(1, bound))) }

    public mutating func byte() -> UInt8 { UInt8(truncatingIfNeeded: next()) }

    public mutating func bytes(_ count: Int) -> [UInt8] { (0..<count).map { _ in byte() } }

    /// From 0, below 1. (`unit` is above 0 and reaches 1.)
    public mutating func fraction() -> Double { Double(next() >> 11) * 0x1p-53 }

    /// Of mean 0 and deviation 1 (Box and Muller, 1958).
    public mutating func normal() -> Double { (-2 * log(unit())).squareRoot() * cos(2 * .pi * unit()) }
}
