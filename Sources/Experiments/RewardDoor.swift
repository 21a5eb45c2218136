// Enters: rewards that begin and end, and the end of their experiment. Leaves: which rewards are in the sums for certain.
import Glibc
import Synchronization

/// Lets rewards in until it is closed. How many are inside and whether it is closed is one word: a reward finds the door either
/// open, and `close` waits for it, or closed. Two words would leave a moment in which both pass each other.
struct RewardDoor: ~Copyable {
    private static let closed: UInt64 = 1 << 63
    private let word = Atomic<UInt64>(0)

    /// - Returns: whether the reward may be counted; `leave` says that it was.
    func enter() -> Bool {
        // Rewards that come later do not touch the word, so that `close` sees it come to rest.
        guard word.load(ordering: .relaxed) & Self.closed == 0 else { return false }
        if word.wrappingAdd(1, ordering: .acquiring).oldValue & Self.closed == 0 { return true }
        leave()
        return false
    }

    /// Publishes what the reward added to the sums.
    func leave() { word.wrappingSubtract(1, ordering: .releasing) }

    func open() { word.bitwiseAnd(~Self.closed, ordering: .acquiringAndReleasing) }

    /// Returns when every reward that was let in has left; its sums are visible to the caller then. A reward takes less than a
    /// microsecond inside, unless its thread loses its core.
    func close() {
        word.bitwiseOr(Self.closed, ordering: .acquiringAndReleasing)
        while word.load(ordering: .acquiring) != Self.closed { sched_yield() }
    }
}
