// Enters: things that happened to calls. Leaves: how often.
import Synchronization

/// What became of calls, beyond being answered. Counted where it happens, by any thread.
public final class Tally: Sendable {
    public enum Event: Int, CaseIterable, Sendable {
        /// Its deadline passed before it ran; it never did.
        case expired
        /// Its caller took it back before it ran; it never did.
        case cancelled
        /// It could not have been in time, or found its queue full: refused at the door.
        case refusedAtDoor
        /// Answered from a batch.
        case batched
        /// Runs that answered more than one call.
        case batches
    }

    private let counts = InlineArray<5, Atomic<Int>> { _ in Atomic(0) }

    public init() {}

    func count(_ event: Event, _ times: Int = 1) { counts[event.rawValue].add(times, ordering: .relaxed) }

    func countBatch(calls: Int) {
        count(.batches)
        count(.batched, calls)
    }

    public subscript(event: Event) -> Int { counts[event.rawValue].load(ordering: .relaxed) }
}
