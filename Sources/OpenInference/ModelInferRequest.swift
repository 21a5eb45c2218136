// Enters: a `ModelInferRequest`. Leaves: the call; raw contents stay where they lie in the message.
public import Memory
import Protobuf
public import Tensors

/// `inference.ModelInferRequest`. Source: proto/inference/inference.proto, the Open Inference Protocol, version 2.
public enum ModelInferRequest {
    /// The call that `message` is. `message` must stay in place as long as the call is used.
    ///
    /// Unknown fields and parameters are passed over; a parameter that would change what the call means is refused.
    /// Contents are either all raw, one element of `raw_input_contents` for each input, or all typed, and then unpacked
    /// into little-endian bytes. An input without elements may have no contents at all. Lengths of raw contents are
    /// not yet checked against the shapes: `Tensor.check` does.
    public static func decode(
        _ message: ByteView, in arena: inout Arena
    ) throws(OpenInferenceError) -> Call {
        var call = Call()
        var inputs = 0
        var outputs = 0
        var version = ByteView.empty
        var rawContents = List<ByteView>()
        var rawCount = 0
        var firstTyped: ByteView?
        var reader = WireReader(message)
        while let field = try reading({ () throws(WireError) in try reader.next() }) {
            switch field.number {
            case 1: call.model = try reading { () throws(WireError) in try field.string() }
            case 2: version = try reading { () throws(WireError) in try field.string() }
            case 3: call.id = try reading { () throws(WireError) in try field.string() }
            case 4: try call.take(field)
            case 5:
                inputs += 1
                // Beyond the bound they are counted only, for the refusal.
                guard inputs <= Call.inputsMax else { continue }
                let input = try InputTensor(try reading { () throws(WireError) in try field.message() }, in: &arena)
                if input.isTyped, firstTyped == nil { firstTyped = input.tensor.name }
                try keeping { () throws(ArenaFull) in try call.inputs.append(input.tensor, in: &arena) }
            case 6:
                outputs += 1
                let message = try reading { () throws(WireError) in try field.message() }
                guard outputs <= Call.outputsMax else { continue }
                let name = try requestedOutput(message)
                try keeping { () throws(ArenaFull) in try call.outputs.append(name, in: &arena) }
            case 7:
                rawCount += 1
                let content = try reading { () throws(WireError) in try field.bytes() }
                guard rawCount <= Call.inputsMax else { continue }
                try keeping { () throws(ArenaFull) in try rawContents.append(content, in: &arena) }
            default: break
            }
        }
        guard !call.model.isEmpty else { throw .noModel }
        try limit(.id, call.id.count, max: Call.idBytesMax)
        try limit(.inputs, inputs, max: Call.inputsMax)
        try limit(.outputs, outputs, max: Call.outputsMax)
        call.selector = VersionSelector(modelVersion: version)
        if rawCount > 0 {
            if let firstTyped { throw .rawAndTyped(tensor: firstTyped.clippedText) }
            guard rawCount <= Call.inputsMax else { throw .rawCount(rawCount, inputs: inputs) }
            try give(rawContents, to: &call.inputs)
        } else if firstTyped != nil {
            call.form = .typed
            try unpack(message, into: &call.inputs, in: &arena)
        } else {
            // No element anywhere: tritonclient would have sent an empty raw for each, so this caller writes typed.
            for index in call.inputs.indices { try expectNoElements(call.inputs[index]) }
            if !call.inputs.isEmpty { call.form = .typed }
        }
        return call
    }

    /// Raw contents to their inputs. Writers differ in whether an input without elements has one: if not every input
    /// does, those with elements must.
    private static func give(_ contents: List<ByteView>, to inputs: inout List<Tensor>) throws(OpenInferenceError) {
        if contents.count == inputs.count {
            for index in inputs.indices { inputs[index].content = contents[index] }
            return
        }
        var given = 0
        for index in inputs.indices where try elementCount(inputs[index]) > 0 {
            guard given < contents.count else { throw .rawCount(contents.count, inputs: inputs.count) }
            inputs[index].content = contents[given]
            given += 1
        }
        guard given == contents.count else { throw .rawCount(contents.count, inputs: inputs.count) }
    }

    /// A second walk over the inputs, for typed contents: only now all datatypes and shapes are known.
    private static func unpack(
        _ message: ByteView, into inputs: inout List<Tensor>, in arena: inout Arena
    ) throws(OpenInferenceError) {
        var index = 0
        var reader = WireReader(message)
        while let field = try reading({ () throws(WireError) in try reader.next() }) {
            guard field.number == 5 else { continue }
            let contents = try TypedContents(
                of: inputs[index], in: try reading { () throws(WireError) in try field.bytes() })
            inputs[index].content = try contents.raw(in: &arena)
            index += 1
        }
    }

    private static func expectNoElements(_ tensor: Tensor) throws(OpenInferenceError) {
        let elements = try elementCount(tensor)
        guard elements == 0 else { throw .noContents(tensor: tensor.name.clippedText, elements: elements) }
    }

    private static func elementCount(_ tensor: Tensor) throws(OpenInferenceError) -> Int {
        do throws(TensorError) { return try tensor.elementCount() } catch { throw .tensor(error) }
    }

    /// `InferRequestedOutputTensor { name = 1, parameters = 2 }`.
    private static func requestedOutput(_ message: WireReader) throws(OpenInferenceError) -> ByteView {
        var name = ByteView.empty
        var refused: UnsupportedParameter?
        var reader = message
        while let field = try reading({ () throws(WireError) in try reader.next() }) {
            switch field.number {
            case 1: name = try reading { () throws(WireError) in try field.string() }
            case 2: refused = try unsupportedParameter(field, at: .output) ?? refused
            default: break
            }
        }
        if let refused { throw .unsupported(refused, tensor: name.clippedText) }
        return name
    }
}

extension VersionSelector {
    /// The protocol's text: none for the live version, digits for a number, other text for a label.
    init(modelVersion text: ByteView) {
        guard !text.isEmpty else {
            self = .live
            return
        }
        var number: Int64 = 0
        for index in 0..<text.count {
            let digit = text[index] &- UInt8(ascii: "0")
            let (tens, overflows) = number.multipliedReportingOverflow(by: 10)
            let (next, overflowsToo) = tens.addingReportingOverflow(Int64(digit))
            guard digit <= 9, !overflows, !overflowsToo else {
                self = .label(text)
                return
            }
            number = next
        }
        self = .number(number)
    }
}
