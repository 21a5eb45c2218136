// Enters: words that many threads change at the same time. Leaves: the same, one word at a time. A table of them is zero at
// first, and costs no memory where nobody wrote.
import Glibc
import Synchronization

/// So many words, each changed by itself and without order: whoever needs two of them to agree compares and exchanges one.
@safe public final class AtomicWords: @unchecked Sendable {
    public let count: Int
    private let table: UnsafeMutablePointer<Atomic<UInt64>>

    public init(count: Int) {
        precondition(count > 0, "a table without words")
        self.count = count
        // An atomic word of zero is eight bytes of zero; pages of zeros that nobody touched are not there.
        guard let bytes = unsafe calloc(count, MemoryLayout<Atomic<UInt64>>.stride) else {
            preconditionFailure("no memory for a table of \(count) words")
        }
        unsafe table = bytes.bindMemory(to: Atomic<UInt64>.self, capacity: count)
    }

    deinit { unsafe free(table) }

    /// The same words, for as long as this is kept.
    public var words: SharedWords { unsafe SharedWords(UnsafeMutableRawPointer(table), count: count) }

    private func check(_ index: Int) { precondition(0 <= index && index < count, "there is no word \(index)") }

    public func load(_ index: Int) -> UInt64 {
        check(index)
        return unsafe table[index].load(ordering: .relaxed)
    }

    public func store(_ index: Int, _ word: UInt64) {
        check(index)
        unsafe table[index].store(word, ordering: .relaxed)
    }

    public func add(_ index: Int, _ number: UInt64 = 1) {
        check(index)
        unsafe table[index].wrappingAdd(number, ordering: .relaxed)
    }

    /// What the thread stored and added before is visible to a thread that sees the sum by `loadAcquiring`.
    public func addReleasing(_ index: Int, _ number: UInt64 = 1) {
        check(index)
        unsafe table[index].wrappingAdd(number, ordering: .releasing)
    }

    public func loadAcquiring(_ index: Int) -> UInt64 {
        check(index)
        return unsafe table[index].load(ordering: .acquiring)
    }

    /// - Returns: whether the word was `expected`, and is `desired` now.
    public func exchange(_ index: Int, expected: UInt64, desired: UInt64) -> Bool {
        check(index)
        return unsafe table[index].compareExchange(expected: expected, desired: desired, ordering: .relaxed).exchanged
    }

    /// The word is a number's bits; zero bits are 0.0.
    public func add(_ index: Int, _ number: Double) {
        var word = load(index)
        while !exchange(index, expected: word, desired: (Double(bitPattern: word) + number).bitPattern) {
            word = load(index)
        }
    }
}
