// Enters: bytes to copy and bytes to reference. Leaves: pieces in order, ready for one gathering write.
public import Glibc

/// What one turn wants to send on one connection: small bytes copied in, large ones referenced where they lie, in order.
///
/// A referenced view must stay in place until the outbox is empty.
@safe public struct Outbox: ~Copyable {
    /// From this size on a reference is cheaper than a copy (measured: a copy of 602 KB adds a quarter to a call).
    public static let referenceBytesMin = 8192

    private var pieces: [iovec] = unsafe []
    private var firstPiece = 0
    private var blocks: [UnsafeMutableRawPointer] = unsafe []
    private var block = 0
    private var blockUsed = 0
    public private(set) var count = 0
    private static var blockBytes: Int { 65536 }

    public init() {}

    deinit {
        for index in unsafe blocks.indices { unsafe free(blocks[index]) }
        Ledger.subtract(unsafe blocks.count * Self.blockBytes)
    }

    private mutating func dropLastBlock() {
        unsafe free(blocks.removeLast())
        Ledger.subtract(Self.blockBytes)
    }

    public var isEmpty: Bool { count == 0 }

    /// Memory of its own, for what is copied.
    public var bytesReserved: Int { unsafe blocks.count * Self.blockBytes }

    /// Copies `view` in.
    public mutating func append(_ view: ByteView) {
        var rest = view
        while rest.count > 0 {
            if unsafe block == blocks.count {
                unsafe blocks.append(malloc(Self.blockBytes))
                Ledger.add(Self.blockBytes)
            }
            if blockUsed == Self.blockBytes {
                block += 1
                blockUsed = 0
                continue
            }
            let bytes = min(rest.count, Self.blockBytes - blockUsed)
            let target = unsafe blocks[block] + blockUsed
            unsafe memcpy(target, rest.start.unsafelyUnwrapped, bytes)
            let last = unsafe pieces.count - 1
            if last >= firstPiece, unsafe pieces[last].iov_base + pieces[last].iov_len == target, blockUsed > 0 {
                unsafe pieces[last].iov_len += bytes
            } else {
                unsafe pieces.append(iovec(iov_base: target, iov_len: bytes))
            }
            blockUsed += bytes
            count += bytes
            rest = rest.dropFirst(bytes)
        }
    }

    /// Keeps a reference to `view`, or a copy when that is cheaper.
    public mutating func reference(_ view: ByteView) {
        guard view.count >= Self.referenceBytesMin else { return append(view) }
        unsafe pieces.append(iovec(iov_base: UnsafeMutableRawPointer(mutating: view.start), iov_len: view.count))
        count += view.count
    }

    /// `bytes` have left at the front.
    public mutating func consume(_ bytes: Int) {
        precondition(bytes >= 0 && bytes <= count, "\(bytes) of \(count) bytes consumed")
        count -= bytes
        guard count > 0 else { return removeAll() }
        var left = bytes
        while left > 0 {
            let piece = unsafe pieces[firstPiece].iov_len
            if left >= piece {
                left -= piece
                unsafe releaseBlock(endingAt: pieces[firstPiece].iov_base + piece)
                firstPiece += 1
            } else {
                unsafe pieces[firstPiece].iov_base += left
                unsafe pieces[firstPiece].iov_len -= left
                left = 0
            }
        }
        guard firstPiece >= 64, unsafe firstPiece * 2 >= pieces.count else { return }
        unsafe pieces.removeFirst(firstPiece)
        firstPiece = 0
    }

    /// Blocks are filled to their ends and leave in order: with the piece at its end the oldest one is done. Without this
    /// an outbox that is never quite empty would grow for as long as its connection lives.
    private mutating func releaseBlock(endingAt end: UnsafeMutableRawPointer) {
        guard let oldest = unsafe blocks.first, unsafe end == oldest + Self.blockBytes else { return }
        if block == 0 {
            blockUsed = 0
        } else {
            unsafe free(blocks.removeFirst())
            Ledger.subtract(Self.blockBytes)
            block -= 1
        }
    }

    public mutating func removeAll() {
        unsafe pieces.removeAll(keepingCapacity: true)
        firstPiece = 0
        block = 0
        blockUsed = 0
        count = 0
        // One block stays for the next turn; a burst's memory goes back.
        while unsafe blocks.count > 1 { dropLastBlock() }
    }

    /// Gives the last block back too: for a connection that falls asleep.
    public mutating func shrink() {
        guard isEmpty else { return }
        while unsafe !blocks.isEmpty { dropLastBlock() }
        unsafe blocks = []
        unsafe pieces = []
    }

    /// The pieces in order, for a C door.
    @unsafe public func withPieces<Result, Failure: Error>(
        _ body: (UnsafeBufferPointer<iovec>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try unsafe pieces.withUnsafeBufferPointer { (pieces) throws(Failure) in
            try unsafe body(UnsafeBufferPointer(rebasing: pieces[firstPiece...]))
        }
    }

    /// The pieces in order, as views.
    public func forEachPiece<Failure: Error>(_ body: (ByteView) throws(Failure) -> Void) throws(Failure) {
        for index in unsafe firstPiece..<pieces.count {
            let piece = unsafe pieces[index]
            try unsafe body(ByteView(start: piece.iov_base, count: piece.iov_len))
        }
    }
}
