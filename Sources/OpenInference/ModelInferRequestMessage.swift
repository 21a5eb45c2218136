// Enters: a call. Leaves: a `ModelInferRequest` with raw contents, for a client of ours.
public import Memory
public import Protobuf
public import Tensors

extension ModelInferRequest {
    /// `headroom`: bytes to leave free in front, for the frame. A slot has no name in this protocol.
    public static func encode(_ call: Call, headroom: Int, in arena: inout Arena) throws(ArenaFull) -> WireWriter {
        var writer = try WireWriter(headroom: headroom, in: &arena)
        try writer.string(1, call.model, in: &arena)
        switch call.selector {
        case .live, .slot: break
        case .number(let number): try writer.element(2, decimal(number, in: &arena), in: &arena)
        case .label(let label): try writer.string(2, label, in: &arena)
        }
        try writer.string(3, call.id, in: &arena)
        for index in call.inputs.indices {
            let tensor = call.inputs[index]
            let mark = try writer.begin(5, in: &arena)
            try writer.string(1, tensor.name, in: &arena)
            try writer.string(2, ByteView(tensor.type.name), in: &arena)
            try writer.packed(3, tensor.shape, in: &arena)
            try writer.end(mark, in: &arena)
        }
        for index in call.outputs.indices {
            let mark = try writer.begin(6, in: &arena)
            try writer.string(1, call.outputs[index], in: &arena)
            try writer.end(mark, in: &arena)
        }
        for index in call.inputs.indices { try writer.element(7, call.inputs[index].content, in: &arena) }
        return writer
    }
}
