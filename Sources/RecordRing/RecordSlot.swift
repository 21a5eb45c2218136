// Enters: words and bytes, in order. Leaves: them in memory from one place on, and their checksum.
internal import Glibc
internal import Memory

/// A record while it is written. Its parts are as long together as was said before: `finish` checks that.
@safe struct RecordSlot {
    private let start: UnsafeMutableRawPointer
    private let count: Int
    private var next: UnsafeMutableRawPointer

    /// A record of `count` words from `start` on, a word's place, where there is room for so many.
    @inline(__always)
    @unsafe init(
        _ start: UnsafeMutableRawPointer, words count: Int, kind: RecordKind, sequence: UInt64, time: UInt64
    ) {
        unsafe self.start = start
        self.count = count
        unsafe next = start
        put(UInt64(UInt32(truncatingIfNeeded: count)) | UInt64(kind.rawValue) << 32)
        put(sequence)
        put(0)
        put(time)
    }

    @inline(__always)
    mutating func put(_ word: UInt64) {
        unsafe next.storeBytes(of: word, as: UInt64.self)
        unsafe next += 8
    }

    @inline(__always)
    mutating func put(_ a: UInt64, _ b: UInt64, _ c: UInt64, _ d: UInt64) {
        unsafe next.storeBytes(of: SIMD4(a, b, c, d), as: SIMD4<UInt64>.self)
        unsafe next += 32
    }

    @inline(__always)
    mutating func put(_ low: UInt32, _ high: UInt32) { put(UInt64(low) | UInt64(high) << 32) }

    /// Whole words; zeros behind the last byte.
    @inline(__always)
    mutating func put(_ bytes: ByteView) {
        let count = bytes.count
        guard count > 0, let source = unsafe bytes.pointer else { return }
        if count <= Self.shortBytesMax {
            unsafe Self.copyShort(source, count, to: next)
        } else {
            unsafe Self.copyLong(source, count, to: next)
        }
        unsafe next += 8 &* RecordLayout.words(count)
    }

    /// Texts are short mostly, and a call of memcpy(3) would cost as much as they do.
    private static let shortBytesMax = 64

    /// Stores whole words only, so that the checksum's loads need not wait.
    @inline(__always)
    @unsafe private static func copyShort(_ source: UnsafeRawPointer, _ count: Int, to start: UnsafeMutableRawPointer) {
        if count < 8 { return unsafe start.storeBytes(of: word(source, count), as: UInt64.self) }
        // Up to seven words before the last one.
        let words = RecordLayout.words(count) &- 1
        if words & 4 != 0 { unsafe copy(SIMD4<UInt64>.self, source, start, 0) }
        if words & 2 != 0 { unsafe copy(SIMD2<UInt64>.self, source, start, 8 &* (words & 4)) }
        if words & 1 != 0 { unsafe copy(UInt64.self, source, start, 8 &* (words & 6)) }
        unsafe copyLastWord(source, count, start)
    }

    @inline(never)
    @unsafe private static func copyLong(_ source: UnsafeRawPointer, _ count: Int, to start: UnsafeMutableRawPointer) {
        unsafe memcpy(start, source, count)
        unsafe copyLastWord(source, count, start)
    }

    @inline(__always)
    @unsafe private static func copy<Word: BitwiseCopyable>(
        _ type: Word.Type, _ source: UnsafeRawPointer, _ start: UnsafeMutableRawPointer, _ offset: Int
    ) {
        let words = unsafe source.loadUnaligned(fromByteOffset: offset, as: type)
        unsafe start.storeBytes(of: words, toByteOffset: offset, as: type)
    }

    /// The last bytes of `count`, at least eight, and zeros behind them.
    @inline(__always)
    @unsafe private static func copyLastWord(
        _ source: UnsafeRawPointer, _ count: Int, _ start: UnsafeMutableRawPointer
    ) {
        let bytes = unsafe source.loadUnaligned(fromByteOffset: count &- 8, as: UInt64.self)
        unsafe start.storeBytes(
            of: bytes &>> UInt64(truncatingIfNeeded: 8 &* (8 &- count)),
            toByteOffset: 8 &* (RecordLayout.words(count) &- 1), as: UInt64.self)
    }

    /// 1 to 7 bytes, with zeros behind them. Two loads that overlap instead of one for each byte.
    @inline(__always)
    @unsafe private static func word(_ source: UnsafeRawPointer, _ count: Int) -> UInt64 {
        if count >= 4 {
            let end = unsafe source.loadUnaligned(fromByteOffset: count &- 4, as: UInt32.self)
            return unsafe UInt64(source.loadUnaligned(as: UInt32.self))
                | UInt64(end) &<< UInt64(truncatingIfNeeded: 8 &* (count &- 4))
        }
        if count >= 2 {
            let end = unsafe source.loadUnaligned(fromByteOffset: count &- 2, as: UInt16.self)
            return unsafe UInt64(source.loadUnaligned(as: UInt16.self))
                | UInt64(end) &<< UInt64(truncatingIfNeeded: 8 &* (count &- 2))
        }
        return unsafe UInt64(source.load(as: UInt8.self))
    }

    @inline(__always)
    func finish() {
        unsafe precondition(next == start + 8 * count, "a record is as long as its parts")
        let sum = unsafe RecordChecksum.sum(start, words: count)
        unsafe start.storeBytes(of: sum, toByteOffset: 8 * RecordLayout.checksumWord, as: UInt64.self)
    }
}
