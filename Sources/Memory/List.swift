// Enters: small values, one after another. Leaves: a list of them in an arena.

/// A list that lies in an arena: no reference count, no owner of its own, gone with the arena's content.
@safe public struct List<Element: BitwiseCopyable>: BitwiseCopyable, @unchecked Sendable {
    fileprivate var base: UnsafeMutablePointer<Element>?
    public fileprivate(set) var count = 0
    fileprivate var capacity = 0

    public init() { unsafe base = nil }

    public var isEmpty: Bool { count == 0 }

    public var indices: Range<Int> { 0..<count }

    public subscript(index: Int) -> Element {
        get {
            precondition(index >= 0 && index < count, "element \(index) of \(count)")
            return unsafe base.unsafelyUnwrapped[index]
        }
        set {
            precondition(index >= 0 && index < count, "element \(index) of \(count)")
            unsafe base.unsafelyUnwrapped[index] = newValue
        }
    }

    public mutating func append(_ element: Element, in arena: inout Arena) throws(ArenaFull) {
        if count == capacity { try reserve(max(4, capacity * 2), in: &arena) }
        unsafe (base.unsafelyUnwrapped + count).initialize(to: element)
        count += 1
    }

    /// Room for `elements` in all.
    public mutating func reserve(_ elements: Int, in arena: inout Arena) throws(ArenaFull) {
        guard elements > capacity else { return }
        let start = try unsafe arena.extend(
            UnsafeMutableRawPointer(base), old: capacity * MemoryLayout<Element>.stride,
            to: elements * MemoryLayout<Element>.stride, alignment: MemoryLayout<Element>.alignment)
        unsafe base = start.assumingMemoryBound(to: Element.self)
        capacity = elements
    }

    public mutating func removeAll() { count = 0 }

    /// The elements' bytes, as they lie in memory.
    public var bytes: ByteView {
        unsafe ByteView(start: UnsafeRawPointer(base), count: count * MemoryLayout<Element>.stride)
    }

    /// For a C door only.
    @unsafe public var pointer: UnsafeMutablePointer<Element>? { unsafe base }

    public func copy(in arena: inout Arena) throws(ArenaFull) -> List<Element> {
        var copy = List<Element>()
        try copy.reserve(count, in: &arena)
        for index in indices { try copy.append(self[index], in: &arena) }
        return copy
    }

    public var array: [Element] { indices.map { self[$0] } }
}

extension List: Equatable where Element: Equatable {
    public static func == (left: Self, right: Self) -> Bool {
        guard left.count == right.count else { return false }
        for index in left.indices where left[index] != right[index] { return false }
        return true
    }
}

extension List<UInt8> {
    public mutating func append(contentsOf view: ByteView, in arena: inout Arena) throws(ArenaFull) {
        guard let source = unsafe view.pointer, view.count > 0 else { return }
        if count + view.count > capacity { try reserve(max(count + view.count, capacity * 2), in: &arena) }
        unsafe UnsafeMutableRawPointer(base.unsafelyUnwrapped + count).copyMemory(from: source, byteCount: view.count)
        count += view.count
    }

    /// Moves the `count` bytes at `start` up by `distance`, within what was appended.
    public mutating func move(_ start: Int, by distance: Int, count moved: Int) {
        precondition(start >= 0 && distance >= 0 && moved >= 0 && start + distance + moved <= count)
        guard let base = unsafe base else { return }
        unsafe (base + start + distance).update(from: base + start, count: moved)
    }
}
