// Enters: a page's words, as another process wrote them. Leaves: what they say, or why they say nothing. Pure; believes in nothing.
import Memory

/// Why a page cannot be read.
public enum PageFault: Error, Equatable {
    /// It is shorter than its own words say, or than a header.
    case short
    case noPage
    /// The name of the version that wrote it.
    case otherVersion(major: UInt64)
    /// It is being built, or its parts do not fit together.
    case notReady
    case damaged(String)

    public var sentence: String {
        switch self {
        case .short: "the page is shorter than it says"
        case .noPage: "it is no metrics page"
        case .otherVersion(let major): "its layout is version \(major), this agent reads \(PageLayout.major)"
        case .notReady: "it is being made"
        case .damaged(let part): "\(part) does not fit together"
        }
    }

    /// A word for a label.
    public var reason: String {
        switch self {
        case .short: "short"
        case .noPage: "no_page"
        case .otherVersion: "other_version"
        case .notReady: "not_ready"
        case .damaged: "damaged"
        }
    }
}

/// A page at one moment.
public struct Snapshot: Sendable {
    public struct Row: Sendable, Equatable {
        public var scope: Family.Scope
        public var number: Int
        public var model: String
        public var version: String
        public var createdUnixNanoseconds: Int64
        public var slot: String
        /// Empty: not known.
        public var digest: [UInt8]
        public var format: String
    }

    public struct Exemplar: Sendable, Equatable {
        public var traceHigh: UInt64
        public var traceLow: UInt64
        public var seconds: Double
        public var unixMilliseconds: Int64
    }

    /// Cells of all rows together, 64 MiB: five thousand versions that have rows at the same time.
    static let cellsMax = 1 << 23

    /// Words of a page from one on, so many. `nil`: there are not as many.
    public typealias Words = (_ from: Int, _ count: Int) -> [UInt64]?

    public let header: [UInt64]
    public let catalogue: Catalogue
    public private(set) var rows: [Row] = []
    /// All shards' cells added up, row after row, by scope.
    private var cells: [Family.Scope: [UInt64]] = [:]
    private var exemplars: [UInt64] = []
    private let exemplarsOfRow: Int
    public let spansAt: Int
    public let spanWords: Int

    /// - Parameter known: what an earlier snapshot found, so that the catalogue of the same page is not decoded again.
    public init(_ words: Words, known: Snapshot? = nil) throws(PageFault) {
        guard let header = words(0, PageLayout.Header.size) else { throw .short }
        self.header = header
        func number(_ word: PageLayout.Header) -> UInt64 { header[word.rawValue] }
        guard number(.magic) == PageLayout.magic else { throw .noPage }
        guard number(.version) >> 32 == PageLayout.major else { throw .otherVersion(major: number(.version) >> 32) }
        guard number(.state) != PageLayout.State.building.rawValue else { throw .notReady }
        guard number(.headerWords) == UInt64(PageLayout.Header.size) else { throw .damaged("the header") }
        guard number(.catalogue) == UInt64(PageLayout.Header.size), (2...(1 << 17)).contains(number(.catalogueWords))
        else {
            throw .damaged("the catalogue")
        }
        if let known, known.header[PageLayout.Header.catalogueHash.rawValue] == number(.catalogueHash),
            known.header[PageLayout.Header.generation.rawValue] == number(.generation)
        {
            catalogue = known.catalogue
        } else {
            catalogue = try Self.catalogue(words, header)
        }
        // Whoever wrote these numbers, the places that follow from them must be the ones that it names.
        guard number(.shards) <= 1024, number(.modelRows) <= 1 << 14, number(.versionRows) <= 1 << 14,
            number(.spanWords) <= 1 << 17
        else { throw .damaged("the header") }
        let layout = PageLayout(
            catalogue, catalogueBytes: Int(number(.catalogueWords) - 1) * 8, shards: Int(number(.shards)),
            modelRows: Int(number(.modelRows)), versionRows: Int(number(.versionRows)),
            spanWords: Int(number(.spanWords)))
        guard number(.words) == UInt64(layout.words), number(.rows) == UInt64(layout.rowsAt),
            number(.exemplars) == UInt64(layout.exemplarsAt), number(.cells) == UInt64(layout.cellsAt),
            number(.shardWords) == UInt64(layout.shardWords), number(.spans) == UInt64(layout.spansAt)
        else { throw .damaged("the places of its parts") }
        spansAt = layout.spansAt
        spanWords = layout.spanWords
        exemplarsOfRow = layout.exemplarsOfRow
        guard words(layout.words - 1, 1) != nil else { throw .short }
        try read(words, layout)
    }

