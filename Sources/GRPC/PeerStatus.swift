// Enters: how an answer ended, where we are the client. Leaves: its status, and its grpc-message as text.
public import Memory

extension StatusCode {
    /// Of a stream that was reset, by HTTP/2's error code (gRPC over HTTP/2, "Errors").
    public init(resetCode: UInt32) {
        switch resetCode {
        case 7: self = .unavailable  // REFUSED_STREAM
        case 8: self = .cancelled  // CANCEL
        case 11: self = .resourceExhausted  // ENHANCE_YOUR_CALM
        default: self = .internal
        }
    }

    /// Of an answer without a gRPC status (gRPC, "HTTP to gRPC Status Code Mapping").
    public init(httpStatus: ByteView) {
        switch httpStatus.text {
        case "400": self = .internal
        case "401": self = .unauthenticated
        case "403": self = .permissionDenied
        case "404": self = .unimplemented
        case "429", "502", "503", "504": self = .unavailable
        default: self = .unknown
        }
    }
}

/// A `grpc-message` as text: `%XX` is a byte of its UTF-8; what is not such a triple stands for itself. Control characters
/// become spaces: the text is for a terminal.
public func percentDecoded(_ value: ByteView) -> String {
    var bytes: [UInt8] = []
    var index = 0
    while index < value.count {
        if value[index] == UInt8(ascii: "%"), index + 2 < value.count,
            let byte = UInt8(value[index + 1..<index + 3].text, radix: 16)
        {
            bytes.append(byte)
            index += 3
        } else {
            bytes.append(value[index])
            index += 1
        }
    }
    let scalars = String(decoding: bytes, as: UTF8.self).unicodeScalars
    return String(String.UnicodeScalarView(scalars.map { $0.properties.generalCategory == .control ? " " : $0 }))
}
