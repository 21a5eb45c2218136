// Enters: an entry of a `parameters` map. Leaves: nothing, or the refusal of what would change the call's meaning.
import Memory
import Protobuf
import Tensors

/// A parameter that the protocol's extensions know, that we do not offer, and that must not be ignored.
public enum UnsupportedParameter: String, Sendable {
    case sharedMemory = "shared_memory_region"
    case sequenceID = "sequence_id"
    case sequenceStart = "sequence_start"
    case sequenceEnd = "sequence_end"
    case classification

    var sentence: String {
        switch self {
        case .sharedMemory:
            "parameter shared_memory_region: shared memory is not offered; send the tensor's bytes in the message"
        case .sequenceID, .sequenceStart, .sequenceEnd:
            "parameter \(rawValue): sequences are not implemented; each call stands alone"
        case .classification:
            "parameter classification: classes are not implemented; the output's values are answered as they are"
        }
    }
}

/// Where a map of parameters stands.
enum ParameterPlace {
    case request, input, output

    /// The parameters that would change the call's meaning here. Others are hints (`binary_data`) or somebody else's, and are
    /// passed over.
    fileprivate func refused(_ key: ByteView) -> UnsupportedParameter? {
        switch self {
        case .request:
            if key == "sequence_id" { return .sequenceID }
            if key == "sequence_start" { return .sequenceStart }
            if key == "sequence_end" { return .sequenceEnd }
        case .input:
            if key == "shared_memory_region" { return .sharedMemory }
        case .output:
            if key == "shared_memory_region" { return .sharedMemory }
            if key == "classification" { return .classification }
        }
        return nil
    }
}

/// An entry of a `parameters` map, `{ key = 1, InferParameter value = 2 }`.
struct Parameter {
    var key = ByteView.empty
    /// It says something: false, zero and the empty text are as if the parameter were not there.
    var says = false
    /// Of a whole number.
    var number: UInt64 = 0
    var text = ByteView.empty

    init(_ entry: WireField) throws(OpenInferenceError) {
        var reader = try reading { () throws(WireError) in try entry.message() }
        while let field = try reading({ () throws(WireError) in try reader.next() }) {
            switch field.number {
            case 1: key = try reading { () throws(WireError) in try field.string() }
            case 2:
                let message = try reading { () throws(WireError) in try field.message() }
                do throws(WireError) { try read(message) } catch { throw .wire(error) }
            default: break
            }
        }
    }

    /// `InferParameter`: a `oneof`, of which the last one wins.
    private mutating func read(_ message: WireReader) throws(WireError) {
        var reader = message
        while let field = try reader.next() {
            switch field.number {
            case 1: says = try field.bool()
            case 2, 5:
                number = try field.unsigned()
                says = number != 0
            case 3:
                text = try field.string()
                says = !text.isEmpty
            case 4: says = try field.double() != 0
            default: break
            }
        }
    }
}

/// What an entry asks for that we do not offer.
func unsupportedParameter(
    _ entry: WireField, at place: ParameterPlace
) throws(OpenInferenceError) -> UnsupportedParameter? {
    let parameter = try Parameter(entry)
    return parameter.says ? place.refused(parameter.key) : nil
}

extension Call {
    /// What a parameter of the request says, in Triton's words: `priority`, 1 the highest and 0 the usual, and `timeout` in
    /// microseconds; and `vencejo_answers`. `triton_enable_empty_final_response` changes nothing: each call has one answer, which
    /// is the final one.
    mutating func take(_ entry: WireField) throws(OpenInferenceError) {
        let parameter = try Parameter(entry)
        guard parameter.says else { return }
        if let refused = ParameterPlace.request.refused(parameter.key) { throw .unsupported(refused, tensor: nil) }
        if parameter.key == "priority" {
            switch parameter.number {
            case 1: priority = .high
            case 2: priority = .normal
            default: priority = .low
            }
        } else if parameter.key == "timeout", parameter.number < UInt64(Int64.max / 1000) {
            timeoutNanoseconds = Int64(parameter.number) * 1000
        } else if parameter.key == "vencejo_answers" {
            guard let form = AnswerForm(parameter.text) else { throw .answers(parameter.text.clippedText) }
            answers = form
        }
    }
}
