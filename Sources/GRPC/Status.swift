// Enters: how a call ended. Leaves: the values of grpc-status and grpc-message.
public import Memory

/// How a call ended, as `grpc-status` tells it.
///
/// Source: gRPC's status codes, all 17.
public enum StatusCode: UInt8, BitwiseCopyable, Sendable, CaseIterable {
    case ok = 0
    case cancelled = 1
    case unknown = 2
    case invalidArgument = 3
    case deadlineExceeded = 4
    case notFound = 5
    case alreadyExists = 6
    case permissionDenied = 7
    case resourceExhausted = 8
    case failedPrecondition = 9
    case aborted = 10
    case outOfRange = 11
    case unimplemented = 12
    case `internal` = 13
    case unavailable = 14
    case dataLoss = 15
    case unauthenticated = 16

    /// The value to send as `grpc-status`.
    public var headerValue: StaticString {
        switch self {
        case .ok: "0"
        case .cancelled: "1"
        case .unknown: "2"
        case .invalidArgument: "3"
        case .deadlineExceeded: "4"
        case .notFound: "5"
        case .alreadyExists: "6"
        case .permissionDenied: "7"
        case .resourceExhausted: "8"
        case .failedPrecondition: "9"
        case .aborted: "10"
        case .outOfRange: "11"
        case .unimplemented: "12"
        case .internal: "13"
        case .unavailable: "14"
        case .dataLoss: "15"
        case .unauthenticated: "16"
        }
    }

    /// As the specification writes it: `INVALID_ARGUMENT`.
    public var name: StaticString {
        switch self {
        case .ok: "OK"
        case .cancelled: "CANCELLED"
        case .unknown: "UNKNOWN"
        case .invalidArgument: "INVALID_ARGUMENT"
        case .deadlineExceeded: "DEADLINE_EXCEEDED"
        case .notFound: "NOT_FOUND"
        case .alreadyExists: "ALREADY_EXISTS"
        case .permissionDenied: "PERMISSION_DENIED"
        case .resourceExhausted: "RESOURCE_EXHAUSTED"
        case .failedPrecondition: "FAILED_PRECONDITION"
        case .aborted: "ABORTED"
        case .outOfRange: "OUT_OF_RANGE"
        case .unimplemented: "UNIMPLEMENTED"
        case .internal: "INTERNAL"
        case .unavailable: "UNAVAILABLE"
        case .dataLoss: "DATA_LOSS"
        case .unauthenticated: "UNAUTHENTICATED"
        }
    }
}

/// A `grpc-message` is at most this many bytes long; the rest of a longer one is left out.
public let statusMessageBytesMax = 1024

/// `message` as `grpc-message` carries it: space to `~` as they are but for `%`, every other byte of the UTF-8 as `%XX`.
///
/// It ends after a whole character when the bound is reached. Allocates: for refusals.
public func percentEncoded(_ message: String) -> [UInt8] {
    // Nearly every sentence is plain.
    if message.utf8.count <= statusMessageBytesMax, message.utf8.allSatisfy(isPlain) { return Array(message.utf8) }
    var encoded: [UInt8] = []
    encoded.reserveCapacity(min(message.utf8.count, statusMessageBytesMax))
    for scalar in message.unicodeScalars {
        let start = encoded.count
        for byte in scalar.utf8 {
            if isPlain(byte) {
                encoded.append(byte)
            } else {
                encoded.append(UInt8(ascii: "%"))
                encoded.append(hexDigit(byte >> 4))
                encoded.append(hexDigit(byte & 15))
            }
        }
        guard encoded.count <= statusMessageBytesMax else {
            encoded.removeLast(encoded.count - start)
            break
        }
    }
    return encoded
}

/// `percentEncoded`, in `arena`.
public func percentEncoded(_ message: String, in arena: inout Arena) throws(ArenaFull) -> ByteView {
    try arena.copy(percentEncoded(message))
}

private func isPlain(_ byte: UInt8) -> Bool { byte >= 0x20 && byte <= 0x7e && byte != UInt8(ascii: "%") }

private func hexDigit(_ value: UInt8) -> UInt8 {
    value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "A") + value - 10
}
