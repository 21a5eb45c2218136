// Enters: calls of the audit log that another implementation wrote. Leaves: whether the composer writes the same bytes.
import Foundation
import Memory
import Testing

@testable import Audit
@testable import AuditAgent
@testable import RecordRing

private func vectors() -> [String: Any] {
    let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appending(path: "../Audit/vectors/audit.json")
    guard let data = try? Data(contentsOf: file),
        let all = try? JSONSerialization.jsonObject(with: data) as? [String: Any]
    else { preconditionFailure("no \(file.path)") }
    return all
}

private func bytes(_ hex: Any?) -> [UInt8] { (hex as? String).flatMap { [UInt8](hex: $0) } ?? [] }

/// The call of an entry of the vectors.
private func ringCall(_ record: [String: Any], _ payload: [String: Any], _ entry: [String: Any]) throws -> RingCall {
    let fields = try #require(record["call"] as? [String: Any])
    func number(_ name: String) -> UInt64 { (fields[name] as? NSNumber)?.uint64Value ?? 0 }
    func small(_ name: String) -> UInt8 { UInt8(number(name)) }
    func word(_ name: String) -> UInt32 { UInt32(number(name)) }
    func text(_ name: String) -> ByteView { kept(fields[name] as? String ?? "") }
    var call = RingCall()
    call.startUnixNanoseconds = (record["time"] as? NSNumber)?.uint64Value ?? 0
    (call.method, call.principal, call.credential) = (text("method"), text("principal"), text("credential"))
    (call.reason, call.asked, call.model) = (text("reason"), text("asked"), text("model"))
    (call.auth, call.verdict, call.status) = (small("auth"), small("verdict"), small("status"))
    (call.slot, call.draw) = (small("slot"), small("draw"))
    (call.cache, call.fallback) = (small("cache"), small("fallback"))
    call.version = Int64(number("version"))
    call.artifact = kept(bytes(fields["artifact"]))
    (call.epoch, call.exposure, call.batch) = (number("epoch"), number("exposure"), number("batch"))
    (call.readNanoseconds, call.queueNanoseconds) = (number("read"), number("queue"))
    (call.runNanoseconds, call.totalNanoseconds) = (number("run"), number("total"))
    (call.requestBytes, call.answerBytes) = (number("request_bytes"), number("answer_bytes"))
    (call.rows, call.batchRows, call.batchFirst) = (word("rows"), word("batch_rows"), word("batch_first"))
    (call.imputed, call.clipped, call.outliers) = (word("imputed"), word("clipped"), word("outliers"))
    (call.sharePPM, call.message, call.clockErrorMicroseconds) = (
        word("share_ppm"), word("message"), word("clock_error")
    )
    let trace = kept(bytes(fields["trace"]))
    if trace.count == 16 { (call.traceHigh, call.traceLow) = (trace.bigEndian(at: 0), trace.bigEndian(at: 8)) }
    call.requestID = kept(payload["request_id"] as? String ?? "")
    call.peer = kept(payload["peer"] as? String ?? "")
    call.routingKey = (payload["routing_key"] as? NSNumber)?.uint64Value ?? 0
    // Not in the order of the names.
    let pairs = (payload["labels"] as? [String: String] ?? [:]).sorted { $0.key > $1.key }
    call.labels = labels(pairs.map { (Array($0.key.utf8), Array($0.value.utf8)) })
    if let body = entry["request_body"], fields["request_digest"] != nil { call.request = .copy(kept(bytes(body))) }
    if let body = entry["answer_body"], fields["answer_digest"] != nil { call.answer = .copy(kept(bytes(body))) }
    return call
}

/// The calls of the vectors become their plaintexts, byte for byte: envelope, digests, payload and its seal.
@Test func callsOfTheVectors() throws {
    let vectors = vectors()
    let entries = try #require(vectors["entries"] as? [[String: Any]])
    let segments = try #require(vectors["segments"] as? [[String: Any]])
    let keyFile = try #require(vectors["payload_keys"] as? [String: Any])
    let named = ["entries_before", "entries_after"].flatMap { keyFile[$0] as? [[String: Any]] ?? [] }
    let logID = try #require(LogID(bytes(vectors["log_id"])))
    var count = 0
    for entry in entries {
        guard let record = entry["record"] as? [String: Any], let payload = entry["payload"] as? [String: Any],
            let sealed = record["sealed"] as? [String: Any],
            // A ring has none.
            payload["findings"] == nil,
            let key = named.first(where: { $0["name"] as? String == sealed["key"] as? String })
        else { continue }
        let source = try #require(record["source"] as? [String: Any])
        let segment = try #require(entry["segment"] as? Int)
        var keys = OneKey(bytes(key["name"]), bytes(key["key"]))
        let found = try compose(
            ringCall(record, payload, entry), copies: payload["request"] == nil ? .none : .both,
            salt: bytes(payload["salt"]), keys: &keys,
            source: RecordSource(
                instance: (source["instance"] as? NSNumber)?.uint64Value ?? 0, ring: source["ring"] as? Int ?? 0,
                sequence: (source["sequence"] as? NSNumber)?.uint64Value ?? 0),
            at: Audit.RecordPlace(
                index: UInt64(entry["index"] as? Int ?? 0), logID: logID, salt: bytes(segments[segment]["salt"])))
        #expect(found.payload.hex == entry["payload_plaintext"] as? String)
        #expect(found.record.hex == entry["plaintext"] as? String)
        count += 1
    }
    #expect(count >= 5)
}
