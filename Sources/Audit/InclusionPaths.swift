// Enters: indexes of entries, then a log's leaf hashes in order. Leaves: for each of them the hashes that prove it.
public import Cryptography

/// Paths of many leaves under one size (RFC 6962, section 2.1.1) from one pass over all; only the nodes that they need are kept.
public struct InclusionPaths {
    /// The root of a perfect subtree: of 2^level leaves, from position · 2^level on.
    private struct Node: Hashable {
        let level: Int
        let position: UInt64
    }

    private let size: UInt64
    private var wanted: Set<Node> = []
    private var found: [Node: Digest] = [:]
    /// Of the leaves so far, as a compact range has them.
    private var roots: [Digest]
    private var count: UInt64

    /// - Parameters:
    ///   - indexes: those that are pruned, or not below `size`, get no path.
    ///   - start: over the leaves that will not pass, as they are pruned.
    public init(of indexes: some Sequence<UInt64>, in size: UInt64, behind start: CompactRange = CompactRange()) {
        (self.size, roots, count) = (size, start.roots, start.size)
        for index in indexes where index >= start.size && index < size {
            let height = Self.subtree(of: index, in: size).height
            for level in 0..<height {
                wanted.insert(Node(level: level, position: index >> UInt64(level) ^ 1))
            }
        }
        var (first, rest) = (UInt64(0), start.size)
        for root in start.roots {
            let level = 63 - rest.leadingZeroBitCount
            keep(root, Node(level: level, position: first >> UInt64(level)))
            (first, rest) = (first + 1 << UInt64(level), rest - 1 << UInt64(level))
        }
    }

    /// The next leaf. Those behind `size` are passed over.
    public mutating func append(_ leafHash: Digest) {
        guard count < size else { return }
        var hash = leafHash
        keep(hash, Node(level: 0, position: count))
        for level in 0..<(~count).trailingZeroBitCount {
            hash = MerkleTree.nodeHash(roots.removeLast(), hash)
            keep(hash, Node(level: level + 1, position: count >> UInt64(level + 1)))
        }
        roots.append(hash)
        count += 1
    }

    /// From the leaf up. `nil`: leaves are missing, or it is none of the indexes.
    public func hashes(of index: UInt64) -> [Digest]? {
        guard count == size, index < size else { return nil }
        let (number, height) = Self.subtree(of: index, in: size)
        var path: [Digest] = []
        for level in 0..<height {
            guard let hash = found[Node(level: level, position: index >> UInt64(level) ^ 1)] else { return nil }
            path.append(hash)
        }
        // Behind the leaf's perfect subtree all others are one, those before it are siblings, the nearest first.
        if var behind = roots.last, number < roots.count - 1 {
            for root in roots[(number + 1)...].dropLast().reversed() { behind = MerkleTree.nodeHash(root, behind) }
            path.append(behind)
        }
        return path + roots[..<number].reversed()
    }

    /// Which of the perfect subtrees that make a tree of `size` has the leaf, and of how many levels it is.
    private static func subtree(of index: UInt64, in size: UInt64) -> (number: Int, height: Int) {
        var (number, first, rest) = (0, UInt64(0), size)
        while true {
            let height = 63 - rest.leadingZeroBitCount
            let leaves = UInt64(1) << UInt64(height)
            if index - first < leaves { return (number, height) }
            (number, first, rest) = (number + 1, first + leaves, rest - leaves)
        }
    }

    private mutating func keep(_ hash: Digest, _ node: Node) {
        if wanted.contains(node) { found[node] = hash }
    }
}
