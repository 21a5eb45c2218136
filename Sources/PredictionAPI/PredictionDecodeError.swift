// Enters: what is wrong with a message of `vencejo.v1`. Leaves: an error with a type, and its sentence.
public import Memory
public import Protobuf
public import Tensors

/// A message that is not a call, or not an answer.
public enum PredictionDecodeError: MessageError, Equatable {
    case wire(WireError)
    case arena(ArenaFull)
    case limit(CallLimitError)
    case tensor(TensorError)
    case noModel
    case noElementType(tensor: String)
    case unknownElementType(Int32, tensor: String)
    case unknownSlot(Int32)
    /// A `PredictStreamResponse` with neither a response nor an error.
    case noResult

    /// For the caller; of `arena`, which is the server's bound, too.
    public var sentence: String {
        switch self {
        case .wire(let error): "the message does not decode: \(error.sentence)"
        case .arena(let error): "the message needs more than the \(error.bytesMax) bytes that one exchange may hold"
        case .limit(let error): error.sentence
        case .tensor(let error): error.sentence
        case .noModel: "the request names no model; model.name must be given"
        case .noElementType(let tensor):
            "tensor \(quoted(tensor)) has no type; one of BOOL (1) … BYTES (14) must be given"
        case .unknownElementType(let number, let tensor):
            "tensor \(quoted(tensor)) has the unknown type \(number); BOOL (1) … BYTES (14) are allowed"
        case .unknownSlot(let number): "slot \(number) is unknown; BLUE (1), GREEN (2) and SHADOW (3) are allowed"
        case .noResult: "the stream's message holds neither a response nor an error"
        }
    }
}

/// Reads from the wire, with its error as ours.
func reading<Result>(_ body: () throws(WireError) -> Result) throws(PredictionDecodeError) -> Result {
    do throws(WireError) { return try body() } catch { throw .wire(error) }
}

/// Keeps in the arena, with its error as ours.
func keeping<Result>(_ body: () throws(ArenaFull) -> Result) throws(PredictionDecodeError) -> Result {
    do throws(ArenaFull) { return try body() } catch { throw .arena(error) }
}

func limit(_ subject: CallLimitError.Subject, _ value: Int, max: Int) throws(PredictionDecodeError) {
    do throws(CallLimitError) { try CallLimitError.check(subject, value, max: max) } catch { throw .limit(error) }
}
