// Enters: an object that somebody else keeps. Leaves: a reference to it that costs nothing to copy.
import Synchronization

/// A reference that does not count. The contract that makes it `@safe`, as with `ByteView`: whoever hands it out keeps the
/// object for as long as anybody may use it. Counting references would be a twelfth of a call's cost, and of two cores that
/// count the same model each would wait for the other.
@safe public struct Pinned<Object: AnyObject>: BitwiseCopyable, @unchecked Sendable {
    private let reference: Unmanaged<Object>

    public init(_ object: Object) { unsafe reference = Unmanaged.passUnretained(object) }

    /// The object, lent for as long as `body` runs: nothing is counted.
    @inline(__always)
    public func with<Result>(_ body: (Object) -> Result) -> Result {
        unsafe reference._withUnsafeGuaranteedRef { body($0) }
    }

    public var object: Object {
        @inline(__always) get { unsafe reference._withUnsafeGuaranteedRef { $0 } }
    }
}

/// A place that is written once, by any thread, and read by all without a lock.
@safe public final class Publication: Sendable {
    private let raw = Atomic<UInt>(0)

    public init() {}

    deinit {
        guard let object = unsafe UnsafeRawPointer(bitPattern: raw.load(ordering: .relaxed)) else { return }
        unsafe Unmanaged<AnyObject>.fromOpaque(object).release()
    }

    /// - Returns: `false`: there is something already, and it stays.
    public func publish(_ object: some AnyObject & Sendable) -> Bool {
        let new = unsafe Unmanaged<AnyObject>.passRetained(object as AnyObject)
        let bits = unsafe UInt(bitPattern: new.toOpaque())
        if raw.compareExchange(expected: 0, desired: bits, ordering: .acquiringAndReleasing).exchanged { return true }
        unsafe new.release()
        return false
    }

    /// What was published, which lives as long as the publication. `type` is what it was published as.
    public func load<Object: AnyObject>(as type: Object.Type) -> Pinned<Object>? {
        guard let object = unsafe UnsafeRawPointer(bitPattern: raw.load(ordering: .acquiring)) else { return nil }
        return Pinned(unsafe Unmanaged<Object>.fromOpaque(object).takeUnretainedValue())
    }
}
