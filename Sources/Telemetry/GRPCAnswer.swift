// Enters: a message for gRPC; an answer's headers, trailers and body. Leaves: a framed body; a verdict.
internal import GRPC
internal import Memory

/// A unary call's body: one message behind its five-byte prefix.
public struct GRPCRequest: Sendable {
    public let bytes: [UInt8]
    /// It is, if that makes it shorter; then `grpc-encoding` has to say so.
    public let isCompressed: Bool

    public init(_ message: [UInt8], isCompressed: Bool) {
        let compressed = isCompressed ? Compression.gzip(message) : nil
        let content = compressed ?? message
        self.isCompressed = compressed != nil
        let length = (0..<4).map { UInt8(truncatingIfNeeded: content.count >> (24 - 8 * $0)) }
        bytes = [compressed == nil ? 0 : 1] + length + content
    }
}

/// A unary call's answer, as its headers and its body tell it.
public struct GRPCAnswer: Sendable {
    public var httpStatus = ""
    /// `grpc-status`, `grpc-message` and `grpc-status-details-bin`, from the headers or the trailers.
    public var status: String?
    public var message: String?
    public var details: String?
    public var body: [UInt8] = []

    public init() {}

    public var verdict: Verdict {
        guard let status, let code = Int(status), code >= 0 else {
            let text = OwnedBytes(httpStatus)
            defer { withExtendedLifetime(text) {} }
            return .ofGRPC(
                code: Int(StatusCode(httpStatus: text.view).rawValue),
                message: "the answer has no gRPC status, its HTTP status is \(httpStatus)", retryNanoseconds: nil)
        }
        guard code == 0 else {
            let text = OwnedBytes(message ?? "")
            defer { withExtendedLifetime(text) {} }
            return .ofGRPC(code: code, message: percentDecoded(text.view), details: details.flatMap(Self.decoded))
        }
        // We offer no encoding, so the message is not compressed; what is none says nothing.
        return .ofAnswer(body.count >= 5 && body[0] == 0 ? Array(body[5...]) : [])
    }

    private static func decoded(_ base64: String) -> [UInt8]? {
        var arena = Arena(bytesMax: 256 << 10)
        let text = OwnedBytes(base64)
        defer { withExtendedLifetime(text) {} }
        guard let values = try? BinaryMetadata.decode(text.view, in: &arena), !values.isEmpty else { return nil }
        return values[0].array
    }
}
