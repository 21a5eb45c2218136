// Enters: commits. Leaves: the catalog that holds now. One pointer is stored; whoever reads it takes no lock.
public import Memory
import Synchronization

/// Where the catalog is found, and changed.
///
/// A commit stores one pointer, whatever it changes: who reads sees all of it or nothing. What it replaced is kept until
/// `release`: only who knows that no reader is in the middle of a turn can say when (RCU's grace period; McKenney and
/// Slingwine, 1998).
public final class Directory<Model: AnyObject & Sendable>: Sendable {
    private struct Kept: Sendable {
        var current: Catalog<Model>
        var replaced: [Catalog<Model>] = []
    }

    private let place: Publication
    private let kept: Lock<Kept>

    public init(_ entries: [Entry<Model>] = []) {
        let catalog = Catalog(epoch: 1, entries)
        place = Publication(catalog)
        kept = Lock(Kept(current: catalog))
    }

    /// For who takes part in grace periods: it lives until a release that follows its reader's next turn.
    public var pinned: Pinned<Catalog<Model>> { place.load(as: Catalog<Model>.self) }

    /// For everybody else.
    public var catalog: Catalog<Model> { kept.withLock { $0.current } }

    /// Makes `entries` what everybody sees. Who commits sees to it that nobody else does meanwhile.
    /// - Returns: the commit's epoch.
    @discardableResult
    public func commit(_ entries: [Entry<Model>]) -> UInt64 {
        kept.withLock { kept in
            let next = Catalog(epoch: kept.current.epoch + 1, entries)
            place.store(next)
            kept.replaced.append(kept.current)
            kept.current = next
            return next.epoch
        }
    }

    /// Frees what was replaced by `epoch` or before, with all versions that only it held. Every reader has since begun a turn
    /// with that epoch or a later one, and no call holds such a version.
    public func release(replacedBy epoch: UInt64) {
        // They are freed after the lock is: a model takes its time.
        let freed = kept.withLock { kept in
            let freed = kept.replaced.filter { $0.epoch < epoch }
            kept.replaced.removeAll { $0.epoch < epoch }
            return freed
        }
        _ = consume freed
    }
}
