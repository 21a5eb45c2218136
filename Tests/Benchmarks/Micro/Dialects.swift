// Enters: seeded tensors. Leaves: requests of both dialects decoded, answers encoded.
import GRPC
import Memory
import OpenInference
import PredictionAPI
import Protobuf
import Tensors

let dialectOperations: [Operation] = [
    Operation(name: "decode ModelInfer, 30 floats") { try decodeModelInfer($0, [1, 30]) },
    Operation(name: "decode ModelInfer, 602 KB") { try decodeModelInfer($0, [1, 3, 224, 224]) },
    Operation(name: "decode Predict, 30 floats") { try decodePredict($0, [1, 30]) },
    Operation(name: "decode Predict, 602 KB") { try decodePredict($0, [1, 3, 224, 224]) },
    Operation(name: "encode ModelInfer, 30 floats") { try encode($0, [1, 30], ModelInferResponse.encode) },
    Operation(name: "encode ModelInfer, 602 KB") { try encode($0, [1, 3, 224, 224], ModelInferResponse.encode) },
    Operation(name: "encode Predict, 30 floats") { try encode($0, [1, 30], PredictResponse.encode) },
    Operation(name: "encode Predict, 602 KB") { try encode($0, [1, 3, 224, 224], PredictResponse.encode) },
]

/// Floats from a fixed seed. The words are not `SplitMix`'s: they lack its last rounds, and Budgets.json was counted on them.
func floats(_ shape: [Int64]) -> NamedTensor {
    var state: UInt64 = 1
    var bytes: [UInt8] = []
    for _ in 0..<shape.reduce(1, *) {
        state &+= 0x9e37_79b9_7f4a_7c15
        let word = (state ^ (state >> 30)) &* 0xbf58_476d_1ce4_e5b9
        let bits = Float(word >> 40).bitPattern
        for shift in stride(from: UInt32(0), to: 32, by: 8) { bytes.append(UInt8(truncatingIfNeeded: bits >> shift)) }
    }
    return NamedTensor(name: "x", type: .float32, shape: shape, content: bytes)
}

private func message(
    of shape: [Int64], _ encode: (Call, Int, inout Arena) throws(ArenaFull) -> WireWriter
) throws -> OwnedBytes {
    var arena = Arena(bytesMax: 8 << 20)
    var call = Call()
    call.model = ByteView("identity")
    try call.inputs.append(floats(shape).tensor(in: &arena), in: &arena)
    var writer = try encode(call, headroomBytes, &arena)
    var bytes: [UInt8] = []
    let pieces = try frame(&writer, in: &arena)
    for index in pieces.indices { bytes += pieces[index].array }
    return OwnedBytes(Array(bytes.dropFirst(headroomBytes)))
}

private func decodeModelInfer(_ count: Int, _ shape: [Int64]) throws -> Int {
    try decode(count, try message(of: shape, ModelInferRequest.encode)) { try ModelInferRequest.decode($0, in: &$1) }
}

private func decodePredict(_ count: Int, _ shape: [Int64]) throws -> Int {
    try decode(count, try message(of: shape, PredictRequest.encode)) { try PredictRequest.decode($0, in: &$1) }
}

private func decode(
    _ count: Int, _ message: OwnedBytes, _ decode: (ByteView, inout Arena) throws -> Call
) throws -> Int {
    var arena = Arena(bytesMax: 8 << 20)
    var sum = 0
    for _ in 0..<count {
        let call = try decode(message.view, &arena)
        sum += try call.inputs[0].check()
        arena.reset()
    }
    return sum
}

private func encode(
    _ count: Int, _ shape: [Int64], _ encode: (Answer, Int, inout Arena) throws(ArenaFull) -> WireWriter
) throws -> Int {
    var kept = Arena(bytesMax: 8 << 20)
    var arena = Arena(bytesMax: 8 << 20)
    let digest = try kept.copy([UInt8](repeating: 7, count: 32))
    var outputs = List<Tensor>()
    try outputs.append(floats(shape).tensor(in: &kept), in: &kept)
    let answer = Answer(
        provenance: Provenance(model: ByteView("identity"), version: 12, slot: .blue, artifactDigest: digest, epoch: 3),
        id: ByteView("call-1"), outputs: outputs, form: .raw)
    var sum = 0
    for _ in 0..<count {
        var writer = try encode(answer, headroomBytes, &arena)
        sum += try frame(&writer, in: &arena).count
        arena.reset()
    }
    return sum
}
