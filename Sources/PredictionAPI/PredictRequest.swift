// Enters: a `PredictRequest`. Leaves: the call, its names and contents where they lie in the message; and the way back.
public import Memory
public import Protobuf
public import Tensors

/// `vencejo.v1.PredictRequest`. Source: proto/vencejo/v1/prediction.proto; merging as protobuf's encoding guide says.
public enum PredictRequest {
    /// The call that `message` is. `message` must stay in place as long as the call is used.
    ///
    /// Fields that are unknown are passed over, of scalars given twice the last one wins, a second `model` is merged
    /// into the first. Shapes and contents are not yet checked against each other: `Tensor.check` does.
    public static func decode(
        _ message: ByteView, in arena: inout Arena
    ) throws(PredictionDecodeError) -> Call {
        var call = Call()
        var inputs = 0
        var outputs = 0
        var labels = 0
        var reader = WireReader(message)
        while let field = try reading({ () throws(WireError) in try reader.next() }) {
            switch field.number {
            case 1: try decodeModel(try reading { () throws(WireError) in try field.message() }, into: &call)
            case 2: call.id = try reading { () throws(WireError) in try field.string() }
            case 3:
                let label = try decodeLabel(try reading { () throws(WireError) in try field.message() })
                labels += try keepLabel(label, in: &call, &arena) ? 1 : 0
            case 4:
                inputs += 1
                let message = try reading { () throws(WireError) in try field.bytes() }
                // Beyond the bound they are counted only, for the refusal.
                guard inputs <= Call.inputsMax else { continue }
                let tensor = try TensorMessage.decode(message, in: &arena)
                try keeping { () throws(ArenaFull) in try call.inputs.append(tensor, in: &arena) }
            case 5:
                outputs += 1
                let name = try reading { () throws(WireError) in try field.string() }
                guard outputs <= Call.outputsMax else { continue }
                try keeping { () throws(ArenaFull) in try call.outputs.append(name, in: &arena) }
            case 6: call.priority = priority(try reading { () throws(WireError) in try field.unsigned() })
            default: break
            }
        }
        guard !call.model.isEmpty else { throw .noModel }
        try limit(.id, call.id.count, max: Call.idBytesMax)
        try limit(.inputs, inputs, max: Call.inputsMax)
        try limit(.outputs, outputs, max: Call.outputsMax)
        try limit(.labels, labels, max: Call.labelsMax)
        return call
    }

    /// A number that a later version may know is an ordinary call here.
    private static func priority(_ number: UInt64) -> Priority {
        switch number {
        case 1: .high
        case 2: .low
        default: .normal
        }
    }

    private static func decodeModel(_ message: WireReader, into call: inout Call) throws(PredictionDecodeError) {
        var reader = message
        while let field = try reading({ () throws(WireError) in try reader.next() }) {
            switch field.number {
            case 1: call.model = try reading { () throws(WireError) in try field.string() }
            case 2: call.selector = .number(try reading { () throws(WireError) in try field.signed() })
            case 3: call.selector = .label(try reading { () throws(WireError) in try field.string() })
            case 4:
                let number = Int32(truncatingIfNeeded: try reading { () throws(WireError) in try field.unsigned() })
                call.selector = number == 0 ? .live : .slot(try slot(number))
            default: break
            }
        }
    }

    /// An entry of `labels`: a key or value left out is empty.
    private static func decodeLabel(_ message: WireReader) throws(PredictionDecodeError) -> Label {
        var label = Label(key: .empty, value: .empty)
        var reader = message
        while let field = try reading({ () throws(WireError) in try reader.next() }) {
            switch field.number {
            case 1: label.key = try reading { () throws(WireError) in try field.string() }
            case 2: label.value = try reading { () throws(WireError) in try field.string() }
            default: break
            }
        }
        try limit(.labelKey, label.key.count, max: Call.labelBytesMax)
        try limit(.labelValue, label.value.count, max: Call.labelBytesMax)
        return label
    }

    /// Of a key given twice the last value wins. Whether the key is a new one.
    private static func keepLabel(
        _ label: Label, in call: inout Call, _ arena: inout Arena
    ) throws(PredictionDecodeError) -> Bool {
        for index in call.labels.indices where call.labels[index].key == label.key {
            call.labels[index].value = label.value
            return false
        }
        if call.labels.count < Call.labelsMax {
            try keeping { () throws(ArenaFull) in try call.labels.append(label, in: &arena) }
        }
        return true
    }

    /// The call as a message, for our own command line.
    public static func encode(
        _ call: Call, headroom: Int, in arena: inout Arena
    ) throws(ArenaFull) -> WireWriter {
        let expectedBytes = 128 + TensorMessage.expectedBytes(call.inputs)
        var writer = try WireWriter(headroom: headroom, expectedBytes: expectedBytes, in: &arena)
        let model = try writer.begin(1, in: &arena)
        try writer.string(1, call.model, in: &arena)
        switch call.selector {
        case .live: break
        case .number(let number):
            // Field 2, varint, written even when zero: in a `oneof` the zero says something.
            try writer.varint(2 << 3, in: &arena)
            try writer.varint(UInt64(bitPattern: number), in: &arena)
        case .label(let label): try writer.element(3, label, in: &arena)
        case .slot(let slot): try writer.number(4, UInt64(slot.rawValue), in: &arena)
        }
        try writer.end(model, in: &arena)
        try writer.string(2, call.id, in: &arena)
        for index in call.labels.indices {
            let entry = try writer.begin(3, in: &arena)
            try writer.element(1, call.labels[index].key, in: &arena)
            try writer.element(2, call.labels[index].value, in: &arena)
            try writer.end(entry, in: &arena)
        }
        for index in call.inputs.indices {
            try TensorMessage.encode(call.inputs[index], field: 4, to: &writer, in: &arena)
        }
        for index in call.outputs.indices { try writer.element(5, call.outputs[index], in: &arena) }
        switch call.priority {
        case .normal: break
        case .high: try writer.number(6, UInt64(1), in: &arena)
        case .low: try writer.number(6, UInt64(2), in: &arena)
        }
        return writer
    }
}

func slot(_ number: Int32) throws(PredictionDecodeError) -> Slot {
    guard let slot = UInt8(exactly: number).flatMap(Slot.init(rawValue:)) else { throw .unknownSlot(number) }
    return slot
}
