// Enters: a connection. Leaves: the principal of its calls, as far as the transport knows.
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
