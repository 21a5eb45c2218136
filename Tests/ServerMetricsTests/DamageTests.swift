// Enters: pages that no server wrote. Leaves: that their reader refuses them, or says something that can be read.
import Foundation
import Memory
import Testing

@testable import ServerMetrics

@Suite struct DamageTests {
    private let whole = SmallPage.written().words

    /// Whatever they say: nothing traps, and what is said keeps the rules of its format: another one each turn.
    @discardableResult
    private func look(at words: [UInt64], known: Snapshot? = nil, turn: Int, _ what: String = "") -> PageFault? {
        do throws(PageFault) {
            let snapshot = try Snapshot(of: words, known: known)
            let format = ExpositionFormat.allCases[turn % 4]
            let body = snapshot.body(format, created: turn % 8 < 4)
            do {
                switch format {
                case .text: _ = try StrictText(body)
                case .openMetrics: _ = try StrictText(body, isOpenMetrics: true)
                case .protobuf: _ = try DecodedFamily.all(body)
                case .triton: _ = try StrictText(body, isTriton: true)
                }
            } catch { Issue.record("\(what): \(error)") }
            return nil
        } catch { return error }
    }

    private func inAllFormats(_ words: [UInt64], known: Snapshot? = nil, _ what: String) -> PageFault? {
        var fault: PageFault?
        for turn in 0..<8 where turn == 0 || fault == nil { fault = look(at: words, known: known, turn: turn, what) }
        return fault
    }

    @Test(arguments: PageLayout.Header.allCases) func everyWordOfTheHeader(_ word: PageLayout.Header) throws {
        let known = try Snapshot(of: whole)
        var random = SplitMix(seed: 5)
        var others: [UInt64] = [0, 1, 2, 1 << 16, 1 << 32, 1 << 61, .max / 8, .max >> 1, .max, whole[word] + 1]
        others += (0..<8).map { _ in random.next() >> UInt64.random(in: 0..<64, using: &random) }
        if whole[word] > 0 { others.append(whole[word] - 1) }
        for other in others where other != whole[word] {
            var words = whole
            words[word] = other
            for known in [nil, known] {
                let fault = inAllFormats(words, known: known, "\(word) = \(other)")
                let expected: PageFault? =
                    switch word {
                    case .magic: .noPage
                    case .version: other >> 32 == 1 ? nil : .otherVersion(major: other >> 32)
                    case .headerWords, .shards, .modelRows, .versionRows, .catalogue, .catalogueWords, .rows,
                        .exemplars,
                        .cells, .shardWords, .spans, .spanWords, .words, .catalogueHash:
                        fault == .short ? .short : .damaged("")
                    case .state: other == 0 ? .notReady : nil
                    default: nil
                    }
                #expect(fault?.reason == expected?.reason, "\(word) = \(other)")
            }
        }
    }

    @Test func cutShortAnywhere() throws {
        let known = try Snapshot(of: whole)
        for length in 0..<whole.count {
            let words = Array(whole[..<length])
            for known in [nil, known] {
                let fault = look(at: words, known: known, turn: length, "\(length) words")
                #expect(fault == .short, "\(length) words")
            }
        }
    }

