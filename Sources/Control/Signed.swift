// Enters: an order's author and reason. Leaves: what came of it. Values only.
public import Models
import Serving

/// An order's author and reason, in the caller's words.
public struct Signed: Sendable {
    public var author: String
    public var reason: String
    /// Since 1970, UTC.
    public var timeMilliseconds: Int64
    /// Only what would be done is wanted.
    public var isDryRun: Bool
    var trigger = Trigger.api
    /// The client that gave it, as far as the transport knows; `nil`: nothing is recorded.
    var caller: OrderCaller?
    /// What gates and differences say does not matter.
    var isForced = false
    /// It is done even if it cannot be kept for the next start, because it was not ordered, and no caller waits for it.
    var isUrgent = false

    public init(author: String, reason: String, timeMilliseconds: Int64, isDryRun: Bool = false) {
        self.author = author
        self.reason = reason
        self.timeMilliseconds = timeMilliseconds
        self.isDryRun = isDryRun
    }
}

/// What came of an order.
public struct Outcome: Sendable, Equatable {
    /// The commit from which on it holds; every answer names the one that it was given by.
    public var epoch: UInt64
    /// From the commit until the last shard went by it.
    public var spreadNanoseconds: Int64
    public var decision: Decision
}
