// Enters: objects, one after the other. Leaves: the one that was stored last, to whoever looks, without a lock.
import Synchronization

/// A place that one thread at a time writes, and any reads. It keeps nothing: who stores an object keeps it for as long as a
/// reader may use it.
public final class Publication: Sendable {
    private let raw: Atomic<UInt>

    public init(_ object: some AnyObject & Sendable) { raw = Atomic(Self.bits(object)) }

    public func store(_ object: some AnyObject & Sendable) { raw.store(Self.bits(object), ordering: .releasing) }

    private static func bits(_ object: AnyObject) -> UInt {
        unsafe UInt(bitPattern: Unmanaged.passUnretained(object).toOpaque())
    }

    /// `type` is what every object was stored as.
    public func load<Object: AnyObject>(as type: Object.Type) -> Pinned<Object> {
        guard let object = unsafe UnsafeRawPointer(bitPattern: raw.load(ordering: .acquiring)) else {
            preconditionFailure("an object was stored when this was made")
        }
        return Pinned(unsafe Unmanaged<Object>.fromOpaque(object).takeUnretainedValue())
    }
}
