// Enters: a stream that has ended. Leaves: the message on it, or the status that there is instead.
import GRPC
import HTTP2
import Memory

/// What a server said to one unary call.
struct Reply {
    private let exchange: Exchange

    /// `exchange` has ended or is closed.
    init(_ exchange: Exchange) { self.exchange = exchange }

    /// The message, in `arena`; a status other than OK is thrown.
    func message(in arena: inout Arena) throws(ClientError) -> ByteView {
        let (code, sentence) = status
        guard code == .ok else { throw .status(code, sentence) }
        let message: ByteView?
        do throws(FrameError) {
            let frame = try Frame.next(in: exchange.body.view, messageBytesMax: Self.messageBytesMax)
            if frame == nil { try Frame.end(exchange.body.view) }
            message = try frame?.message(encoding: encoding, messageBytesMax: Self.messageBytesMax, in: &arena)
        } catch {
            throw .status(.internal, "the answer does not unframe: \(error.sentence)")
        }
        guard let message else { throw .status(.internal, "the server answered OK without a message") }
        // Out of the exchange's body, which goes back to the session.
        do throws(ArenaFull) { return try arena.copy(message) } catch {
            throw .status(
                .resourceExhausted, "the answer needs more than \(error.bytesMax) bytes: ask for less at a time")
        }
    }

    private static let messageBytesMax = Int(UInt32.max)

    private var encoding: Encoding {
        value("grpc-encoding", in: exchange.head.fields).flatMap { try? Encoding.parse($0) } ?? .identity
    }

    /// Trailers tell it; of a trailers-only answer they are its head.
    private var status: (StatusCode, String) {
        guard exchange.hasEnded else {
            return (
                StatusCode(resetCode: exchange.closeCode.rawValue),
                "the server took the call back (HTTP/2 error \(exchange.closeCode.rawValue))"
            )
        }
        let fields = exchange.trailers.isEmpty ? exchange.head.fields : exchange.trailers
        let message = value("grpc-message", in: fields).map(percentDecoded) ?? ""
        if let status = value("grpc-status", in: fields) {
            let code = UInt8(status.text).flatMap(StatusCode.init(rawValue:)) ?? .unknown
            return (code, message.isEmpty ? "the server gave no reason" : message)
        }
        if exchange.head.isTooLarge { return (.internal, "the answer's head is too large") }
        let http = exchange.head.status
        guard http == "200" else {
            return (StatusCode(httpStatus: http), "what answers there is not gRPC: HTTP status \(http.text)")
        }
        return (.unknown, "the answer has no grpc-status: something between us and the server does not speak gRPC")
    }

    private func value(_ name: StaticString, in fields: List<Field>) -> ByteView? {
        for index in fields.indices where fields[index].name == name { return fields[index].value }
        return nil
    }
}
