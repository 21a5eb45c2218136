// Enters: answers and refusals of a stream's calls. Leaves: one message each, or one message with all of them.
public import Memory
public import Protobuf
public import Tensors

/// A call of a stream that was refused: its gRPC status code, the sentence, the caller's id.
public struct StreamedRefusal: BitwiseCopyable, Sendable {
    public var code: UInt8
    public var message: ByteView
    public var id: ByteView

    public init(code: UInt8, message: ByteView, id: ByteView) {
        self.code = code
        self.message = message
        self.id = id
    }
}

/// `vencejo.v1.PredictStreamResponse`: what came of one call of a stream.
public enum PredictStreamResponse: BitwiseCopyable, Sendable {
    case answer(Answer)
    case refusal(StreamedRefusal)

    public func encode(headroom: Int, in arena: inout Arena) throws(ArenaFull) -> WireWriter {
        var writer = try WireWriter(headroom: headroom, expectedBytes: expectedBytes, in: &arena)
        try write(to: &writer, in: &arena)
        return writer
    }

    private var expectedBytes: Int {
        switch self {
        case .answer(let answer): 8 + PredictResponse.expectedBytes(answer)
        case .refusal(let refusal): 24 + refusal.message.count + refusal.id.count
        }
    }

    fileprivate func write(to writer: inout WireWriter, in arena: inout Arena) throws(ArenaFull) {
        switch self {
        case .answer(let answer):
            let response = try writer.begin(1, in: &arena)
            try PredictResponse.write(answer, to: &writer, in: &arena)
            try writer.end(response, in: &arena)
        case .refusal(let refusal):
            let error = try writer.begin(2, in: &arena)
            try writer.number(1, UInt64(refusal.code), in: &arena)
            try writer.string(2, refusal.message, in: &arena)
            try writer.string(3, refusal.id, in: &arena)
            try writer.end(error, in: &arena)
        }
    }

    /// For a client. Of both given, the last one wins; a code that is none is 2, UNKNOWN.
    public static func decode(
        _ message: ByteView, in arena: inout Arena
    ) throws(PredictionDecodeError) -> PredictStreamResponse {
        var result: PredictStreamResponse?
        var reader = WireReader(message)
        while let field = try reading({ () throws(WireError) in try reader.next() }) {
            switch field.number {
            case 1:
                let response = try reading { () throws(WireError) in try field.bytes() }
                result = .answer(try PredictResponse.decode(response, in: &arena))
            case 2:
                result = .refusal(try decodeError(try reading { () throws(WireError) in try field.bytes() }))
            default: break
            }
        }
        guard let result else { throw .noResult }
        return result
    }

    /// A `vencejo.v1.Error`.
    public static func decodeError(_ message: ByteView) throws(PredictionDecodeError) -> StreamedRefusal {
        var refusal = StreamedRefusal(code: 0, message: .empty, id: .empty)
        var reader = WireReader(message)
        while let field = try reading({ () throws(WireError) in try reader.next() }) {
            switch field.number {
            case 1:
                let code = Int32(truncatingIfNeeded: try reading { () throws(WireError) in try field.unsigned() })
                refusal.code = UInt8(exactly: code) ?? 2
            case 2: refusal.message = try reading { () throws(WireError) in try field.string() }
            case 3: refusal.id = try reading { () throws(WireError) in try field.string() }
            default: break
            }
        }
        return refusal
    }
}

/// `vencejo.v1.PredictManyResponse` in the making: results appended in the order of their calls.
///
/// What is referenced must stay in place until the message has left. After an error of the arena the message is half
/// written and only good to be dropped.
public struct PredictManyResponse {
    /// The message; to be finished after the last result.
    public private(set) var writer: WireWriter
    public private(set) var resultCount = 0

    /// `referenceBytesMin`: `.max` copies all, for a caller whose outputs do not live as long as the message.
    public init(
        headroom: Int, referenceBytesMin: Int = Outbox.referenceBytesMin, in arena: inout Arena
    ) throws(ArenaFull) {
        writer = try WireWriter(
            headroom: headroom, expectedBytes: 1024, referenceBytesMin: referenceBytesMin, in: &arena)
    }

    /// Bytes of the message so far, the headroom included.
    public var byteCount: Int { writer.count }

    public mutating func append(_ result: PredictStreamResponse, in arena: inout Arena) throws(ArenaFull) {
        let mark = try writer.begin(1, in: &arena)
        try result.write(to: &writer, in: &arena)
        try writer.end(mark, in: &arena)
        resultCount += 1
    }
}
