// Enters: gzip's bytes; a message's pieces. Leaves: what they inflate to, bounded; the pieces compressed.
import CZlib
public import Memory

/// Why a payload is not gzip that we inflate.
public enum GzipError: Error, Equatable {
    /// No gzip header, a bad block, a wrong checksum or a wrong length.
    case damaged(payloadBytes: Int)
    /// Bytes stand behind the end of the first member: garbage, or a second member.
    case trailing(bytes: Int)
    /// It inflates (its trailer says) to more bytes than a message may have.
    case tooLarge(bytes: Int, max: Int)
    /// It inflates to more than `max` times its own size.
    case ratio(bytes: Int, payloadBytes: Int, max: Int)
    /// The system has no memory for zlib's state.
    case noMemory
    case arena(ArenaFull)

    public var sentence: String {
        switch self {
        case .damaged(let bytes):
            "the compressed message of \(bytes) bytes is not one whole gzip member: header, data, checksum or length is wrong"
        case .trailing(let bytes):
            "\(bytes) bytes stand behind the end of the gzip member: send one member and nothing behind it"
        case .tooLarge(let bytes, let max):
            "the compressed message declares \(bytes) bytes inflated, at most \(max) are accepted"
        case .ratio(let bytes, let payloadBytes, let max):
            "the compressed message of \(payloadBytes) bytes declares \(bytes) inflated, more than \(max) times its size: "
                + "send it uncompressed"
        case .noMemory:
            "there is no memory to inflate a compressed message now: send it uncompressed or try again later"
        case .arena(let full):
            "the inflated message does not fit into the \(full.bytesMax) bytes that one call may use"
        }
    }
}

public enum Gzip {
    /// Up to this many bytes inflated a message may have any ratio: small and regular is no attack.
    public static let ratioFreeBytes = 1 << 20
    /// gzip's header and trailer with an empty block between.
    private static let memberBytesMin = 20
    private static let deflateChunkBytes = 16384
    /// Of zlib's levels the quickest: an answer waits for it.
    private static let level: CInt = 1

    /// What `payload`, one gzip member (RFC 1952), inflates to: at most `bytesMax` bytes, and beyond `ratioFreeBytes` at
    /// most `ratioMax` times the payload's bytes.
    ///
    /// A member's trailer tells its length. The bounds are checked on it, exactly that much is taken from the arena, and
    /// inflation has no room to write more: a trailer that lies gives `damaged`.
    public static func inflate(
        _ payload: ByteView, bytesMax: Int, ratioMax: Int = 100, in arena: inout Arena
    ) throws(GzipError) -> ByteView {
        guard payload.count >= memberBytesMin else { throw .damaged(payloadBytes: payload.count) }
        let bytes = Int(payload.littleEndian(at: payload.count - 4, as: UInt32.self))
        guard bytes <= bytesMax else { throw .tooLarge(bytes: bytes, max: bytesMax) }
        guard bytes <= ratioFreeBytes || bytes <= ratioMax * payload.count else {
            throw .ratio(bytes: bytes, payloadBytes: payload.count, max: ratioMax)
        }
        let target: UnsafeMutableRawPointer
        do throws(ArenaFull) {
            // zlib wants a place to write to even where there is nothing to write.
            unsafe target = try unsafe arena.allocate(bytes: max(bytes, 1), alignment: 64)
        } catch {
            throw .arena(error)
        }
        var stream = unsafe z_stream()
        unsafe stream.next_in = UnsafeMutablePointer(
            mutating: payload.pointer.unsafelyUnwrapped.assumingMemoryBound(to: UInt8.self))
        unsafe stream.avail_in = uInt(payload.count)
        unsafe stream.next_out = target.assumingMemoryBound(to: UInt8.self)
        unsafe stream.avail_out = uInt(bytes)
        // zlib remembers where its stream lies, so it stays at one place from begin to end.
        let (result, left) = unsafe withUnsafeMutablePointer(to: &stream) { stream -> (CInt, uInt) in
            guard unsafe czlib_begin_inflate(stream) == Z_OK else { return (Z_MEM_ERROR, 0) }
            let result = unsafe CZlib.inflate(stream, Z_FINISH)
            let left = unsafe stream.pointee.avail_in
            unsafe inflateEnd(stream)
            return (result, left)
        }
        switch result {
        case Z_STREAM_END where left > 0: throw .trailing(bytes: Int(left))
        case Z_STREAM_END where unsafe stream.avail_out == 0: return unsafe ByteView(start: target, count: bytes)
        case Z_MEM_ERROR: throw .noMemory
        default: throw .damaged(payloadBytes: payload.count)
        }
    }

    /// `pieces`, one after another, as one gzip member in `arena`; `nil` when that is more than `bytesMax` bytes or the
    /// system has no memory for zlib's state (about 270 KB), so that they are better sent as they are.
    public static func deflate(
        _ pieces: List<ByteView>, bytesMax: Int, in arena: inout Arena
    ) throws(ArenaFull) -> List<ByteView>? {
        var stream = unsafe z_stream()
        return try unsafe withUnsafeMutablePointer(to: &stream) { (stream) throws(ArenaFull) -> List<ByteView>? in
            guard unsafe czlib_begin_deflate(stream, level) == Z_OK else { return nil }
            defer { unsafe deflateEnd(stream) }
            return try unsafe run(stream, pieces, bytesMax: bytesMax, in: &arena)
        }
    }

    private static func run(
        _ stream: UnsafeMutablePointer<z_stream>, _ pieces: List<ByteView>, bytesMax: Int, in arena: inout Arena
    ) throws(ArenaFull) -> List<ByteView>? {
        var compressed = List<ByteView>()
        var chunk: UnsafeMutableRawPointer?
        var chunkBytes = 0
        var bytesLeft = bytesMax
        for index in pieces.indices {
            let isLast = index == pieces.count - 1
            unsafe stream.pointee.next_in = UnsafeMutablePointer(
                mutating: pieces[index].pointer?.assumingMemoryBound(to: UInt8.self))
            unsafe stream.pointee.avail_in = uInt(pieces[index].count)
            var result = Z_OK
            while unsafe isLast ? result != Z_STREAM_END : stream.pointee.avail_in > 0 {
                if unsafe stream.pointee.avail_out == 0 {
                    if let full = unsafe chunk {
                        try compressed.append(unsafe ByteView(start: full, count: chunkBytes), in: &arena)
                    }
                    chunkBytes = min(deflateChunkBytes, bytesLeft)
                    guard chunkBytes > 0 else { return nil }
                    bytesLeft -= chunkBytes
                    let room = try unsafe arena.allocate(bytes: chunkBytes, alignment: 1)
                    unsafe chunk = room
                    unsafe stream.pointee.next_out = room.assumingMemoryBound(to: UInt8.self)
                    unsafe stream.pointee.avail_out = uInt(chunkBytes)
                }
                result = unsafe CZlib.deflate(stream, isLast ? Z_FINISH : Z_NO_FLUSH)
                precondition(result >= Z_OK, "deflate ended with \(result)")
            }
        }
        let filled = unsafe chunkBytes - Int(stream.pointee.avail_out)
        try compressed.append(unsafe ByteView(start: chunk, count: filled), in: &arena)
        return compressed
    }
}