    /// A file may be as long as it likes without taking any room on a disk.
    @Test(arguments: [(1, 1 << 14), (1, 1 << 20), (4096, 8)]) func howMuchMemoryAPageGets(shards: Int, rows: Int) {
        let catalogue = Catalogue.server(rpcs: ["Check"])
        let small = Page(catalogue, Page.Size(shards: 1, models: 2, versions: 2), .fixed).snapshot
        let layout = PageLayout(
            catalogue, catalogueBytes: Int(small[.catalogueWords] - 1) * 8, shards: shards, modelRows: 8,
            versionRows: rows,
            spanWords: 0)
        var head = Array(small[..<layout.rowsAt])
        for (word, number) in [
            (PageLayout.Header.words, layout.words), (.shards, shards), (.modelRows, 8), (.versionRows, rows),
            (.exemplars, layout.exemplarsAt), (.cells, layout.cellsAt), (.shardWords, layout.shardWords),
            (.spans, layout.spansAt), (.spanWords, 0),
        ] { head[word] = UInt64(number) }
        // The last row is somebody's.
        let (from, to) = (layout.rowsAt, layout.record(.version, row: rows - 1))
        let row = small[from..<from + PageLayout.Row.words]
        var most = 0
        #expect(throws: PageFault.self) {
            _ = try Snapshot({ first, count in
                most = max(most, count)
                guard count < 1 << 27, first + count <= layout.words else { return nil }
                var words = [UInt64](repeating: 0, count: count)
                for (place, part) in [(0, head[...]), (to, row)] {
                    for (index, word) in part.enumerated() where (first..<first + count).contains(place + index) {
                        words[place + index - first] = word
                    }
                }
                return words
            })
        }
        #expect(most <= Snapshot.cellsMax)
    }

    /// Who changes the catalogue can make its hash anew, too.
    @Test func everyByteOfTheCatalogue() {
        let first = Int(whole[.catalogue]) + 1
        var random = SplitMix(seed: 6)
        for byte in 0..<Int(whole[first - 1]) {
            let old = UInt8(truncatingIfNeeded: whole[first + byte / 8] >> UInt64(byte % 8 * 8))
            var changes: [UInt8] = [0, 0xff, UInt8.random(in: 0...255, using: &random)]
            changes += [old &+ 1, old &- 1, old ^ 1 << UInt8.random(in: 0..<8, using: &random)]
            for (turn, new) in changes.enumerated() where new != old {
                var words = whole
                words[first + byte / 8] ^= UInt64(old ^ new) << UInt64(byte % 8 * 8)
                #expect(look(at: words, turn: turn) == .damaged("the catalogue"))
                look(at: words.resealed, turn: turn, "byte \(byte) = \(new)")
            }
        }
    }

    /// Well-formed catalogues whose metrics nobody could tell apart, or that break a rule of a format.
    @Test(arguments: [
        ("one name twice", [Family("a", "", .gauge, of: .server), Family("a", "", .gauge, of: .model)]),
        ("a counter's sample", [Family("a", "", .counter, of: .server), Family("a_total", "", .gauge, of: .server)]),
        ("the reader's own", [Family("vencejo_up", "", .gauge, of: .server)]),
        ("the reader's own info", [Family("vencejo_model_info", "", .gauge, of: .server)]),
        ("a label of the row", [Family("a", "", .gauge, of: .model, [Family.Label("model", ["x"])])]),
        ("a bucket's label", [Family("a", "", .gauge, of: .model, [Family.Label("le", ["x"])])]),
        ("a name as label", [Family("a", "", .gauge, of: .model, [Family.Label("__name__", ["x"])])]),
        (
            "one label twice",
            [Family("a", "", .gauge, of: .model, [Family.Label("x", ["1"]), Family.Label("x", ["2"])])]
        ),
        ("one value twice", [Family("a", "", .counter, of: .model, [Family.Label("x", ["1", "1"])])]),
        ("another unit", [Family("a_bytes", "", unit: "seconds", .gauge, of: .server)]),
        ("a digit first", [Family("1a", "", .gauge, of: .server)]),
        ("no value", [Family("a", "", .gauge, of: .server, [Family.Label("x", [])])]),
        (
            "a bucket below zero",
            [
                Family(
                    "a", "", .histogram, of: .server,
                    buckets: Buckets(
                        bounds: [1, 2], classic: [0, 1], names: [-1, 1], native: [0], firstExponent: 0, schema: 0))
            ]
        ),
    ]) func cataloguesThatNobodyShouldBelieve(name: String, families: [Family]) {
        let page = Page(Catalogue(families), .small, .fixed)
        let row = page.row(.model, model: "m", unixNanoseconds: 1)
        withExtendedLifetime(row) {}
        #expect(inAllFormats(page.snapshot, name) == .damaged("the catalogue"), "\(name)")
    }

    /// Help is text of any kind.
    @Test(arguments: ["", " ", "a\r\nb", "\\\u{0301}\"\u{0301}\n\u{0301}", "# EOF", "\u{0}"])
    func anyHelpIsEscaped(help: String) throws {
        let page = Page(Catalogue([Family("a", help, .gauge, of: .server)]), .small, .fixed)
        #expect(inAllFormats(page.snapshot, help.debugDescription) == nil)
        #expect(try DecodedFamily.all(Snapshot(of: page.snapshot).body(.protobuf))[0].help == help)
    }

    @Test(arguments: [Int64.max, .min, -1, 0, 1 << 53]) func exemplarsThatNobodyWrote(milliseconds: Int64) throws {
        let small = SmallPage.written()
        for (bucket, nanoseconds) in [(0, UInt64.max), (1, 0), (2, 1_100_000_000), (3, 1)] {
            small.exemplar(row: 2, point: 1, bucket: bucket, nanoseconds: nanoseconds, milliseconds: milliseconds)
            small.observe(2, nanoseconds: 1, point: 1)
        }
        #expect(inAllFormats(small.words, "exemplars at \(milliseconds)") == nil)
        // Those outside their buckets are nobody's.
        let text = try StrictText(Snapshot(of: small.words).body(.openMetrics), isOpenMetrics: true)
        #expect(text.samples.compactMap { $0.labels["outcome"] == "error" ? $0.exemplar : nil } == [1.1])
    }

    /// More rows and cells than anybody has.
    @Test func aPageThatSaysItIsLarge() throws {
        var labels: [Family.Label] = []
        for name in ["a", "b"] { labels.append(Family.Label(name, (0..<1000).map { "\($0)" })) }
        let catalogue = Catalogue([Family("a", "", .counter, of: .version, labels)])
        let message = CatalogueMessage.encode(catalogue)
        let layout = PageLayout(
            catalogue, catalogueBytes: message.count, shards: 1024, modelRows: 2, versionRows: 4000, spanWords: 0)
        var words = [UInt64](repeating: 0, count: layout.cellsAt + 1000)
        let small = SmallPage()
        words.replaceSubrange(0..<512, with: small.words[0..<512])
        for (word, number) in [
            (PageLayout.Header.words, layout.words), (.shards, 1024), (.modelRows, 2), (.versionRows, 4000),
            (.catalogueWords, layout.catalogueWords), (.rows, layout.rowsAt), (.exemplars, layout.exemplarsAt),
            (.cells, layout.cellsAt), (.shardWords, layout.shardWords), (.spans, layout.spansAt), (.spanWords, 0),
        ] { words[word] = UInt64(number) }
        words[512] = UInt64(message.count)
        for (index, word) in message.words.enumerated() { words[513 + index] = word }
        words[layout.record(.version, row: 3999)] = 1
        words[layout.record(.version, row: 3999) + 47] = PageLayout.checksum([UInt64](repeating: 0, count: 46))
        #expect(inAllFormats(words.resealed, "large") == .short)
    }

    /// Tens of thousands of pages, some words of each anything; a seed names a run.
    @Test(arguments: 0..<8) func anythingAnywhere(seed: UInt64) throws {
        var random = SplitMix(seed: seed)
        let known = try Snapshot(of: whole)
        let interesting: [UInt64] = [
            0, 1, .max, 1 << 63, .max >> 1, 1 << 32, 0x8080_8080_8080_8080, 0x0a22_5c0a_225c_0a22,
        ]
        // Where it matters more than its length says.
        let rows = Int(whole[.rows])..<Int(whole[.exemplars])
        let (catalogue, cells) = (Int(whole[.catalogue])..<rows.lowerBound, Int(whole[.cells])..<Int(whole[.spans]))
        for turn in 0..<2500 {
            var words = whole
            for _ in 0..<Int.random(in: 1...8, using: &random) {
                let part = [0..<25, catalogue, rows, rows, cells, cells, 0..<whole.count].randomElement(using: &random)
                let place = Int.random(in: part ?? 0..<1, using: &random)
                words[place] =
                    switch Int.random(in: 0..<4, using: &random) {
                    case 0: random.next()
                    case 1: words[place] ^ 1 << UInt64.random(in: 0..<64, using: &random)
                    case 2: words[Int.random(in: 0..<whole.count, using: &random)]
                    default: interesting.randomElement(using: &random) ?? 0
                    }
            }
            if turn % 2 == 0 {
                // Who means harm makes the sums fit.
                for record in stride(from: rows.lowerBound, to: rows.upperBound, by: 32) {
                    words[record + 31] = PageLayout.checksum(words[record + 1..<record + 31])
                }
                if words[.catalogue] == whole[.catalogue], words[.catalogueWords] == whole[.catalogueWords] {
                    words = words.resealed
                }
            }
            look(at: words, known: turn % 3 == 0 ? known : nil, turn: turn / 2, "seed \(seed), turn \(turn)")
        }
    }
}
