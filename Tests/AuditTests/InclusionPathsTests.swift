import Audit
import Cryptography
import Memory
import Testing

private let leaves = (0..<70).map { MerkleTree.leafHash(SHA256.digest(of: Array("\($0)".utf8).raw)) }

/// Of every leaf of every tree up to 70, behind every pruned part: what a proof by itself has.
@Test func pathsAreThoseOfSingleProofs() {
    for size in 1...leaves.count {
        for pruned in [0, 1, 2, 3, size / 3, size / 2, size - 1] where pruned < size {
            var start = CompactRange()
            for leaf in leaves[..<pruned] { start.append(leaf) }
            var paths = InclusionPaths(of: (0..<UInt64(size + 2)), in: UInt64(size), behind: start)
            // More leaves than the checkpoint has may follow.
            for leaf in leaves[pruned...] { paths.append(leaf) }
            for index in 0..<size {
                var proof = MerkleProof(ofInclusion: UInt64(index), in: UInt64(size), behind: start)
                for leaf in leaves[pruned..<size] { proof?.append(leaf) }
                #expect(paths.hashes(of: UInt64(index)) == proof?.hashes, "\(index) of \(size) behind \(pruned)")
            }
            #expect(paths.hashes(of: UInt64(size)) == nil)
        }
    }
}

@Test func pathsAreThereWhenAllLeavesAre() {
    var paths = InclusionPaths(of: [3, 4], in: 9)
    for leaf in leaves[..<9] {
        #expect(paths.hashes(of: 3) == nil)
        paths.append(leaf)
    }
    #expect(paths.hashes(of: 3) != nil && paths.hashes(of: 4) != nil)
    #expect(paths.hashes(of: 7) == nil)
}
