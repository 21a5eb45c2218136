// Enters: leaf hashes in order, or a proof. Leaves: a proof; or whether it holds.
public import Cryptography

/// A part of the leaves, from the first to before the last, whose root a proof holds.
struct LeafRange: Equatable {
    var lower: UInt64
    var upper: UInt64
}

/// A proof in the making: the leaves pass once, in order, and only the roots that the proof needs are kept.
public struct MerkleProof: Sendable {
    private let ranges: [LeafRange]
    private var roots: [CompactRange]
    /// The ranges by their beginning, and the one that the next leaf may lie in.
    private let order: [Int]
    private var current = 0
    private var next: UInt64 = 0

    private init(_ ranges: [LeafRange], behind start: CompactRange) {
        self.ranges = ranges
        roots = ranges.map { _ in CompactRange() }
        order = ranges.indices.sorted { ranges[$0].lower < ranges[$1].lower }
        // Left of a leaf that is not pruned a proof needs subtrees that are in the range, or that consist of its last ones.
        var size = start.size
        for root in start.roots {
            let leaves = UInt64(1) << UInt64(63 - size.leadingZeroBitCount)
            if let index = ranges.firstIndex(where: { $0.lower <= next && next + leaves <= $0.upper }) {
                roots[index].append(root, leaves: leaves)
            }
            next += leaves
            size -= leaves
        }
    }

    /// That the leaf `index` is one of the first `size` (RFC 6962, section 2.1.1). `nil`: it is not among so many, or is pruned.
    /// - Parameter start: over the leaves that will not pass, as they are pruned.
    public init?(ofInclusion index: UInt64, in size: UInt64, behind start: CompactRange = CompactRange()) {
        guard index < size && index >= start.size else { return nil }
        self.init(Self.path(index, LeafRange(lower: 0, upper: size)), behind: start)
    }

    /// That the first `old` leaves of `size` are those that a tree of `old` had (RFC 6962, section 2.1.2). `nil`: there were
    /// none, or more, or one of them is pruned that the proof needs.
    public init?(ofConsistency old: UInt64, with size: UInt64, behind start: CompactRange = CompactRange()) {
        guard old > 0 && old <= size && old >= start.size else { return nil }
        self.init(Self.subproof(old, LeafRange(lower: 0, upper: size), isWhole: true), behind: start)
    }

    /// The next leaf.
    public mutating func append(_ leafHash: Digest) {
        while current < order.count, ranges[order[current]].upper <= next { current += 1 }
        if current < order.count, ranges[order[current]].lower <= next { roots[order[current]].append(leafHash) }
        next += 1
    }

    /// From the leaves up. `nil`: leaves are missing.
    public var hashes: [Digest]? {
        for (range, root) in zip(ranges, roots) where root.size != range.upper - range.lower { return nil }
        return roots.map(\.root)
    }

    private static func path(_ index: UInt64, _ range: LeafRange) -> [LeafRange] {
        let size = range.upper - range.lower
        guard size > 1 else { return [] }
        let middle = range.lower + MerkleTree.split(size)
        let (left, right) = (LeafRange(lower: range.lower, upper: middle), LeafRange(lower: middle, upper: range.upper))
        return index < middle ? path(index, left) + [right] : path(index, right) + [left]
    }

    private static func subproof(_ old: UInt64, _ range: LeafRange, isWhole: Bool) -> [LeafRange] {
        if old == range.upper { return isWhole ? [] : [range] }
        let middle = range.lower + MerkleTree.split(range.upper - range.lower)
        let (left, right) = (LeafRange(lower: range.lower, upper: middle), LeafRange(lower: middle, upper: range.upper))
        return old <= middle
            ? subproof(old, left, isWhole: isWhole) + [right] : subproof(old, right, isWhole: false) + [left]
    }
}

extension MerkleTree {
    /// Whether `hashes` prove that `leafHash` is leaf `index` of the tree of `size` leaves with this root (RFC 9162, section
    /// 2.1.3.2).
    public static func includes(
        _ leafHash: Digest, at index: UInt64, size: UInt64, root: Digest, proof hashes: [Digest]
    ) -> Bool {
        guard index < size else { return false }
        var (node, last, hash) = (index, size - 1, leafHash)
        for sibling in hashes {
            guard last > 0 else { return false }
            if node & 1 == 1 || node == last {
                hash = nodeHash(sibling, hash)
                while node & 1 == 0 && node > 0 { (node, last) = (node >> 1, last >> 1) }
            } else {
                hash = nodeHash(hash, sibling)
            }
            (node, last) = (node >> 1, last >> 1)
        }
        return last == 0 && hash == root
    }

    /// Whether `hashes` prove that the tree of `old` leaves with `oldRoot` is the beginning of the one of `size` with `root`
    /// (RFC 9162, section 2.1.4.2).
    public static func isConsistent(
        _ old: UInt64, _ oldRoot: Digest, with size: UInt64, _ root: Digest, proof hashes: [Digest]
    ) -> Bool {
        guard old > 0 && old <= size else { return false }
        if old == size { return hashes.isEmpty && oldRoot == root }
        var rest = hashes[...]
        // A perfect subtree proves itself: its root is not repeated.
        guard var before = old.nonzeroBitCount == 1 ? oldRoot : rest.popFirst() else { return false }
        var after = before
        var (node, last) = (old - 1, size - 1)
        while node & 1 == 1 { (node, last) = (node >> 1, last >> 1) }
        for hash in rest {
            guard last > 0 else { return false }
            if node & 1 == 1 || node == last {
                (before, after) = (nodeHash(hash, before), nodeHash(hash, after))
                while node & 1 == 0 && node > 0 { (node, last) = (node >> 1, last >> 1) }
            } else {
                after = nodeHash(after, hash)
            }
            (node, last) = (node >> 1, last >> 1)
        }
        return last == 0 && before == oldRoot && after == root
    }
}
