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

    /// `isOrder`: model control was asked, whose sentences know the repository as well and say themselves what to do.
    func failure(at endpoint: Endpoint, isOrder: Bool = false) -> Failure {
        switch self {
        case .unreachable(let reason):
            Failure(code: .unreachable, sentence: "no gRPC server answers at \(endpoint.text): \(reason)")
        case .status(let code, let message):
            Failure(
                code: .failed, sentence: "\(code.name): \(message)\(isOrder && code == .notFound ? "" : code.nextStep)")
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
}
