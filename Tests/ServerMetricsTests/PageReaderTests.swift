// Enters: servers that come and go at a path. Leaves: what the reader of that path says of them.
import Foundation
import Memory
import Testing

@testable import ServerMetrics

/// A folder for one page, and a clock that stands still.
private final class Place: Sendable {
    let path: String
    private let folder: String
    let now = AtomicWords(count: 1)

    init() throws {
        folder = NSTemporaryDirectory() + "vencejo-page-\(UUID().uuidString)"
        path = folder + "/metrics.page"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
        now.store(0, 6_000_000_000)
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    func page() throws -> Page { try Page(.small, .small, .fixed, path: path) }

    func reader(own: @escaping @Sendable () -> [OwnFamily] = { [] }) -> PageReader {
        PageReader(path: path, now: { [now] in Int64(now.load(0)) }, own: own)
    }

    func write(_ words: [UInt64]) throws {
        try Data(words.flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> UInt64(8 * $0)) } })
            .write(to: URL(fileURLWithPath: path))
    }
}

@Suite struct PageReaderTests {
    private let place: Place

    init() throws { place = try Place() }

    private func said(_ reader: PageReader) throws -> StrictText {
        let text = try StrictText(reader.render(.text))
        _ = try StrictText(reader.render(.openMetrics), isOpenMetrics: true)
        _ = try StrictText(reader.render(.triton), isTriton: true)
        _ = try DecodedFamily.all(reader.render(.protobuf))
        return text
    }

    private func reason(_ text: StrictText) -> [String] {
        text.samples.filter { $0.name == "vencejo_agent_incompatible" && $0.value == 1 }.compactMap {
            $0.labels["reason"]
        }
    }

