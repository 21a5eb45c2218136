// Enters: an object that somebody else keeps. Leaves: a reference to it that costs nothing to copy.

/// A reference that does not count. The contract that makes it `@safe`, as with `ByteView`: whoever hands it out keeps the
/// object for as long as anybody may use it. Counting references would be a twelfth of a call's cost, and of two cores that
/// count the same model each would wait for the other.
@safe public struct Pinned<Object: AnyObject>: BitwiseCopyable, @unchecked Sendable {
    private let reference: Unmanaged<Object>

    public init(_ object: Object) { unsafe reference = Unmanaged.passUnretained(object) }

    /// The object, lent for as long as `body` runs: nothing is counted.
    @inline(__always)
    public func with<Result, Failure: Error>(_ body: (Object) throws(Failure) -> Result) throws(Failure) -> Result {
        // The library's function throws any error.
        let result: Swift.Result<Result, Failure> = unsafe reference._withUnsafeGuaranteedRef { object in
            do throws(Failure) { return .success(try body(object)) } catch { return .failure(error) }
        }
        return try result.get()
    }

    public var object: Object {
        @inline(__always) get { unsafe reference._withUnsafeGuaranteedRef { $0 } }
    }
}
