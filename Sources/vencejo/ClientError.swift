// Enters: how a call of ours failed. Leaves: an error with a type, and for the command line a sentence and an exit code.
import GRPC
import HTTP2
import Memory
import TLS

/// Why a call has no answer.
enum ClientError: Error {
    /// Nobody answers there, or not a server that speaks gRPC; why, and what to do.
    case unreachable(String)
    /// The call ended with this status, given by the server or found by us, and its message.
    case status(StatusCode, String)

    func failure(at endpoint: Endpoint) -> Failure {
        switch self {
        case .unreachable(let reason):
            Failure(code: .unreachable, sentence: "no gRPC server answers at \(endpoint.text): \(reason)")
        case .status(let code, let message):
            Failure(code: .failed, sentence: "\(code.name): \(message)\(code.nextStep)")
        }
    }
}

extension ClientError {
    /// TLS was not agreed on.
    init(_ error: TLSError) {
        switch error {
        // certificate_required (RFC 8446, section 6.2).
        case .alert(116):
            self = .unreachable("it demands a client's certificate: give one with --tls-certificate and --tls-key")
        case .certificateRefused:
            self = .unreachable(
                "\(error); name whom to believe with --tls-ca, and whom to expect with --tls-server-name")
        case .notTLS: self = .unreachable("\(error); if it speaks no TLS, leave out --tls and --tls-ca")
        default: self = .unreachable("\(error)")
        }
    }
}

extension StatusCode {
    /// What the caller can do, where the server's sentence cannot say it.
    fileprivate var nextStep: String {
        switch self {
        case .notFound: "; \"vencejo models\" lists what there is"
        case .deadlineExceeded: "; wait longer with --timeout"
        case .unimplemented:
            "; the server may be older than this command: compare \"vencejo status\" and \"vencejo version\""
        default: ""
        }
    }

    /// Of a stream that was reset (gRPC over HTTP/2, "Errors").
    init(_ code: ErrorCode) {
        switch code {
        case .refusedStream: self = .unavailable
        case .cancel: self = .cancelled
        case .enhanceYourCalm: self = .resourceExhausted
        default: self = .internal
        }
    }

    /// Of an answer without a gRPC status (gRPC, "HTTP to gRPC Status Code Mapping").
    init(httpStatus: ByteView) {
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
func percentDecoded(_ value: ByteView) -> String {
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