    @Test func aServersLife() throws {
        let reader = place.reader()
        var text = try said(reader)
        #expect(text.value("vencejo_up") == 0 && reason(text) == ["no_page"])
        do {
            let page = try place.page()
            let row = page.row(.model, model: "forest", unixNanoseconds: 1)
            text = try said(reader)
            #expect(text.value("vencejo_up") == 1 && reason(text) == [])
            #expect(text.value("t_depth", ["model": "forest"]) == 0)
            #expect(text.value("vencejo_agent_segment_generation") == 1)
            #expect(text.value("vencejo_agent_segment_heartbeat_age_seconds") == 1)
            #expect(
                text.value("vencejo_agent_series") == Double(try said(reader).samples.count { $0.name.hasPrefix("t_") })
            )
            // It hangs, and goes on.
            place.now.store(0, 15_000_000_001)
            text = try said(reader)
            #expect(text.value("vencejo_up") == 0 && reason(text) == ["silent"])
            #expect(text.value("t_depth", ["model": "forest"]) == 0)
            page.beat(monotonicNanoseconds: 15_000_000_000)
            #expect(try said(reader).value("vencejo_up") == 1)
            page.reach(.closed)
            #expect(reader.look().snapshot?.state == .closed)
            withExtendedLifetime((page, row)) {}
        }
        text = try said(reader)
        #expect(text.value("vencejo_up") == 0 && reason(text) == ["no_writer"])
        #expect(!text.samples.contains { $0.name.hasPrefix("t_") })
        let next = try place.page()
        #expect(try said(reader).value("vencejo_agent_segment_generation") == 2)
        withExtendedLifetime(next) {}
    }

    @Test func anAuditAgentBesideAServer() throws {
        let beside = try Place()
        let audit = PageReader(path: beside.path, now: { 6_000_000_000 }, writer: "audit agent")
        let reader = PageReader(path: place.path, now: { 6_000_000_000 }, audit: audit)
        var text = try said(reader)
        #expect(text.value("vencejo_up") == 0 && text.value("vencejo_audit_up") == 0)
        let families = Catalogue([
            Family("a_records", "Records.", .counter, of: .server, [Family.Label("result", ["written", "dropped"])]),
            Family("a_lag", "Lag.", .gauge, of: .server),
        ])
        let page = try Page(families, Page.Size(shards: 1, models: 0, versions: 0), .fixed, path: beside.path)
        let cells = PageCells(page)
        cells.set(0, point: 1, total: 7)
        cells.set(1, 0.5)
        // One without the other.
        text = try said(reader)
        #expect(text.value("vencejo_up") == 0 && text.value("vencejo_audit_up") == 1)
        #expect(text.value("a_records_total", ["result": "dropped"]) == 7 && text.value("a_lag") == 0.5)
        let server = try place.page()
        text = try said(reader)
        #expect(text.value("vencejo_up") == 1 && text.value("a_lag") == 0.5)
        // What there are of the server's does not count the agent's.
        #expect(text.value("vencejo_agent_series") == Double(text.samples.count { $0.name.hasPrefix("t_") }))
        withExtendedLifetime((page, server)) {}
    }

    private static let damages: [(String, @Sendable (inout [UInt64]) -> Void)] = [
        ("no_page", { $0[0] ^= 1 }), ("other_version", { $0[.version] = 2 << 32 }), ("not_ready", { $0[.state] = 0 }),
        ("damaged", { $0[.rows] += 1 }), ("short", { $0.removeLast() }), ("short", { $0.removeLast($0.count - 3) }),
        ("short", { $0 = [] }),
    ]

    @Test(arguments: damages.indices) func aPageThatSaysNothing(number: Int) throws {
        let (reason, damage) = Self.damages[number]
        // A page of somebody who lives: it is written into the file that is locked.
        let page = try place.page()
        var words = page.snapshot
        damage(&words)
        let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: place.path))
        try handle.truncate(atOffset: UInt64(words.count * 8))
        try handle.seek(toOffset: 0)
        try handle.write(
            contentsOf: words.flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> UInt64(8 * $0)) } })
        try handle.close()
        let text = try said(place.reader())
        #expect(self.reason(text) == [reason] && text.value("vencejo_up") == 0)
        withExtendedLifetime(page) {}
    }

    /// Whatever lies there: the next server counts on, and replaces it.
    @Test(arguments: [(0, 1), (41, 42), (UInt64.max, UInt64.max % (1 << 62) + 1)])
    func theGenerationGoesUp(before: UInt64, after: UInt64) throws {
        var words = SmallPage().words
        words[.generation] = before
        try place.write(words)
        let page = try place.page()
        #expect(page.snapshot[.generation] == after)
    }

    @Test func anEmptyFileIsReplaced() throws {
        try place.write([])
        #expect(try place.page().snapshot[.generation] == 1)
    }

    /// A path that was mistyped.
    @Test(arguments: [[1, 2, 3], [UInt64](repeating: .max, count: 600)])
    func whatIsNoPageStays(words: [UInt64]) throws {
        try place.write(words)
        #expect(throws: SharedFileError.foreign(path: place.path)) { _ = try place.page() }
        let reader = try SharedFileReader(place.path)
        var found = [UInt64](repeating: 0, count: words.count)
        #expect(reader.read(from: 0, into: &found, found.indices) && found == words)
    }

    /// Who drains counts on in the file that has no name any more.
    @Test func whoDrainsIsReplaced() throws {
        let old = try place.page()
        #expect(throws: SharedFileError.taken(path: place.path)) { _ = try place.page() }
        old.reach(.draining)
        let new = try place.page()
        #expect(new.snapshot[.generation] == 2)
        // Whoever comes third finds one that is alive, though the first one still drains.
        #expect(throws: SharedFileError.taken(path: place.path)) { _ = try place.page() }
        let reader = place.reader()
        #expect(try said(reader).value("vencejo_agent_segment_generation") == 2)
        withExtendedLifetime((old, new)) {}
    }

    @Test func whatChangesIsToldOnce() throws {
        let told = Lock<[String?]>([])
        let reader = PageReader(
            path: place.path, now: { [now = place.now] in Int64(now.load(0)) },
            changed: { look in told.withLock { $0.append(look.problem?.reason) } })
        for _ in 0..<2 { _ = reader.look() }
        do {
            let page = try place.page()
            for _ in 0..<2 { _ = reader.look() }
            withExtendedLifetime(page) {}
        }
        for _ in 0..<2 { _ = reader.look() }
        #expect(told.withLock { $0 } == ["no_page", nil, "no_writer"])
    }

    @Test func whatTheReaderKnowsItself() throws {
        let text = try said(
            place.reader {
                [
                    OwnFamily("vencejo_agent_info", "Agent.", [([("version", "1\"\\\n")], 1)]),
                    OwnFamily("vencejo_agent_scrapes", "Scrapes.", isCounter: true, [([("code", "200")], 3)]),
                ]
            })
        #expect(text.value("vencejo_agent_info", ["version": "1\"\\\n"]) == 1)
        #expect(text.value("vencejo_agent_scrapes_total", ["code": "200"]) == 3)
    }

    @Test(arguments: [
        ("1.2.3", "1.2.3", "unknown"), ("1.2.3+3f2a9c1b22ef", "1.2.3", "3f2a9c1b22ef"),
        ("1.2.3-rc.1+3f2a9c1b22ef-dirty", "1.2.3-rc.1", "3f2a9c1b22ef-dirty"),
    ])
    func whichBuildsRunIsSaid(product: String, version: String, revision: String) throws {
        var origin = Page.Origin.fixed
        origin.product = product
        let page = try Page(.small, .small, origin, path: place.path)
        let reader = PageReader(path: place.path, product: "9+abc", now: { 0 }, own: { [] })
        let text = try said(reader)
        for (version, revision, component) in [(version, revision, "server"), ("9", "abc", "agent")] {
            let labels = ["version": version, "revision": revision, "component": component]
            #expect(text.value("vencejo_build_info", labels) == 1)
        }
        withExtendedLifetime(page) {}
    }
}
