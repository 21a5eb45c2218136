// Enters: parcels from many threads. Leaves: all of them, oldest first, to one. No lock.
import Synchronization

/// What can be put into a mailbox, into one at a time.
@safe open class Parcel {
    fileprivate var next: UnsafeMutableRawPointer?

    public init() { unsafe next = nil }
}

/// A stack of parcels that whoever takes empties at once (Treiber, IBM RJ 5118; nothing is ever taken singly).
@safe public final class Mailbox: Sendable {
    /// Owns a reference to the parcel, as `next` of each owns one to the one below.
    private let top = Atomic<UInt>(0)

    public init() {}

    deinit { take { _ in } }

    /// - Returns: whether it was empty: whoever takes may be asleep.
    public func put(_ parcel: Parcel) -> Bool {
        let raw = unsafe UInt(bitPattern: Unmanaged.passRetained(parcel).toOpaque())
        var below = top.load(ordering: .relaxed)
        while true {
            unsafe parcel.next = UnsafeMutableRawPointer(bitPattern: below)
            let (isDone, found) = top.weakCompareExchange(
                expected: below, desired: raw, successOrdering: .releasing, failureOrdering: .relaxed)
            if isDone { return below == 0 }
            below = found
        }
    }

    /// Takes all that is there, oldest first.
    public func take(_ body: (Parcel) -> Void) {
        var rest = unsafe UnsafeMutableRawPointer(bitPattern: top.exchange(0, ordering: .acquiring))
        // The stack is turned over: the last link becomes the first.
        var oldest: UnsafeMutableRawPointer? = nil
        while let raw = unsafe rest {
            let parcel = unsafe Unmanaged<Parcel>.fromOpaque(raw).takeUnretainedValue()
            unsafe rest = parcel.next
            unsafe parcel.next = oldest
            unsafe oldest = raw
        }
        while let raw = unsafe oldest {
            let parcel = unsafe Unmanaged<Parcel>.fromOpaque(raw).takeRetainedValue()
            unsafe oldest = parcel.next
            unsafe parcel.next = nil
            body(parcel)
        }
    }
}
