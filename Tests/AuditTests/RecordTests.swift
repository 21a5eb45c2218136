import Audit
import Foundation
import Memory
import Testing

private let vectors = Vectors.shared

/// As JSON objects, in which the order of names does not count. - Returns: `nil`: the text is no object.
private func object(_ text: String?) -> NSDictionary? {
    text.flatMap { try? JSONSerialization.jsonObject(with: Data($0.utf8)) as? NSDictionary }
}

/// The record of the vectors beside what is printed of its plaintext. Their record has no `sealed`.
@Test func recordsAsJSON() throws {
    let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(
        path: "../Audit/vectors/audit.json")
    let all = try JSONSerialization.jsonObject(with: Data(contentsOf: file)) as? [String: Any]
    let entries = try #require(all?["entries"] as? [[String: Any]])
    var count = 0
    for entry in entries {
        guard let plaintext = entry["plaintext"] as? String, var wanted = entry["record"] as? [String: Any] else {
            continue
        }
        wanted["sealed"] = nil
        let found = RecordJSON.record(bytes(plaintext))
        #expect(object(found) == wanted as NSDictionary, "\(found ?? "no record")")
        count += 1
    }
    #expect(count == 19)
}

@Test(arguments: [
    ("", "\"\""), ("a\"b\\c", #""a\"b\\c""#), ("\n\r\t\u{1}\u{1f}", #""\n\r\t\u0001\u001f""#), ("ñ€😀", "\"ñ€😀\""),
]) func textsAreQuoted(text: String, wanted: String) {
    var alarm = RecordWriter()
    alarm.message(15) { $0.text(1, text) }
    let inside = text.isEmpty ? "{}" : "{\"name\":\(wanted)}"
    #expect(RecordJSON.record(alarm.bytes) == "{\"alarm\":\(inside)}")
}

@Test func fieldsAreWrittenInTheirOrder() {
    var record = RecordWriter()
    record.number(2, 300)
    record.number(3, 0)
    record.fixed64(4, 1)
    record.text(5, "")
    record.data(6, [1, 2])
    record.flag(7, true)
    record.map(8, ["b": "2", "a": "", "": "x"])
    #expect(
        record.bytes.hex
            == "10ac02" + "210100000000000000" + "32020102" + "3801" + "4203120178" + "42030a0161" + "42060a0162120132")
}

/// Neither noise nor a record with spoiled bytes traps; what comes out is JSON.
@Test func spoiledRecordsAreNoneOrJSON() {
    var random = SplitMix(seed: 31)
    let good = vectors.entries.compactMap(\.plaintext).map(bytes)
    for round in 0..<20_000 {
        var record = good[Int(random.next() % UInt64(good.count))]
        for _ in 0...(round % 4) {
            record[Int(random.next() % UInt64(record.count))] = UInt8(truncatingIfNeeded: random.next())
        }
        if round % 3 == 0 { record.removeLast(Int(random.next() % UInt64(record.count))) }
        guard let text = RecordJSON.record(record) else { continue }
        #expect(object(text) != nil, "\(text)")
    }
}
