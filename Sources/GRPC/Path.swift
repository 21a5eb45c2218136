// Enters: a request's :path and content-type. Leaves: which method of which service; whether it is gRPC at all.
public import Memory

/// Which method a request calls, where its name lies in the header.
///
/// Source: gRPC over HTTP/2, "Path" and "Content-Type".
public struct Path: BitwiseCopyable, Sendable, Equatable {
    /// With its package: `grpc.health.v1.Health`.
    public let service: ByteView
    public let method: ByteView

    /// The parts of `/package.Service/Method`, or `nil` where it is not exactly two parts with something in each.
    public static func split(_ path: ByteView) -> Path? {
        guard path.count >= 4, path[0] == slash else { return nil }
        var second = 1
        while second < path.count && path[second] != slash { second += 1 }
        guard second > 1, second < path.count - 1 else { return nil }
        for index in second + 1..<path.count where path[index] == slash { return nil }
        return Path(service: path[1..<second], method: path[second + 1..<path.count])
    }

    private static let slash = UInt8(ascii: "/")
}

public enum ContentType {
    /// What we answer with.
    public static let reply: StaticString = "application/grpc+proto"

    /// Whether a request's `content-type` is gRPC with protobuf messages: `application/grpc` or `application/grpc+proto`,
    /// in any case, with or without parameters. Others are answered with HTTP status 415.
    public static func check(_ value: ByteView) -> Bool {
        var end = 0
        while end < value.count && value[end] != UInt8(ascii: ";") { end += 1 }
        let type = value[0..<end].trimmed
        return type.isToken("application/grpc") || type.isToken("application/grpc+proto")
    }
}
