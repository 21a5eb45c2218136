// Enters: a call that a dialect decoded. Leaves: its outputs. The one place that lists the engines.
public import Identity
public import Memory
public import ONNX
public import Tensors

/// A loaded model of any engine: a case each, so that a call costs a switch and no box.
public enum Engine: Sendable {
    case identity(IdentityModel)
    case onnx(ONNX.Session)

    public var signature: Signature {
        switch self {
        case .identity(let model): model.signature
        case .onnx(let model): model.signature
        }
    }

    var batchProof: BatchProof {
        switch self {
        case .identity(let model): model.batchProof
        case .onnx(let model): model.batchProof
        }
    }

    /// The name in ModelMetadata's `platform`: Triton's for what Triton has.
    public var platform: StaticString {
        switch self {
        case .identity: "identity"
        case .onnx: "onnxruntime_onnx"
        }
    }

    /// The name of what runs it, in Triton's words.
    public var backend: StaticString {
        switch self {
        case .identity: "identity"
        case .onnx: "onnxruntime"
        }
    }

    /// The call as the model wants it; nothing has run yet.
    func check(_ call: Call, in arena: inout Arena) throws(Refusal) -> Work {
        do throws(SignatureRefusal) {
            switch self {
            case .identity(let model): return try model.check(call, in: &arena)
            case .onnx(let model): return try model.check(call, in: &arena)
            }
        } catch {
            throw .signature(error)
        }
    }

    public func run(_ work: Work, in arena: inout Arena) throws(RunError) -> List<Tensor> {
        switch self {
        case .identity(let model): try model.run(work, in: &arena)
        case .onnx(let model): try model.run(work, in: &arena)
        }
    }

    /// Lends the outputs to `take` until it returns.
    public func run(
        _ work: Work, in arena: inout Arena, lending take: (List<Tensor>, inout Arena) -> Void
    ) throws(RunError) {
        switch self {
        case .identity(let model): try model.run(work, in: &arena, lending: take)
        case .onnx(let model): try model.run(work, in: &arena, lending: take)
        }
    }

    /// Whether its runs take a time worth measuring.
    public var isMeasured: Bool {
        if case .identity = self { return false }
        return true
    }
}
