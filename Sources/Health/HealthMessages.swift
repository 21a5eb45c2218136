// Enters: a health check's message bytes. Leaves: which service is asked about; the answer's message.
public import Memory
public import Protobuf

/// Why bytes are not a HealthCheckRequest.
public enum HealthError: Error, Equatable {
    case message(WireError)

    public var sentence: String {
        switch self {
        case .message(let error): "the message is not a grpc.health.v1.HealthCheckRequest: \(error.sentence)"
        }
    }
}

/// What `Check` and `Watch` ask.
///
/// Source: proto/grpc/health/v1/health.proto.
public struct HealthCheckRequest: BitwiseCopyable, Sendable {
    /// A gRPC service's full name or a model's name, where it lies in the message; empty for the whole server.
    public let service: ByteView

    public init(decoding message: ByteView) throws(HealthError) {
        var service = ByteView.empty
        do throws(WireError) {
            var reader = WireReader(message)
            while let field = try reader.next() {
                if field.number == 1 { service = try field.string() }
            }
        } catch {
            throw .message(error)
        }
        self.service = service
    }
}

/// How a service is.
public enum ServingStatus: UInt8, BitwiseCopyable, Sendable, CaseIterable {
    case unknown = 0
    case serving = 1
    case notServing = 2
    /// `Watch` only; `Check` of an unknown service ends with NOT_FOUND.
    case serviceUnknown = 3
}

/// What `Check` and `Watch` answer.
public struct HealthCheckResponse: BitwiseCopyable, Sendable, Equatable {
    public let status: ServingStatus

    public init(status: ServingStatus) { self.status = status }

    /// The message behind `headroom` free bytes.
    public func encode(headroom: Int, in arena: inout Arena) throws(ArenaFull) -> WireWriter {
        var writer = try WireWriter(headroom: headroom, expectedBytes: 2, in: &arena)
        try writer.number(1, UInt64(status.rawValue), in: &arena)
        return writer
    }
}
