// Enters: a message. Leaves: a call; and back. The two dialects in which a prediction can be asked for.
import GRPC
import Memory
import OpenInference
import PredictionAPI
import Protobuf
import ServerMetrics
import Tensors

enum Dialect {
    case prediction, openInference

    var unary: PredictionMethod { self == .prediction ? .predict : .modelInfer }

    /// `answers`: the form of answers to calls that ask for none.
    func decode(_ message: ByteView, answers: AnswerForm, in arena: inout Arena) throws(Refusal) -> Call {
        switch self {
        case .prediction:
            do throws(PredictionDecodeError) {
                return try PredictRequest.decode(message, in: &arena)
            } catch {
                throw .prediction(error)
            }
        case .openInference:
            do throws(OpenInferenceError) {
                var call = try ModelInferRequest.decode(message, in: &arena)
                if call.answers ?? answers == .raw { call.form = .raw }
                return call
            } catch {
                throw .openInference(error)
            }
        }
    }

    func encode(_ answer: Answer, in arena: inout Arena) throws(Refusal) -> WireWriter {
        do throws(ArenaFull) {
            switch self {
            case .prediction: return try PredictResponse.encode(answer, headroom: headroomBytes, in: &arena)
            case .openInference: return try ModelInferResponse.encode(answer, headroom: headroomBytes, in: &arena)
            }
        } catch {
            throw .arena(error)
        }
    }
}
