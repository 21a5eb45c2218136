// Enters: what a frame says. Leaves: its bytes, right or wrong (RFC 9113, section 4.1); and the way back.
import Memory

@testable import HTTP2

struct RawFrame: Equatable {
    var type: UInt8
    var flags: UInt8
    var stream: UInt32
    var payload: [UInt8]

    static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8) + settings
    static let settings = bytes(4, 0, 0)

    static func bytes(_ type: UInt8, _ flags: UInt8, _ stream: UInt32, _ payload: [UInt8] = [], length: Int? = nil)
        -> [UInt8]
    {
        let length = length ?? payload.count
        return [UInt8(length >> 16 & 255), UInt8(length >> 8 & 255), UInt8(length & 255), type, flags]
            + number(stream) + payload
    }

    static func number(_ value: UInt32) -> [UInt8] {
        (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * UInt32($0))) }
    }

    static func headers(_ stream: UInt32, _ block: [UInt8], end: Bool = false, isWhole: Bool = true) -> [UInt8] {
        bytes(1, (end ? 1 : 0) | (isWhole ? 4 : 0), stream, block)
    }

    static func data(_ stream: UInt32, _ payload: [UInt8], end: Bool = false) -> [UInt8] {
        bytes(0, end ? 1 : 0, stream, payload)
    }

    static func reset(_ stream: UInt32, _ code: UInt32 = 8) -> [UInt8] { bytes(3, 0, stream, number(code)) }

    static func ping(isAnswer: Bool = false) -> [UInt8] { bytes(6, isAnswer ? 1 : 0, 0, [1, 2, 3, 4, 5, 6, 7, 8]) }

    /// A proper request's head: POST, http, a path, an authority (RFC 7541, appendix A).
    static let head: [UInt8] = [0x83, 0x86, 0x04, 2, 0x2f, 0x61, 0x01, 1, 0x78]

    /// A literal field without indexing, names below 128 bytes.
    static func field(_ name: String, _ value: String) -> [UInt8] {
        [0, UInt8(name.utf8.count)] + Array(name.utf8) + [UInt8(value.utf8.count)] + Array(value.utf8)
    }

    static func parse(_ bytes: [UInt8]) -> [RawFrame] {
        var frames: [RawFrame] = []
        var rest = bytes[...]
        while rest.count >= 9 {
            let head = Array(rest.prefix(9))
            let length = Int(head[0]) << 16 | Int(head[1]) << 8 | Int(head[2])
            guard rest.count >= 9 + length else { break }
            let stream = head[5..<9].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
            frames.append(
                RawFrame(
                    type: head[3], flags: head[4], stream: stream, payload: Array(rest.dropFirst(9).prefix(length))))
            rest = rest.dropFirst(9 + length)
        }
        return frames
    }

    /// The big-endian number at `offset` of the payload.
    func number(at offset: Int) -> UInt32 { payload[offset..<offset + 4].reduce(0) { $0 << 8 | UInt32($1) } }
}

/// A server whose client is written by hand.
final class RawServer {
    let side: Side
    var written: [RawFrame] = []

    init(_ limits: Limits = Limits(), now: Int64 = 0) throws {
        side = Side(.server, limits, now: now)
        try give(RawFrame.preface)
    }

    /// Bytes in, news told, what is ready out.
    func give(_ bytes: [UInt8]) throws(HTTP2Error) {
        try side.session.receive(bytes)
        repeat {
            _ = side.tellNews()
            written += RawFrame.parse(try side.takeBytes())
        } while side.tellNews()
        side.session.outboxIsEmpty()
    }

    /// The code of the last GOAWAY that was written.
    var farewell: ErrorCode? {
        written.last { $0.type == 7 }.map { ErrorCode(rawValue: $0.number(at: 4)) }
    }

    var resets: [UInt32: UInt32] {
        var resets: [UInt32: UInt32] = [:]
        for frame in written where frame.type == 3 { resets[frame.stream] = frame.number(at: 0) }
        return resets
    }

    func close() {
        side.session.connectionClosed()
        _ = side.tellNews()
        side.session.outboxIsEmpty()
    }
}
