// Enters: models and versions that come and go. Leaves: rows for them in a page that other processes read.
public import Memory
import Synchronization

/// What a server shows of itself: the page's only writer.
///
/// Cells are written by `Recorder`s, without asking anybody. Rows are given out and taken back here, by the control plane,
/// under a lock.
public final class Page: Sendable {
    public struct Size: Sendable {
        public var shards: Int
        public var models: Int
        public var versions: Int
        /// Words of each shard's ring of spans.
        public var spanWords: Int

        public init(shards: Int, models: Int, versions: Int, spanWords: Int = 0) {
            self.shards = shards
            self.models = models
            self.versions = versions
            self.spanWords = spanWords
        }
    }

    /// Clocks that only the corridor knows.
    public struct Origin: Sendable {
        public var unixNanoseconds: Int64
        public var monotonicNanoseconds: Int64
        /// Zeros: it is not told.
        public var bootID: (UInt64, UInt64)
        public var processID: Int32
        /// The server's version.
        public var product: String

        public init(
            unixNanoseconds: Int64, monotonicNanoseconds: Int64, bootID: (UInt64, UInt64) = (0, 0), processID: Int32,
            product: String = ""
        ) {
            self.product = product
            self.unixNanoseconds = unixNanoseconds
            self.monotonicNanoseconds = monotonicNanoseconds
            self.bootID = bootID
            self.processID = processID
        }
    }

    /// Whose calls nobody knows: what is named in them is not a model.
    public static let unknownRow = 0
    /// Who came when the rows were all given.
    static let overflowRow = 1
    static let reservedRows = 2

    public let layout: PageLayout
    let words: SharedWords
    private let file: SharedFile?
    private let memory: AtomicWords?
    private let rows: Lock<Rows>

    /// A page for this process only: what is counted can be read back, and nobody else sees it.
    public init(_ catalogue: Catalogue, _ size: Size, _ origin: Origin) {
        let message = CatalogueMessage.encode(catalogue)
        layout = Self.layout(catalogue, size, catalogueBytes: message.count)
        let memory = AtomicWords(count: layout.words)
        self.memory = memory
        file = nil
        words = memory.words
        rows = Lock(Rows(layout))
        build(message, origin, generation: 1)
    }

    /// A page at `path`, where others find it. What a process left there that has ended, or is about to, is replaced, not changed:
    /// who still reads it sees that it is not what the path names.
    public init(
        _ catalogue: Catalogue, _ size: Size, _ origin: Origin, path: String
    ) throws(SharedFileError) {
        let message = CatalogueMessage.encode(catalogue)
        layout = Self.layout(catalogue, size, catalogueBytes: message.count)
        var generation: UInt64 = 0
        let file = try SharedFile(path, words: layout.words) { (reader) throws(SharedFileError) in
            guard reader.count > 0 else { return true }
            let header = try Self.header(reader)
            generation = header[PageLayout.Header.generation.rawValue] % (1 << 62)
            let isLeaving = header[PageLayout.Header.state.rawValue] >= PageLayout.State.draining.rawValue
            return isLeaving || !reader.isWritten
        }
        self.file = file
        memory = nil
        words = file.words
        rows = Lock(Rows(layout))
        build(message, origin, generation: generation + 1)
        try file.publish()
    }

    private static func layout(_ catalogue: Catalogue, _ size: Size, catalogueBytes: Int) -> PageLayout {
        PageLayout(
            catalogue, catalogueBytes: catalogueBytes, shards: size.shards, modelRows: reservedRows + size.models,
            versionRows: reservedRows + size.versions, spanWords: size.spanWords)
    }

    /// Of the page that lies there, whoever wrote it.
    private static func header(_ reader: SharedFileReader) throws(SharedFileError) -> [UInt64] {
        var header = [UInt64](repeating: 0, count: PageLayout.Header.size)
        let isWhole = reader.read(from: 0, into: &header, header.indices)
        guard isWhole, header[PageLayout.Header.magic.rawValue] == PageLayout.magic else {
            throw .foreign(path: reader.path)
        }
        return header
    }

