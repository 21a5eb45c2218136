// Enters: numbers of seats. Leaves: one value for each, where it lies.

/// A value for each seat of a pool, which only grows. What an array does, without asking before each change whether it is
/// somebody else's too: of a call's cost that question would be a hundredth.
@safe public struct Seats<Element>: ~Copyable {
    private var base: UnsafeMutablePointer<Element>
    public private(set) var count = 0
    private var capacity = 16

    public init() { unsafe base = .allocate(capacity: capacity) }

    deinit {
        unsafe base.deinitialize(count: count)
        unsafe base.deallocate()
    }

    public subscript(seat: Int) -> Element {
        @inline(__always) _read {
            check(seat)
            yield unsafe base[seat]
        }
        @inline(__always) _modify {
            check(seat)
            yield unsafe &base[seat]
        }
    }

    @inline(__always)
    private func check(_ seat: Int) {
        precondition(UInt(bitPattern: seat) < UInt(bitPattern: count), "there is no such seat")
    }

    public mutating func append(_ element: Element) {
        if count == capacity {
            capacity *= 2
            let grown = UnsafeMutablePointer<Element>.allocate(capacity: capacity)
            unsafe grown.moveInitialize(from: base, count: count)
            unsafe base.deallocate()
            unsafe base = grown
        }
        unsafe (base + count).initialize(to: element)
        count += 1
    }
}
