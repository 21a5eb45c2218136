// Enters: a rate and a seed. Leaves: the times at which requests are to be sent.
import Glibc
import Memory

/// How requests follow each other.
public enum Arrival: String, Sendable, CaseIterable {
    /// Independent callers: gaps are exponentially distributed, so that some requests come close together.
    case poisson
    /// All gaps are the same.
    case constant
}

/// The intended times of one thread's requests, in nanoseconds from the begin. They depend on nothing that a server does.
struct Arrivals {
    private let arrival: Arrival
    private let gapNanoseconds: Double
    private var timeNanoseconds: Double
    private var random: SplitMix

    /// `thread` of `threads` sends its share of `rate`, in requests per second.
    init(_ arrival: Arrival, rate: Double, seed: UInt64, thread: Int = 0, of threads: Int = 1) {
        self.arrival = arrival
        gapNanoseconds = 1_000_000_000 / rate * Double(threads)
        random = SplitMix(seed: seed &+ UInt64(thread) &* 0x9e37_79b9)
        // Threads take turns, so that all of them together keep the gaps equal.
        timeNanoseconds = arrival == .constant ? gapNanoseconds * Double(thread) / Double(threads) - gapNanoseconds : 0
    }

    mutating func next() -> Int64 {
        switch arrival {
        case .constant: timeNanoseconds += gapNanoseconds
        case .poisson: timeNanoseconds -= log(random.unit()) * gapNanoseconds
        }
        return Int64(timeNanoseconds)
    }
}
