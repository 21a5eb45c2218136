// Enters: a connection. Leaves: the principal of its calls, as far as the transport knows.
import HTTP2
import Memory
import Reactor
import TLS

/// A caller, as a record names it. Views lie in a `Caller`, or in memory of the call.
struct CallerViews: BitwiseCopyable {
    /// 0 none, 1 certificate, 4 Unix peer (TRUST 4.1, Call.auth).
    var auth: UInt8 = 0
    var principal = ByteView("anonymous")
    var credential = ByteView.empty
    var peer = ByteView.empty
}

/// The caller of a connection; found once.
final class Caller {
    private let auth: UInt8
    private let principal: OwnedBytes
    private let credential: OwnedBytes
    private let peer: OwnedBytes

    /// - Parameters:
    ///   - certificate: one that was verified.
    ///   - user: at the other end of a Unix socket.
    init(certificate: PeerCertificate?, user: UInt32?, peer: OwnedBytes) {
        if let certificate {
            auth = 1
            principal = OwnedBytes(certificate.principal)
            credential = OwnedBytes(certificate.fingerprint)
        } else if let user {
            auth = 4
            principal = OwnedBytes("uid:\(user)")
            credential = OwnedBytes("")
        } else {
            auth = 0
            principal = OwnedBytes("anonymous")
            credential = OwnedBytes("")
        }
        self.peer = peer
    }

    var views: CallerViews {
        CallerViews(auth: auth, principal: principal.view, credential: credential.view, peer: peer.view)
    }
}

extension Connection {
    /// Why it came to nothing, if it never carried a request; `nil`: it did, or was only looked at.
    func refusedReason(_ ending: Ending) -> RefusedReason? {
        guard session.framesReceived == 0 else { return nil }
        switch ending {
        case .tls: return .handshake
        case .tooSlow: return .timeout
        case .http2: return .protocolError
        // Load balancers look whether a port is open.
        case .peerLeft, .finished: return nil
        }
    }
}

/// The client that gave an order: what its records say.
public struct OrderCaller: Sendable, Equatable {
    public let principal: String
    /// TRUST 4.1, Call.auth.
    public let auth: UInt8
    public let credential: String

    public init(principal: String, auth: UInt8, credential: String) {
        (self.principal, self.auth, self.credential) = (principal, auth, credential)
    }

    init(_ views: CallerViews) {
        self.init(principal: views.principal.text, auth: views.auth, credential: views.credential.text)
    }
}
