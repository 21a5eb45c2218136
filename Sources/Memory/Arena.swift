// Enters: sizes. Leaves: bytes that live until the exchange ends, handed back all at once.
import Glibc

/// The arena of an exchange is at its bound.
public struct ArenaFull: Error, Equatable {
    public let bytesMax: Int

    public init(bytesMax: Int) { self.bytesMax = bytesMax }
}

/// Memory of one exchange: handed out front to back, handed back at once by `reset`.
///
/// The first chunk is kept between exchanges, so that an ordinary exchange never asks the system for memory; what did
/// not fit lies in further chunks, which `reset` frees. The sum of the chunks stays at or below `bytesMax`.
@safe public struct Arena: ~Copyable {
    @safe private struct Chunk {
        let base: UnsafeMutableRawPointer
        let capacity: Int
    }

    public let bytesMax: Int
    private let firstChunkBytes: Int
    private var base: UnsafeMutableRawPointer?
    private var capacity = 0
    private var used = 0
    private var full: [Chunk] = []
    private var bytesReserved = 0

    /// `firstChunkBytes`: what an ordinary exchange needs; taken at the first use.
    public init(firstChunkBytes: Int = 4096, bytesMax: Int) {
        precondition(
            firstChunkBytes > 0 && firstChunkBytes <= bytesMax, "arena of \(firstChunkBytes)…\(bytesMax) bytes")
        unsafe base = nil
        self.firstChunkBytes = firstChunkBytes
        self.bytesMax = bytesMax
    }

    /// Bytes taken since the last `reset`, in full chunks and in the one in use.
    public var bytesUsed: Int { bytesReserved - capacity + used }

    deinit {
        Ledger.subtract(bytesReserved)
        for chunk in full { unsafe free(chunk.base) }
        unsafe free(base)
    }

    /// Room for `bytes` bytes on a multiple of `alignment` (a power of two, at most 64). What is in it is undefined.
    @inline(__always)
    @unsafe public mutating func allocate(bytes: Int, alignment: Int) throws(ArenaFull) -> UnsafeMutableRawPointer {
        let start = (used + alignment - 1) & ~(alignment - 1)
        if bytes <= capacity - start, start <= capacity, let base = unsafe base {
            used = start + bytes
            return unsafe base + start
        }
        return try unsafe allocateInNewChunk(bytes)
    }

    @inline(never)
    private mutating func allocateInNewChunk(_ bytes: Int) throws(ArenaFull) -> UnsafeMutableRawPointer {
        try grow(toHold: bytes)
        used = bytes
        return unsafe base.unsafelyUnwrapped
    }

    private mutating func grow(toHold bytes: Int) throws(ArenaFull) {
        guard bytes <= bytesMax - bytesReserved else { throw ArenaFull(bytesMax: bytesMax) }
        let wanted = max(bytes, min(max(firstChunkBytes, capacity * 2), bytesMax - bytesReserved))
        let size = (wanted + 63) & ~63
        guard let chunk = unsafe aligned_alloc(64, size) else { throw ArenaFull(bytesMax: bytesMax) }
        if let base = unsafe base { full.append(unsafe Chunk(base: base, capacity: capacity)) }
        unsafe base = chunk
        // Not `size`: what rounding adds is not handed out, so that the bound is exact.
        capacity = wanted
        bytesReserved += wanted
        Ledger.add(wanted)
    }

    /// Makes the bytes at `start`, which were the last allocated, `bytes` long instead of `old`, where they are if there
    /// is room, else at a new place.
    @unsafe mutating func extend(
        _ start: UnsafeMutableRawPointer?, old: Int, to bytes: Int, alignment: Int
    ) throws(ArenaFull) -> UnsafeMutableRawPointer {
        if let start = unsafe start, let base = unsafe base, unsafe start + old == base + used,
            unsafe start >= base, unsafe bytes <= capacity - (start - base)
        {
            unsafe used = start - base + bytes
            return unsafe start
        }
        let moved = try unsafe allocate(bytes: bytes, alignment: alignment)
        if let start = unsafe start { unsafe moved.copyMemory(from: start, byteCount: min(old, bytes)) }
        return unsafe moved
    }

