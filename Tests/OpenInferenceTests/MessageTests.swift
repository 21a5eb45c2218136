// Enters: requests as google.protobuf wrote them. Leaves: answers that are byte for byte what it would have written.
import Memory
import OpenInference
import Protobuf
import Tensors
import TestSupport
import Testing

@Test(arguments: Golden.calls(of: .inference))
func answersAreWhatProtobufWrites(row: Golden.Row) throws {
    var arena = Arena(bytesMax: 1 << 20)
    let call = try ModelInferRequest.decode(arena.copy(Array(row.request)), in: &arena)
    for index in call.inputs.indices { try call.inputs[index].check() }
    let response = try ModelInferResponse.encode(answer(call, in: &arena), headroom: 5, in: &arena)
    #expect(try message(response, headroom: 5, in: &arena) == Array(row.response))
}

/// Typed and raw requests of the same values are the same call.
@Test func typedContentsAreTheRawBytes() throws {
    let calls = Golden.calls(of: .inference)
    var pairs = 0
    for type in ElementType.allCases {
        var arena = Arena(bytesMax: 1 << 20)
        guard let typed = calls.first(where: { $0.name == "\(type.name) typed" }) else { continue }
        let raw = try #require(calls.first { $0.name == "\(type.name) raw" })
        let typedCall = try ModelInferRequest.decode(arena.copy(Array(typed.request)), in: &arena)
        let rawCall = try ModelInferRequest.decode(arena.copy(Array(raw.request)), in: &arena)
        #expect(typedCall.inputs[0].content == rawCall.inputs[0].content, "\(type)")
        #expect(typedCall.form == .typed && rawCall.form == .raw)
        pairs += 1
    }
    #expect(pairs == 12)
}

@Test(arguments: Golden.calls(of: .inference))
func spoiledMessagesAreErrorsOrCalls(row: Golden.Row) throws {
    var arena = Arena(bytesMax: 1 << 20)
    try spoiled(Array(row.request), seed: 9) { bytes in
        arena.reset()
        let view = try arena.copy(bytes)
        do throws(OpenInferenceError) {
            let call = try ModelInferRequest.decode(view, in: &arena)
            for index in call.inputs.indices { _ = try? call.inputs[index].check() }
            _ = try? ModelInferResponse.encode(answer(call, in: &arena), headroom: 5, in: &arena)
        } catch {
            #expect(!error.sentence.isEmpty && error.sentence.utf8.count < 1500, "\(bytes)")
        }
        _ = try? ModelReference.decode(view)
        _ = try? EmptyRequest.decode(view)
    }
}

@Test(arguments: ["by reference", "floats by reference"])
func largeContentsStayWhereTheyLie(name: String) throws {
    var kept = Arena(bytesMax: 1 << 20)
    var arena = Arena(bytesMax: 1 << 20)
    let row = try #require(Golden.calls(of: .inference).first { $0.name == name })
    let call = try ModelInferRequest.decode(kept.copy(Array(row.request)), in: &arena)
    #expect(arena.bytesUsed <= 1024)
    var writer = try ModelInferResponse.encode(answer(call, in: &arena), headroom: 5, in: &arena)
    let pieces = try writer.finish(in: &arena) { _, _ in }
    #expect(pieces[1] == call.inputs[0].content)
    #expect(arena.bytesUsed <= 4096)
}

/// FP16 has no typed contents, so that one of it makes the whole answer raw.
@Test func aTypedAnswerWithHalfFloatsIsRaw() throws {
    var arena = Arena(bytesMax: 1 << 20)
    let row = try #require(Golden.calls(of: .inference).first { $0.name == "FP16 raw" })
    var call = try ModelInferRequest.decode(arena.copy(Array(row.request)), in: &arena)
    call.form = .typed
    let response = try ModelInferResponse.encode(answer(call, in: &arena), headroom: 5, in: &arena)
    #expect(try message(response, headroom: 5, in: &arena) == Array(row.response))
}

@Test func streamedResults() throws {
    var arena = Arena(bytesMax: 1 << 20)
    var call = Call()
    call.model = ByteView("rf")
    call.id = ByteView("call-1")
    let answered = ModelStreamInferResponse.answer(try answer(call, in: &arena))
    let whole = try answered.encode(headroom: 5, in: &arena)
    #expect(try message(whole, headroom: 5, in: &arena) == Golden.other("infer stream answer"))
    let failed = ModelStreamInferResponse.error(ByteView("model \"x\" is not here"))
    let error = try failed.encode(headroom: 5, in: &arena)
    #expect(try message(error, headroom: 5, in: &arena) == Golden.other("infer stream error"))
}

@Test func questionsAboutTheServer() throws {
    var arena = Arena(bytesMax: 1 << 20)
    for (isReady, name) in [(true, "ready"), (false, "not ready")] {
        let writer = try ReadyResponse.encode(isReady, headroom: 5, in: &arena)
        #expect(try message(writer, headroom: 5, in: &arena) == Golden.other(name))
    }
    let server = try ServerMetadataResponse.encode(
        name: ByteView("vencejo"), version: ByteView("1.2.3"), extensions: ["binary_tensor_data", "parameters"],
        headroom: 5, in: &arena)
    #expect(try message(server, headroom: 5, in: &arena) == Golden.other("server metadata"))
    let signature = Signature(
        inputs: [
            TensorSpecification(name: "X", type: .float32, shape: [-1, 30]),
            TensorSpecification(name: "any", type: .bytes, shape: nil),
        ],
        outputs: [TensorSpecification(name: "label", type: .int64, shape: [])])
    let model = try ModelMetadataResponse.encode(
        name: ByteView("rf"), versions: [1, 12], platform: ByteView("onnxruntime_onnx"), signature: signature,
        headroom: 5, in: &arena)
    #expect(try message(model, headroom: 5, in: &arena) == Golden.other("model metadata"))
    let reference = try ModelReference.decode(arena.copy(Golden.other("model metadata request")))
    #expect(reference.model == "rf")
    guard case .number(12) = reference.selector else { return #expect(Bool(false), "\(reference.selector)") }
    #expect(throws: OpenInferenceError.noModel) { try ModelReference.decode(.empty) }
    try EmptyRequest.decode(arena.copy([8, 1]))
    #expect(throws: OpenInferenceError.wire(.truncated)) { try EmptyRequest.decode(ByteView("\u{a}\u{5}")) }
}

/// The arena fails at the first byte, then at the second, …: always an error with a type, never a crash.
@Test(arguments: ["three inputs, hints", "INT64 typed", "BYTES typed", "unpacked, merged, unknown"])
func anArenaThatIsFull(name: String) throws {
    var kept = Arena(bytesMax: 1 << 16)
    let row = try #require(Golden.calls(of: .inference).first { $0.name == name })
    let view = try kept.copy(Array(row.request))
    let errors = errorsInSmallArenas { arena in
        let call = try ModelInferRequest.decode(view, in: &arena)
        _ = try ModelInferResponse.encode(answer(call, in: &arena), headroom: 5, in: &arena)
    }
    for (full, error) in errors {
        #expect(error as? OpenInferenceError == .arena(full) || error as? ArenaFull == full, "\(error)")
    }
    #expect(errors.count > 10 && errors.count < 4096 / 7)
}
