// Enters: records. Leaves: that each is one line of JSON which says what the record said.
import Foundation
import Logging
import Testing

@testable import StructuredLog

/// Keeps lines.
final class Kept: LogLines, @unchecked Sendable {
    private let lock = NSLock()
    private var kept: [[UInt8]] = []

    func write(_ line: [UInt8]) { lock.withLock { kept.append(line) } }

    var lines: [String] { lock.withLock { kept.map { String(decoding: $0, as: UTF8.self) } } }

    func logger(_ level: Logger.Level = .info) -> Logger {
        Logger(label: "test") { [self] _ in
            JSONLogHandler(self, level: level, now: { Date(timeIntervalSince1970: 1_700_000_000.25) })
        }
    }
}

private func object(_ line: String?) throws -> [String: Any] {
    let any = try JSONSerialization.jsonObject(with: Data((line ?? "").utf8))
    return try #require(any as? [String: Any])
}

@Test func aRecordIsALine() throws {
    let kept = Kept()
    var logger = kept.logger()
    logger[metadataKey: "agent"] = "metrics"
    logger.warning(
        "the collector is away", metadata: ["span_id": "b7", "trace_id": "4b", "spans": .stringConvertible(512)])
    #expect(
        kept.lines == [
            #"{"time":"2023-11-14T22:13:20.250Z","level":"warning","message":"the collector is away","trace_id":"4b","#
                + #""span_id":"b7","agent":"metrics","spans":512}"#
        ])
    logger.debug("not wanted")
    #expect(kept.lines.count == 1)
}

@Test(arguments: ["", "a\"b\\c", "line\nline\r\tend\u{2028}", "\u{0}\u{1b}[31m\u{7f}\u{85}", "größe 漢字 🐦", "{\"x\":1}"])
func whateverIsSaid(text: String) throws {
    let kept = Kept()
    kept.logger().info("\(text)", metadata: [text: .string(text), "nested": ["a": [.string(text), "b"]]])
    let line = try #require(kept.lines.first)
    #expect(!line.utf8.contains { $0 < 0x20 || $0 == 0x7f })
    let object = try object(line)
    #expect(object["message"] as? String == text)
    #expect(object[text] as? String == text)
    #expect((object["nested"] as? [String: [String]])?["a"] == [text, "b"])
}

@Test func namesThatAreOurs() throws {
    let kept = Kept()
    kept.logger().info("m", metadata: ["message": "theirs", "time": "never", "level": .stringConvertible(true)])
    let object = try object(kept.lines.first)
    #expect(object["message"] as? String == "m" && object["message_"] as? String == "theirs")
    #expect(object["time_"] as? String == "never" && object["level_"] as? Bool == true)
}

@Test func valuesAreWhatTheyAre() throws {
    let kept = Kept()
    kept.logger().info(
        "m",
        metadata: [
            "whole": .stringConvertible(Int64.min), "broken": .stringConvertible(0.5),
            "none": .stringConvertible(Double.nan), "huge": .stringConvertible(UInt64.max),
        ])
    let line = try #require(kept.lines.first)
    #expect(line.contains(#""whole":-9223372036854775808"#) && line.contains(#""huge":18446744073709551615"#))
    #expect(line.contains(#""broken":0.5"#) && line.contains(#""none":"nan""#))
}

/// A record has a bound, whatever is in it.
@Test func linesAreBounded() throws {
    let kept = Kept()
    let long = String(repeating: "ñ\n", count: 100_000)
    var deep: Logger.MetadataValue = "bottom"
    for _ in 0..<1000 { deep = .array([deep]) }
    var many: Logger.Metadata = ["deep": deep, "wide": .array(.init(repeating: "x", count: 100_000))]
    for number in 0..<100 { many["key\(number)"] = .string(long) }
    kept.logger().info("\(long)", metadata: many)
    let line = try #require(kept.lines.first)
    #expect(line.utf8.count < 40 << 10)
    #expect(try object(line)["level"] as? String == "info")
}