    /// A copy of `view` that lives as long as the arena's content.
    public mutating func copy(_ view: ByteView, alignment: Int = 1) throws(ArenaFull) -> ByteView {
        guard let source = unsafe view.start, view.count > 0 else { return .empty }
        let target = try unsafe allocate(bytes: view.count, alignment: alignment)
        unsafe target.copyMemory(from: source, byteCount: view.count)
        return unsafe ByteView(start: target, count: view.count)
    }

    /// The views of `count` pieces, `bytes` bytes in all, one behind another.
    public mutating func join(
        _ bytes: Int, alignment: Int, _ count: Int, _ piece: (Int) -> ByteView
    ) throws(ArenaFull) -> ByteView {
        let target = try unsafe allocate(bytes: bytes, alignment: alignment)
        var offset = 0
        for index in 0..<count {
            let view = piece(index)
            precondition(view.count <= bytes - offset, "pieces of more than \(bytes) bytes")
            guard let source = unsafe view.start, view.count > 0 else { continue }
            unsafe (target + offset).copyMemory(from: source, byteCount: view.count)
            offset += view.count
        }
        return unsafe ByteView(start: target, count: offset)
    }

    public mutating func copy(_ text: String) throws(ArenaFull) -> ByteView {
        try copy(Array(text.utf8))
    }

    public mutating func copy(_ bytes: [UInt8]) throws(ArenaFull) -> ByteView {
        try unsafe bytes.span.bytes.withUnsafeBytes { (bytes) throws(ArenaFull) in try unsafe copy(ByteView(bytes)) }
    }

    /// Lends `count` bytes to `body`, which fills them from the front; returns what was filled.
    public mutating func write<Failure: Error>(
        _ count: Int, alignment: Int = 1, _ body: (inout OutputRawSpan) throws(Failure) -> Void
    ) throws(ArenaWriteError<Failure>) -> ByteView {
        let start: UnsafeMutableRawPointer
        do throws(ArenaFull) {
            unsafe start = try unsafe allocate(bytes: count, alignment: alignment)
        } catch {
            throw .full(error)
        }
        let room = unsafe UnsafeMutableRawBufferPointer(start: start, count: count)
        var span = unsafe OutputRawSpan(buffer: room, initializedCount: 0)
        do throws(Failure) {
            try body(&span)
        } catch {
            throw .body(error)
        }
        return unsafe ByteView(start: start, count: span.finalize(for: room))
    }

    /// All that was handed out is gone; the first chunk is kept unless an unusual exchange made it larger.
    public mutating func reset() {
        used = 0
        if !full.isEmpty {
            unsafe free(base)
            for chunk in full.dropFirst() { unsafe free(chunk.base) }
            unsafe base = full[0].base
            capacity = full[0].capacity
            full.removeAll(keepingCapacity: true)
        }
        // One chunk of the ordinary size is kept; a large exchange's memory goes back to the system.
        if capacity > firstChunkBytes {
            unsafe free(base)
            unsafe base = nil
            capacity = 0
        }
        if bytesReserved > capacity { Ledger.subtract(bytesReserved - capacity) }
        bytesReserved = capacity
    }
}

extension Arena {
    /// Gives the first chunk back too, when nothing is in it.
    public mutating func shrink() {
        guard bytesUsed == 0 else { return }
        Ledger.subtract(bytesReserved)
        unsafe free(base)
        unsafe base = nil
        capacity = 0
        bytesReserved = 0
    }
}

public enum ArenaWriteError<Failure: Error>: Error {
    case full(ArenaFull)
    case body(Failure)
}

@unsafe @inline(__always)
func compareBytes(_ left: UnsafeRawPointer, _ right: UnsafeRawPointer, _ count: Int) -> Bool {
    unsafe memcmp(left, right, count) == 0
}
