// Enters: nothing. Leaves: a page so small that all of it can be looked at, and what its readers make of its words.
import Memory

@testable import ServerMetrics

extension Catalogue {
    /// Every kind of metric once, with a help that needs all escapes.
    static let small = Catalogue([
        Family(
            "t_calls", "Calls: \"all\" of them, C:\\new\nand more.", .counter, of: .version,
            [Family.Label("code", ["OK", "BAD", "WORSE"], expected: ["OK", "BAD"])]),
        Family(
            "t_wait_seconds", "Waiting.", unit: "seconds", .histogram, of: .version,
            [Family.Label("outcome", ["ok", "error"])], divisor: 1e9,
            buckets: Buckets(schema: 1, exponents: -2...2, classic: [0.3, 1, 1.5], divisor: 1e9)),
        Family("t_depth", "Depth.", .gauge, of: .model),
        Family("t_open", "Open.", .level, of: .server),
        Family("t_busy_seconds", "Busy.", unit: "seconds", .counter, of: .server, divisor: 1e9),
    ])

    func family(_ name: String) -> Family { families.first { $0.name == name } ?? families[0] }
}

extension Page.Size { static let small = Page.Size(shards: 2, models: 1, versions: 2, spanWords: 8) }

extension Page.Origin {
    static let fixed = Page.Origin(
        unixNanoseconds: 1_700_000_000_250_000_000, monotonicNanoseconds: 5_000_000_000,
        bootID: (0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210), processID: 77)
}

/// A small page, and somebody who writes its cells one by one.
struct SmallPage {
    let page: Page
    let model: Row
    let live: Row
    let next: Row
    static let created: Int64 = 1_700_000_001_000_000_000

    init(model name: String = "forest", live version: String = "v1", next other: String = "v2") {
        page = Page(.small, .small, .fixed)
        model = page.row(.model, model: name, unixNanoseconds: Self.created)
        live = page.row(.version, model: name, version: version, unixNanoseconds: Self.created)
        next = page.row(.version, model: name, version: other, unixNanoseconds: Self.created)
    }

    /// With numbers in all of its families.
    static func written() -> SmallPage {
        let small = SmallPage()
        small.page.describe(small.live, slot: 1, digest: Array(0..<32), format: "onnx")
        small.add("t_calls", row: small.live.number, 7, shard: 0)
        small.add("t_calls", row: small.live.number, 1, shard: 1)
        small.add("t_calls", row: small.next.number, point: 2, 3)
        small.observe(small.live.number, nanoseconds: 200_000_000)
        small.observe(small.live.number, nanoseconds: 300_000_000, shard: 1)
        small.observe(small.live.number, nanoseconds: 300_000_001)
        small.observe(small.live.number, nanoseconds: 1_200_000_000)
        small.observe(small.live.number, nanoseconds: 9_000_000_000)
        small.exemplar(row: small.live.number, bucket: 0, nanoseconds: 200_000_000)
        small.exemplar(row: small.live.number, bucket: 3, nanoseconds: 9_000_000_000)
        small.add("t_depth", row: small.model.number, (2.5).bitPattern, shard: 2)
        small.add("t_open", 4, shard: 0)
        small.add("t_open", UInt64(bitPattern: -6), shard: 1)
        small.add("t_busy_seconds", 1_500_000_000)
        return small
    }

    private func place(_ family: Family, row: Int, point: Int, shard: Int) -> Int {
        page.layout.cellsAt + shard * page.layout.shardWords + page.layout.cell(family.scope, row: row) + family.first
            + point * family.cellsOfPoint
    }

    func add(_ name: String, row: Int = 0, point: Int = 0, _ number: UInt64, shard: Int = 0) {
        page.words.add(place(page.layout.catalogue.family(name), row: row, point: point, shard: shard), number)
    }

    func observe(_ row: Int, nanoseconds: UInt64, point: Int = 0, shard: Int = 0) {
        let family = page.layout.catalogue.family("t_wait_seconds")
        let place = place(family, row: row, point: point, shard: shard)
        page.words.add(place + (family.buckets?.bucket(of: nanoseconds) ?? 0))
        page.words.add(place + family.cellsOfPoint - 1, nanoseconds)
    }

    /// As the page's layout says; nobody in the server writes any yet.
    func exemplar(
        row: Int, point: Int = 0, bucket: Int, nanoseconds: UInt64, milliseconds: Int64 = 1_700_000_002_345,
        isWhole: Bool = true
    ) {
        let words = page.exemplars(row: row)
        let first = (point * 4 + bucket) * 8
        let content = [0x1122_3344_5566_7788, 0x99, nanoseconds, UInt64(bitPattern: milliseconds), 0, 0, 0]
        for (index, word) in content.enumerated() { words.store(first + index, word) }
        words.store(first + 7, PageLayout.checksum(content) &+ (isWhole ? 0 : 2))
    }

    var words: [UInt64] { page.snapshot }
}

extension Snapshot {
    init(of words: [UInt64], known: Snapshot? = nil) throws(PageFault) {
        try self.init(
            { from, count in from + count <= words.count ? Array(words[from..<from + count]) : nil }, known: known)
    }

    func body(_ format: ExpositionFormat, created: Bool = false) -> [UInt8] {
        switch format {
        case .triton: return TritonExposition.write(self)
        case .text, .openMetrics:
            var exposition = TextExposition(isOpenMetrics: format == .openMetrics, showsCreated: created)
            return all(&exposition)
        case .protobuf:
            var exposition = ProtobufExposition(showsCreated: created)
            return all(&exposition)
        }
    }

    private func all<Format: Exposition>(_ format: inout Format) -> [UInt8] {
        write(to: &format)
        facts.write(to: &format)
        return format.finish()
    }

    func text(_ format: ExpositionFormat, created: Bool = false) -> String {
        String(decoding: body(format, created: created), as: UTF8.self)
    }
}

extension [UInt64] {
    subscript(word: PageLayout.Header) -> UInt64 {
        get { self[word.rawValue] }
        set { self[word.rawValue] = newValue }
    }

    /// With the hash that its catalogue has now.
    var resealed: [UInt64] {
        var words = self
        let first = Int(self[.catalogue]) + 1
        words[.catalogueHash] = PageLayout.checksum(self[first..<first - 1 + Int(self[.catalogueWords])])
        return words
    }
}
