// Enters: limits as an operator might set them. Leaves: those that fit each other, or one sentence.
import GRPC
import Testing

@testable import HTTP2
@testable import Serving

struct LimitsRow: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var change: @Sendable (inout ServerLimits) -> Void
    /// `nil`: they fit.
    var sentence: String?
}

@Test(arguments: [
    LimitsRow(testDescription: "the defaults", change: { _ in }),
    LimitsRow(testDescription: "the smallest message", change: { $0.messageBytesMax = 1024 }),
    LimitsRow(
        testDescription: "no message", change: { $0.messageBytesMax = 0 },
        sentence: "message_bytes_max 0: allowed are 1024 to 2000000000"),
    LimitsRow(
        testDescription: "below the smallest", change: { $0.messageBytesMax = 1023 },
        sentence: "message_bytes_max 1023: allowed are 1024 to 2000000000"),
    LimitsRow(
        testDescription: "negative", change: { $0.messageBytesMax = -1 },
        sentence: "message_bytes_max -1: allowed are 1024 to 2000000000"),
    LimitsRow(
        testDescription: "above the largest", change: { $0.messageBytesMax = 2_000_000_001 },
        sentence: "message_bytes_max 2000000001: allowed are 1024 to 2000000000"),
    LimitsRow(
        testDescription: "the largest",
        change: {
            $0.messageBytesMax = 2_000_000_000
            $0.connectionBodyBytesMax = 2_000_000_005
            $0.arenaBytesMax = 4_000_065_536
            $0.memoryBytesMax = 8_000_000_000
        }),
    LimitsRow(
        testDescription: "less memory than four messages", change: { $0.memoryBytesMax = 8 << 20 },
        sentence:
            "memory_limit 8388608: allowed are 16777216 and more, and at least four messages of message_bytes_max "
            + "4194304"),
    LimitsRow(
        testDescription: "a message above a connection's bodies", change: { $0.connectionBodyBytesMax = 4 << 20 },
        sentence: "connection_body_bytes_max 4194304 is less than one message of message_bytes_max 4194304"),
    LimitsRow(testDescription: "one message and its prefix", change: { $0.connectionBodyBytesMax = 4 << 20 + 5 }),
    LimitsRow(
        testDescription: "an arena for one message and a half", change: { $0.arenaBytesMax = 6 << 20 },
        sentence: "arena_bytes_max 6291456 is less than two messages of message_bytes_max 4194304 and 64 KiB"),
    LimitsRow(testDescription: "an arena that just does", change: { $0.arenaBytesMax = 8 << 20 + 65536 }),
    LimitsRow(
        testDescription: "no streams", change: { $0.http2.streamsMax = 0 },
        sentence: "streams_max 0: allowed are 1 to 100000"),
    LimitsRow(testDescription: "one stream", change: { $0.http2.streamsMax = 1 }),
    LimitsRow(
        testDescription: "too many streams", change: { $0.http2.streamsMax = 100_001 },
        sentence: "streams_max 100001: allowed are 1 to 100000"),
])
func limitsAreCheckedAgainstEachOther(row: LimitsRow) {
    var limits = ServerLimits()
    row.change(&limits)
    if let sentence = row.sentence {
        #expect(throws: LimitsError(sentence: sentence)) { try limits.check() }
    } else {
        #expect(throws: Never.self) { try limits.check() }
        // A whole message, with its prefix, fits before its stream's window shuts.
        #expect(limits.http2.bodyBytesMax >= limits.messageBytesMax + headroomBytes)
        #expect(limits.http2.bodyBytesMax == limits.messageBytesMax + 5 + limits.http2.streamWindowBytes)
    }
}

/// What the code relies on beyond what `check` refuses.
@Test func theDefaultsFitEachOther() throws {
    var limits = ServerLimits()
    try limits.check()
    let http2 = limits.http2
    #expect(http2.connectionWindowBytes >= http2.streamWindowBytes)
    // SETTINGS_MAX_FRAME_SIZE, RFC 9113, section 6.5.2.
    #expect(http2.frameBytesMax >= 1 << 14 && http2.frameBytesMax < 1 << 24)
    #expect(http2.streamWindowBytes < 1 << 31 && http2.connectionWindowBytes < 1 << 31)
    // The sentence of Refusal.headTooLarge names both.
    #expect(http2.headerListBytesMax == 16 << 10 && http2.headerFieldsMax == 100)
    #expect(Refusal.headTooLarge.sentence.contains("16 KiB") && Refusal.headTooLarge.sentence.contains("100 fields"))
    #expect(limits.handshakeNanoseconds < limits.idleNanoseconds && limits.headNanoseconds < limits.idleNanoseconds)
    #expect(
        limits.progressNanoseconds < limits.ageGraceNanoseconds && limits.drainNanoseconds < limits.ageGraceNanoseconds)
    for size in [http2.peerResets, http2.serverResets, http2.idleFrames] {
        #expect(size.burst > 0 && size.perSecond > 0)
    }
}