    private func build(_ message: [UInt8], _ origin: Origin, generation: UInt64) {
        set(.magic, PageLayout.magic)
        set(.version, PageLayout.major << 32 | PageLayout.minor)
        set(.headerWords, UInt64(PageLayout.Header.size))
        set(.words, UInt64(layout.words))
        set(.generation, generation)
        set(.bootHigh, origin.bootID.0)
        set(.bootLow, origin.bootID.1)
        set(.startUnixNanoseconds, UInt64(bitPattern: origin.unixNanoseconds))
        set(.startMonotonicNanoseconds, UInt64(bitPattern: origin.monotonicNanoseconds))
        set(.processID, UInt64(origin.processID))
        set(.heartbeatMonotonicNanoseconds, UInt64(bitPattern: origin.monotonicNanoseconds))
        for (word, number) in [
            (PageLayout.Header.shards, layout.shards), (.modelRows, layout.modelRows),
            (.versionRows, layout.versionRows),
            (.catalogue, layout.catalogueAt), (.catalogueWords, layout.catalogueWords), (.rows, layout.rowsAt),
            (.exemplars, layout.exemplarsAt), (.cells, layout.cellsAt), (.shardWords, layout.shardWords),
            (.spans, layout.spansAt), (.spanWords, layout.spanWords),
        ] { set(word, UInt64(number)) }
        words.store(layout.catalogueAt, UInt64(message.count))
        for (index, word) in message.words.enumerated() { words.store(layout.catalogueAt + 1 + index, word) }
        set(.catalogueHash, PageLayout.checksum(message.words))
        words.store(
            PageLayout.Header.product, Array(origin.product.shortened(to: PageLayout.Header.productWords).utf8).words,
            count: PageLayout.Header.productWords
        )
        let now = UInt64(bitPattern: origin.unixNanoseconds)
        for (row, name) in [(Self.unknownRow, "_unknown"), (Self.overflowRow, "_overflow")] {
            for scope in [Family.Scope.model, .version] { write(scope, row, Rows.Name(model: name, version: ""), now) }
        }
        words.publish(PageLayout.Header.state.rawValue, PageLayout.State.ready.rawValue)
    }

    private func set(_ word: PageLayout.Header, _ value: UInt64) { words.store(word.rawValue, value) }

    // MARK: - Signs of life

    public func beat(monotonicNanoseconds now: Int64) {
        words.publish(PageLayout.Header.heartbeatMonotonicNanoseconds.rawValue, UInt64(bitPattern: now))
    }

    public func reach(_ state: PageLayout.State) { words.publish(PageLayout.Header.state.rawValue, state.rawValue) }

    // MARK: - Rows

    /// A row for a model, or for one version of it, or for those calls of a model that had no version (""). The same one while
    /// somebody keeps it, or not long after. When all rows are given it is that of `_overflow`, which many share.
    public func row(_ scope: Family.Scope, model: String, version: String = "", unixNanoseconds now: Int64) -> Row {
        precondition(scope != .server, "the server has one row")
        let name = Rows.Name(
            model: model.shortened(to: PageLayout.Row.modelWords),
            version: version.shortened(to: PageLayout.Row.versionWords))
        let row = rows.withLock { rows in
            let taken = rows.take(scope, name)
            if taken.isNew { write(scope, taken.row, name, UInt64(bitPattern: now)) }
            if taken.row == Self.overflowRow { words.add(PageLayout.Header.rowsMissed.rawValue) }
            return taken.row
        }
        return Row(scope, row, of: self)
    }

    /// What the version in a row is. `digest`: SHA-256, or empty.
    public func describe(_ row: Row, slot: Int, digest: [UInt8], format: String) {
        guard row.number >= Self.reservedRows else { return }
        rows.withLock { _ in
            let record = words[layout.record(row.scope, row: row.number), PageLayout.Row.words]
            record.store(PageLayout.Row.slot, UInt64(slot))
            record.store(PageLayout.Row.digest, Array(digest.prefix(32)).words, count: 4)
            record.store(
                PageLayout.Row.format, Array(format.utf8.prefix(PageLayout.Row.formatBytesMax)).words, count: 4)
            seal(record)
        }
    }

