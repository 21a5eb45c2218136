// Enters: a request body's bytes; a reply as a written message. Leaves: messages out of their frames; a reply in its frame.
public import Memory
public import Protobuf

/// What stands before a message on the wire: one byte that tells whether it is compressed, four of length.
public let headroomBytes = 5

/// A message of fewer bytes is sent as it is: gzip's own 18 bytes and the work are worth more than what it saves.
public let compressBytesMin = 256

/// Why a body is not a sequence of gRPC messages.
public enum FrameError: Error, Equatable {
    /// The prefix's first byte is neither 0 nor 1.
    case badFlag(UInt8)
    /// Told by the prefix alone, before any of the message is kept.
    case tooLarge(bytes: Int, max: Int)
    /// The stream ended inside a frame; `frameBytes` is `nil` where it ended inside the prefix.
    case truncated(bytes: Int, frameBytes: Int?)
    /// The message is flagged as compressed, and `grpc-encoding` names no compression.
    case compressedWithoutEncoding
    case gzip(GzipError)

    public var sentence: String {
        switch self {
        case .badFlag(let flag):
            "the message's compressed flag is \(flag), allowed are 0 (plain) and 1 (compressed as grpc-encoding says)"
        case .tooLarge(let bytes, let max):
            "the message is \(bytes) bytes, at most \(max) are accepted: send less in one message or raise the limit"
        case .truncated(let bytes, let frameBytes?):
            "the stream ended after \(bytes) of the \(frameBytes) bytes of a message and its prefix"
        case .truncated(let bytes, nil):
            "the stream ended after \(bytes) of the \(headroomBytes) bytes of a message's prefix"
        case .compressedWithoutEncoding:
            "the message is flagged as compressed but grpc-encoding names no compression: send grpc-encoding: gzip"
        case .gzip(let error):
            error.sentence
        }
    }
}

/// One length-prefixed message, where it lies in the body.
///
/// Source: gRPC over HTTP/2, "Length-Prefixed-Message".
public struct Frame: BitwiseCopyable, Sendable {
    public let isCompressed: Bool
    public let payload: ByteView

    /// Bytes of the prefix and the payload: what to consume from the body.
    public var frameBytes: Int { headroomBytes + payload.count }

    /// The first frame of `body`, or `nil` when it is not all there yet.
    ///
    /// A bad flag and a length above `messageBytesMax` bytes are refused as soon as the prefix tells them.
    public static func next(in body: ByteView, messageBytesMax: Int) throws(FrameError) -> Frame? {
        guard body.count > 0 else { return nil }
        let flag = body[0]
        guard flag <= 1 else { throw .badFlag(flag) }
        guard let bytes = declaredBytes(in: body) else { return nil }
        guard bytes <= messageBytesMax else { throw .tooLarge(bytes: bytes, max: messageBytesMax) }
        guard body.count - headroomBytes >= bytes else { return nil }
        return Frame(isCompressed: flag == 1, payload: body[headroomBytes..<headroomBytes + bytes])
    }

    /// The payload's length in bytes that `body`'s first prefix declares, as soon as its five bytes are there.
    public static func declaredBytes(in body: ByteView) -> Int? {
        body.count >= headroomBytes ? Int(body.bigEndian(at: 1, as: UInt32.self)) : nil
    }

    /// To call when the stream has ended: `rest` is what `next` left, and must be nothing.
    public static func end(_ rest: ByteView) throws(FrameError) {
        guard !rest.isEmpty else { return }
        throw .truncated(bytes: rest.count, frameBytes: declaredBytes(in: rest).map { headroomBytes + $0 })
    }

    /// The message: the payload where it lies, or what it inflates to, in `arena`.
    ///
    /// `encoding` is what the request's `grpc-encoding` names; a compressed message inflates to `messageBytesMax` bytes
    /// at most.
    public func message(
        encoding: Encoding, messageBytesMax: Int, in arena: inout Arena
    ) throws(FrameError) -> ByteView {
        guard isCompressed else { return payload }
        guard encoding == .gzip else { throw .compressedWithoutEncoding }
        do throws(GzipError) {
            return try Gzip.inflate(payload, bytesMax: messageBytesMax, in: &arena)
        } catch {
            throw .gzip(error)
        }
    }
}

/// Frames the message of `writer`, which was begun with `headroomBytes` of headroom; returns the frame's pieces.
///
/// A message is below 4 GiB: the corridor bounds answers before they are written.
public func frame(_ writer: inout WireWriter, in arena: inout Arena) throws(ArenaFull) -> List<ByteView> {
    try writer.finish(in: &arena) { buffer, bytes in
        let length = lengthPrefix(bytes - headroomBytes)
        for index in 0..<4 { buffer[1 + index] = UInt8(truncatingIfNeeded: length >> (24 - 8 * UInt32(index))) }
    }
}

/// Frames the message of `writer`, compressed when `encoding` asks for it and the message gets smaller by it.
public func frame(
    _ writer: inout WireWriter, encoding: Encoding, in arena: inout Arena
) throws(ArenaFull) -> List<ByteView> {
    let messageBytes = writer.count - headroomBytes
    var plain = try frame(&writer, in: &arena)
    guard encoding == .gzip, messageBytes >= compressBytesMin else { return plain }
    let first = plain[0]
    plain[0] = first.dropFirst(headroomBytes)
    guard let compressed = try Gzip.deflate(plain, bytesMax: messageBytes - 1, in: &arena) else {
        plain[0] = first
        return plain
    }
    var compressedBytes = 0
    for index in compressed.indices { compressedBytes += compressed[index].count }
    let length = lengthPrefix(compressedBytes)
    var prefix = List<UInt8>()
    try prefix.reserve(headroomBytes, in: &arena)
    try prefix.append(1, in: &arena)
    for index in 0..<4 {
        try prefix.append(UInt8(truncatingIfNeeded: length >> (24 - 8 * UInt32(index))), in: &arena)
    }
    var pieces = List<ByteView>()
    try pieces.reserve(compressed.count + 1, in: &arena)
    try pieces.append(prefix.bytes, in: &arena)
    for index in compressed.indices { try pieces.append(compressed[index], in: &arena) }
    return pieces
}

private func lengthPrefix(_ messageBytes: Int) -> UInt32 {
    precondition(messageBytes >= 0 && messageBytes <= Int(UInt32.max), "a message of \(messageBytes) bytes to frame")
    return UInt32(messageBytes)
}
