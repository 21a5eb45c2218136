// Enters: models and versions that come and go. Leaves: which rows they have, and what of them is shown.
import Memory
import Testing

@testable import ServerMetrics

private let minute: Int64 = 60_000_000_000

@Suite struct RowsTests {
    private let page = Page(.small, .small, .fixed)

    private func row(_ version: String, model: String = "m", at minutes: Int64 = 0) -> Row {
        page.row(.version, model: model, version: version, unixNanoseconds: 1 + minutes * minute)
    }

    private var shown: [String] {
        get throws {
            try Snapshot(of: page.snapshot).rows.filter { $0.scope == .version && $0.number >= Page.reservedRows }.map {
                "\($0.number) \($0.model) \($0.version)"
            }
        }
    }

    private func count(_ row: Int) -> SmallCells { SmallCells(page: page, row: row) }

    @Test func oneNameHasOneRowForAllWhoKeepIt() throws {
        let first = row("1")
        #expect(first.number == 2)
        #expect(row("1").number == 2)
        let other = row("2")
        #expect(other.number == 3)
        #expect(page.row(.model, model: "m", unixNanoseconds: 1).number == 2)
        #expect(try shown == ["2 m 1", "3 m 2"])
        withExtendedLifetime((first, other)) {}
    }

    @Test func whenAllAreGivenTheRestShareOne() throws {
        let kept = [row("1"), row("2")]
        let late = [row("3"), row("4"), row("3")]
        #expect(late.map(\.number) == [1, 1, 1])
        #expect(try Snapshot(of: page.snapshot)[.rowsMissed] == 3)
        #expect(
            try Snapshot(of: page.snapshot).rows.map(\.model) == [
                "_unknown", "_overflow", "_unknown", "_overflow", "m", "m",
            ])
        // What they are is nobody's to say.
        page.describe(late[0], slot: 1, digest: [1], format: "onnx")
        #expect(try Snapshot(of: page.snapshot).rows.first { $0.number == 1 }?.slot == "none")
        withExtendedLifetime(kept) {}
    }

    @Test func aRowThatNobodyKeepsIsFreeAfterFiveMinutes() throws {
        var kept: Row? = row("1")
        page.sweep(monotonicNanoseconds: 9 * minute)
        #expect(try shown == ["2 m 1"])
        withExtendedLifetime(kept) {}
        kept = nil
        for (minutes, isShown) in [(Int64(10), true), (14, true), (15, false)] {
            page.sweep(monotonicNanoseconds: minutes * minute)
            #expect(try shown.isEmpty == !isShown, "after \(minutes) minutes")
        }
    }

    @Test func whoComesBackInTimeGoesOnWhereItWas() throws {
        var kept: Row? = row("1")
        count(2).add(5)
        withExtendedLifetime(kept) {}
        kept = nil
        page.sweep(monotonicNanoseconds: 10 * minute)
        page.sweep(monotonicNanoseconds: 14 * minute)
        kept = row("1", at: 14)
        for minutes in [16, 30, 99] { page.sweep(monotonicNanoseconds: Int64(minutes) * minute) }
        #expect(try shown == ["2 m 1"])
        #expect(count(2).value == 5)
        // And its five minutes begin anew.
        kept = nil
        page.sweep(monotonicNanoseconds: 100 * minute)
        page.sweep(monotonicNanoseconds: 104 * minute)
        #expect(try shown == ["2 m 1"])
    }

    @Test func aRowThatIsGivenAgainBeginsAtNothing() throws {
        do {
            let kept = row("1")
            page.describe(kept, slot: 2, digest: Array(0..<32), format: "onnx")
            count(2).add(5)
            count(2).addExemplar()
        }
        page.sweep(monotonicNanoseconds: 10 * minute)
        page.sweep(monotonicNanoseconds: 15 * minute)
        let next = row("2", model: "other", at: 15)
        let snapshot = try Snapshot(of: page.snapshot)
        #expect(
            snapshot.rows.last
                == Snapshot.Row(
                    scope: .version, number: 2, model: "other", version: "2",
                    createdUnixNanoseconds: 1 + 15 * minute, slot: "none", digest: [], format: ""))
        #expect(count(2).value == 0)
        let family = snapshot.catalogue.family("t_wait_seconds")
        #expect(try snapshot.exemplar(row: 2, point: 0, bucket: 0, of: #require(family.buckets)) == nil)
        // Who looks at the state alone sees that it is somebody else's.
        #expect(page.words.load(page.layout.record(.version, row: 2)) == 2 << 8 | 1)
        withExtendedLifetime(next) {}
    }

    @Test(arguments: [("m", 2), ("n", 0), ("", 0), ("m2", 0), ("m\0", 0), (String(repeating: "m", count: 129), 0)])
    func whoseCallsHaveNoVersion(name: String, row: Int) throws {
        let kept = (page.row(.model, model: "m", unixNanoseconds: 1), self.row(""))
        let bytes = OwnedBytes(name)
        withExtendedLifetime(bytes) {
            #expect(page.versionlessRow(of: bytes.view) == row)
            #expect(page.modelRow(of: bytes.view) == row)
        }
        withExtendedLifetime(kept) {}
    }

    /// As long as models' names may be: each has its own row.
    @Test func namesThatDifferAtTheirEnds() throws {
        let names = ["x", "y"].map { String(repeating: "m", count: 127) + $0 }
        let kept = names.map { row("", model: $0) }
        #expect(kept.map(\.number) == [2, 3])
        for (name, row) in zip(names, kept) {
            let bytes = OwnedBytes(name)
            withExtendedLifetime(bytes) { #expect(page.versionlessRow(of: bytes.view) == row.number) }
        }
        #expect(try shown == names.enumerated().map { "\($0 + 2) \($1) " })
    }

    /// The callers of a version that was unloaded long ago still read its answers: they are counted where they began.
    @Test func aRowWhoseCallsAreUnderWayIsNotGivenAway() throws {
        let page = Page(.server(rpcs: ["Check"]), .small, .fixed)
        let recorder = page.recorder(shard: 0)
        do {
            let kept = [page.row(.version, model: "m", version: "1", unixNanoseconds: 1)]
            let model = page.row(.model, model: "m", unixNanoseconds: 1)
            recorder.count(.inFlight, row: kept[0].number, 3)
            page.common.count(.inFlight, row: kept[0].number, -1)
            withExtendedLifetime((kept, model)) {}
        }
        func rows() throws -> [String] {
            try Snapshot(of: page.snapshot).rows.filter { $0.number >= Page.reservedRows }.map {
                "\($0.model) \($0.version)"
            }
        }
        for minutes in [Int64(10), 15, 99] {
            page.sweep(monotonicNanoseconds: minutes * minute)
            #expect(try rows() == ["m ", "m 1"])
        }
        recorder.count(.inFlight, row: 2, -2)
        page.sweep(monotonicNanoseconds: 100 * minute)
        #expect(try rows().isEmpty)
    }

    /// Names are cut where a character ends, and two that are then alike share a row.
    @Test func namesThatAreTooLong() throws {
        let long = String(repeating: "ä", count: 63) + "x"
        let kept = [row("1", model: long + "ä"), row("1", model: long + "öü")]
        #expect(kept.map(\.number) == [2, 2])
        #expect(try shown == ["2 \(long) 1"])
    }
}

/// Cells of a version's row, in a page that its rows' test made.
private struct SmallCells {
    let page: Page
    let row: Int
    private var place: Int { page.layout.cellsAt + page.layout.cell(.version, row: row) }

    func add(_ number: UInt64) { page.words.add(place, number) }

    var value: UInt64 { page.words.load(place) }

    func addExemplar() {
        let words = page.exemplars(row: row)
        for word in 0..<7 { words.store(word, 1) }
        words.store(7, PageLayout.checksum((0..<7).map { words.load($0) }))
    }
}
