// Enters: what a walk through a model file met. Leaves: the bounds of what may be there, and a sentence for the rest.
import Protobuf

/// Far above what models hold; what passes one is an attack or a mistake.
struct ModelFileLimits: Sendable {
    /// Protobuf's own bound, and the runtime's.
    var bytesMax = Int(Int32.max)
    /// Messages within messages; protobuf's own bound.
    var depthMax = 100
    /// Of all graphs and functions together.
    var nodesMax = 100_000
    /// The same when every call of a function is replaced by its body, as the runtime does.
    var expandedNodesMax = 1_000_000
    /// Initializers and constants of all graphs together.
    var tensorsMax = 200_000
    var functionsMax = 10_000
    /// Functions that call functions.
    var callsMax = 100
    var nameBytesMax = 4096
    var rankMax = 64
    /// What a sparse tensor may become when it is made dense.
    var denseElementsMax: Int64 = 1 << 27
    /// ONNX stands at 26 in its 26th release; each release adds one.
    var opsets: ClosedRange<Int64> = 1...100
    /// The operators' domains that the runtime itself brings.
    var domains: Set<String> = [
        "", "ai.onnx", "ai.onnx.ml", "ai.onnx.training", "ai.onnx.preview", "ai.onnx.preview.training", "com.microsoft",
        "com.microsoft.experimental", "com.microsoft.nchwc", "com.ms.internal.nhwc",
    ]
}

/// Why a file is not given to the runtime.
enum ModelFileError: Error, Equatable {
    case empty
    case tooLarge(bytes: Int, bytesMax: Int)
    case truncated
    /// What of protobuf's rules is broken: for the log.
    case notONNX(String)
    case noGraph
    /// A message that stands once in a model stands there twice: readers differ in what they make of it.
    case repeated(String)
    case tooDeep(Int)
    case tooMany(String, Int)
    case name(String, nameBytesMax: Int)
    case domain(String, operator: String)
    case opset(Int64, domain: String)
    case recursiveFunction(String)
    case externalData(tensor: String)
    case elementType(Int32, tensor: String)
    case shape(tensor: String)
    case tensorBytes(tensor: String, bytes: Int, expected: Int)
    case tensorElements(tensor: String, elements: Int, expected: Int)

    init(_ error: WireError) { self = error == .truncated ? .truncated : .notONNX("\(error)") }

    /// Fit for callers: names in it are printable and short.
    var sentence: String {
        switch self {
        case .empty: "its file is empty"
        case .tooLarge(let bytes, let most): "its file has \(bytes) bytes; \(most) is the limit of the format"
        case .truncated: "its file is no ONNX model, or is cut short"
        case .notONNX: "its file is no ONNX model"
        case .noGraph: "its file is no ONNX model: it holds no graph"
        case .repeated(let what): "its file holds \(what) twice where one belongs"
        case .tooDeep(let most): "its file nests deeper than \(most)"
        case .tooMany(let what, let most): "its file holds more than \(most) \(what)"
        case .name(let what, let most):
            "the name of \(what) is not UTF-8, holds a control character or is longer than \(most) bytes"
        case .domain(let domain, let name):
            "operator '\(shown(name))' is of domain '\(shown(domain))'; custom operators are not served"
        case .opset(let version, let domain): "it wants version \(version) of operators '\(shown(domain))'"
        case .recursiveFunction(let name): "function '\(shown(name))' calls itself"
        case .externalData(let tensor):
            "tensor '\(shown(tensor))' keeps its values in another file (external data), which is not read: "
                + "export the model as one file"
        case .elementType(let type, let tensor): "tensor '\(shown(tensor))' has no known element type (\(type))"
        case .shape(let tensor): "the shape of tensor '\(shown(tensor))' cannot be"
        case .tensorBytes(let tensor, let bytes, let expected):
            "tensor '\(shown(tensor))' has \(bytes) bytes; its shape and type want \(expected)"
        case .tensorElements(let tensor, let elements, let expected):
            "tensor '\(shown(tensor))' has \(elements) values; its shape wants \(expected)"
        }
    }
}

/// A name in a sentence. Names were checked when they were read; a long one is cut.
func shown(_ name: String) -> String { name.count > 80 ? name.prefix(80) + "…" : name }
