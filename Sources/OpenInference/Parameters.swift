// Enters: an entry of a `parameters` map. Leaves: nothing, or the refusal of what would change the call's meaning.
import Memory
import Protobuf

/// A parameter that the protocol's extensions know, that we do not offer, and that must not be ignored.
public enum UnsupportedParameter: String, Sendable {
    case sharedMemory = "shared_memory_region"
    case sequenceID = "sequence_id"
    case sequenceStart = "sequence_start"
    case sequenceEnd = "sequence_end"
    case classification
    case emptyFinalResponse = "triton_enable_empty_final_response"

    var sentence: String {
        switch self {
        case .sharedMemory:
            "parameter shared_memory_region: shared memory is not offered; send the tensor's bytes in the message"
        case .sequenceID, .sequenceStart, .sequenceEnd:
            "parameter \(rawValue): sequences are not implemented; each call stands alone"
        case .classification:
            "parameter classification: classes are not implemented; the output's values are answered as they are"
        case .emptyFinalResponse:
            "parameter \(rawValue): empty final responses are not implemented; each call has exactly one answer"
        }
    }
}

/// Where a map of parameters stands.
enum ParameterPlace {
    case request, input, output

    /// The parameters that would change the call's meaning here. Others are hints (`priority`, `timeout`,
    /// `binary_data`) or somebody else's, and are passed over.
    fileprivate func refused(_ key: ByteView) -> UnsupportedParameter? {
        switch self {
        case .request:
            if key == "sequence_id" { return .sequenceID }
            if key == "sequence_start" { return .sequenceStart }
            if key == "sequence_end" { return .sequenceEnd }
            if key == "triton_enable_empty_final_response" { return .emptyFinalResponse }
        case .input:
            if key == "shared_memory_region" { return .sharedMemory }
        case .output:
            if key == "shared_memory_region" { return .sharedMemory }
            if key == "classification" { return .classification }
        }
        return nil
    }
}

/// What an entry, `{ key = 1, InferParameter value = 2 }`, asks for that we do not offer.
///
/// A parameter that says nothing (false, zero, empty) is as if it were not there.
func unsupportedParameter(
    _ entry: WireField, at place: ParameterPlace
) throws(OpenInferenceError) -> UnsupportedParameter? {
    var key = ByteView.empty
    var says = false
    var reader = try reading { () throws(WireError) in try entry.message() }
    while let field = try reading({ () throws(WireError) in try reader.next() }) {
        switch field.number {
        case 1: key = try reading { () throws(WireError) in try field.string() }
        case 2: says = try reading { () throws(WireError) in try saysSomething(try field.message(), before: says) }
        default: break
        }
    }
    return says ? place.refused(key) : nil
}

/// `InferParameter`: a `oneof`, of which the last one wins.
private func saysSomething(_ message: WireReader, before: Bool) throws(WireError) -> Bool {
    var says = before
    var reader = message
    while let field = try reader.next() {
        switch field.number {
        case 1: says = try field.bool()
        case 2, 5: says = try field.unsigned() != 0
        case 3: says = try !field.string().isEmpty
        case 4: says = try field.double() != 0
        default: break
        }
    }
    return says
}
