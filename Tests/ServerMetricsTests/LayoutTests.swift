// Enters: one small page. Leaves: where everything in it lies. Who changes a number here makes pages that other agents misread:
// `PageLayout.major` goes up with it, and Tests/SystemTests/metrics_page.py follows.
import Memory
import Testing

@testable import ServerMetrics

@Suite struct LayoutTests {
    private let words = SmallPage.written().words

    @Test func everyWordOfTheHeaderHasItsPlace() {
        let places = Dictionary(
            uniqueKeysWithValues: PageLayout.Header.allCases.map { ("\($0)", $0.rawValue) })
        #expect(
            places == [
                "magic": 0, "version": 1, "headerWords": 2, "words": 3, "catalogueHash": 4, "generation": 5,
                "bootHigh": 6,
                "bootLow": 7, "startUnixNanoseconds": 8, "startMonotonicNanoseconds": 9, "processID": 10, "state": 11,
                "heartbeatMonotonicNanoseconds": 12, "rowsMissed": 13, "shards": 14, "modelRows": 15, "versionRows": 16,
                "catalogue": 17, "catalogueWords": 18, "rows": 19, "exemplars": 20, "cells": 21, "shardWords": 22,
                "spans": 23, "spanWords": 24,
            ])
        #expect(PageLayout.Header.size == 512)
    }

    @Test func partsOfThePage() {
        let expected: [(PageLayout.Header, UInt64)] = [
            (.magic, 0x3130_4d48_534a_4356), (.version, 1 << 32), (.headerWords, 512), (.words, 1456),
            (.catalogueHash, 25_776_947_816_914_021), (.generation, 1), (.bootHigh, 0x0123_4567_89ab_cdef),
            (.bootLow, 0xfedc_ba98_7654_3210), (.startUnixNanoseconds, 1_700_000_000_250_000_000),
            (.startMonotonicNanoseconds, 5_000_000_000), (.processID, 77), (.state, 1),
            (.heartbeatMonotonicNanoseconds, 5_000_000_000), (.rowsMissed, 0), (.shards, 2), (.modelRows, 3),
            (.versionRows, 4), (.catalogue, 512), (.catalogueWords, 48), (.rows, 560), (.exemplars, 896),
            (.cells, 1152),
            (.shardWords, 96), (.spans, 1440), (.spanWords, 8),
        ]
        #expect(expected.count == PageLayout.Header.allCases.count)
        for (word, value) in expected { #expect(words[word] == value, "\(word)") }
        #expect(words[25..<512].allSatisfy { $0 == 0 })
        #expect(words.count == Int(words[.words]))
        // What a catalogue's message is, byte by byte.
        #expect(words[512] == 370)
    }

    /// State, when it was made, names, slot, digest, format, checksum.
    @Test func wordsOfARow() {
        let first = Int(words[.rows]) + (3 + 2) * 48
        var row = [UInt64](repeating: 0, count: 48)
        row[0] = 1 << 8 | 1
        row[1] = UInt64(SmallPage.created)
        row[2] = 0x0000_7473_6572_6f66
        row[18] = 0x3176
        row[26] = 1
        for word in 0..<4 { row[27 + word] = 0x0706_0504_0302_0100 + 0x0808_0808_0808_0808 * UInt64(word) }
        row[31] = 0x786e_6e6f
        row[47] = PageLayout.checksum(row[1..<47])
        #expect(Array(words[first..<first + 48]) == row)
    }

    /// FNV-1a over words, the lowest bit set.
    @Test(
        arguments: [
            ([], 0xcbf2_9ce4_8422_2325), ([0], 0xaf63_bd4c_8601_b7df), ([1, 2], 0x082f_2407_b4e8_902b),
            ([UInt64.max], 0x509c_41b3_79fe_466f),
        ] as [([UInt64], UInt64)])
    func checksums(words: [UInt64], expected: UInt64) { #expect(PageLayout.checksum(words) == expected) }

    /// Of each shard the server's cells, the models', the versions'; then of everybody else.
    @Test func placesOfCells() {
        let layout = SmallPage().page.layout
        // Server: a level, a counter. Model: a gauge. Version: three codes, and two histograms of bounds and two more cells.
        let wait = 2 * (layout.catalogue.family("t_wait_seconds").buckets?.bounds.count ?? 0) + 4
        #expect(Family.Scope.allCases.map { layout.catalogue.cells(of: $0) } == [2, 1, 3 + wait])
        #expect(Family.Scope.allCases.map { layout.cell($0, row: 0) } == [0, 2, 5])
        #expect(Family.Scope.allCases.map { layout.cell($0, row: 1) } == [0, 3, 5 + 3 + wait])
        #expect(layout.catalogue.families.map(\.first) == [0, 3, 0, 0, 1])
        #expect(layout.exemplarsOfRow == 2 * 4)
        #expect(layout.cellsAt % 16 == 0 && layout.shardWords % 16 == 0)
    }
}
