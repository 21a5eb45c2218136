// Enters: the leaves of a whole log, in order. Leaves: its tiles, files by which monitors and witnesses follow it.
public import Cryptography

/// c2sp.org/tlog-tiles: of each level tiles of 256 hashes, and bundles of entries, which hold the 32 bytes of a leaf's data.
public struct Tiles {
    public static let width = 256

    private var leaves: UInt64 = 0
    /// The hashes of the last tile of each level.
    private var levels: [[Digest]] = []
    private var bundle: [UInt8] = []

    public init() {}

    /// Adds a leaf; `emit` gets the path and the bytes of each tile that is full.
    public mutating func append<Failure: Error>(
        _ data: Digest, _ emit: (String, [UInt8]) throws(Failure) -> Void
    ) throws(Failure) {
        bundle += [0, UInt8(Digest.byteCount)]
        data.append(to: &bundle)
        leaves += 1
        if leaves % UInt64(Self.width) == 0 {
            try emit(Self.path("entries", leaves / UInt64(Self.width) - 1, width: 0), bundle)
            bundle.removeAll(keepingCapacity: true)
        }
        try add(MerkleTree.leafHash(data), level: 0, emit)
    }

    /// The partial tiles at the end.
    public func finish<Failure: Error>(_ emit: (String, [UInt8]) throws(Failure) -> Void) throws(Failure) {
        let rest = Int(leaves % UInt64(Self.width))
        if rest > 0 { try emit(Self.path("entries", leaves / UInt64(Self.width), width: rest), bundle) }
        for (level, hashes) in levels.enumerated() where !hashes.isEmpty {
            let tile = leaves >> UInt64(8 * (level + 1))
            try emit(Self.path("\(level)", tile, width: hashes.count), Self.bytes(hashes))
        }
    }

    private mutating func add<Failure: Error>(
        _ hash: Digest, level: Int, _ emit: (String, [UInt8]) throws(Failure) -> Void
    ) throws(Failure) {
        if level == levels.count { levels.append([]) }
        levels[level].append(hash)
        guard levels[level].count == Self.width else { return }
        let tile = leaves >> UInt64(8 * (level + 1))
        try emit(Self.path("\(level)", tile - 1, width: 0), Self.bytes(levels[level]))
        var range = CompactRange()
        for hash in levels[level] { range.append(hash) }
        levels[level].removeAll(keepingCapacity: true)
        try add(range.root, level: level + 1, emit)
    }

    private static func bytes(_ hashes: [Digest]) -> [UInt8] {
        var bytes: [UInt8] = []
        for hash in hashes { hash.append(to: &bytes) }
        return bytes
    }

    /// `width`: of a partial tile; 0: it is full. Three digits an element, all but the last with an `x` in front.
    static func path(_ level: String, _ tile: UInt64, width: Int) -> String {
        var elements = [decimal(tile % 1000, digits: 3)]
        var rest = tile / 1000
        while rest > 0 {
            elements.insert("x\(decimal(rest % 1000, digits: 3))", at: 0)
            rest /= 1000
        }
        return "tile/\(level)/\(elements.joined(separator: "/"))\(width == 0 ? "" : ".p/\(width)")"
    }
}