    /// Called at times: rows that nobody has kept for five minutes are free again, so that a last scrape has seen them.
    public func sweep(monotonicNanoseconds now: Int64) {
        let inFlight = layout.catalogue.families.first { $0.name == "vencejo_requests_in_flight" }
        rows.withLock { rows in
            let freed = rows.sweep(now: now) { row in
                guard let inFlight else { return false }
                let cell = layout.cell(.version, row: row) + inFlight.first
                return (0...layout.shards).reduce(0) { $0 &+ cells($1).load(cell) } != 0
            }
            for (scope, row) in freed {
                let record = words[layout.record(scope, row: row), PageLayout.Row.words]
                record.publish(PageLayout.Row.state, record.load(PageLayout.Row.state) & ~0xff)
            }
        }
    }

    fileprivate func giveBack(_ scope: Family.Scope, _ row: Int) { rows.withLock { $0.giveBack(scope, row) } }

    private func write(_ scope: Family.Scope, _ row: Int, _ name: Rows.Name, _ now: UInt64) {
        for shard in 0...layout.shards {
            let cells = layout.cellsAt + shard * layout.shardWords + layout.cell(scope, row: row)
            for cell in 0..<layout.catalogue.cells(of: scope) { words.store(cells + cell, 0) }
        }
        if scope == .version {
            let exemplars = exemplars(row: row)
            for word in 0..<exemplars.count { exemplars.store(word, 0) }
        }
        let record = words[layout.record(scope, row: row), PageLayout.Row.words]
        for word in 1..<PageLayout.Row.words { record.store(word, 0) }
        record.store(PageLayout.Row.createdUnixNanoseconds, now)
        record.store(PageLayout.Row.model, Array(name.model.utf8).words, count: PageLayout.Row.modelWords)
        record.store(PageLayout.Row.version, Array(name.version.utf8).words, count: PageLayout.Row.versionWords)
        seal(record)
        record.publish(PageLayout.Row.state, ((record.load(PageLayout.Row.state) >> 8) + 1) << 8 | 1)
    }

    private func seal(_ record: SharedWords) {
        record.store(
            PageLayout.Row.checksum,
            PageLayout.checksum((1..<PageLayout.Row.checksum).lazy.map { record.load($0) }))
    }

    /// The row of a model whose calls have no version, by its name; of who is no model `_unknown`'s.
    public func versionlessRow(of model: ByteView) -> Int {
        for row in Self.reservedRows..<layout.versionRows {
            let record = layout.record(.version, row: row)
            guard words.load(record) & 0xff == 1, words.load(record + PageLayout.Row.version) == 0 else { continue }
            if words[record + PageLayout.Row.model, PageLayout.Row.modelWords].holds(model) { return row }
        }
        return Self.unknownRow
    }

    public func modelRow(of model: ByteView) -> Int {
        for row in Self.reservedRows..<layout.modelRows {
            let record = layout.record(.model, row: row)
            guard words.load(record) & 0xff == 1 else { continue }
            if words[record + PageLayout.Row.model, PageLayout.Row.modelWords].holds(model) { return row }
        }
        return Self.unknownRow
    }

    // MARK: - Cells

    /// A shard's own cells.
    public func recorder(shard: Int) -> Recorder {
        precondition(0 <= shard && shard < layout.shards, "there is no shard \(shard)")
        return Recorder(cells(shard), layout, isShared: false)
    }

    /// Cells that all other threads share.
    public var common: Recorder { Recorder(cells(layout.shards), layout, isShared: true) }

    func cells(_ shard: Int) -> SharedWords {
        words[layout.cellsAt + shard * layout.shardWords, layout.shardWords]
    }

    /// A shard's ring of spans.
    public func spans(shard: Int) -> SharedWords { words[layout.spansAt + shard * layout.spanWords, layout.spanWords] }

