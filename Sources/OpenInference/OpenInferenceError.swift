// Enters: what is wrong with a message of the Open Inference Protocol. Leaves: an error with a type, and its sentence.
public import Memory
public import Protobuf
public import Tensors

/// A message of `inference.GRPCInferenceService` that is not a call we can make.
public enum OpenInferenceError: MessageError, Equatable {
    case wire(WireError)
    case arena(ArenaFull)
    case limit(CallLimitError)
    case tensor(TensorError)
    case noModel
    case unknownDatatype(String, tensor: String)
    /// Typed contents of `tensor` beside `raw_input_contents`.
    case rawAndTyped(tensor: String)
    case rawCount(Int, inputs: Int)
    /// Neither raw nor typed contents for a tensor that has elements.
    case noContents(tensor: String, elements: Int)
    /// A field of `InferTensorContents` that is not the datatype's own.
    case contentsField(ContentsField, tensor: String, type: ElementType)
    /// FP16 and BF16 have no field in `InferTensorContents`.
    case rawOnly(tensor: String, type: ElementType)
    case elementCount(Int, tensor: String, expected: Int, shape: [Int64])
    case elementRange(tensor: String, index: Int, value: Int64, type: ElementType)
    /// The parameter vencejo_answers has another value than it may have.
    case answers(String)
    /// A parameter that would change what the call means, and that we do not offer.
    case unsupported(UnsupportedParameter, tensor: String?)

    /// Whether the fault is that we lack something: UNIMPLEMENTED, where the others are the caller's.
    public var isUnimplemented: Bool {
        if case .unsupported = self { return true }
        return false
    }

    /// For the caller; of `arena`, which is the server's bound, too.
    public var sentence: String {
        switch self {
        case .wire(let error): "the message does not decode: \(error.sentence)"
        case .arena(let error): "the message needs more than the \(error.bytesMax) bytes that one exchange may hold"
        case .limit(let error): error.sentence
        case .tensor(let error): error.sentence
        case .noModel: "the request names no model; model_name must be given"
        case .unknownDatatype(let name, let tensor):
            """
            tensor \(quoted(tensor)) has datatype \(quoted(name)); allowed are BOOL, UINT8, UINT16, UINT32, UINT64, \
            INT8, INT16, INT32, INT64, FP16, BF16, FP32, FP64 and BYTES
            """
        case .rawAndTyped(let tensor):
            """
            tensor \(quoted(tensor)) has typed contents in a request with raw_input_contents; a request has either raw \
            or typed contents
            """
        case .rawCount(let count, let inputs):
            "raw_input_contents has \(count) elements for \(inputs) inputs; each input takes one"
        case .noContents(let tensor, let elements):
            """
            tensor \(quoted(tensor)) has neither raw_input_contents nor typed contents; its shape takes \(elements) \
            elements
            """
        case .contentsField(let field, let tensor, let type):
            """
            tensor \(quoted(tensor)) of \(type.name) has its elements in \(field.name); \(type.name) takes \
            \(ContentsField(of: type)?.name ?? "raw_input_contents")
            """
        case .rawOnly(let tensor, let type):
            "tensor \(quoted(tensor)) is \(type.name), which has no typed contents; it takes raw_input_contents"
        case .elementCount(let count, let tensor, let expected, let shape):
            "tensor \(quoted(tensor)) holds \(count) elements; shape \(written(shape)) takes exactly \(expected)"
        case .elementRange(let tensor, let index, let value, let type):
            "element \(index) of tensor \(quoted(tensor)) is \(value), which \(type.name) does not hold"
        case .answers(let value): "parameter vencejo_answers is \(quoted(value)); it must be raw or as-asked"
        case .unsupported(let parameter, let tensor):
            parameter.sentence + (tensor.map { "; it stands at tensor \(quoted($0))" } ?? "")
        }
    }
}

/// The fields of `InferTensorContents`, by number.
public enum ContentsField: Int, Sendable {
    case bool = 1
    case int, int64, uint, uint64, fp32, fp64, bytes

    /// The field in which elements of `type` ride; `nil`: only raw.
    public init?(of type: ElementType) {
        switch type {
        case .bool: self = .bool
        case .int8, .int16, .int32: self = .int
        case .int64: self = .int64
        case .uint8, .uint16, .uint32: self = .uint
        case .uint64: self = .uint64
        case .float32: self = .fp32
        case .float64: self = .fp64
        case .bytes: self = .bytes
        case .float16, .bfloat16: return nil
        }
    }

    public var name: String {
        switch self {
        case .bool: "bool_contents"
        case .int: "int_contents"
        case .int64: "int64_contents"
        case .uint: "uint_contents"
        case .uint64: "uint64_contents"
        case .fp32: "fp32_contents"
        case .fp64: "fp64_contents"
        case .bytes: "bytes_contents"
        }
    }
}

/// Reads from the wire, with its error as ours.
func reading<Result>(_ body: () throws(WireError) -> Result) throws(OpenInferenceError) -> Result {
    do throws(WireError) { return try body() } catch { throw .wire(error) }
}

/// Keeps in the arena, with its error as ours.
func keeping<Result>(_ body: () throws(ArenaFull) -> Result) throws(OpenInferenceError) -> Result {
    do throws(ArenaFull) { return try body() } catch { throw .arena(error) }
}

func limit(_ subject: CallLimitError.Subject, _ value: Int, max: Int) throws(OpenInferenceError) {
    do throws(CallLimitError) { try CallLimitError.check(subject, value, max: max) } catch { throw .limit(error) }
}
