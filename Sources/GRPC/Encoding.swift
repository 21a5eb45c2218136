// Enters: grpc-encoding and grpc-accept-encoding. Leaves: how messages are compressed.
public import Memory

public enum EncodingError: Error, Equatable {
    /// `grpc-encoding` names a compression that we do not have; at most its first 64 bytes, quoted.
    case unsupported(String)

    public var sentence: String {
        switch self {
        case .unsupported(let name): "grpc-encoding \(name) is not supported, supported are identity and gzip"
        }
    }
}

/// How a stream's messages are compressed: those among them that are flagged as compressed.
///
/// Source: gRPC over HTTP/2, "Message-Encoding".
public enum Encoding: UInt8, BitwiseCopyable, Sendable {
    case identity
    case gzip

    /// What we send as `grpc-accept-encoding`, also beside the refusal of an unknown encoding.
    public static let supported: StaticString = "identity,gzip"

    /// The value to send as `grpc-encoding`.
    public var name: StaticString {
        switch self {
        case .identity: "identity"
        case .gzip: "gzip"
        }
    }

    /// What a request's `grpc-encoding` names; a request without one has `identity`.
    public static func parse(_ value: ByteView) throws(EncodingError) -> Encoding {
        if value.isToken("identity") { return .identity }
        if value.isToken("gzip") { return .gzip }
        throw .unsupported(value.quoted)
    }

    /// The best that the peer takes, by its `grpc-accept-encoding` (a comma-separated list). What we do not know in it is
    /// passed over; `identity` is always taken.
    public static func accepted(in value: ByteView) -> Encoding {
        var items = CommaList(value)
        while let item = items.next() {
            if item.isToken("gzip") { return .gzip }
        }
        return .identity
    }
}
