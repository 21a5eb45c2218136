// Enters: every error of every room. Leaves: a gRPC status, and one sentence that is fit for the caller.
import GRPC
import Health
import Memory
import Models
import OpenInference
import PredictionAPI
import Protobuf
import Reflection
import Tensors
import Testing

@testable import Serving

struct RefusalRow: Sendable, CustomTestStringConvertible {
    var refusal: Refusal
    var status: StatusCode
    var testDescription: String { "\(refusal)" }

    init(_ refusal: Refusal, _ status: StatusCode) {
        self.refusal = refusal
        self.status = status
    }
}

private let full = ArenaFull(bytesMax: 4096)

private var rows: [RefusalRow] {
    [
        RefusalRow(.http(405, "the method is GET, gRPC uses POST"), .unknown),
        RefusalRow(.headTooLarge, .resourceExhausted),
        RefusalRow(.noTrailers, .internal),
        RefusalRow(.unaudited(.ringFull), .unavailable),
        RefusalRow(.unaudited(.agentGone), .unavailable),
        RefusalRow(.unaudited(.notDurable), .unavailable),
        RefusalRow(.unknownMethod("/a\n/b"), .unimplemented),
        RefusalRow(.timeout(.malformed("\"x\"")), .internal),
        RefusalRow(.encoding(.unsupported("\"br\"")), .unimplemented),
        RefusalRow(.binaryMetadata(key: "a-bin", .character(7, at: 3)), .internal),
        RefusalRow(.binaryMetadata(key: "a-bin", .length(5)), .internal),
        RefusalRow(.binaryMetadata(key: "a-bin", .tail(65)), .internal),
        RefusalRow(.frame(.badFlag(2)), .internal),
        RefusalRow(.frame(.tooLarge(bytes: 5, max: 4)), .resourceExhausted),
        RefusalRow(.frame(.truncated(bytes: 3, frameBytes: nil)), .internal),
        RefusalRow(.frame(.truncated(bytes: 7, frameBytes: 9)), .internal),
        RefusalRow(.frame(.compressedWithoutEncoding), .internal),
        RefusalRow(.frame(.gzip(.damaged(payloadBytes: 9))), .internal),
        RefusalRow(.frame(.gzip(.trailing(bytes: 9))), .internal),
        RefusalRow(.frame(.gzip(.tooLarge(bytes: 9, max: 8))), .resourceExhausted),
        RefusalRow(.frame(.gzip(.ratio(bytes: 9, payloadBytes: 1, max: 8))), .resourceExhausted),
        RefusalRow(.frame(.gzip(.noMemory)), .resourceExhausted),
        RefusalRow(.frame(.gzip(.arena(full))), .resourceExhausted),
        RefusalRow(.messageCount(0), .internal),
        RefusalRow(.tooManyRows(model: "a\nb", rows: 5, rowsMax: 4), .invalidArgument),
        RefusalRow(.messageCount(2), .internal),
        RefusalRow(.prediction(.wire(.truncated)), .invalidArgument),
        RefusalRow(.prediction(.arena(full)), .resourceExhausted),
        RefusalRow(.prediction(.noModel), .invalidArgument),
        RefusalRow(.prediction(.tensor(.negativeDimension(tensor: "x", dimension: -1))), .invalidArgument),
        RefusalRow(.prediction(.noElementType(tensor: "a\nb")), .invalidArgument),
        RefusalRow(.prediction(.unknownElementType(99, tensor: "x")), .invalidArgument),
        RefusalRow(.prediction(.unknownSlot(9)), .invalidArgument),
        RefusalRow(.openInference(.wire(.varintTooLong)), .invalidArgument),
        RefusalRow(.openInference(.arena(full)), .resourceExhausted),
        RefusalRow(.openInference(.noModel), .invalidArgument),
        RefusalRow(.openInference(.unknownDatatype("F\n", tensor: "x")), .invalidArgument),
        RefusalRow(.openInference(.rawAndTyped(tensor: "x")), .invalidArgument),
        RefusalRow(.openInference(.rawCount(1, inputs: 2)), .invalidArgument),
        RefusalRow(.openInference(.noContents(tensor: "x", elements: 2)), .invalidArgument),
        RefusalRow(.openInference(.contentsField(.bool, tensor: "x", type: .int8)), .invalidArgument),
        RefusalRow(.openInference(.rawOnly(tensor: "x", type: .float16)), .invalidArgument),
        RefusalRow(.openInference(.elementCount(1, tensor: "x", expected: 2, shape: [2])), .invalidArgument),
        RefusalRow(.openInference(.elementRange(tensor: "x", index: 0, value: 300, type: .uint8)), .invalidArgument),
        RefusalRow(.openInference(.unsupported(.sharedMemory, tensor: "x")), .unimplemented),
        RefusalRow(.openInference(.unsupported(.sequenceID, tensor: nil)), .unimplemented),
        RefusalRow(.health(.message(.truncated)), .invalidArgument),
        RefusalRow(.reflection(.message(.truncated)), .invalidArgument),
        RefusalRow(.reflection(.arena(full)), .resourceExhausted),
        RefusalRow(.signature(.signature(.unknownInput("a\nb", model: "m", expected: ["x"]))), .invalidArgument),
        RefusalRow(.signature(.signature(.missingInput("x", model: "m"))), .invalidArgument),
        RefusalRow(.signature(.signature(.duplicateInput("x", model: "m"))), .invalidArgument),
        RefusalRow(
            .signature(.signature(.type(input: "x", model: "m", given: .int8, expected: .bool))), .invalidArgument),
        RefusalRow(
            .signature(.signature(.shape(input: "x", model: "m", given: [1], expected: [-1, 2]))), .invalidArgument),
        RefusalRow(.signature(.signature(.unknownOutput("y", model: "m", expected: []))), .invalidArgument),
        RefusalRow(.signature(.arena(full)), .resourceExhausted),
        RefusalRow(.lease(.unknownModel("a\nb")), .notFound),
        RefusalRow(.lease(.unknownVersion(model: "m", version: 7, loaded: [1, 2])), .notFound),
        RefusalRow(.lease(.unknownLabel(model: "m", label: "l\n", known: [])), .notFound),
        RefusalRow(.lease(.unknownLabel(model: "m", label: "l", known: ["a", "b"])), .notFound),
        RefusalRow(.lease(.emptySlot(model: "m", slot: .green)), .notFound),
        RefusalRow(.lease(.loading(model: "m", version: 1)), .unavailable),
        RefusalRow(.lease(.failed(model: "m", version: 1, reason: "its file is empty")), .unavailable),
        RefusalRow(.lease(.noLiveVersion(model: "m\n", loaded: [1, 2])), .notFound),
        RefusalRow(.feedback(FeedbackError(position: 3, id: "a\nb", value: .nan, allowed: 0...1)), .invalidArgument),
        RefusalRow(.run(.failed(log: "/srv/models/secret.onnx: line\n7")), .internal),
        RefusalRow(.run(.arena(full)), .resourceExhausted),
        RefusalRow(.run(.unsupportedOutput(name: "y\n")), .internal),
        RefusalRow(.arena(full), .resourceExhausted),
        RefusalRow(.deadlinePassed, .deadlineExceeded),
        RefusalRow(.tooLate(model: "m\n", milliseconds: 70, leftMilliseconds: 5), .resourceExhausted),
        RefusalRow(.memoryFull(bytesMax: 1 << 30), .resourceExhausted),
        RefusalRow(.queueFull(model: "m\n", callsMax: 9), .resourceExhausted),
        RefusalRow(.noProgress(seconds: 30), .deadlineExceeded),
        RefusalRow(.connectionBodies(bytesMax: 9), .resourceExhausted),
        RefusalRow(.unknownService("s\n"), .notFound),
        RefusalRow(.draining, .unavailable),
        RefusalRow(.notHere, .permissionDenied),
        RefusalRow(.tooManyErrands(max: 64), .resourceExhausted),
        RefusalRow(.errand(ErrandRefusal(.badRequest, "a sentence")), .invalidArgument),
        RefusalRow(.errand(ErrandRefusal(.notFound, "a sentence")), .notFound),
        RefusalRow(.errand(ErrandRefusal(.wrongState, "a sentence")), .failedPrecondition),
        RefusalRow(.errand(ErrandRefusal(.unavailable, "a sentence")), .unavailable),
    ]
}

