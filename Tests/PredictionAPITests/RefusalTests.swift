// Enters: requests that cannot be. Leaves: an error that names the thing, its value and what is allowed.
import Memory
import PredictionAPI
import Protobuf
import Tensors
import TestSupport
import Testing

private let model = field(1, text(1, "rf"))
private let x = text(1, "x")

typealias RefusedRow = RefusedMessage<PredictionDecodeError>

private let refused = [
    RefusedRow("nothing", [], .noModel, "the request names no model; model.name must be given"),
    RefusedRow("a model without a name", field(1, [2 << 3, 1]), .noModel),
    RefusedRow(
        "slot 4", field(1, text(1, "rf") + [4 << 3, 4]), .unknownSlot(4),
        "slot 4 is unknown; BLUE (1), GREEN (2) and SHADOW (3) are allowed"),
    RefusedRow("slot 257", field(1, text(1, "rf") + [4 << 3, 0x81, 2]), .unknownSlot(257)),
    RefusedRow(
        "no type", model + field(4, x), .noElementType(tensor: "x"),
        "tensor \"x\" has no type; one of BOOL (1) … BYTES (14) must be given"),
    RefusedRow(
        "type 15", model + field(4, [2 << 3, 15] + x), .unknownElementType(15, tensor: "x"),
        "tensor \"x\" has the unknown type 15; BOOL (1) … BYTES (14) are allowed"),
    RefusedRow("type 268", model + field(4, [2 << 3, 0x8c, 2] + x), .unknownElementType(268, tensor: "x")),
    RefusedRow(
        "type -1", model + field(4, [2 << 3] + [UInt8](repeating: 255, count: 9) + [1] + x),
        .unknownElementType(-1, tensor: "x")),
    RefusedRow(
        "a thousand dimensions", model + field(4, x + [2 << 3, 2] + field(3, [UInt8](repeating: 1, count: 1000))),
        .tensor(.rankAbove(32, tensor: "x", rank: 1000))),
    RefusedRow(
        "a thousand inputs", model + (0..<1000).flatMap { _ in field(4, x + [2 << 3, 2]) },
        .limit(CallLimitError(.inputs, 1000, max: 256)), "the call has 1000 inputs; at most 256 are allowed"),
    RefusedRow(
        "a thousand outputs", model + (0..<1000).flatMap { text(5, "o\($0)") },
        .limit(CallLimitError(.outputs, 1000, max: 256)),
        "the call has 1000 requested outputs; at most 256 are allowed"),
    RefusedRow(
        "17 labels", model + (0..<17).flatMap { field(3, text(1, "l\($0)")) },
        .limit(CallLimitError(.labels, 17, max: 16)), "the call has 17 labels; at most 16 are allowed"),
    RefusedRow(
        "a long key", model + field(3, text(1, String(repeating: "k", count: 257))),
        .limit(CallLimitError(.labelKey, 257, max: 256)), "the label key is 257 bytes long; at most 256 are allowed"),
    RefusedRow(
        "a long value", model + field(3, text(2, String(repeating: "v", count: 257))),
        .limit(CallLimitError(.labelValue, 257, max: 256))),
    RefusedRow(
        "a long id", model + text(2, String(repeating: "i", count: 129)), .limit(CallLimitError(.id, 129, max: 128))),
    RefusedRow("no UTF-8", field(1, field(1, [0xff])), .wire(.notUTF8(field: 1))),
    RefusedRow("no UTF-8 in a tensor's name", model + field(4, field(1, [0xc0, 0x80])), .wire(.notUTF8(field: 1))),
    RefusedRow("truncated", [0x0a, 5, 1], .wire(.truncated)),
]

@Test(arguments: refused)
func refusals(row: RefusedRow) throws {
    var arena = Arena(bytesMax: 1 << 20)
    let view = try arena.copy(row.message)
    let error = #expect(throws: PredictionDecodeError.self) { try PredictRequest.decode(view, in: &arena) }
    #expect(error == row.error)
    if let sentence = row.sentence { #expect(error?.sentence == sentence) }
}

@Test func theLastOfSeveralWins() throws {
    var arena = Arena(bytesMax: 1 << 16)
    let labels = field(3, text(1, "a") + text(2, "1")) + field(3, text(2, "2") + text(1, "a")) + field(3, [])
    let message = model + field(1, text(3, "stable") + [2 << 3, 7]) + text(2, "old") + text(2, "new") + labels
    let call = try PredictRequest.decode(arena.copy(message), in: &arena)
    #expect(call.model == "rf" && call.id == "new")
    guard case .number(7) = call.selector else { return #expect(Bool(false), "\(call.selector)") }
    #expect(call.labels.array.map(\.key.text) == ["a", ""])
    #expect(call.labels.array.map(\.value.text) == ["2", ""])
}

@Test func atTheBoundsAllIsWell() throws {
    var arena = Arena(bytesMax: 1 << 20)
    let label = text(2, String(repeating: "v", count: 256))
    let message =
        model + text(2, String(repeating: "i", count: 128)) + (0..<256).flatMap { _ in field(4, x + [2 << 3, 2]) }
        + (0..<256).flatMap { text(5, "o\($0)") } + (0..<16).flatMap { field(3, text(1, "l\($0)") + label) }
    let call = try PredictRequest.decode(arena.copy(message), in: &arena)
    #expect(call.inputs.count == 256 && call.outputs.count == 256 && call.labels.count == 16)
}

@Test func slotUnspecifiedIsTheLiveOne() throws {
    var arena = Arena(bytesMax: 1 << 16)
    let call = try PredictRequest.decode(arena.copy(field(1, text(1, "rf") + text(3, "x") + [4 << 3, 0])), in: &arena)
    guard case .live = call.selector else { return #expect(Bool(false), "\(call.selector)") }
}

/// The arena fails at the first byte, then at the second, …: always an error with a type, never a crash.
@Test func anArenaThatIsFull() throws {
    var kept = Arena(bytesMax: 1 << 16)
    let row = try #require(Golden.calls(of: .prediction).first { $0.name == "everything" })
    let view = try kept.copy(Array(row.request))
    let errors = errorsInSmallArenas { arena in
        let call = try PredictRequest.decode(view, in: &arena)
        _ = try PredictResponse.encode(answer(call, in: &arena), headroom: 5, in: &arena)
    }
    for (full, error) in errors {
        #expect(error as? PredictionDecodeError == .arena(full) || error as? ArenaFull == full, "\(error)")
    }
    #expect(errors.count > 10 && errors.count < 4096 / 7)
}
