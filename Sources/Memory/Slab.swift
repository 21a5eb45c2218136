// Enters: sizes. Leaves: small pieces of memory, taken and given back in any order, by one thread.
import Glibc

/// What `malloc` does, for one thread and for pieces that are small and short-lived: a free list for each size, no lock, no
/// search. Pieces above 1 KiB are `malloc`'s. What was taken once is kept: the most that was ever in use at a time.
@safe public final class Slab {
    /// Before each piece: its size class, or `large`. As long as the largest alignment.
    private static let headBytes = 16
    private static let stepBytes = 32
    private static let classes = 32
    private static let large = UInt64.max
    private static let blockBytes = 64 << 10

    private let free: UnsafeMutablePointer<UnsafeMutableRawPointer?>
    private var blocks: [UnsafeMutableRawPointer] = unsafe []
    private var rest: UnsafeMutableRawPointer?
    private var restBytes = 0

    public init() {
        unsafe free = .allocate(capacity: Self.classes)
        unsafe free.initialize(repeating: nil, count: Self.classes)
        unsafe rest = nil
    }

    deinit {
        Ledger.subtract(unsafe blocks.count * Self.blockBytes)
        for index in unsafe blocks.indices { unsafe Glibc.free(blocks[index]) }
        unsafe free.deallocate()
    }

    /// `nil`: the system has none left.
    @unsafe public func allocate(_ bytes: Int) -> UnsafeMutableRawPointer? {
        let size = (bytes + Self.headBytes + Self.stepBytes - 1) / Self.stepBytes
        guard size < Self.classes else {
            guard let piece = unsafe malloc(bytes + Self.headBytes) else { return nil }
            unsafe piece.storeBytes(of: Self.large, as: UInt64.self)
            return unsafe piece + Self.headBytes
        }
        if let piece = unsafe free[size] {
            unsafe free[size] = piece.load(fromByteOffset: Self.headBytes, as: UnsafeMutableRawPointer?.self)
            return unsafe piece + Self.headBytes
        }
        let whole = size * Self.stepBytes
        if restBytes < whole {
            guard let block = unsafe aligned_alloc(64, Self.blockBytes) else { return nil }
            unsafe blocks.append(block)
            Ledger.add(Self.blockBytes)
            unsafe rest = block
            restBytes = Self.blockBytes
        }
        guard let piece = unsafe rest else { return nil }
        unsafe rest = piece + whole
        restBytes -= whole
        unsafe piece.storeBytes(of: UInt64(size), as: UInt64.self)
        return unsafe piece + Self.headBytes
    }

    @unsafe public func deallocate(_ pointer: UnsafeMutableRawPointer?) {
        guard let pointer = unsafe pointer else { return }
        let piece = unsafe pointer - Self.headBytes
        let size = unsafe piece.load(as: UInt64.self)
        guard size != Self.large else { return unsafe Glibc.free(piece) }
        unsafe pointer.storeBytes(of: free[Int(size)], as: UnsafeMutableRawPointer?.self)
        unsafe free[Int(size)] = piece
    }

    @unsafe public func reallocate(_ pointer: UnsafeMutableRawPointer?, _ bytes: Int) -> UnsafeMutableRawPointer? {
        guard let pointer = unsafe pointer else { return unsafe allocate(bytes) }
        let piece = unsafe pointer - Self.headBytes
        let size = unsafe piece.load(as: UInt64.self)
        if size == Self.large {
            // One that shrinks stays large: it seldom does.
            guard let moved = unsafe realloc(piece, bytes + Self.headBytes) else { return nil }
            return unsafe moved + Self.headBytes
        }
        let room = Int(size) * Self.stepBytes - Self.headBytes
        if bytes <= room { return unsafe pointer }
        guard let moved = unsafe allocate(bytes) else { return nil }
        unsafe moved.copyMemory(from: pointer, byteCount: room)
        unsafe deallocate(pointer)
        return unsafe moved
    }

    @unsafe public func allocateZeroed(_ bytes: Int) -> UnsafeMutableRawPointer? {
        guard let pointer = unsafe allocate(bytes) else { return nil }
        unsafe memset(pointer, 0, bytes)
        return unsafe pointer
    }
}
