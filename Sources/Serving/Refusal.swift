// Enters: every room's error. Leaves: the gRPC status and the sentence that the caller gets. The only such place.
import GRPC
import Health
import Memory
import Models
import OpenInference
import PredictionAPI
import Reflection
import ServerMetrics
import Tensors

/// Why a call is not answered.
enum Refusal: Error {
    /// Not gRPC at all: answered in plain HTTP.
    case http(Int, String)
    case headTooLarge
    case noTrailers
    case unknownMethod(String)
    case timeout(TimeoutError)
    case encoding(EncodingError)
    case binaryMetadata(key: String, BinaryMetadataError)
    case frame(FrameError)
    /// Messages of a unary call: none, or more than one.
    case messageCount(Int)
    case prediction(PredictionDecodeError)
    case openInference(OpenInferenceError)
    case health(HealthError)
    case reflection(ReflectionError)
    case signature(SignatureRefusal)
    /// More rows than the owner's max_batch_size.
    case tooManyRows(model: String, rows: Int64, rowsMax: Int)
    case lease(LeaseError)
    case feedback(FeedbackError)
    case run(RunError)
    case arena(ArenaFull)
    case deadlinePassed
    /// It could not be answered before its deadline: not even begun.
    case tooLate(model: String, milliseconds: Int64, leftMilliseconds: Int64)
    case queueFull(model: String, callsMax: Int)
    case memoryFull(bytesMax: Int)
    case noProgress(seconds: Int64)
    case connectionBodies(bytesMax: Int)
    case unknownService(String)
    case draining
    /// Model control on an address where it is not served.
    case notHere
    case tooManyErrands(max: Int)
    case errand(ErrandRefusal)
    /// There can be no record of it, and the policy is `closed`.
    case unaudited(AuditFailure)

    var status: StatusCode {
        switch self {
        case .http: .unknown
        case .headTooLarge, .connectionBodies, .arena, .tooLate, .queueFull, .memoryFull: .resourceExhausted
        case .noTrailers, .timeout, .binaryMetadata, .messageCount: .internal
        case .unknownMethod, .encoding: .unimplemented
        case .frame(let error): Self.status(error)
        case .prediction(.arena): .resourceExhausted
        case .prediction: .invalidArgument
        case .openInference(.arena): .resourceExhausted
        case .openInference(let error): error.isUnimplemented ? .unimplemented : .invalidArgument
        case .reflection(.arena): .resourceExhausted
        case .health, .reflection, .feedback, .tooManyRows: .invalidArgument
        case .signature(.signature): .invalidArgument
        case .signature(.arena): .resourceExhausted
        case .lease(let error): Self.status(error)
        case .run(.failed), .run(.unsupportedOutput): .internal
        case .run(.arena): .resourceExhausted
        case .deadlinePassed, .noProgress: .deadlineExceeded
        case .unknownService: .notFound
        case .draining, .unaudited: .unavailable
        case .notHere: .permissionDenied
        case .tooManyErrands: .resourceExhausted
        case .errand(let refusal):
            switch refusal.kind {
            case .badRequest: .invalidArgument
            case .notFound: .notFound
            case .wrongState: .failedPrecondition
            case .unavailable: .unavailable
            }
        }
    }

    private static func status(_ error: FrameError) -> StatusCode {
        switch error {
        case .badFlag, .truncated, .compressedWithoutEncoding: .internal
        case .tooLarge: .resourceExhausted
        case .gzip(.damaged), .gzip(.trailing): .internal
        case .gzip: .resourceExhausted
        }
    }

    private static func status(_ error: LeaseError) -> StatusCode {
        switch error {
        case .unknownModel, .unknownVersion, .unknownLabel, .emptySlot, .noLiveVersion: .notFound
        case .loading, .failed: .unavailable
        }
    }

