import Audit
import Cryptography
import Memory
import Testing

private let vectors = Vectors.shared

private func leaf(_ number: Int) -> Digest { MerkleTree.leafHash(SHA256.digest(of: Array("\(number)".utf8).raw)) }

/// MTH of RFC 6962, section 2.1, as it is written there.
private func naiveRoot(_ leaves: ArraySlice<Digest>) -> Digest {
    if leaves.isEmpty { return SHA256.digest(of: ByteView.empty) }
    if leaves.count == 1 { return leaves[leaves.startIndex] }
    var split = 1
    while split * 2 < leaves.count { split *= 2 }
    let middle = leaves.startIndex + split
    return MerkleTree.nodeHash(naiveRoot(leaves[..<middle]), naiveRoot(leaves[middle...]))
}

/// PATH of section 2.1.1.
private func naivePath(_ index: Int, _ leaves: ArraySlice<Digest>) -> [Digest] {
    if leaves.count == 1 { return [] }
    var split = 1
    while split * 2 < leaves.count { split *= 2 }
    let middle = leaves.startIndex + split
    return index < split
        ? naivePath(index, leaves[..<middle]) + [naiveRoot(leaves[middle...])]
        : naivePath(index - split, leaves[middle...]) + [naiveRoot(leaves[..<middle])]
}

private let leaves = (0..<300).map(leaf)

@Test func rootsAreThoseOfANaiveTree() {
    var range = CompactRange()
    #expect(range.root == MerkleTree.emptyRoot)
    for size in 1...leaves.count {
        range.append(leaves[size - 1])
        #expect(range.root == naiveRoot(leaves[..<size]), "\(size)")
        #expect(CompactRange(size: UInt64(size), roots: range.roots) == range)
        #expect(CompactRange(size: UInt64(size), roots: range.roots + [leaves[0]]) == nil)
    }
}

@Test func inclusionProofsAreThoseOfANaiveTree() throws {
    for size in stride(from: 1, through: 300, by: 7) {
        let root = naiveRoot(leaves[..<size])
        for index in Set([0, 1, size / 2, size - 2, size - 1]) where index >= 0 && index < size {
            var proof = try #require(MerkleProof(ofInclusion: UInt64(index), in: UInt64(size)))
            for leaf in leaves[..<size] { proof.append(leaf) }
            let hashes = try #require(proof.hashes)
            #expect(hashes == naivePath(index, leaves[..<size]), "\(index) of \(size)")
            func holds(_ leaf: Digest, _ index: Int, _ size: Int, _ root: Digest, _ hashes: [Digest]) -> Bool {
                MerkleTree.includes(leaf, at: UInt64(index), size: UInt64(size), root: root, proof: hashes)
            }
            #expect(holds(leaves[index], index, size, root, hashes))
            #expect(!holds(leaves[(index + 1) % 300], index, size, root, hashes))
            #expect(!holds(leaves[index], index + 1, size, root, hashes))
            #expect(!holds(leaves[index], index, size, root, hashes + [root]))
            #expect(hashes.isEmpty || !holds(leaves[index], index, size, root, Array(hashes.dropLast())))
            #expect(!holds(leaves[index], index, size, leaves[0], hashes) || root == leaves[0])
        }
    }
    #expect(MerkleProof(ofInclusion: 5, in: 5) == nil)
}

@Test func consistencyProofsHold() throws {
    for (old, size) in [
        (1, 1), (1, 2), (2, 3), (3, 7), (4, 7), (6, 7), (8, 8), (7, 300), (128, 300), (255, 257), (299, 300),
    ] {
        var proof = try #require(MerkleProof(ofConsistency: UInt64(old), with: UInt64(size)))
        for leaf in leaves[..<size] { proof.append(leaf) }
        let hashes = try #require(proof.hashes)
        let (before, after) = (naiveRoot(leaves[..<old]), naiveRoot(leaves[..<size]))
        func holds(_ before: Digest, _ after: Digest, _ hashes: [Digest]) -> Bool {
            MerkleTree.isConsistent(UInt64(old), before, with: UInt64(size), after, proof: hashes)
        }
        #expect(holds(before, after, hashes), "\(old) and \(size)")
        #expect(!holds(leaves[9], after, hashes) && !holds(before, leaves[9], hashes))
        #expect(!holds(before, after, hashes + [after]))
        #expect(hashes.isEmpty || !holds(before, after, Array(hashes.dropLast())))
    }
    #expect(MerkleProof(ofConsistency: 0, with: 5) == nil && MerkleProof(ofConsistency: 6, with: 5) == nil)
}

