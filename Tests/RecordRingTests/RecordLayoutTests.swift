// Enters: calls and other events. Leaves: the words that they are, and the same values read from them.
import Memory
import TestSupport
import Testing

@testable import RecordRing

/// The checksum of a record's words, lane by lane. Its own word is not among `words`.
func checksum(_ words: [UInt64]) -> UInt64 {
    let step: UInt64 = 0x9e37_79b9_7f4a_7c15
    func mixed(_ sum: UInt64, _ word: UInt64) -> UInt64 { ((sum ^ word) << 29 | (sum ^ word) >> 35) &* step }
    var lanes = [step, step &* 3, step &* 5, step &* 7]
    for (index, word) in words.enumerated() {
        // Word 2 of the record is the checksum.
        let lane = (index < 2 ? index : index + 1) % 4
        lanes[lane] = mixed(lanes[lane], word)
    }
    let all = mixed(mixed(lanes[0], lanes[1]), mixed(lanes[2], lanes[3]))
    return all ^ all >> 32
}

private func word(_ text: String) -> UInt64 {
    Array(text.utf8).enumerated().reduce(0) { $0 | UInt64($1.element) << UInt64(8 * $1.offset) }
}

/// Written by hand from the table in RecordLayout.swift.
@Test func theWordsOfACall() throws {
    let place = try Place()
    let life = try Life(place)
    var call = RingCall()
    (call.startUnixNanoseconds, call.version, call.epoch) = (1000, -2, 5)
    (call.readNanoseconds, call.queueNanoseconds, call.runNanoseconds, call.totalNanoseconds) = (6, 7, 8, 9)
    (call.requestBytes, call.answerBytes, call.batch, call.exposure, call.routingKey) = (10, 11, 12, 13, 14)
    (call.traceHigh, call.traceLow) = (15, 16)
    (call.auth, call.verdict, call.status, call.slot) = (1, 2, 3, 4)
    (call.cache, call.fallback, call.draw) = (5, 6, 7)
    (call.rows, call.batchRows, call.batchFirst, call.imputed) = (20, 21, 22, 23)
    (call.clipped, call.outliers, call.sharePPM, call.message) = (24, 25, 26, 27)
    call.clockErrorMicroseconds = 28
    (call.method, call.principal, call.peer) = (kept("a.B/Call"), kept("ana"), kept("127.0.0.1:5"))
    call.request = .copy(kept([1, 2, 3, 4, 5]))
    call.answer = .digest(kept([UInt8](repeating: 0xab, count: 32)))
    let bits: UInt64 = 1 | 2 << 2
    let expected: [UInt64] = [
        36 | 3 << 32, 1, 1000, UInt64(bitPattern: -2), 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16,
        1 | 2 << 8 | 3 << 16 | 4 << 24 | 5 << 32 | 6 << 40 | 7 << 48 | bits << 56,
        20 | 21 << 32, 22 | 23 << 32, 24 | 25 << 32, 26 | 27 << 32, 28, 5 | 32 << 32,
        8 | 3 << 16, 0, 11, word("a.B/Call"), word("ana"), word("127.0.0."), word("1:5"), 0x05_0403_0201,
        0xabab_abab_abab_abab, 0xabab_abab_abab_abab, 0xabab_abab_abab_abab, 0xabab_abab_abab_abab,
    ]
    #expect(life.shards[0].write(call) == 1)
    let start = RingLayout.dataStart(rings: 1)
    var found = Array(life.copy[start..<start + 36])
    let sum = found.remove(at: 2)
    #expect(found == expected)
    #expect(sum == checksum(found))
    #expect(life.words.load(16) == 36 && life.words.load(17) == 0)
    let reader = try life.reader()
    #expect(try reader.call() == call)
}

@Test(arguments: 1...4 as ClosedRange<UInt64>) func everyCallIsReadAsItWasWritten(seed: UInt64) throws {
    let place = try Place()
    let life = try Life(place, words: 2 * RecordLayout.recordWordsMax)
    let reader = try life.reader()
    for number in 0..<250 as Range<UInt64> {
        let call = RingCall(seed: seed << 32 | number, bodyMax: number % 10 == 0 ? 64 << 10 : 300)
        try #require(life.shards[0].write(call) == number + 1)
        try #require(reader.call() == call, "call \(number)")
        try reader.acknowledge(reader.place)
    }
    #expect(try reader.next() == nil)
}

@Test(arguments: RecordKind.allCases.filter { $0 != .call }) func otherEvents(kind: RecordKind) throws {
    let place = try Place()
    let life = try Life(place, words: 20_000)
    let reader = try life.reader()
    let shard = life.shards[0]
    for count in [0, 1, 7, 8, 9, 1000, RecordLayout.eventBytesMax] {
        let payload = kept(pattern(count))
        let held = try #require(shard.reserve(RecordLayout.eventBytes(payload: count)))
        let sequence = shard.writer.write(kind, startUnixNanoseconds: 77, payload: payload, using: held.take())
        guard case .record(let record) = try reader.next() else {
            Issue.record("no record of \(count) bytes")
            return
        }
        #expect(record.content == .event(kind, startUnixNanoseconds: 77, payload: payload))
        #expect(record.sequence == sequence && record.bytes == 40 + (count + 7) / 8 * 8)
        try reader.acknowledge(record.place)
    }
}

/// text · its bound · what is kept of it
private let cuts: [(any WritableKeyPath<RingCall, ByteView> & Sendable, Int)] = [
    (\.method, 128), (\.principal, 256), (\.credential, 64), (\.reason, 64), (\.asked, 256), (\.model, 128),
    (\.requestID, 128), (\.peer, 128), (\.subject, 256),
]

