// Enters: what came of running calls both together and one by one. Leaves: whether calls may run together.
import Synchronization

/// Whether a model's rows are independent of each other.
///
/// A free first dimension does not prove it: a graph may normalize or rank over its batch, and would then answer one caller by
/// what another asked. So rows are run together and one by one and compared: rows of our own when the model is loaded, then
/// the first batches of callers, who get what each call alone gave; afterwards every 1024th batch. A model that disagrees once
/// runs its calls one by one from then on.
public final class Trust: Sendable {
    public enum Verdict: Sendable, Equatable {
        /// Each call by itself.
        case alone
        /// Both ways; callers get what each call alone gave.
        case both
        case together
    }

    public static let trials = 4
    static let auditEvery: UInt64 = 1024

    /// Trials to come; 0: trusted; -1: never again.
    private let trialsLeft: Atomic<Int>
    private let batches = Atomic<UInt64>(0)
    /// Rows of our own agreed, and gave answers that differed from each other.
    private let proven = Atomic<Bool>(false)

    /// `canBatch: false`: the model's signature forbids it.
    public init(canBatch: Bool) { trialsLeft = Atomic(canBatch ? Self.trials : -1) }

    public var canBatch: Bool { trialsLeft.load(ordering: .relaxed) >= 0 }

    /// To be asked once for each batch.
    public func judge() -> Verdict {
        let left = trialsLeft.load(ordering: .relaxed)
        if left != 0 { return left < 0 ? .alone : .both }
        return batches.add(1, ordering: .relaxed).oldValue % Self.auditEvery == Self.auditEvery - 1 ? .both : .together
    }

    public func prove() { proven.store(true, ordering: .relaxed) }

    /// A batch gave what each call alone gave. `rowsDiffer`: rows that are all the same prove little.
    public func agreed(rowsDiffer: Bool) {
        guard rowsDiffer || proven.load(ordering: .relaxed) else { return }
        let left = trialsLeft.load(ordering: .relaxed)
        guard left > 0 else { return }
        // Who is overtaken by another thread has told nothing new.
        _ = trialsLeft.compareExchange(expected: left, desired: left - 1, ordering: .relaxed)
    }

    /// - Returns: whether that is news.
    public func disagreed() -> Bool { trialsLeft.exchange(-1, ordering: .relaxed) >= 0 }
}
