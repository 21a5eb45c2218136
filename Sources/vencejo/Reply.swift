// Enters: a stream that has ended. Leaves: the message on it, or the status that there is instead.
import GRPC
import HTTP2
import Memory

/// What a server said to one call.
struct Reply {
    private let exchange: Exchange

    /// But for `next`, `exchange` has ended or is closed.
    init(_ exchange: Exchange) { self.exchange = exchange }

    /// The message, in `arena`; a status other than OK is thrown.
    func message(in arena: inout Arena) throws(ClientError) -> ByteView {
        try check()
        guard let (message, _) = try next(in: &arena) else {
            do throws(FrameError) { try Frame.end(exchange.body.view) } catch { throw Self.failure(error) }
            throw .status(.internal, "the server answered OK without a message")
        }
        return message
    }

    /// A status other than OK is thrown.
    func check() throws(ClientError) {
        let (code, sentence) = status
        guard code == .ok else { throw .status(code, sentence) }
    }

    /// The first message of those that are here, in `arena`, and what it takes of the body; `nil`: none is whole.
    func next(in arena: inout Arena) throws(ClientError) -> (message: ByteView, frameBytes: Int)? {
        let message: ByteView
        let frameBytes: Int
        do throws(FrameError) {
            guard let frame = try Frame.next(in: exchange.body.view, messageBytesMax: Self.messageBytesMax) else {
                return nil
            }
            message = try frame.message(encoding: encoding, messageBytesMax: Self.messageBytesMax, in: &arena)
            frameBytes = frame.frameBytes
        } catch {
            throw Self.failure(error)
        }
        // Out of the exchange's body, which goes back to the session.
        do throws(ArenaFull) { return (try arena.copy(message), frameBytes) } catch {
            throw .status(
                .resourceExhausted, "the answer needs more than \(error.bytesMax) bytes: ask for less at a time")
        }
    }

    private static func failure(_ error: FrameError) -> ClientError {
        .status(.internal, "the answer does not unframe: \(error.sentence)")
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