    private static func catalogue(_ words: Words, _ header: [UInt64]) throws(PageFault) -> Catalogue {
        let count = Int(header[PageLayout.Header.catalogueWords.rawValue])
        guard let read = words(PageLayout.Header.size, count) else { throw .short }
        let message = read.dropFirst()
        guard read[0] <= UInt64(message.count * 8),
            PageLayout.checksum(message) == header[PageLayout.Header.catalogueHash.rawValue]
        else { throw .damaged("the catalogue") }
        let bytes = OwnedBytes(
            Array(
                message.flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> UInt64(8 * $0)) } }.prefix(
                    Int(read[0]))))
        return try withExtendedLifetime(bytes) { () throws(PageFault) in
            guard let catalogue = CatalogueMessage.decode(bytes.view) else { throw .damaged("the catalogue") }
            return catalogue
        }
    }

    private mutating func read(_ words: Words, _ layout: PageLayout) throws(PageFault) {
        var records: [UInt64] = []
        // A row that is written just now is whole a moment later.
        for _ in 0..<3 {
            guard let now = words(layout.rowsAt, (layout.modelRows + layout.versionRows) * PageLayout.Row.words) else {
                throw .short
            }
            records = now
            if stride(from: 0, to: records.count, by: PageLayout.Row.words).allSatisfy({ Row.isWhole(records, at: $0) })
            {
                break
            }
        }
        var used: [Family.Scope: Int] = [.server: 1]
        for place in 0..<layout.modelRows + layout.versionRows {
            let record = records[(place * PageLayout.Row.words)..<((place + 1) * PageLayout.Row.words)]
            let isVersion = place >= layout.modelRows
            let (scope, number) = (
                isVersion ? Family.Scope.version : .model, isVersion ? place - layout.modelRows : place
            )
            guard let row = Row(Array(record), scope, number) else { continue }
            rows.append(row)
            used[scope] = number + 1
        }
        // Two rows of one name are one too many: what they say would be refused whole.
        var seen = Set<[String]>()
        rows.removeAll { !seen.insert(["\($0.scope)", $0.model, $0.version]).inserted }
        // A file may be long without taking any room: what is in it decides how much memory it gets here.
        var left = Self.cellsMax
        for scope in Family.Scope.allCases {
            let count = (used[scope] ?? 0) * layout.catalogue.cells(of: scope)
            guard count <= left else { throw .damaged("the number of its rows") }
            left -= count
            // No memory for cells before some were there.
            var sums: [UInt64] = []
            for shard in 0...layout.shards where count > 0 {
                guard let cells = words(layout.cellsAt + shard * layout.shardWords + layout.cell(scope, row: 0), count)
                else { throw .short }
                if sums.isEmpty { sums = cells } else { for index in 0..<count { sums[index] &+= cells[index] } }
            }
            cells[scope] = sums
        }
        let count = (used[.version] ?? 0) * layout.exemplarsOfRow * PageLayout.Exemplar.words
        guard count <= Self.cellsMax else { throw .damaged("the number of its rows") }
        guard let exemplars = words(layout.exemplarsAt, count) else { throw .short }
        self.exemplars = exemplars
    }

    public subscript(_ word: PageLayout.Header) -> UInt64 { header[word.rawValue] }

    /// The version of the server.
    public var product: String {
        header.text(PageLayout.Header.product, words: PageLayout.Header.productWords)
    }

    public var state: PageLayout.State? { PageLayout.State(rawValue: self[.state]) }

    /// The cells of one combination of label values.
    public func cells(_ family: Family, row: Int, point: Int) -> ArraySlice<UInt64> {
        let all = cells[family.scope] ?? []
        let first = row * catalogue.cells(of: family.scope) + family.first + point * family.cellsOfPoint
        guard first >= 0, first + family.cellsOfPoint <= all.count else { return [] }
        return all[first..<first + family.cellsOfPoint]
    }

    /// Of a version's row: a call that fell into a classic bucket, the last bucket being that without a bound.
    public func exemplar(row: Int, point: Int, bucket: Int, of buckets: Buckets) -> Exemplar? {
        let place = row * exemplarsOfRow + point * (buckets.classic.count + 1) + bucket
        let first = place * PageLayout.Exemplar.words
        guard first + PageLayout.Exemplar.words <= exemplars.count else { return nil }
        let words = exemplars[first..<first + PageLayout.Exemplar.words]
        guard
            words[first + PageLayout.Exemplar.checksum]
                == PageLayout.checksum(words.prefix(PageLayout.Exemplar.checksum))
        else { return nil }
        return Exemplar(
            traceHigh: words[first + PageLayout.Exemplar.traceHigh],
            traceLow: words[first + PageLayout.Exemplar.traceLow],
            seconds: Double(words[first + PageLayout.Exemplar.nanoseconds]) / 1e9,
            unixMilliseconds: Int64(truncatingIfNeeded: words[first + PageLayout.Exemplar.unixMilliseconds]))
    }
}

extension Snapshot.Row {
    /// It is nobody's, or all of it is there.
    fileprivate static func isWhole(_ records: [UInt64], at first: Int) -> Bool {
        records[first + PageLayout.Row.state] & 0xff != 1
            || records[first + PageLayout.Row.checksum]
                == PageLayout.checksum(records[(first + 1)..<(first + PageLayout.Row.checksum)])
    }

    /// `nil`: nobody's, or half written.
    fileprivate init?(_ record: [UInt64], _ scope: Family.Scope, _ number: Int) {
        guard record[PageLayout.Row.state] & 0xff == 1,
            record[PageLayout.Row.checksum] == PageLayout.checksum(record[1..<PageLayout.Row.checksum])
        else { return nil }
        let digest = record[PageLayout.Row.digest..<PageLayout.Row.digest + 4]
        let slot = record[PageLayout.Row.slot]
        self.init(
            scope: scope, number: number, model: record.text(PageLayout.Row.model, words: PageLayout.Row.modelWords),
            version: record.text(PageLayout.Row.version, words: PageLayout.Row.versionWords),
            createdUnixNanoseconds: Int64(truncatingIfNeeded: record[PageLayout.Row.createdUnixNanoseconds]),
            slot: slot < UInt64(PageLayout.Row.slots.count) ? PageLayout.Row.slots[Int(slot)] : "none",
            digest: digest.allSatisfy { $0 == 0 }
                ? [] : digest.flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> UInt64(8 * $0)) } },
            format: record.text(PageLayout.Row.format, words: 4))
    }
}

extension [UInt64] {
    /// Bytes up to the first zero, as text; what is not UTF-8 becomes U+FFFD.
    fileprivate func text(_ first: Int, words: Int) -> String {
        let bytes = self[first..<first + words].flatMap { word in
            (0..<8).map { UInt8(truncatingIfNeeded: word >> UInt64(8 * $0)) }
        }
        return String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }
}