/// Where the first leaves are pruned, proofs of the others come of their compact range.
@Test(arguments: [1, 2, 5, 64, 100, 191]) func proofsBehindPrunedLeaves(first: Int) throws {
    var start = CompactRange()
    for leaf in leaves[..<first] { start.append(leaf) }
    for size in [first + 1, 200, 256, 299] where size > first {
        for index in Set([first, (first + size) / 2, size - 1]) {
            var whole = try #require(MerkleProof(ofInclusion: UInt64(index), in: UInt64(size)))
            var pruned = try #require(MerkleProof(ofInclusion: UInt64(index), in: UInt64(size), behind: start))
            for leaf in leaves[..<size] { whole.append(leaf) }
            for leaf in leaves[first..<size] { pruned.append(leaf) }
            #expect(pruned.hashes == whole.hashes && pruned.hashes != nil, "\(index) of \(size)")
        }
        #expect(MerkleProof(ofInclusion: UInt64(first - 1), in: UInt64(size), behind: start) == nil)
    }
}

@Test func aProofWithoutAllLeavesIsNone() {
    var proof = MerkleProof(ofInclusion: 3, in: 8)
    for leaf in leaves[..<7] { proof?.append(leaf) }
    #expect(proof != nil && proof?.hashes == nil)
}

@Test func treeOfTheVectors() throws {
    var range = CompactRange()
    for entry in vectors.entries {
        let segment = bytes(vectors.files["segment-\(String(repeating: "0", count: 11))\(entry.segment).aud"] ?? "")
        let found = SHA256.digest(of: Array(segment[entry.offset..<entry.offset + entry.bytes]).raw)
        #expect(found.hex == entry.leafData && MerkleTree.leafHash(found).hex == entry.leafHash)
        range.append(MerkleTree.leafHash(found))
        #expect(range.root.hex == entry.root)
    }
    let hashes = try vectors.entries.map { try digest(bytes($0.leafHash)) }
    for step in vectors.consistency {
        var proof = try #require(MerkleProof(ofConsistency: step.from, with: step.to))
        for hash in hashes.prefix(Int(step.to)) { proof.append(hash) }
        #expect(proof.hashes?.map(\.hex) == step.hashes)
    }
}

/// The tiles of a log of 70 000 entries hold its tree: level 2 is there, and each root comes of the tiles below.
@Test func tilesHoldTheTree() throws {
    var tiles = Tiles()
    var range = CompactRange()
    var files: [String: [UInt8]] = [:]
    for number in 0..<70_000 {
        let data = SHA256.digest(of: Array("\(number)".utf8).raw)
        range.append(MerkleTree.leafHash(data))
        tiles.append(data) { path, bytes in files[path] = bytes }
    }
    tiles.finish { path, bytes in files[path] = bytes }
    #expect(files["tile/entries/273.p/112"]?.count == 112 * 34 && files["tile/0/273.p/112"]?.count == 112 * 32)
    #expect(files["tile/0/000"]?.count == 8192 && files["tile/1/000"]?.count == 8192 && files["tile/1/001.p/17"] != nil)
    #expect(files["tile/2/000.p/1"]?.count == 32 && files["tile/3/000.p/1"] == nil)
    // 65536 leaves are the one node of level 2; the 17 tiles behind it and the last leaves follow.
    var whole = [try digest(files["tile/2/000.p/1"] ?? [])]
    for (path, width) in [("tile/1/001.p/17", 17), ("tile/0/273.p/112", 112)] {
        let bytes = try #require(files[path])
        var part = CompactRange()
        for index in 0..<width { part.append(try digest(Array(bytes[32 * index..<32 * index + 32]))) }
        whole += part.roots
    }
    #expect(CompactRange(size: 70_000, roots: whole)?.root == range.root)
}
