// Enters: the words of a record. Leaves: one word that tells whether they are those that were written.
internal import Memory

/// A sum over words, in four lanes, so that a processor works on four words at a time.
///
/// Each step can be undone, so one word that differs always makes another sum. It tells torn records, not forgers.
struct RecordChecksum {
    private var a = SplitMix.step
    private var b = SplitMix.step &* 3
    private var c = SplitMix.step &* 5
    private var d = SplitMix.step &* 7

    /// Of the `count` words at `start`, at least a record's head. Its own word counts as none.
    @inline(__always)
    @unsafe static func sum(_ start: UnsafeRawPointer, words count: Int) -> UInt64 {
        precondition(count >= RecordLayout.headerWords, "a record of \(count) words")
        var sum = RecordChecksum()
        sum.a = unsafe mixed(sum.a, word(start, 0))
        sum.b = unsafe mixed(sum.b, word(start, 1))
        sum.d = unsafe mixed(sum.d, word(start, 3))
        var index = RecordLayout.headerWords
        while index &+ 4 <= count {
            sum.a = unsafe mixed(sum.a, word(start, index))
            sum.b = unsafe mixed(sum.b, word(start, index &+ 1))
            sum.c = unsafe mixed(sum.c, word(start, index &+ 2))
            sum.d = unsafe mixed(sum.d, word(start, index &+ 3))
            index &+= 4
        }
        if index < count { sum.a = unsafe mixed(sum.a, word(start, index)) }
        if index &+ 1 < count { sum.b = unsafe mixed(sum.b, word(start, index &+ 1)) }
        if index &+ 2 < count { sum.c = unsafe mixed(sum.c, word(start, index &+ 2)) }
        let all = mixed(mixed(sum.a, sum.b), mixed(sum.c, sum.d))
        return all ^ all >> 32
    }

    @inline(__always)
    @unsafe private static func word(_ start: UnsafeRawPointer, _ index: Int) -> UInt64 {
        unsafe start.load(fromByteOffset: 8 &* index, as: UInt64.self)
    }

    /// Can be undone in both: the product is by an odd number.
    @inline(__always)
    private static func mixed(_ sum: UInt64, _ word: UInt64) -> UInt64 {
        let both = sum ^ word
        return (both << 29 | both >> 35) &* SplitMix.step
    }
}
