// Enters: what an agent did. Leaves: numbers of it, for its page.

/// What one life of an agent has counted.
public struct AgentCounts: Equatable, Sendable {
    /// Calls of which there is no record: by the policy `open`, or lost in a ring.
    public internal(set) var dropped: UInt64 = 0
    public internal(set) var batches: UInt64 = 0
    /// From a batch to the same durable.
    public internal(set) var writeNanoseconds: UInt64 = 0
    /// Attempts to make a batch durable that came to nothing.
    public internal(set) var writeFailures: UInt64 = 0
    /// Places where a ring did not hold what a server writes.
    public internal(set) var ringFaults: UInt64 = 0
    /// The log that was found contradicts what was signed, and another one was begun.
    public internal(set) var logFaults: UInt64 = 0
}
