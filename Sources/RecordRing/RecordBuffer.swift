// Enters: a descriptor and a stretch of its file. Leaves: a copy of those words, which does not change while it is checked.
internal import Glibc
internal import Memory

/// Words of the reader's own, at a page of the kernel's: into such a place it copies words whole (Memory/SharedFile.swift).
@safe final class RecordBuffer {
    let count: Int
    private let base: UnsafeMutableRawPointer

    init(words count: Int) {
        self.count = count
        unsafe base = .allocate(byteCount: 8 * count, alignment: 8 * RingLayout.pageWords)
        unsafe base.initializeMemory(as: UInt64.self, repeating: 0, count: count)
    }

    deinit { unsafe base.deallocate() }

    /// Copies the words of the file from word `first` on over those of `range`.
    /// - Returns: errno; 0: all were there; `nil`: the file is shorter.
    func fill(_ range: Range<Int>, from descriptor: CInt, at first: Int) -> CInt? {
        precondition(range.lowerBound >= 0 && range.upperBound <= count, "words \(range) of \(count)")
        var done = 0
        while done < 8 * range.count {
            let got = unsafe pread(
                descriptor, base + 8 * range.lowerBound + done, 8 * range.count - done, 8 * first + done)
            if got > 0 {
                done += got
            } else if got == 0 {
                return nil
            } else if errno != EINTR {
                return errno
            }
        }
        return 0
    }

    func store(_ index: Int, _ word: UInt64) {
        precondition(0 <= index && index < count, "word \(index) of \(count)")
        unsafe base.storeBytes(of: word, toByteOffset: 8 * index, as: UInt64.self)
    }

    /// Writes the words of `range` into the file from word `first` on.
    /// - Returns: errno; 0: they are written.
    func write(_ range: Range<Int>, to descriptor: CInt, at first: Int) -> CInt {
        precondition(range.lowerBound >= 0 && range.upperBound <= count, "words \(range) of \(count)")
        while true {
            let put = unsafe pwrite(descriptor, base + 8 * range.lowerBound, 8 * range.count, 8 * first)
            if put == 8 * range.count { return 0 }
            if put >= 0 { return ENOSPC }
            if errno != EINTR { return errno }
        }
    }

    func word(_ index: Int) -> UInt64 {
        precondition(0 <= index && index < count, "word \(index) of \(count)")
        return unsafe base.load(fromByteOffset: 8 * index, as: UInt64.self)
    }

    /// Of the record in those words, at least a record's head.
    func checksum(_ range: Range<Int>) -> UInt64 {
        precondition(range.lowerBound >= 0 && range.upperBound <= count, "words \(range) of \(count)")
        return unsafe RecordChecksum.sum(base + 8 * range.lowerBound, words: range.count)
    }

    /// The bytes of those words, until they are filled anew.
    func view(_ range: Range<Int>) -> ByteView {
        precondition(range.lowerBound >= 0 && range.upperBound <= count, "words \(range) of \(count)")
        return unsafe ByteView(start: UnsafeRawPointer(base + 8 * range.lowerBound), count: 8 * range.count)
    }
}
