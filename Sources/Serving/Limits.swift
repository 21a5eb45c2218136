// Enters: what the operator set. Leaves: every bound of the server, checked against each other before a port is bound.
public import HTTP2
import Tensors

/// Limits that contradict each other.
public struct LimitsError: Error, Equatable {
    public let sentence: String
}

/// Every bound of the data plane. Bytes, nanoseconds; each has a default that suits an ordinary server.
public struct ServerLimits: Sendable {
    /// One gRPC message. A larger one is refused by its prefix, before any of it is kept.
    public var messageBytesMax = 4 << 20
    /// What one call may use beyond its message: decoded tensors, outputs, the answer.
    public var arenaBytesMax = 64 << 20
    /// Bodies that wait on one connection.
    public var connectionBodyBytesMax = 64 << 20
    /// Queued output of a connection at which we stop producing.
    public var outboxBytesMax = 1 << 20
    public var readBytes = 256 << 10
    /// What all calls together may hold: bodies, arenas, queued answers. Beyond it new calls are refused.
    public var memoryBytesMax = 1 << 30
    public var connectionsMax = 65536
    public var http2 = Limits()
    /// A model whose run is expected to take longer does not run on a shard.
    public var shardRunNanoseconds: Int64 = 250_000
    /// Threads for models that do not run on shards.
    public var executors = 1

    public var handshakeNanoseconds: Int64 = 5_000_000_000
    /// From a header block's first byte to its last.
    public var headNanoseconds: Int64 = 10_000_000_000
    /// Without a byte of progress, of a body that comes or a reply that goes.
    public var progressNanoseconds: Int64 = 30_000_000_000
    /// Without a request.
    public var idleNanoseconds: Int64 = 300_000_000_000
    /// After this age, ± 10 %, a connection is asked to go (GOAWAY); calls that are open may end.
    public var ageNanoseconds: Int64 = 1_800_000_000_000
    /// How long a connection that was asked to go may take to end its calls.
    public var ageGraceNanoseconds: Int64 = 300_000_000_000
    /// The same when the server shuts down.
    public var drainNanoseconds: Int64 = 45_000_000_000

    public init() {}

    /// Runs first in `serve`: limits that contradict each other must not meet a request.
    public mutating func check() throws(LimitsError) {
        guard messageBytesMax >= 1024, messageBytesMax <= 2_000_000_000 else {
            throw LimitsError(sentence: "message_bytes_max \(messageBytesMax): allowed are 1024 to 2000000000")
        }
        guard connectionBodyBytesMax >= messageBytesMax + 5 else {
            throw LimitsError(
                sentence: "connection_body_bytes_max \(connectionBodyBytesMax) is less than one message of "
                    + "message_bytes_max \(messageBytesMax)")
        }
        // A request that inflates and its answer share one arena, and each may be as large as a message.
        guard arenaBytesMax >= 2 * messageBytesMax + (1 << 16) else {
            throw LimitsError(
                sentence: "arena_bytes_max \(arenaBytesMax) is less than two messages of message_bytes_max "
                    + "\(messageBytesMax) and 64 KiB")
        }
        guard memoryBytesMax >= 16 << 20, memoryBytesMax >= 4 * messageBytesMax else {
            throw LimitsError(
                sentence:
                    "memory_limit \(memoryBytesMax): allowed are 16777216 and more, and at least four messages of "
                    + "message_bytes_max \(messageBytesMax)")
        }
        guard http2.streamsMax >= 1, http2.streamsMax <= 100_000 else {
            throw LimitsError(sentence: "streams_max \(http2.streamsMax): allowed are 1 to 100000")
        }
        // A whole message must fit before its stream's window shuts.
        http2.bodyBytesMax = messageBytesMax + 5 + http2.streamWindowBytes
    }
}
