// Enters: bytes at the back. Leaves: bytes at the front.
import Glibc

/// A growable run of bytes in one piece: appended at the back, taken from the front.
///
/// Lies on the heap; keeps its memory when it runs empty until `shrink` is called. A view of it is good until the next
/// mutation.
@safe public struct ByteQueue: ~Copyable {
    private var base: UnsafeMutableRawPointer?
    private var capacity = 0
    private var head = 0
    private var tail = 0

    public init() { unsafe base = nil }

    deinit {
        Ledger.subtract(capacity)
        unsafe free(base)
    }

    public var count: Int { tail - head }
    public var isEmpty: Bool { tail == head }
    public var bytesReserved: Int { capacity }

    public var view: ByteView { unsafe ByteView(start: base.map { unsafe UnsafeRawPointer($0 + head) }, count: count) }

    /// Makes room so that `bytes` more fit without moving what is there.
    public mutating func reserve(_ bytes: Int) {
        guard bytes > capacity - tail else { return }
        // Moved only when at least a quarter as much was consumed: small bytes in and out of a long queue cost their own
        // length, not the queue's.
        if head > 0 && head >= count / 4 && bytes <= capacity - count {
            if let base = unsafe base { unsafe memmove(base, base + head, count) }
        } else {
            let size = max(256, max(capacity * 2, count + bytes))
            guard let larger = unsafe malloc(size) else { fatalError("no memory for \(size) bytes") }
            if let base = unsafe base {
                unsafe memcpy(larger, base + head, count)
                unsafe free(base)
            }
            unsafe base = larger
            Ledger.add(size - capacity)
            capacity = size
        }
        tail -= head
        head = 0
    }

    public mutating func append(_ view: ByteView) {
        guard let source = unsafe view.start, view.count > 0 else { return }
        reserve(view.count)
        unsafe memcpy(base.unsafelyUnwrapped + tail, source, view.count)
        tail += view.count
    }

    public mutating func append(_ byte: UInt8) {
        reserve(1)
        unsafe base.unsafelyUnwrapped.storeBytes(of: byte, toByteOffset: tail, as: UInt8.self)
        tail += 1
    }

    public mutating func append(_ bytes: [UInt8]) { unsafe bytes.withUnsafeBytes { unsafe append(ByteView($0)) } }

    /// Takes `bytes` away at the front.
    public mutating func consume(_ bytes: Int) {
        precondition(bytes >= 0 && bytes <= count, "\(bytes) of \(count) bytes consumed")
        head += bytes
        if head == tail {
            head = 0
            tail = 0
        }
    }

    public mutating func removeAll() {
        head = 0
        tail = 0
    }

    /// Gives memory above `bytes` back when nothing is in it.
    public mutating func shrink(above bytes: Int) {
        guard isEmpty && capacity > bytes else { return }
        Ledger.subtract(capacity)
        unsafe free(base)
        unsafe base = nil
        capacity = 0
        removeAll()
    }

    /// For a C door that fills bytes: lends `bytes` of room or more at the back; `body` tells how many it filled.
    @unsafe public mutating func fill<Failure: Error>(
        _ bytes: Int, _ body: (UnsafeMutableRawBufferPointer) throws(Failure) -> Int
    ) throws(Failure) -> Int {
        reserve(max(bytes, 1))
        let filled = try unsafe body(
            UnsafeMutableRawBufferPointer(start: base.unsafelyUnwrapped + tail, count: capacity - tail))
        precondition(filled >= 0 && filled <= capacity - tail, "\(filled) bytes filled of \(capacity - tail)")
        tail += filled
        return filled
    }
}