@Test(arguments: cuts.indices) func longTextsAreCutBetweenCharacters(number: Int) throws {
    let place = try Place()
    let life = try Life(place)
    let reader = try life.reader()
    let (text, bound) = cuts[number]
    let cases = [
        (String(repeating: "x", count: bound), bound, false), (String(repeating: "x", count: bound + 1), bound, true),
        ("x" + String(repeating: "ñ", count: bound), bound - 1, true),
        (String(repeating: "鳥", count: 1000), bound / 3 * 3, true),
    ]
    for (given, bytes, isCut) in cases {
        var call = RingCall()
        call[keyPath: text] = kept(given)
        life.shards[0].write(call)
        let found = try #require(try reader.call())
        #expect(found[keyPath: text] == call[keyPath: text].prefix(bytes) && found.isCut == isCut)
        #expect(found[keyPath: text].isUTF8)
    }
}

/// All texts at their bounds fit the smallest credit.
@Test func theLongestTextsHaveRoom() throws {
    let place = try Place()
    let life = try Life(place)
    var call = RingCall()
    for (text, _) in cuts { call[keyPath: text] = kept(pattern(1000).map { $0 & 0x7f }) }
    call.artifact = kept(pattern(32))
    let held = try #require(life.shards[0].reserve(0))
    _ = life.shards[0].writer.write(call, using: held.take())
    #expect(life.words.load(16) == UInt64(RecordLayout.callWordsMax))
    let reader = try life.reader()
    let found = try #require(try reader.call())
    for (text, bound) in cuts { #expect(found[keyPath: text].count == bound) }
    #expect(found.artifact == call.artifact && found.isCut)
}

/// request · answer · labels at admission · what of them is left at the end, where all have 1000 bytes or 2 labels
private let leftOut: [(request: Int, answer: Int, labels: Int, parts: String)] = [
    (1000, 1000, 100, "request answer labels"), (1000, 900, 100, "request labels"), (0, 1000, 100, "request labels"),
    (0, 900, 100, "labels"), (0, 0, 100, "labels"), (0, 0, 0, ""), (900, 0, 0, "labels"),
    (64 << 10, 0, 0, "request answer labels"),
    (65 << 10, 0, 0, "labels"),
]

@Test(arguments: leftOut.indices) func whatCreditHasNoRoomForIsLeftOut(number: Int) throws {
    let place = try Place()
    let life = try Life(place, words: 20_000)
    var call = RingCall()
    (call.requestBytes, call.answerBytes) = (1000, 1000)
    (call.request, call.answer) = (.copy(kept(pattern(1000, 1))), .copy(kept(pattern(1000, 2))))
    var arena = Arena(bytesMax: 1 << 16)
    call.labels = try RecordLabels(2, in: &arena) { _ in RecordLabel(name: kept("name"), value: kept("value")) }
    let row = leftOut[number]
    let bytes = RecordLayout.callBytes(labels: row.labels, request: row.request, answer: row.answer)
    // Texts take less than their bounds: what is left of theirs is of use.
    let held = try #require(life.shards[0].reserve(bytes))
    let filler = kept(pattern(1000).map { $0 & 0x7f })
    for (text, _) in cuts { call[keyPath: text] = filler }
    call.artifact = kept(pattern(32))
    _ = life.shards[0].writer.write(call, using: held.take())
    let reader = try life.reader()
    let found = try #require(try reader.call())
    var parts: [String] = []
    if found.request == call.request { parts.append("request") } else { #expect(found.request == .leftOut) }
    if found.answer == call.answer { parts.append("answer") } else { #expect(found.answer == .leftOut) }
    if found.labels == call.labels { parts.append("labels") } else { #expect(found.labels == .empty) }
    #expect(parts.joined(separator: " ") == row.parts)
    #expect(found.labelsWereLeftOut == !parts.contains("labels"))
    #expect(found.requestBytes == 1000 && found.answerBytes == 1000)
}

@Test func aBodyAboveTheBoundIsLeftOut() throws {
    let place = try Place()
    let life = try Life(place, words: 40_000)
    let reader = try life.reader()
    for (bytes, isKept) in [(64 << 10, true), (64 << 10 + 1, false)] {
        var call = RingCall()
        call.request = .copy(kept(pattern(bytes)))
        let held = try #require(life.shards[0].reserve(200_000))
        _ = life.shards[0].writer.write(call, using: held.take())
        #expect(try reader.call()?.request == (isKept ? call.request : .leftOut))
        try reader.acknowledge(reader.place)
    }
}

/// bytes, how many labels they are to be, whether they are
private let labelBytes: [([UInt8], Int, Bool)] = [
    ([], 0, true), ([], 1, false), ([0, 0, 0, 0], 1, true), ([0, 0, 0, 0], 0, false), ([1, 0, 2, 0, 7, 8, 9], 1, true),
    ([1, 0, 3, 0, 7, 8, 9], 1, false), ([1, 0, 2, 0, 7, 8, 9, 0], 1, false), ([1, 0, 2], 0, false),
    ([255, 255, 255, 255, 7, 8, 9], 1, false), ([UInt8](repeating: 0, count: 64), 16, true),
    ([UInt8](repeating: 0, count: 68), 17, false),
]

@Test(arguments: labelBytes.indices) func labels(number: Int) {
    let (bytes, count, isGood) = labelBytes[number]
    #expect((RecordLabels(checking: kept(bytes), count: count) != nil) == isGood)
    let label = RecordLabels(checking: kept([1, 0, 2, 0, 7, 8, 9]), count: 1)?.map { $0 }
    #expect(label == [RecordLabel(name: kept([7]), value: kept([8, 9]))])
}
