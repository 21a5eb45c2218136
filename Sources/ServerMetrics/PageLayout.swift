// Enters: what a page is to hold. Leaves: which of its words means what. Said once, for who writes and for who reads.
import Memory
import Protobuf

/// Where everything lies in a page. All of it are little-endian 64-bit words; places are counted in words.
///
/// | part | words |
/// |---|---|
/// | header | `Header.size`, by name below |
/// | catalogue | a length in bytes, and so many bytes: a protobuf message, see CatalogueMessage.swift |
/// | rows | `Row.words` each: first the models', then the versions' |
/// | exemplars | for each version's row, outcome and classic bucket `Exemplar.words` |
/// | cells | for each shard, and then for everybody else: the server's row, the models', the versions' |
/// | spans | for each shard a ring, see Spans/SpanRing |
public struct PageLayout: Sendable, Equatable {
    public enum Header: Int, CaseIterable, Sendable {
        case magic, version, headerWords, words, catalogueHash
        /// One more than the page that lay there before.
        case generation
        case bootHigh, bootLow, startUnixNanoseconds, startMonotonicNanoseconds
        /// For people: it means nothing in another PID namespace.
        case processID
        case state, heartbeatMonotonicNanoseconds
        /// How often no row was free for a model or a version.
        case rowsMissed
        case shards, modelRows, versionRows, catalogue, catalogueWords, rows, exemplars, cells, shardWords, spans,
            spanWords

        static let size = 512
        /// What the server calls its version: text in so many words, behind the numbers.
        static let product = 64
        static let productWords = 8
    }

    public enum State: UInt64, Sendable { case building, ready, draining, closed }

    /// One model, or one version of it.
    public enum Row {
        public static let words = 48
        /// State in the lowest byte, above it how often the row was given to somebody else.
        static let state = 0
        static let createdUnixNanoseconds = 1
        /// As long as a model's name may be; and a version's.
        static let model = 2
        static let modelWords = 16
        static let version = 18
        static let versionWords = 8
        /// A number of `slots`.
        static let slot = 26
        static let digest = 27
        static let format = 31
        /// Over the words from `createdUnixNanoseconds` on.
        static let checksum = 47
        static let formatBytesMax = 32
        public static let slots = ["none", "blue", "green", "shadow"]
    }

    /// A call that fell into a bucket.
    enum Exemplar {
        typealias Words = SIMD8<UInt64>
        static let words = 8
        static let traceHigh = 0
        static let traceLow = 1
        static let nanoseconds = 2
        static let unixMilliseconds = 3
        static let checksum = 7
    }

    /// "VCJSHM01" in the order of bytes.
    static let magic: UInt64 = 0x3130_4d48_534a_4356
    static let major: UInt64 = 1
    static let minor: UInt64 = 0

    public let catalogue: Catalogue
    public let shards: Int
    public let modelRows: Int
    public let versionRows: Int
    public let spanWords: Int
    let catalogueAt = Header.size
    let catalogueWords: Int
    let rowsAt: Int
    let exemplarsAt: Int
    /// Exemplars of a version's row.
    let exemplarsOfRow: Int
    let cellsAt: Int
    let shardWords: Int
    let spansAt: Int
    public let words: Int

    /// `catalogueBytes`: how long its message is. - Parameter spanWords: of each shard's ring.
    init(
        _ catalogue: Catalogue, catalogueBytes: Int, shards: Int, modelRows: Int, versionRows: Int, spanWords: Int
    ) {
        self.catalogue = catalogue
        self.shards = shards
        self.modelRows = modelRows
        self.versionRows = versionRows
        self.spanWords = spanWords
        catalogueWords = 1 + (catalogueBytes + 7) / 8
        rowsAt = catalogueAt + catalogueWords
        exemplarsAt = rowsAt + (modelRows + versionRows) * Row.words
        let exemplary = catalogue.families.first { $0.scope == .version && $0.kind == .histogram }
        exemplarsOfRow = exemplary.map { $0.points * (($0.buckets?.classic.count ?? 0) + 1) } ?? 0
        // Shards do not share a pair of cache lines.
        cellsAt = Self.aligned(exemplarsAt + versionRows * exemplarsOfRow * Exemplar.words)
        shardWords = Self.aligned(
            catalogue.cells(of: .server) + modelRows * catalogue.cells(of: .model)
                + versionRows * catalogue.cells(of: .version))
        spansAt = cellsAt + (shards + 1) * shardWords
        words = spansAt + shards * spanWords
    }

    private static func aligned(_ words: Int) -> Int { (words + 15) / 16 * 16 }

    /// The first cell of a row among those of a shard.
    func cell(_ scope: Family.Scope, row: Int) -> Int {
        switch scope {
        case .server: 0
        case .model: catalogue.cells(of: .server) + row * catalogue.cells(of: .model)
        case .version:
            catalogue.cells(of: .server) + modelRows * catalogue.cells(of: .model)
                + row * catalogue.cells(of: .version)
        }
    }

    /// The record of a row.
    func record(_ scope: Family.Scope, row: Int) -> Int {
        rowsAt + (scope == .version ? modelRows + row : row) * Row.words
    }

    /// FNV-1a over words: for what is several words and must not be taken half old, half new.
    static func checksum(_ words: some Sequence<UInt64>) -> UInt64 {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for word in words { hash = (hash ^ word) &* 0x100_0000_01b3 }
        // Words of zero are not a record.
        return hash | 1
    }
}
