// Enters: the messages of a streaming call. Leaves: an answer to each, in order; a refusal in its place.
import GRPC
import HTTP2
import Memory
import OpenInference
import PredictionAPI
import Protobuf
import Tensors

extension Connection {
    /// Answers that wait to leave may take so much of the exchange's arena before the next message waits too.
    private static let streamArenaBytes = 256 << 10

    func stream(_ exchange: Exchange, _ method: Method, wasSent: Bool) throws(Refusal) {
        // PredictMany's answers wait in the arena until the last.
        let isBidirectional = method.shape == .bidirectional
        if isBidirectional && wasSent && exchange.isDrained { exchange.arena.reset() }
        while !isBidirectional || exchange.arena.bytesUsed < Self.streamArenaBytes {
            guard let frame = try nextFrame(of: exchange) else { break }
            let message = try take(frame, of: exchange)
            guard try handle(message, of: exchange, method) else { return }
        }
        guard exchange.hasEnded else { return }
        if exchange.body.isEmpty {
            try end(exchange, method)
        } else if try nextFrame(of: exchange) == nil {
            do throws(FrameError) { try Frame.end(exchange.body.view) } catch { throw .frame(error) }
        }
    }

    /// The message out of the body, into the arena: the body moves when more of the stream arrives.
    private func take(_ frame: Frame, of exchange: Exchange) throws(Refusal) -> ByteView {
        var message = try open(frame, of: exchange)
        if !frame.isCompressed {
            do throws(ArenaFull) { message = try exchange.arena.copy(message) } catch { throw .arena(error) }
        }
        session.consume(exchange, bytes: frame.frameBytes)
        return message
    }

    /// - Returns: whether the stream goes on.
    private func handle(_ message: ByteView, of exchange: Exchange, _ method: Method) throws(Refusal) -> Bool {
        switch method {
        case .predictMany:
            try collect(try result(of: message, exchange), exchange)
        case .predictStream:
            let result = try result(of: message, exchange)
            begin(exchange)
            send(
                exchange,
                try encoding(in: &exchange.arena) { (arena) throws(ArenaFull) in
                    try result.encode(headroom: headroomBytes, in: &arena)
                })
        case .modelStreamInfer:
            let reply = try streamInfer(message, exchange)
            begin(exchange)
            send(exchange, reply)
        default:
            begin(exchange)
            send(exchange, try reflect(message, in: &exchange.arena))
        }
        return !shard.rpcs[exchange.seat].isOver
    }

    private func end(_ exchange: Exchange, _ method: Method) throws(Refusal) {
        if method == .predictMany {
            let many = try many(exchange)
            begin(exchange)
            send(exchange, many.writer)
        } else {
            begin(exchange)
        }
        finish(exchange)
    }

    /// PredictMany's answers so far.
    private func many(_ exchange: Exchange) throws(Refusal) -> PredictManyResponse {
        if let many = shard.rpcs[exchange.seat].many { return many }
        return try encoding(in: &exchange.arena) { (arena) throws(ArenaFull) in
            try PredictManyResponse(headroom: headroomBytes, in: &arena)
        }
    }

    private func collect(_ result: PredictStreamResponse, _ exchange: Exchange) throws(Refusal) {
        var many = try many(exchange)
        try encoding(in: &exchange.arena) { (arena) throws(ArenaFull) in try many.append(result, in: &arena) }
        shard.rpcs[exchange.seat].many = many
    }

    /// What came of one call of a PredictStream or PredictMany: its answer, or its refusal in its place. Only what ends
    /// the whole stream is thrown.
    private func result(of message: ByteView, _ exchange: Exchange) throws(Refusal) -> PredictStreamResponse {
        var id = ByteView.empty
        do throws(Refusal) {
            let call = try Dialect.prediction.decode(message, in: &exchange.arena)
            id = call.id
            return .answer(try predict(call, of: exchange))
        } catch {
            let sentence = try inPlace(error, of: exchange)
            return .refusal(StreamedRefusal(code: error.status.rawValue, message: sentence, id: id))
        }
    }

    private func streamInfer(_ message: ByteView, _ exchange: Exchange) throws(Refusal) -> WireWriter {
        let result: ModelStreamInferResponse
        do throws(Refusal) {
            let call = try Dialect.openInference.decode(message, in: &exchange.arena)
            result = .answer(try predict(call, of: exchange))
        } catch {
            result = .error(try inPlace(error, of: exchange))
        }
        return try encoding(in: &exchange.arena) { (arena) throws(ArenaFull) in
            try result.encode(headroom: headroomBytes, in: &arena)
        }
    }

    /// The sentence of a refusal that concerns one message; one that concerns the whole stream is thrown on.
    private func inPlace(_ refusal: Refusal, of exchange: Exchange) throws(Refusal) -> ByteView {
        switch refusal {
        case .deadlinePassed, .arena: throw refusal
        default: break
        }
        if let log = refusal.log { shard.log(log) }
        do throws(ArenaFull) { return try exchange.arena.copy(refusal.sentence) } catch { throw .arena(error) }
    }
}
