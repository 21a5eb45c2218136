// Enters: leaf hashes, one after another. Leaves: the root over all of them, of memory that grows with their number's logarithm.
public import Cryptography
internal import Memory

/// The Merkle tree of RFC 6962, section 2.1.
public enum MerkleTree {
    /// The root of a tree without leaves: SHA-256 of no bytes.
    public static let emptyRoot = SHA256.digest(of: ByteView.empty)

    /// SHA-256(00 || data).
    public static func leafHash(_ data: Digest) -> Digest { hash(0, data, nil) }

    /// SHA-256(01 || left || right).
    public static func nodeHash(_ left: Digest, _ right: Digest) -> Digest { hash(1, left, right) }

    private static let leafPrefix = ByteView("\0")
    private static let nodePrefix = ByteView("\u{1}")

    private static func hash(_ prefix: UInt8, _ left: Digest, _ right: Digest?) -> Digest {
        var state = SHA256()
        state.update(prefix == 0 ? leafPrefix : nodePrefix)
        left.withBytes { state.update($0) }
        if let right { right.withBytes { state.update($0) } }
        return state.finish()
    }

    /// The largest power of two below `size`, where a tree of `size` leaves divides; `size` is at least 2.
    static func split(_ size: UInt64) -> UInt64 {
        precondition(size >= 2, "a tree of \(size) leaves does not divide")
        return 1 << UInt64(63 - (size - 1).leadingZeroBitCount)
    }
}

/// The roots of the perfect subtrees that the first `size` leaves of a tree form, largest first.
///
/// Their number is that of the ones in `size`. With it a log can be continued, and its root be known, without its leaves.
public struct CompactRange: Equatable, Sendable {
    public private(set) var size: UInt64
    public private(set) var roots: [Digest]

    /// No leaves yet.
    public init() {
        size = 0
        roots = []
    }

    /// `nil`: there are not as many roots as ones in `size`.
    public init?(size: UInt64, roots: [Digest]) {
        guard roots.count == size.nonzeroBitCount else { return nil }
        (self.size, self.roots) = (size, roots)
    }

    public mutating func append(_ leafHash: Digest) {
        var node = leafHash
        // Each one at the end of `size` is a perfect subtree as large as what has come to be.
        for _ in 0..<(~size).trailingZeroBitCount { node = MerkleTree.nodeHash(roots.removeLast(), node) }
        roots.append(node)
        size += 1
    }

    /// Adds a perfect subtree of fewer leaves than any that is there.
    mutating func append(_ root: Digest, leaves: UInt64) {
        precondition(leaves.nonzeroBitCount == 1 && (size == 0 || leaves < size & (~size + 1)))
        roots.append(root)
        size += leaves
    }

    /// The tree's root: MTH of RFC 6962, section 2.1.
    public var root: Digest {
        guard var root = roots.last else { return MerkleTree.emptyRoot }
        for left in roots.dropLast().reversed() { root = MerkleTree.nodeHash(left, root) }
        return root
    }
}
