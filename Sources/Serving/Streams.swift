// Enters: the messages of a streaming call. Leaves: an answer to each, in order; a refusal in its place.
import GRPC
import HTTP2
import Memory
import OpenInference
import PredictionAPI
import Protobuf
import ServerMetrics
import Tensors

/// A stream that has more messages than fit into a turn.
struct PausedStream {
    let exchange: Exchange
    /// Who was on the seat then.
    let streamID: Int32
}

extension Connection {
    /// Messages of streams that one connection gets through in a turn: others wait too.
    private static let streamedMessagesMax = 512

    /// Answers that wait to leave may take so much of the exchange's arena before the next message waits too.
    private static let streamArenaBytes = 256 << 10

    func stream(_ exchange: Exchange, _ method: Method, wasSent: Bool) throws(Refusal) {
        // What an executor holds is left alone: its arena, and with it the order of answers.
        if shard.rpcs[exchange.seat].isWithExecutor { return }
        // PredictMany's answers wait in the arena until the last.
        let isBidirectional = method.shape == .bidirectional
        if isBidirectional && wasSent && exchange.isDrained && !exchange.isHeld {
            exchange.arena.reset()
            try count(exchange)
        }
        while !isBidirectional || exchange.arena.bytesUsed < Self.streamArenaBytes {
            guard let frame = try nextFrame(of: exchange) else { break }
            if streamedMessages >= Self.streamedMessagesMax {
                return paused.append(PausedStream(exchange: exchange, streamID: exchange.streamID))
            }
            streamedMessages += 1
            let message = try take(frame, of: exchange)
            try count(exchange)
            try handle(message, of: exchange, method)
            if shard.rpcs[exchange.seat].isOver || shard.rpcs[exchange.seat].isWithExecutor { return }
        }
        guard exchange.hasEnded, !exchange.isHeld else { return }
        if exchange.body.isEmpty {
            try end(exchange, method)
        } else if try nextFrame(of: exchange) == nil {
            do throws(FrameError) { try Frame.end(exchange.body.view) } catch { throw .frame(error) }
        }
    }

    var hasMoreToServe: Bool { !paused.isEmpty }

    /// A new turn has begun: streams that were paused go on.
    func goOn() {
        let streams = paused
        paused.removeAll(keepingCapacity: true)
        for stream in streams where stream.exchange.streamID == stream.streamID && !stream.exchange.isClosed {
            serve(stream.exchange, .body)
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

    private func handle(_ message: ByteView, of exchange: Exchange, _ method: Method) throws(Refusal) {
        switch method {
        case .predictStream: gather(message, of: exchange, .predictStream, in: .prediction)
        case .predictMany: gather(message, of: exchange, .predictMany, in: .prediction)
        case .modelStreamInfer: gather(message, of: exchange, .modelStreamInfer, in: .openInference)
        default:
            begin(exchange)
            send(exchange, try reflect(message, in: &exchange.arena))
        }
    }

    /// A refusal takes its place among the answers.
    private func gather(
        _ message: ByteView, of exchange: Exchange, _ method: PredictionMethod, in dialect: Dialect
    ) {
        var id = ByteView.empty
        shard.record(message, of: exchange, method, began: shard.now)
        do throws(Refusal) {
            let call = try dialect.decode(message, answers: shard.answers, in: &exchange.arena)
            id = call.id
            try gather(call, of: exchange)
        } catch {
            shard.gather(error, id: id, of: exchange, connection: key)
        }
    }

    private func end(_ exchange: Exchange, _ method: Method) throws(Refusal) {
        if method == .predictMany {
            if shard.pinnedAudit != nil { shard.audits[exchange.seat].forgetMessage() }
            return reply(exchange, with: try many(exchange).writer)
        }
        begin(exchange)
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

    /// What came of one message: its answer, or its refusal in its place; then the stream goes on. Only what ends the whole
    /// stream is thrown.
    func answer(_ exchange: Exchange, _ result: Result<Answer, Refusal>, id: ByteView, _ method: Method) throws(Refusal)
    {
        if method == .modelStreamInfer {
            let response: ModelStreamInferResponse
            switch result {
            case .success(let answer): response = .answer(answer)
            case .failure(let refusal): response = .error(try inPlace(refusal, of: exchange))
            }
            begin(exchange)
            let message = try encoding(in: &exchange.arena) { (arena) throws(ArenaFull) in
                try response.encode(headroom: headroomBytes, in: &arena)
            }
            if try auditMessage(exchange, result, message) { send(exchange, message) }
            return
        }
        let response: PredictStreamResponse
        switch result {
        case .success(let answer): response = .answer(answer)
        case .failure(let refusal):
            let sentence = try inPlace(refusal, of: exchange)
            response = .refusal(StreamedRefusal(code: refusal.status.rawValue, message: sentence, id: id))
        }
        if method == .predictMany {
            _ = try auditMessage(exchange, result, nil)
            return try collect(response, exchange)
        }
        begin(exchange)
        let message = try encoding(in: &exchange.arena) { (arena) throws(ArenaFull) in
            try response.encode(headroom: headroomBytes, in: &arena)
        }
        if try auditMessage(exchange, result, message) { send(exchange, message) }
    }

    /// The sentence of a refusal that concerns one message; one that concerns the whole stream is thrown on.
    private func inPlace(_ refusal: Refusal, of exchange: Exchange) throws(Refusal) -> ByteView {
        switch refusal {
        case .deadlinePassed, .arena: throw refusal
        default: break
        }
        if let log = refusal.log { shard.log(log, shard.trace(of: exchange)) }
        do throws(ArenaFull) { return try exchange.arena.copy(refusal.sentence) } catch { throw .arena(error) }
    }
}
