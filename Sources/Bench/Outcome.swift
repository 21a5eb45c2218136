// Enters: a stream that has ended. Leaves: the call's status, and a sentence where it is not OK.
import GRPC
import HTTP2
import Memory

/// What a server said to one call.
struct Outcome {
    private let exchange: Exchange

    init(_ exchange: Exchange) { self.exchange = exchange }

    var status: StatusCode {
        guard exchange.hasEnded else { return StatusCode(resetCode: exchange.closeCode.rawValue) }
        guard let value = value("grpc-status") else {
            return exchange.head.status == "200" ? .unknown : StatusCode(httpStatus: exchange.head.status)
        }
        if value == "0" { return exchange.body.isEmpty ? .internal : .ok }
        return UInt8(value.text).flatMap(StatusCode.init(rawValue:)) ?? .unknown
    }

    /// For the first of a kind: allocates.
    var sentence: String {
        guard exchange.hasEnded else {
            return "the server took the call back (HTTP/2 error \(exchange.closeCode.rawValue))"
        }
        guard let status = value("grpc-status") else {
            return "the answer has no grpc-status; its HTTP status is \(exchange.head.status.text)"
        }
        if status == "0" { return "the server answered OK without a message" }
        let message = value("grpc-message").map(percentDecoded) ?? ""
        return message.isEmpty ? "the server gave no reason" : message
    }

    /// From the trailers; an answer of trailers only has them as its head.
    private func value(_ name: StaticString) -> ByteView? {
        let fields = exchange.trailers.isEmpty ? exchange.head.fields : exchange.trailers
        for index in fields.indices where fields[index].name == name { return fields[index].value }
        return nil
    }
}
