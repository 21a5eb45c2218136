// Enters: a tally of all threads. Leaves: what a run has shown of a server.
public import GRPC

/// What one run, or several against one server, have shown.
public struct Measurement: Sendable {
    /// Of answers with the status OK, from the intended time of sending.
    public private(set) var latency: Histogram
    /// How much later than intended the generator got to its requests, apart from those that waited for room.
    public private(set) var lateness: Histogram
    public private(set) var windowNanoseconds: Int64
    public private(set) var answersInWindow: Int
    public private(set) var okInWindow: Int
    public private(set) var statuses: [(status: StatusCode, count: Int, sentence: String)]
    /// Requests that waited because as many were on their way as are allowed.
    public private(set) var waited: Int
    /// Requests that were not sent at all: the server was too slow.
    public private(set) var unsent: Int
    public private(set) var reconnects: Int
    /// Streams at a time that the server takes on one connection.
    public let streamsMax: Int
    public private(set) var generatorNanoseconds: Int64
    public private(set) var serverNanoseconds: Int64?

    init(_ tally: Tally, _ plan: Plan, _ times: Run.Times, streamsMax: Int) {
        latency = tally.latency
        lateness = tally.lateness
        windowNanoseconds = plan.durationNanoseconds
        answersInWindow = tally.answersInWindow
        okInWindow = tally.okInWindow
        statuses = StatusCode.allCases.compactMap { status in
            let index = Int(status.rawValue)
            guard tally.statuses[index] > 0 else { return nil }
            return (status, tally.statuses[index], tally.sentences[index] ?? "")
        }
        waited = tally.waited
        unsent = tally.unsent
        reconnects = tally.reconnects
        self.streamsMax = streamsMax
        generatorNanoseconds = times.generator
        serverNanoseconds = times.server
    }

    public mutating func merge(_ other: Measurement) {
        latency.merge(other.latency)
        lateness.merge(other.lateness)
        windowNanoseconds += other.windowNanoseconds
        answersInWindow += other.answersInWindow
        okInWindow += other.okInWindow
        waited += other.waited
        unsent += other.unsent
        reconnects += other.reconnects
        generatorNanoseconds += other.generatorNanoseconds
        if let server = other.serverNanoseconds { serverNanoseconds = (serverNanoseconds ?? 0) + server }
        for theirs in other.statuses {
            if let index = statuses.firstIndex(where: { $0.status == theirs.status }) {
                statuses[index].count += theirs.count
            } else {
                statuses.append(theirs)
            }
        }
    }
}
