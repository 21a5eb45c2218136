// Enters: spans. Leaves: that their bytes are those of opentelemetry-proto.
import Foundation
import Memory
import Protobuf
import Testing

@testable import Spans

@Test(arguments: [("new", .new), ("old", .old), ("both", .both)] as [(String, SpanConventions)])
func requestsAsOpenTelemetryWritesThem(name: String, conventions: SpanConventions) throws {
    var reader = SpanRingReader()
    let otlp = OTLP(
        resource: [("service.name", "vencejo"), ("service.instance.id", "pod-1"), ("empty", "")],
        conventions: conventions, server: ServerAddress("10.0.0.7:8001"), version: "0.1")
    let request = try otlp.request(reader.read(Golden.all.words).spans)
    #expect(Data(request) == Golden.all.requests[name])
}

@Test(
    arguments: [
        ("", .new), ("http", .new), ("rpc", .new), ("rpc/dup", .both), ("http, rpc/dup", .both), ("rpc/old", .old),
    ]
        as [(String, SpanConventions)])
func conventionsByTheirWords(optIn: String, conventions: SpanConventions) {
    #expect(SpanConventions(optIn: optIn) == conventions)
}

/// A name stands for one value.
@Test(arguments: [SpanConventions.new, .old, .both]) func namesAreUnique(conventions: SpanConventions) {
    let names = SpanAttribute.of(span(1), conventions, server: nil).map(\.name.description)
    #expect(Set(names).count == names.count)
}

@Test func answersOfCollectors() {
    for row in Golden.all.answers {
        let bytes = OwnedBytes(Array(row.answer))
        let answer = OTLPAnswer(bytes.view)
        #expect(answer.rejectedSpans == row.rejected && answer.message == row.message)
        withExtendedLifetime(bytes) {}
    }
}

/// A google.rpc.Status with a RetryInfo of so many seconds and nanoseconds, by hand.
private func status(seconds: Int64, nanos: Int64, type: String = "google.rpc.RetryInfo") throws -> [UInt8] {
    var arena = Arena(bytesMax: 1 << 16)
    var writer = try WireWriter(headroom: 0, in: &arena)
    try writer.number(1, 8 as UInt64, in: &arena)
    try writer.string(2, ByteView("slow down"), in: &arena)
    let any = try writer.begin(3, in: &arena)
    try writer.string(1, try arena.copy("type.googleapis.com/" + type), in: &arena)
    let info = try writer.begin(2, in: &arena)
    let duration = try writer.begin(1, in: &arena)
    try writer.number(1, seconds, in: &arena)
    try writer.number(2, nanos, in: &arena)
    try writer.end(duration, in: &arena)
    try writer.end(info, in: &arena)
    try writer.end(any, in: &arena)
    return try writer.finish(in: &arena) { _, _ in }.array.flatMap(\.array)
}

@Test(
    arguments: [
        (0, 0, 0), (3, 5, 3_000_000_005), (-1, 0, 0), (.max, 0, .max), (.min, 0, 0), (0, -5, 0),
        (9_223_372_036, .max, .max),
    ] as [(Int64, Int64, Int64)])
func delaysThatAreAskedFor(seconds: Int64, nanos: Int64, expected: Int64) throws {
    let bytes = OwnedBytes(try status(seconds: seconds, nanos: nanos))
    #expect(RetryInfo.nanoseconds(bytes.view) == expected)
    withExtendedLifetime(bytes) {}
}

@Test func noDelayIsAskedFor() throws {
    let other = OwnedBytes(try status(seconds: 1, nanos: 0, type: "google.rpc.Help"))
    #expect(RetryInfo.nanoseconds(other.view) == nil)
    #expect(RetryInfo.nanoseconds(.empty) == nil)
    #expect(RetryInfo.nanoseconds(ByteView("no protobuf")) == nil)
    withExtendedLifetime(other) {}
}
