// Enters: words that one process writes and others read meanwhile. Leaves: each of them whole.
import Synchronization

/// A stretch of aligned 64-bit words in memory that others read at the same time. It does not own them: whoever hands it out
/// keeps the memory in place.
///
/// A word is never seen half written. Nothing is promised of two of them, but that what was stored before `publish` is seen by
/// who sees what it stored.
@safe public struct SharedWords: BitwiseCopyable, @unchecked Sendable {
    private let base: UnsafeMutablePointer<Atomic<UInt64>>
    public let count: Int

    /// `base` is aligned to 8 bytes, and `count` words of it are readable and writable for as long as this is used.
    public init(_ base: UnsafeMutableRawPointer, count: Int) {
        unsafe self.base = base.bindMemory(to: Atomic<UInt64>.self, capacity: count)
        self.count = count
    }

    private func check(_ index: Int) {
        precondition(UInt(bitPattern: index) < UInt(bitPattern: count), "there is no such word")
    }

    /// The words of `range`, counted from 0.
    public subscript(_ range: Range<Int>) -> SharedWords {
        precondition(0 <= range.lowerBound && range.upperBound <= count, "there are no such words")
        return unsafe SharedWords(UnsafeMutableRawPointer(base + range.lowerBound), count: range.count)
    }

    /// The bytes of words that nobody writes as long as they are looked at; without the zeros behind the last that is none.
    public var text: ByteView {
        let all = unsafe ByteView(start: UnsafeRawPointer(base), count: count * 8)
        var end = all.count
        while end > 0, all[end - 1] == 0 { end -= 1 }
        return all.prefix(end)
    }

    public func load(_ index: Int) -> UInt64 {
        check(index)
        return unsafe base[index].load(ordering: .relaxed)
    }

    public func store(_ index: Int, _ word: UInt64) {
        check(index)
        unsafe base[index].store(word, ordering: .relaxed)
    }

    /// What was stored before is seen by who sees this word.
    public func publish(_ index: Int, _ word: UInt64) {
        check(index)
        unsafe base[index].store(word, ordering: .releasing)
    }

    /// For the only thread that writes the word: a load and a store.
    public func count(_ index: Int, _ number: UInt64 = 1) {
        check(index)
        unsafe base[index].store(base[index].load(ordering: .relaxed) &+ number, ordering: .relaxed)
    }

    /// For words that several threads write.
    public func add(_ index: Int, _ number: UInt64 = 1) {
        check(index)
        unsafe base[index].wrappingAdd(number, ordering: .relaxed)
    }
}