    /// One sentence of ours: what is wrong, with what value, and what is allowed or what to do.
    var sentence: String {
        switch self {
        case .http(_, let sentence): sentence
        case .headTooLarge:
            "the request's header list is larger than 16 KiB or has more than 100 fields: send fewer metadata"
        case .noTrailers:
            "the header te: trailers is missing: something between the caller and this server does not speak gRPC"
        case .unknownMethod(let path):
            "no method \(quoted(path)) is served here: ask the server's reflection for its services"
        case .timeout(let error): error.sentence
        case .encoding(let error): error.sentence
        case .binaryMetadata(let key, let error): "metadata \(key): \(error.sentence)"
        case .frame(let error): error.sentence
        case .messageCount(let count):
            "the call has \(count == 0 ? "no message" : "more than one message"), a unary call has one"
        case .prediction(let error): error.sentence
        case .openInference(let error): error.sentence
        case .health(let error): error.sentence
        case .reflection(let error): error.sentence
        case .signature(.signature(let error)): error.sentence
        case .signature(.arena(let full)), .arena(let full), .run(.arena(let full)):
            "the call and its answer need more than the \(full.bytesMax) bytes that one call may use: send fewer rows at a time"
        case .tooManyRows(let model, let rows, let most):
            "the call has \(rows) rows; model \(quoted(model)) takes at most \(most) (max_batch_size): send fewer at a time"
        case .lease(let error): Self.sentence(error)
        case .feedback(let error): error.sentence
        case .run(.failed): "the model failed on these inputs; the server's log says why"
        case .run(.unsupportedOutput(let name)):
            "output \(quoted(name)) of the model has a type that the protocol has no name for"
        case .deadlinePassed: "the deadline passed before the model ran"
        case .tooLate(let model, let milliseconds, let left):
            "model \(quoted(model)) has work for \(milliseconds) ms before this call would be answered, and its deadline "
                + "is in \(left) ms: try later, or call another replica"
        case .queueFull(let model, let max):
            "\(max) calls wait for model \(quoted(model)) already: try later, or call another replica"
        case .memoryFull(let max):
            "the calls under way need more than the \(max) bytes that this server has for them: try later, or call another replica"
        case .noProgress(let seconds): "no byte of the request came for \(seconds) s"
        case .connectionBodies(let max):
            "this connection has more than \(max) bytes of requests under way: wait for answers, or use more connections"
        case .unknownService(let name): "no service or model \(quoted(name)) is known here"
        case .draining: "the server is shutting down: call another replica"
        case .notHere: "models are not loaded and swapped from here: call the address of vencejo serve --control"
        case .tooManyErrands(let max): "\(max) such calls wait already: try later"
        case .errand(let refusal): refusal.sentence
        case .unaudited(.ringFull):
            "the call cannot be recorded: the audit log is behind (--audit-ring-bytes are full): try later, or call another replica"
        case .unaudited(.agentGone):
            "the call cannot be recorded: the audit agent is away: try later, or call another replica"
        case .unaudited(.notDurable):
            "the answer is withheld: its record did not reach the audit log in time; the call has run"
        }
    }

    private static func sentence(_ error: LeaseError) -> String {
        switch error {
        case .unknownModel(let name): "model \(quoted(name)) is not found"
        case .unknownVersion(let model, let version, let loaded):
            "version \(version) of model \(quoted(model)) is not found; loaded: \(loaded.map(String.init).joined(separator: ", "))"
        case .unknownLabel(let model, let label, let known):
            "label \(quoted(label)) of model \(quoted(model)) is not found; "
                + (known.isEmpty ? "the model has no labels" : "known: \(known.joined(separator: ", "))")
        case .emptySlot(let model, let slot):
            "slot \("\(slot.name)".uppercased()) of model \(quoted(model)) is empty"
        case .loading(let model, let version):
            "version \(version) of model \(quoted(model)) is loading: try again"
        case .noLiveVersion(let model, let loaded):
            "model \(quoted(model)) has no live version; loaded: \(loaded.map(String.init).joined(separator: ", "))"
        case .failed(let model, let version, let reason):
            "version \(version) of model \(quoted(model)) cannot answer: \(reason)"
        }
    }

    /// When the same call is worth another try (gRFC A6, `grpc-retry-pushback-ms`).
    var retryMilliseconds: Int64? {
        switch self {
        case .tooLate(_, let milliseconds, let left): max(1, milliseconds - left)
        case .queueFull, .memoryFull: 100
        case .unaudited(.ringFull), .unaudited(.agentGone): 1000
        default: nil
        }
    }

    /// Under which name it is counted among those that were turned away before they ran; `nil`: it is not.
    var rejection: RejectReason? {
        switch self {
        case .queueFull, .tooManyErrands: .queueFull
        case .tooLate, .deadlinePassed: .deadline
        case .draining: .draining
        case .frame(.tooLarge), .headTooLarge, .connectionBodies, .arena, .signature(.arena), .prediction(.arena),
            .openInference(.arena):
            .tooLarge
        case .memoryFull: .memory
        case .unaudited: .audit
        case .lease(.loading), .lease(.failed): .unavailable
        case .lease: .unknownModel
        case .http, .noTrailers, .unknownMethod, .timeout, .encoding, .binaryMetadata, .frame, .messageCount,
            .prediction, .openInference, .health, .reflection, .signature, .tooManyRows, .feedback, .unknownService:
            .badInput
        case .run, .noProgress, .notHere, .errand: nil
        }
    }

    /// What the log gets beyond the sentence: the runtime's own words.
    var log: String? {
        if case .run(.failed(let log)) = self { return log }
        return nil
    }
}
