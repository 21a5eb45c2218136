// Enters: lists of models. Leaves: the message that google.protobuf writes of them, and the lists again.
import Memory
import PredictionAPI
import Protobuf
import Tensors
import TestSupport
import Testing

private let models = [
    ModelStatus(
        name: "rf",
        versions: [
            VersionStatus(
                version: 12, slot: .blue, state: .ready, artifactDigest: Array(0..<32),
                inputs: [
                    TensorSpecification(name: "X", type: .float32, shape: [-1, 30]),
                    TensorSpecification(name: "s", type: .bytes, shape: []),
                ],
                outputs: [TensorSpecification(name: "label", type: .int64, shape: [-1])], platform: "onnxruntime_onnx"),
            VersionStatus(version: 11, slot: .green, state: .failed, reason: "its file is no ONNX model"),
            VersionStatus(version: 10, slot: nil, state: .loading),
        ]),
    ModelStatus(
        name: "any",
        versions: [
            VersionStatus(
                version: 1, slot: .shadow, state: .ready,
                inputs: [TensorSpecification(name: "x", type: .bool, shape: nil)], platform: "identity")
        ]),
    ModelStatus(name: "none", versions: []),
]

/// What google.protobuf writes of them.
private let golden = """
    0a9b010a027266126c080c100118022220000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f32120a0158100c1a\
    0bffffffffffffffffff011e32050a0173100e3a150a056c6162656c10091a0affffffffffffffffff0142106f6e6e7872756e74696d655f6f\
    6e6e781221080b100218032a196974732066696c65206973206e6f204f4e4e58206d6f64656c1204080a18010a200a03616e79121908011003\
    180232070a01781001200142086964656e746974790a060a046e6f6e65
    """

private let goldenBytes: [UInt8] = {
    let digits = Array(golden)
    return stride(from: 0, to: digits.count, by: 2).compactMap { UInt8(String(digits[$0..<$0 + 2]), radix: 16) }
}()

@Test func listsAreWhatProtobufWrites() throws {
    var arena = Arena(bytesMax: 1 << 16)
    let writer = try ListModelsResponse.encode(models, headroom: 5, in: &arena)
    #expect(try message(writer, headroom: 5, in: &arena) == goldenBytes)
    #expect(try ListModelsResponse.decode(arena.copy(goldenBytes)) == models)
    #expect(try ListModelsResponse.decode(.empty) == [])
}

@Test func longTextsOutliveTheirStrings() throws {
    var arena = Arena(bytesMax: 1 << 20)
    let reason = String(repeating: "é", count: Outbox.referenceBytesMin)
    let long = [
        ModelStatus(name: "m", versions: [VersionStatus(version: 1, slot: .blue, state: .failed, reason: reason)])
    ]
    let bytes = try message(ListModelsResponse.encode(long, headroom: 0, in: &arena), headroom: 0, in: &arena)
    #expect(try ListModelsResponse.decode(arena.copy(bytes)) == long)
}

@Test func whatALaterServerSaysIsPassedOver() throws {
    var arena = Arena(bytesMax: 1 << 16)
    // Version 7 in slot 9, state 200, and fields of the numbers 100.
    let version: [UInt8] = [1 << 3, 7, 2 << 3, 9, 3 << 3, 0xc8, 1, 0xa0, 6, 1]
    let model: [UInt8] = [1 << 3 | 2, 1, 0x6d, 2 << 3 | 2, UInt8(version.count)] + version + [0xa0, 6, 1]
    let list = try ListModelsResponse.decode(arena.copy([1 << 3 | 2, UInt8(model.count)] + model + [0xa0, 6, 1]))
    #expect(list == [ModelStatus(name: "m", versions: [VersionStatus(version: 7, slot: nil, state: .unspecified)])])
}

@Test func aTensorNeedsAType() throws {
    var arena = Arena(bytesMax: 1 << 16)
    for (type, number) in [([], 0), ([2 << 3, 15], 15)] as [([UInt8], Int32)] {
        let tensor = [1 << 3 | 2, 1, 0x78] + type
        let version = [6 << 3 | 2, UInt8(tensor.count)] + tensor
        let model = [2 << 3 | 2, UInt8(version.count)] + version
        let bytes = try arena.copy([1 << 3 | 2, UInt8(model.count)] + model)
        #expect(throws: PredictionDecodeError.unknownElementType(number, tensor: "x")) {
            try ListModelsResponse.decode(bytes)
        }
    }
}

@Test func requestsForTheListAreMessages() throws {
    var arena = Arena(bytesMax: 1 << 16)
    let request = try message(ListModelsRequest.encode(headroom: 5, in: &arena), headroom: 5, in: &arena)
    #expect(request.isEmpty)
    try ListModelsRequest.decode(.empty)
    try ListModelsRequest.decode(arena.copy([0xa0, 6, 1]))
    let cut = try arena.copy([0xa0])
    #expect(throws: PredictionDecodeError.wire(.truncated)) { try ListModelsRequest.decode(cut) }
}

@Test func spoiledListsAreErrorsOrLists() throws {
    var arena = Arena(bytesMax: 1 << 16)
    try spoiled(goldenBytes, seed: 9) { bytes in
        arena.reset()
        let view = try arena.copy(bytes)
        do throws(PredictionDecodeError) {
            let list = try ListModelsResponse.decode(view)
            _ = try? ListModelsResponse.encode(list, headroom: 5, in: &arena)
        } catch {
            #expect(!error.sentence.isEmpty && error.sentence.utf8.count < 1500, "\(bytes)")
        }
    }
}
