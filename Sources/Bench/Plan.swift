// Enters: what the command line says. Leaves: one run's settings, and where it is sent to.
public import Reactor
public import TLS

/// How to load a server.
public struct Plan: Sendable {
    /// Requests per second of all threads; `nil`: as many as the server answers (a closed loop).
    public var rate: Double?
    public var arrival: Arrival
    public var seed: UInt64
    public var warmUpNanoseconds: Int64
    public var durationNanoseconds: Int64
    public var connections: Int
    /// Requests that may be on their way on each connection.
    public var inFlight: Int
    public var threads: Int
    /// Told to the server with each request; one that has waited longer for room is not sent.
    public var deadlineNanoseconds: Int64?
    /// How long to wait for a connection, and for answers after the end.
    public var patienceNanoseconds: Int64

    public init(
        rate: Double?, arrival: Arrival, seed: UInt64, warmUpNanoseconds: Int64, durationNanoseconds: Int64,
        connections: Int, inFlight: Int, threads: Int, deadlineNanoseconds: Int64?, patienceNanoseconds: Int64
    ) {
        self.rate = rate
        self.arrival = arrival
        self.seed = seed
        self.warmUpNanoseconds = warmUpNanoseconds
        self.durationNanoseconds = durationNanoseconds
        self.connections = connections
        self.inFlight = inFlight
        self.threads = threads
        self.deadlineNanoseconds = deadlineNanoseconds
        self.patienceNanoseconds = patienceNanoseconds
    }
}

/// A server to load.
public struct Target: Sendable {
    /// As it was named.
    public let text: String
    let address: Address
    let authority: String
    let tls: ClientContext?
    /// The name that the server's certificate must be for.
    let serverName: String
    /// The server's process, where it runs on this machine and its processor time is wanted.
    let process: Int32?

    public init(
        text: String, address: Address, authority: String, tls: ClientContext?, serverName: String, process: Int32?
    ) {
        self.text = text
        self.address = address
        self.authority = authority
        self.tls = tls
        self.serverName = serverName
        self.process = process
    }
}

/// Why a run did not come about.
public enum BenchError: Error, Equatable {
    case unreachable(String)
    /// The server's process, whose processor time is wanted, is not there.
    case process(Int32, String)
    case system(String)
}
