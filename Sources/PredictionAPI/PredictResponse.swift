// Enters: an answer. Leaves: a `PredictResponse`, large outputs referenced where they lie; and the way back.
public import Memory
public import Protobuf
public import Tensors

/// `vencejo.v1.PredictResponse`. Source: proto/vencejo/v1/prediction.proto.
public enum PredictResponse {
    /// `headroom`: bytes to leave free in front, for the frame.
    public static func encode(
        _ answer: Answer, headroom: Int, in arena: inout Arena
    ) throws(ArenaFull) -> WireWriter {
        var writer = try WireWriter(headroom: headroom, expectedBytes: expectedBytes(answer), in: &arena)
        try write(answer, to: &writer, in: &arena)
        return writer
    }

    static func expectedBytes(_ answer: Answer) -> Int {
        64 + answer.provenance.model.count + answer.provenance.artifactDigest.count + answer.id.count
            + TensorMessage.expectedBytes(answer.outputs)
    }

    static func write(_ answer: Answer, to writer: inout WireWriter, in arena: inout Arena) throws(ArenaFull) {
        try writer.string(1, answer.provenance.model, in: &arena)
        try writer.number(2, answer.provenance.version, in: &arena)
        try writer.number(3, UInt64(answer.provenance.slot?.rawValue ?? 0), in: &arena)
        try writer.string(4, answer.provenance.artifactDigest, in: &arena)
        try writer.string(5, answer.id, in: &arena)
        for index in answer.outputs.indices {
            try TensorMessage.encode(answer.outputs[index], field: 6, to: &writer, in: &arena)
        }
        try writer.number(7, answer.provenance.epoch, in: &arena)
    }

    /// The answer that `message` is, for our own command line.
    public static func decode(
        _ message: ByteView, in arena: inout Arena
    ) throws(PredictionDecodeError) -> Answer {
        var provenance = Provenance(model: .empty, version: 0, slot: nil, artifactDigest: .empty, epoch: 0)
        var answer = Answer(provenance: provenance, id: .empty, outputs: List(), form: .raw)
        var slotNumber: Int32 = 0
        var reader = WireReader(message)
        while let field = try reading({ () throws(WireError) in try reader.next() }) {
            switch field.number {
            case 1: provenance.model = try reading { () throws(WireError) in try field.string() }
            case 2: provenance.version = try reading { () throws(WireError) in try field.signed() }
            case 3:
                slotNumber = Int32(truncatingIfNeeded: try reading { () throws(WireError) in try field.unsigned() })
            case 4: provenance.artifactDigest = try reading { () throws(WireError) in try field.bytes() }
            case 5: answer.id = try reading { () throws(WireError) in try field.string() }
            case 6:
                let tensor = try TensorMessage.decode(
                    try reading { () throws(WireError) in try field.bytes() }, in: &arena)
                try keeping { () throws(ArenaFull) in try answer.outputs.append(tensor, in: &arena) }
            case 7: provenance.epoch = try reading { () throws(WireError) in try field.unsigned() }
            default: break
            }
        }
        provenance.slot = slotNumber == 0 ? nil : try slot(slotNumber)
        answer.provenance = provenance
        return answer
    }
}
