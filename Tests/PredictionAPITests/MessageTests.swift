// Enters: messages as google.protobuf wrote them. Leaves: the same messages again, byte for byte.
import Memory
import PredictionAPI
import Protobuf
import Tensors
import TestSupport
import Testing

@Test(arguments: Golden.calls(of: .prediction))
func requestsComeBackAsTheyWere(row: Golden.Row) throws {
    var arena = Arena(bytesMax: 1 << 20)
    let call = try PredictRequest.decode(arena.copy(Array(row.request)), in: &arena)
    let again = try PredictRequest.encode(call, headroom: 5, in: &arena)
    #expect(try message(again, headroom: 5, in: &arena) == Array(row.canonical ?? row.request))
}

@Test(arguments: Golden.calls(of: .prediction))
func answersAreWhatProtobufWrites(row: Golden.Row) throws {
    var arena = Arena(bytesMax: 1 << 20)
    let call = try PredictRequest.decode(arena.copy(Array(row.request)), in: &arena)
    let response = try PredictResponse.encode(answer(call, in: &arena), headroom: 5, in: &arena)
    #expect(try message(response, headroom: 5, in: &arena) == Array(row.response))
    // And the client's half reads it.
    let read = try PredictResponse.decode(arena.copy(Array(row.response)), in: &arena)
    let again = try PredictResponse.encode(read, headroom: 0, in: &arena)
    #expect(try message(again, headroom: 0, in: &arena) == Array(row.response))
}

@Test(arguments: [0, 1, 127, 128, 1 << 32, .max] as [UInt64])
func answersNameTheirCommit(epoch: UInt64) throws {
    var arena = Arena(bytesMax: 1 << 16)
    var given = try answer(Call(), in: &arena)
    given.provenance.epoch = epoch
    let bytes = try message(PredictResponse.encode(given, headroom: 0, in: &arena), headroom: 0, in: &arena)
    #expect(try PredictResponse.decode(arena.copy(bytes), in: &arena).provenance.epoch == epoch)
    // What an earlier server says has none.
    given.provenance.epoch = 0
    let before = try message(PredictResponse.encode(given, headroom: 0, in: &arena), headroom: 0, in: &arena)
    #expect(before == Array(bytes.prefix(before.count)) && (bytes.count == before.count) == (epoch == 0))
}

@Test(arguments: Golden.calls(of: .prediction))
func decodingCopiesNoContent(row: Golden.Row) throws {
    var kept = Arena(bytesMax: 1 << 20)
    var arena = Arena(bytesMax: 1 << 20)
    let view = try kept.copy(Array(row.request))
    _ = try PredictRequest.decode(view, in: &arena)
    #expect(arena.bytesUsed <= 1024)
}

@Test(arguments: Golden.calls(of: .prediction))
func spoiledMessagesAreErrorsOrCalls(row: Golden.Row) throws {
    var arena = Arena(bytesMax: 1 << 20)
    try spoiled(Array(row.request), seed: 7) { bytes in
        arena.reset()
        let view = try arena.copy(bytes)
        do throws(PredictionDecodeError) {
            let call = try PredictRequest.decode(view, in: &arena)
            for index in call.inputs.indices { _ = try? call.inputs[index].check() }
            _ = try? PredictResponse.encode(answer(call, in: &arena), headroom: 5, in: &arena)
        } catch {
            #expect(!error.sentence.isEmpty && error.sentence.utf8.count < 1500, "\(bytes)")
        }
    }
    try spoiled(Array(row.response), seed: 8) { bytes in
        arena.reset()
        let view = try arena.copy(bytes)
        _ = try? PredictResponse.decode(view, in: &arena)
        _ = try? PredictStreamResponse.decode(view, in: &arena)
    }
}

private func streamed(_ arena: inout Arena) throws -> [PredictStreamResponse] {
    var call = Call()
    call.model = ByteView("rf")
    call.id = ByteView("call-1")
    return [
        .answer(try answer(call, in: &arena)),
        .refusal(StreamedRefusal(code: 5, message: ByteView("model \"x\" is not here"), id: ByteView("call-2"))),
    ]
}

@Test(arguments: [(0, "predict stream answer"), (1, "predict stream error")])
func streamedResults(index: Int, name: String) throws {
    var arena = Arena(bytesMax: 1 << 20)
    let writer = try streamed(&arena)[index].encode(headroom: 5, in: &arena)
    let bytes = try message(writer, headroom: 5, in: &arena)
    #expect(bytes == Golden.other(name))
    switch try PredictStreamResponse.decode(arena.copy(bytes), in: &arena) {
    case .answer(let answer):
        #expect(index == 0)
        #expect(answer.provenance.version == 12 && answer.provenance.slot == .green && answer.id == "call-1")
        #expect(answer.provenance.epoch == 300)
    case .refusal(let refusal):
        #expect(index == 1)
        #expect(refusal.code == 5 && refusal.message == "model \"x\" is not here" && refusal.id == "call-2")
    }
}

@Test(arguments: [Outbox.referenceBytesMin, .max])
func manyResultsInOneMessage(referenceBytesMin: Int) throws {
    var arena = Arena(bytesMax: 1 << 20)
    let results = try streamed(&arena)
    var many = try PredictManyResponse(headroom: 5, referenceBytesMin: referenceBytesMin, in: &arena)
    for _ in 0..<40 {
        for result in results { try many.append(result, in: &arena) }
    }
    #expect(many.resultCount == 80)
    #expect(many.byteCount == Golden.other("predict many").count + 5)
    #expect(try message(many.writer, headroom: 5, in: &arena) == Golden.other("predict many"))
}

@Test func largeOutputsAreReferencedWhereTheyLie() throws {
    var arena = Arena(bytesMax: 1 << 20)
    let row = try #require(Golden.calls(of: .prediction).first { $0.name == "by reference" })
    let call = try PredictRequest.decode(arena.copy(Array(row.request)), in: &arena)
    var writer = try PredictResponse.encode(answer(call, in: &arena), headroom: 5, in: &arena)
    let pieces = try writer.finish(in: &arena) { _, _ in }
    #expect(pieces.count == 3)
    #expect(pieces[1] == call.inputs[0].content)
}