    /// Exemplars of a version's row.
    public func exemplars(row: Int) -> SharedWords {
        words[
            layout.exemplarsAt + row * layout.exemplarsOfRow * PageLayout.Exemplar.words,
            layout.exemplarsOfRow * PageLayout.Exemplar.words]
    }

    /// The names of a version's row, for as long as somebody keeps it, and some minutes longer.
    public func names(row: Int) -> (model: ByteView, version: ByteView) {
        let record = layout.record(.version, row: row)
        return (
            words[record + PageLayout.Row.model, PageLayout.Row.modelWords].text,
            words[record + PageLayout.Row.version, PageLayout.Row.versionWords].text
        )
    }

    /// A call of a version's row that a trace tells of: it is shown beside the bucket that it fell in. Whoever writes last is.
    public func exemplify(
        _ call: CallRecord, nanoseconds: Int64, traceHigh: UInt64, traceLow: UInt64, unixMilliseconds: Int64
    ) {
        guard let buckets = layout.catalogue.families[Metric.requestDuration.rawValue].buckets else { return }
        let bucket = buckets.classic.firstIndex { buckets.bounds[$0] >= UInt64(max(0, nanoseconds)) }
        let place = (call.code == 0 ? 0 : 1) * (buckets.classic.count + 1) + (bucket ?? buckets.classic.count)
        let slot = exemplars(row: Int(call.row))[place * PageLayout.Exemplar.words, PageLayout.Exemplar.words]
        // Several shards may write it at the same time: what is sealed is what this one wrote, whatever lies there then.
        var exemplar = PageLayout.Exemplar.Words()
        exemplar[PageLayout.Exemplar.traceHigh] = traceHigh
        exemplar[PageLayout.Exemplar.traceLow] = traceLow
        exemplar[PageLayout.Exemplar.nanoseconds] = UInt64(max(0, nanoseconds))
        exemplar[PageLayout.Exemplar.unixMilliseconds] = UInt64(max(0, unixMilliseconds))
        for word in 0..<PageLayout.Exemplar.checksum { slot.store(word, exemplar[word]) }
        slot.publish(
            PageLayout.Exemplar.checksum,
            PageLayout.checksum((0..<PageLayout.Exemplar.checksum).lazy.map { exemplar[$0] }))
    }

    /// All of it as it is now.
    public var snapshot: [UInt64] { (0..<words.count).map { words.load($0) } }
}

/// A row, kept as long as somebody has this.
public final class Row: Sendable {
    public let scope: Family.Scope
    public let number: Int
    private let page: Page

    fileprivate init(_ scope: Family.Scope, _ number: Int, of page: Page) {
        self.scope = scope
        self.number = number
        self.page = page
    }

    deinit { page.giveBack(scope, number) }
}

extension SharedWords {
    subscript(start: Int, count: Int) -> SharedWords { self[start..<start + count] }

    /// `count` words, with zeros for those that are not there.
    fileprivate func store(_ first: Int, _ words: [UInt64], count: Int) {
        for index in 0..<count { store(first + index, index < words.count ? words[index] : 0) }
    }

    /// Whether the words are the bytes of a name, with zeros behind.
    fileprivate func holds(_ name: ByteView) -> Bool {
        guard name.count <= count * 8, name.count == 0 || name[name.count - 1] != 0 else { return false }
        for word in 0..<count {
            var expected: UInt64 = 0
            for byte in 0..<8 where word * 8 + byte < name.count {
                expected |= UInt64(name[word * 8 + byte]) << UInt64(8 * byte)
            }
            if load(word) != expected { return false }
        }
        return true
    }
}

extension [UInt8] {
    /// Eight bytes each, the first lowest, with zeros behind the last.
    var words: [UInt64] {
        stride(from: 0, to: count, by: 8).map { start in
            self[start..<Swift.min(start + 8, count)].reversed().reduce(0) { $0 << 8 | UInt64($1) }
        }
    }
}

extension String {
    /// So much of it as has room in so many words: whole characters.
    fileprivate func shortened(to words: Int) -> String {
        var text = self
        while text.utf8.count > words * 8 { text.removeLast() }
        return text
    }
}
