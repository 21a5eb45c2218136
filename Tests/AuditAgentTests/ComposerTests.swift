// Enters: calls and events of rings. Leaves: whether their records are the bytes that another implementation wrote.
import Cryptography
import Foundation
import Memory
import TestSupport
import Testing

@testable import Audit
@testable import AuditAgent
@testable import RecordRing

/// Gives one key, whatever is asked for, and remembers what was.
struct OneKey: PayloadKeySource {
    let given: PayloadKey
    var asked: [(subject: [UInt8], month: UInt32)] = []

    init(_ name: [UInt8] = pattern(8), _ key: [UInt8] = pattern(32)) {
        given = PayloadKey(
            name: name, subject: SubjectCache.none, month: 1, isHeld: false, key: Secret(copying: key.raw))
    }

    mutating func key(subject: [UInt8], month: UInt32) -> PayloadKey {
        asked.append((subject, month))
        return given
    }

    mutating func flush() throws(VolumeError) {}
}

let somePlace: Audit.RecordPlace = {
    guard let id = LogID(pattern(16)) else { preconditionFailure("an id of 16 bytes") }
    return Audit.RecordPlace(index: 7, logID: id, salt: pattern(32, 3))
}()

private let indexKey = Secret(copying: pattern(32, 9).raw)

/// The record of a call as bytes, and its payload.
func compose(
    _ call: RingCall, copies: BodyCopies = .none, salt: [UInt8] = pattern(32, 5), keys: inout OneKey,
    source: RecordSource = RecordSource(instance: 1, ring: 0, sequence: 1), at place: Audit.RecordPlace = somePlace
) throws -> (record: [UInt8], payload: [UInt8]) {
    var composer = CallComposer(copies: copies, indexKey: indexKey) { salt + pattern($0 - salt.count) }
    composer.begin()
    let batch = Batch()
    composer.add(call, source, to: batch, from: &keys, now: startUnixNanoseconds)
    #expect(batch.count == 1 && !batch.isUrgent)
    var record: [UInt8] = []
    batch.write(0, PayloadCiphers(), at: place, to: &record)
    let sealed = try #require(Payload.sealed(inRecord: record))
    #expect(sealed.key == keys.given.name)
    let payload = Payload.open(
        sealed.data, key: keys.given.key, logID: place.logID, salt: place.salt, index: place.index)
    return (record, try #require(payload))
}

/// What a ring holds that is not as it should be, and what policy leaves out.
@Test(arguments: [
    ("none", BodyCopies.none, #"{"salt":"S","request_id":"é�","labels":{"a":"2","b":"�"},"peer":"p"}"#),
    ("request", .request, #"{"salt":"S","request_id":"é�","labels":{"a":"2","b":"�"},"peer":"p","request":"7231"}"#),
    ("answer", .answer, #"{"salt":"S","request_id":"é�","labels":{"a":"2","b":"�"},"peer":"p","answer":"61"}"#),
    (
        "both", .both,
        #"{"salt":"S","request_id":"é�","labels":{"a":"2","b":"�"},"peer":"p","request":"7231","answer":"61"}"#
    ),
]) func payloads(name: String, copies: BodyCopies, wanted: String) throws {
    var call = RingCall()
    call.requestID = kept(Array("é".utf8) + [0xff])
    call.peer = kept("p")
    call.labels = labels([([0x62], [0xc3]), ([0x61], [0x31]), ([0x61], [0x32])])
    call.request = .copy(kept("r1"))
    call.answer = .copy(kept("a"))
    call.principal = kept([0x80, 0x41])
    call.version = -1
    var keys = OneKey()
    let found = try compose(call, copies: copies, keys: &keys)
    #expect(RecordJSON.payload(found.payload) == wanted.replacing("S", with: pattern(32, 5).hex))
    let digests = [([UInt8(1)], "r1"), ([2], "a")].map { first, body in
        let message = first + SHA256.digest(of: Array(body.utf8).raw).bytes
        let code = HMACSHA256.code(of: message.raw, key: pattern(32, 5).raw)
        return (0..<32).map { code[$0] }.hex
    }
    #expect(
        RecordJSON.record(found.record)
            == #"{"source":{"instance":1,"sequence":1},"call":{"principal":"�A","version":-1,"#
            + #""request_digest":"\#(digests[0])","answer_digest":"\#(digests[1])"}}"#)
}

/// A body that was hashed by the server gives the digest that its copy would; one that is not there gives none.
@Test func digestsOfBodies() throws {
    var keys = OneKey()
    var call = RingCall()
    call.request = .copy(kept("body"))
    call.answer = .leftOut
    let copied = try compose(call, keys: &keys).record
    call.request = .digest(kept(SHA256.digest(of: Array("body".utf8).raw).bytes))
    call.answer = .none
    #expect(try compose(call, keys: &keys).record == copied)
    #expect(RecordJSON.record(copied)?.contains("answer_digest") == false)
    call.request = .copy(.empty)
    #expect(RecordJSON.record(try compose(call, keys: &keys).record)?.contains("request_digest") == true)
}

/// Numbers that no server writes, and texts of which each byte becomes three, have room.
@Test func theLargestCall() throws {
    var call = RingCall()
    call.startUnixNanoseconds = .max
    (call.version, call.epoch, call.readNanoseconds, call.queueNanoseconds) = (.min, .max, .max, .max)
    (call.runNanoseconds, call.totalNanoseconds, call.requestBytes, call.answerBytes) = (.max, .max, .max, .max)
    (call.batch, call.exposure, call.routingKey, call.traceHigh, call.traceLow) = (.max, .max, .max, .max, .max)
    (call.auth, call.verdict, call.status, call.slot) = (.max, .max, .max, .max)
    (call.cache, call.fallback, call.draw) = (.max, .max, .max)
    (call.rows, call.batchRows, call.batchFirst, call.imputed) = (.max, .max, .max, .max)
    (call.clipped, call.outliers, call.sharePPM, call.message) = (.max, .max, .max, .max)
    call.clockErrorMicroseconds = .max
    let noise = kept([UInt8](repeating: 0xff, count: 12_000))
    (call.method, call.principal, call.credential, call.reason) = (noise, noise, noise, noise)
    (call.asked, call.model, call.requestID, call.peer, call.subject) = (noise, noise, noise, noise, noise)
    (call.request, call.answer) = (.copy(noise), .copy(noise))
    var keys = OneKey()
    let source = RecordSource(instance: .max, ring: 1023, sequence: .max)
    let found = try compose(call, copies: .both, keys: &keys, source: source)
    #expect(found.record.count < Frame.bodyBytesMax)
    let json = try #require(RecordJSON.record(found.record))
    #expect(json.contains(#""version":-9223372036854775808,"#) && json.hasSuffix(#""clock_error":4294967295}}"#))
    #expect(json.contains(#""source":{"instance":18446744073709551615,"ring":1023,"sequence":18446744073709551615}"#))
}

/// The subject's pseudonym and the month that its key is asked for.
@Test(
    arguments: [
        ("", startUnixNanoseconds, 202607), ("anna", startUnixNanoseconds, 202607),
        // Two months back are believed, a year is not, nor the day after tomorrow.
        ("anna", startUnixNanoseconds - 60 * 86_400_000_000_000, 202605), ("anna", 5, 202607), ("anna", .max, 202607),
        ("anna", startUnixNanoseconds + 86_400_000_000_000 * 3, 202607),
    ] as [(String, UInt64, UInt32)]) func subjects(subject: String, time: UInt64, month: UInt32) throws
{
    var keys = OneKey()
    var call = RingCall()
    call.subject = kept(subject)
    call.startUnixNanoseconds = time
    _ = try compose(call, keys: &keys)
    let code = HMACSHA256.code(of: (Array("audsub-v1".utf8) + [0] + Array(subject.utf8)).raw, key: pattern(32, 9).raw)
    let wanted = subject.isEmpty ? [UInt8](repeating: 0, count: 16) : (0..<16).map { code[$0] }
    #expect(keys.asked.map(\.subject) == [wanted] && keys.asked.map(\.month) == [month])
}

/// A key is asked for once a batch, whatever the order of subjects; another key by the next batch is taken.
@Test func keysAreAskedForInEachBatch() {
    var composer = CallComposer(copies: .none, indexKey: indexKey) { pattern($0) }
    var keys = OneKey()
    for _ in 0..<2 {
        composer.begin()
        let batch = Batch()
        for number in 0..<30 as Range<UInt64> {
            composer.add(
                call(number, subject: "s\(number % 3)"), RecordSource(instance: 1, ring: 0, sequence: number + 1),
                to: batch, from: &keys, now: startUnixNanoseconds)
        }
        #expect(batch.keys.count == 3)
    }
    #expect(keys.asked.count == 6)
}

@Test func eventsMustBeWhatTheySay() {
    var composer = CallComposer(copies: .none, indexKey: indexKey) { pattern($0) }
    let batch = Batch()
    var gap = RecordWriter()
    gap.text(1, "predict")
    gap.number(3, 4)
    let ringPlace = RecordSource(instance: 1, ring: 2, sequence: 3)
    let events: [(RecordKind, [UInt8], Bool)] = [
        (.gap, gap.bytes, true), (.gap, [0x0a], false), (.server, gap.bytes, false),
        (.refused, [0x0a, 1, 0xff], false), (.withheld, [8, 9], true), (.admin, [], true),
    ]
    for (kind, event, isGood) in events {
        let isAdded = composer.add(kind, kept(event), time: 9, ringPlace, to: batch)
        #expect(isAdded == isGood, "\(kind)")
        #expect(batch.isUrgent == (kind == .admin))
    }
    let source = #""source":{"instance":1,"ring":2,"sequence":3}"#
    let wanted = [#""gap":{"kind":"predict","count":4}"#, #""withheld":{"sequence":9}"#, #""admin":{}"#]
    // Of the pool those 32 bytes that were not drawn for a refused one.
    let blinds = [0, 4, 5].map { Array(pattern(4096)[32 * $0..<32 * ($0 + 1)]).hex }
    #expect(batch.count == wanted.count)
    for (entry, (event, blind)) in zip(wanted, blinds).enumerated() {
        var record: [UInt8] = []
        batch.write(entry, PayloadCiphers(), at: somePlace, to: &record)
        let json = RecordJSON.record(record)
        #expect(json == #"{"time":9,\#(source),\#(event),"blind":"\#(blind)"}"#)
    }
}
