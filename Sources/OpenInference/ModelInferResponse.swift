// Enters: an answer. Leaves: a `ModelInferResponse`, raw or typed.
public import Memory
public import Protobuf
public import Tensors

/// `inference.ModelInferResponse`. Source: proto/inference/inference.proto, the Open Inference Protocol, version 2.
public enum ModelInferResponse {
    /// Raw contents are referenced where they lie; typed ones are written out, floats as they lie.
    ///
    /// FP16 and BF16 cannot be said in typed contents: with one of them among the outputs the whole answer is raw.
    /// `headroom`: bytes to leave free in front, for the frame.
    public static func encode(
        _ answer: Answer, headroom: Int, in arena: inout Arena
    ) throws(ArenaFull) -> WireWriter {
        var writer = try WireWriter(headroom: headroom, expectedBytes: expectedBytes(answer), in: &arena)
        try write(answer, to: &writer, in: &arena)
        return writer
    }

    /// `isStreamed`: it says that it is the final answer to its call, as Triton does in streams.
    static func write(
        _ answer: Answer, isStreamed: Bool = false, to writer: inout WireWriter, in arena: inout Arena
    ) throws(ArenaFull) {
        let form = answer.hasTypedForm ? answer.form : .raw
        try writer.string(1, answer.provenance.model, in: &arena)
        try writer.element(2, decimal(answer.provenance.version, in: &arena), in: &arena)
        try writer.string(3, answer.id, in: &arena)
        if isStreamed {
            let parameter = try writer.begin(4, in: &arena)
            try writer.string(1, ByteView("triton_final_response"), in: &arena)
            let value = try writer.begin(2, in: &arena)
            try writer.bool(1, true, in: &arena)
            try writer.end(value, in: &arena)
            try writer.end(parameter, in: &arena)
        }
        for index in answer.outputs.indices {
            let tensor = answer.outputs[index]
            let mark = try writer.begin(5, in: &arena)
            try writer.string(1, tensor.name, in: &arena)
            try writer.string(2, ByteView(tensor.type.name), in: &arena)
            try writer.packed(3, tensor.shape, in: &arena)
            if form == .typed { try writeContents(of: tensor, to: &writer, in: &arena) }
            try writer.end(mark, in: &arena)
        }
        guard form == .raw else { return }
        for index in answer.outputs.indices { try writer.element(6, answer.outputs[index].content, in: &arena) }
    }

    /// About what `write` copies, so that the writer's buffer need not move.
    static func expectedBytes(_ answer: Answer) -> Int {
        var bytes = 64 + answer.provenance.model.count + answer.id.count
        for index in answer.outputs.indices {
            let tensor = answer.outputs[index]
            bytes += 32 + tensor.name.count + tensor.shape.count * 3
            if tensor.content.count < Outbox.referenceBytesMin { bytes += tensor.content.count }
        }
        return bytes
    }
}

extension Answer {
    fileprivate var hasTypedForm: Bool {
        for index in outputs.indices where ContentsField(of: outputs[index].type) == nil { return false }
        return true
    }
}

/// `InferTensorContents`, with the one field that the datatype uses.
private func writeContents(of tensor: Tensor, to writer: inout WireWriter, in arena: inout Arena) throws(ArenaFull) {
    guard let field = ContentsField(of: tensor.type)?.rawValue else { return }
    let content = tensor.content
    let contents = try writer.begin(5, in: &arena)
    switch tensor.type {
    case .float32, .float64: try writer.string(field, content, in: &arena)
    case .bool: try writePacked(field, content, UInt8.self, to: &writer, in: &arena) { $0 == 0 ? 0 : 1 }
    case .uint8: try writePacked(field, content, UInt8.self, to: &writer, in: &arena) { UInt64($0) }
    case .uint16: try writePacked(field, content, UInt16.self, to: &writer, in: &arena) { UInt64($0) }
    case .uint32: try writePacked(field, content, UInt32.self, to: &writer, in: &arena) { UInt64($0) }
    case .uint64: try writePacked(field, content, UInt64.self, to: &writer, in: &arena) { $0 }
    // Negative ones are written in ten bytes, as protobuf's int32 and int64 are.
    case .int8: try writePacked(field, content, Int8.self, to: &writer, in: &arena) { UInt64(bitPattern: Int64($0)) }
    case .int16: try writePacked(field, content, Int16.self, to: &writer, in: &arena) { UInt64(bitPattern: Int64($0)) }
    case .int32: try writePacked(field, content, Int32.self, to: &writer, in: &arena) { UInt64(bitPattern: Int64($0)) }
    case .int64: try writePacked(field, content, Int64.self, to: &writer, in: &arena) { UInt64(bitPattern: $0) }
    case .bytes:
        var elements = ByteElements(content)
        while let element = elements.next() { try writer.element(field, element, in: &arena) }
    case .float16, .bfloat16: break
    }
    try writer.end(contents, in: &arena)
}

private func writePacked<Element: FixedWidthInteger & BitwiseCopyable>(
    _ field: Int, _ content: ByteView, _ type: Element.Type, to writer: inout WireWriter, in arena: inout Arena,
    _ varint: (Element) -> UInt64
) throws(ArenaFull) {
    guard !content.isEmpty else { return }
    let mark = try writer.begin(field, in: &arena)
    for index in 0..<content.count / MemoryLayout<Element>.size {
        let element = content.littleEndian(at: index * MemoryLayout<Element>.size, as: Element.self)
        try writer.varint(varint(element), in: &arena)
    }
    try writer.end(mark, in: &arena)
}

/// A version's number in digits.
func decimal(_ value: Int64, in arena: inout Arena) throws(ArenaFull) -> ByteView {
    var digits = List<UInt8>()
    try digits.reserve(20, in: &arena)
    if value < 0 { try digits.append(UInt8(ascii: "-"), in: &arena) }
    var divisor: UInt64 = 1
    while value.magnitude / divisor >= 10 { divisor *= 10 }
    while divisor > 0 {
        try digits.append(UInt8(ascii: "0") + UInt8(value.magnitude / divisor % 10), in: &arena)
        divisor /= 10
    }
    return digits.bytes
}

/// `inference.ModelStreamInferResponse`: what came of one call of a stream.
public enum ModelStreamInferResponse: BitwiseCopyable, Sendable {
    case answer(Answer)
    /// Triton's stream has no place for a status: the sentence alone. It must not be empty.
    case error(ByteView)

    public func encode(headroom: Int, in arena: inout Arena) throws(ArenaFull) -> WireWriter {
        switch self {
        case .answer(let answer):
            let expectedBytes = 48 + ModelInferResponse.expectedBytes(answer)
            var writer = try WireWriter(headroom: headroom, expectedBytes: expectedBytes, in: &arena)
            let response = try writer.begin(2, in: &arena)
            try ModelInferResponse.write(answer, isStreamed: true, to: &writer, in: &arena)
            try writer.end(response, in: &arena)
            return writer
        case .error(let sentence):
            var writer = try WireWriter(headroom: headroom, expectedBytes: 8 + sentence.count, in: &arena)
            try writer.string(1, sentence, in: &arena)
            return writer
        }
    }
}