@Test(arguments: rows)
func everyRefusalHasAStatusAndASentence(row: RefusalRow) {
    #expect(row.refusal.status == row.status)
    let sentence = row.refusal.sentence
    #expect(!sentence.isEmpty && sentence.utf8.count < 400)
    // One line, whatever names a caller chose.
    #expect(sentence.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7f }, "\(sentence)")
    // No sentence says where anything lies on our disk, and none is a runtime's.
    for part in ["/srv", "/usr", "/tmp", "/work", "secret", ".so"] { #expect(!sentence.contains(part)) }
}

@Test func theTableHoldsEveryCase() {
    let kinds = Set(rows.map { kind(of: $0.refusal) })
    #expect(kinds == Set(0...27))
}

/// A case that is added does not compile until it has a number here, and a row above.
private func kind(of refusal: Refusal) -> Int {
    switch refusal {
    case .http: 0
    case .headTooLarge: 1
    case .noTrailers: 2
    case .unknownMethod: 3
    case .timeout: 4
    case .encoding: 5
    case .binaryMetadata: 6
    case .frame: 7
    case .messageCount: 8
    case .prediction: 9
    case .openInference: 10
    case .health: 11
    case .reflection: 12
    case .signature: 13
    case .lease: 14
    case .run: 15
    case .arena: 16
    case .deadlinePassed, .noProgress: 17
    case .connectionBodies: 18
    case .unknownService: 19
    case .draining: 20
    case .tooLate, .queueFull, .memoryFull: 21
    case .notHere: 22
    case .tooManyErrands: 23
    case .errand: 24
    case .feedback: 25
    case .tooManyRows: 26
    case .unaudited: 27
    }
}

@Test func onlyWhatIsTheMomentsFaultIsWorthAnotherTry() {
    #expect(Refusal.tooLate(model: "m", milliseconds: 70, leftMilliseconds: 5).retryMilliseconds == 65)
    #expect(Refusal.tooLate(model: "m", milliseconds: 5, leftMilliseconds: 5).retryMilliseconds == 1)
    for row in rows {
        var isWorthIt = kind(of: row.refusal) == 21
        // Of an answer that is withheld the call has run.
        if case .unaudited(let failure) = row.refusal { isWorthIt = failure != .notDurable }
        #expect((row.refusal.retryMilliseconds != nil) == isWorthIt)
    }
}

@Test func onlyTheLogGetsTheRuntimesWords() {
    #expect(Refusal.run(.failed(log: "its words")).log == "its words")
    for row in rows where kind(of: row.refusal) != 15 { #expect(row.refusal.log == nil) }
    #expect(Refusal.run(.arena(full)).log == nil)
}

@Test(
    arguments: [
        (.lease(.unknownModel("cats")), "model \"cats\" is not found"),
        (
            .lease(.unknownVersion(model: "m", version: 7, loaded: [1, 2])),
            "version 7 of model \"m\" is not found; loaded: 1, 2"
        ),
        (
            .lease(.unknownLabel(model: "m", label: "l", known: ["a", "b"])),
            "label \"l\" of model \"m\" is not found; known: a, b"
        ),
        (
            .lease(.unknownLabel(model: "m", label: "l", known: [])),
            "label \"l\" of model \"m\" is not found; the model has no labels"
        ),
        (.lease(.emptySlot(model: "m", slot: .shadow)), "slot SHADOW of model \"m\" is empty"),
        (.lease(.loading(model: "m", version: 1)), "version 1 of model \"m\" is loading: try again"),
        (.lease(.failed(model: "m", version: 1, reason: "r")), "version 1 of model \"m\" cannot answer: r"),
        (
            .lease(.noLiveVersion(model: "m", loaded: [1, 2])), "model \"m\" has no live version; loaded: 1, 2"
        ),
        (.errand(ErrandRefusal(.wrongState, "it is busy")), "it is busy"),
        (.messageCount(0), "the call has no message, a unary call has one"),
        (.messageCount(2), "the call has more than one message, a unary call has one"),
        (.noProgress(seconds: 30), "no byte of the request came for 30 s"),
    ] as [(Refusal, String)])
func sentencesNameWhatWasAsked(refusal: Refusal, sentence: String) { #expect(refusal.sentence == sentence) }
