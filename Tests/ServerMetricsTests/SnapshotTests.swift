// Enters: pages as a server writes them. Leaves: what their reader makes of them.
import Foundation
import Memory
import Testing

@testable import ServerMetrics

@Suite struct SnapshotTests {
    @Test func whatWasWrittenIsRead() throws {
        let small = SmallPage.written()
        let snapshot = try Snapshot(of: small.words)
        #expect(snapshot.catalogue == .small)
        #expect(snapshot.state == .ready)
        #expect((snapshot.spansAt, snapshot.spanWords) == (small.page.layout.spansAt, 8))
        #expect(
            snapshot.rows.map(\.model) == [
                "_unknown", "_overflow", "forest", "_unknown", "_overflow", "forest", "forest",
            ])
        #expect(
            snapshot.rows[5]
                == Snapshot.Row(
                    scope: .version, number: 2, model: "forest", version: "v1",
                    createdUnixNanoseconds: SmallPage.created, slot: "blue", digest: Array(0..<32), format: "onnx"))
        #expect(snapshot.rows[6].digest == [] && snapshot.rows[6].slot == "none")
        func cells(_ name: String, row: Int = 0, point: Int = 0) -> [UInt64] {
            Array(snapshot.cells(snapshot.catalogue.family(name), row: row, point: point))
        }
        #expect(cells("t_calls", row: 2) == [8] && cells("t_calls", row: 3, point: 2) == [3])
        #expect(cells("t_open") == [UInt64(bitPattern: -2)])
        #expect(cells("t_wait_seconds", row: 2).dropLast().reduce(0, +) == 5)
        #expect(cells("t_wait_seconds", row: 2).last == 11_000_000_001)
        let buckets = try #require(snapshot.catalogue.family("t_wait_seconds").buckets)
        #expect(
            snapshot.exemplar(row: 2, point: 0, bucket: 3, of: buckets)
                == Snapshot.Exemplar(
                    traceHigh: 0x1122_3344_5566_7788, traceLow: 0x99, seconds: 9, unixMilliseconds: 1_700_000_002_345))
        #expect(snapshot.exemplar(row: 2, point: 1, bucket: 0, of: buckets) == nil)
    }

    @Test func theServersCatalogueComesThroughWhole() throws {
        let catalogue = Catalogue.server(rpcs: ["Check", "Watch"])
        let page = Page(catalogue, Page.Size(shards: 1, models: 1, versions: 1), .fixed)
        #expect(catalogue.families.count == Metric.allCases.count)
        #expect(try Snapshot(of: page.snapshot).catalogue == catalogue)
    }

    @Test func aKnownCatalogueIsNotReadAgain() throws {
        var words = SmallPage.written().words
        let known = try Snapshot(of: words)
        words[Int(words[.catalogue]) + 3] ^= 1
        #expect(try Snapshot(of: words, known: known).catalogue == .small)
        #expect(throws: PageFault.damaged("the catalogue")) { try Snapshot(of: words) }
        // Another server's is.
        words[.generation] += 1
        #expect(throws: PageFault.damaged("the catalogue")) { try Snapshot(of: words, known: known) }
    }

    @Test func whatIsHalfWrittenIsNotShown() throws {
        let small = SmallPage.written()
        var words = small.words
        words[small.page.layout.record(.version, row: 2) + 18] = 2
        #expect(try Snapshot(of: words).rows.map(\.version) == ["", "", "", "", "", "v2"])
        small.exemplar(row: 2, bucket: 0, nanoseconds: 200_000_000, isWhole: false)
        let exemplars = try StrictText(Snapshot(of: small.words).body(.openMetrics), isOpenMetrics: true).samples
            .compactMap(\.exemplar)
        #expect(exemplars == [9])
    }

    @Test func twoRowsOfOneNameAreShownOnce() throws {
        let small = SmallPage.written()
        var words = small.words
        let (first, second) = (small.page.layout.record(.version, row: 2), small.page.layout.record(.version, row: 3))
        for word in 1..<32 { words[second + word] = words[first + word] }
        let snapshot = try Snapshot(of: words)
        #expect(snapshot.rows.map(\.number) == [0, 1, 2, 0, 1, 2])
        _ = try StrictText(snapshot.body(.text))
    }

    /// "a b" of "c" is not "a" of "b c".
    @Test func namesThatLookAlikeWhenTheyAreJoined() throws {
        let page = Page(.small, .small, .fixed)
        let rows = [("a b", "c"), ("a", "b c")].map {
            page.row(.version, model: $0.0, version: $0.1, unixNanoseconds: 1)
        }
        #expect(
            try Snapshot(of: page.snapshot).rows.map(\.model) == [
                "_unknown", "_overflow", "_unknown", "_overflow", "a b", "a",
            ])
        withExtendedLifetime(rows) {}
    }

    @Test(arguments: [
        "\"", "\\", "\n", "a\"}\nt_calls_total 9", "\\n", "é\r\n", "\u{0301}", "a{b=\"c\"} 1 # {", "\u{7f}\t", "🜁",
    ])
    func anyNameIsEscaped(name: String) throws {
        let small = SmallPage(model: name, live: name, next: name + "2")
        let snapshot = try Snapshot(of: small.words)
        #expect(snapshot.rows.last?.model == name)
        for (format, isOpenMetrics, isTriton) in [
            (ExpositionFormat.text, false, false), (.openMetrics, true, false), (.triton, false, true),
        ] {
            let text = try StrictText(snapshot.body(format), isOpenMetrics: isOpenMetrics, isTriton: isTriton)
            let found = text.samples.filter { $0.labels["version"] == name && $0.labels["model"] == name }
            #expect(found.count >= 10, "\(format)")
        }
        let calls = try DecodedFamily.all(snapshot.body(.protobuf)).first { $0.name == "t_calls_total" }
        #expect(calls?.metrics.contains { $0.labels.prefix(2) == ["model=\(name)", "version=\(name)"] } == true)
    }

    /// Bytes that are no UTF-8 become U+FFFD, also where two names are then one.
    @Test func namesThatAreNotUTF8() throws {
        let small = SmallPage.written()
        var words = small.words
        for (row, bytes) in [(2, UInt64(0xff)), (3, 0xfe)] {
            let record = small.page.layout.record(.version, row: row)
            words[record + 2] = bytes << 8 | 0x61
            words[record + 18] = bytes
            words[record + 47] = PageLayout.checksum(words[record + 1..<record + 47])
        }
        let snapshot = try Snapshot(of: words)
        #expect(snapshot.rows.last?.model == "a\u{fffd}" && snapshot.rows.count == 6)
        _ = try StrictText(snapshot.body(.text))
        _ = try DecodedFamily.all(snapshot.body(.protobuf))
    }
}
