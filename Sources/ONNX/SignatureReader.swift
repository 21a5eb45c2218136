// Enters: a session just made. Leaves: names, types and shapes of its inputs and outputs.
import COnnxRuntime
import Tensors

/// Asks the runtime what a model takes and gives; refuses what no caller could send or read.
@safe struct SignatureReader: ~Copyable {
    /// Bounds what a signature keeps in memory, with the ranks and the lengths of names.
    static let tensorsMax = 4096

    private let runtime: Runtime
    private let session: OpaquePointer
    private let model: String
    private let facts: ModelFileFacts

    private enum Side {
        case input, output
        var number: CInt { CInt(self == .input ? ORT_INPUTS : ORT_OUTPUTS) }
    }

    init(runtime: Runtime, session: borrowing Owned, model: String, facts: ModelFileFacts) {
        self.runtime = runtime
        unsafe self.session = session.pointer
        self.model = model
        self.facts = facts
    }

    func read() throws(LoadError) -> Signature {
        Signature(inputs: try specifications(.input), outputs: try specifications(.output))
    }

    private func refusal(_ reason: String) -> LoadError {
        let sentence = "model '\(model)' does not load: \(reason)"
        return LoadError(sentence: sentence, log: sentence)
    }

    private func call<Result: ~Copyable>(_ body: () throws(RuntimeFailure) -> Result) throws(LoadError) -> Result {
        do throws(RuntimeFailure) {
            return try body()
        } catch {
            throw LoadError(sentence: refusal("ONNX Runtime does not describe it").sentence, log: error.text)
        }
    }

    private func specifications(_ side: Side) throws(LoadError) -> [TensorSpecification] {
        let count = try call { () throws(RuntimeFailure) in try self.count(side) }
        guard count <= Self.tensorsMax else {
            throw refusal("it has \(count) inputs or outputs; \(Self.tensorsMax) is the limit")
        }
        guard side == .input || count > 0 else { throw refusal("it has no outputs") }
        var specifications: [TensorSpecification] = []
        for index in 0..<count {
            let name = try call { () throws(RuntimeFailure) in try self.name(side, index) }
            specifications.append(try specification(side, index, name))
        }
        return specifications
    }

    private func count(_ side: Side) throws(RuntimeFailure) -> Int {
        let table = runtime.table
        var count = 0
        try unsafe table.check(ort_count(table.slots, session, side.number, &count))
        return count
    }

    private func name(_ side: Side, _ index: Int) throws(RuntimeFailure) -> String {
        let table = runtime.table
        let allocator = unsafe runtime.allocator
        var name: UnsafeMutablePointer<CChar>? = nil
        try unsafe table.check(ort_name(table.slots, session, side.number, index, allocator, &name))
        guard let name = unsafe name else { throw RuntimeFailure(code: 0, text: "the runtime gave no name") }
        let text = unsafe String(cString: name)
        try unsafe table.check(ort_free(table.slots, allocator, name))
        return text
    }

    private func specification(_ side: Side, _ index: Int, _ name: String) throws(LoadError) -> TensorSpecification {
        let table = runtime.table
        let type = try call { () throws(RuntimeFailure) in
            try unsafe Owned(table, releaseSlot: ORT_RELEASE_TYPE_INFO) {
                unsafe ort_type(table.slots, session, side.number, index, &$0)
            }
        }
        var kind: Int32 = 0
        try call { () throws(RuntimeFailure) in
            try unsafe table.check(ort_type_kind(table.slots, type.pointer, &kind))
        }
        guard Int(kind) == ORT_TYPE_TENSOR else { throw refusal(Self.noTensor(side, name, kind: kind)) }
        let (element, shape) = try call { () throws(RuntimeFailure) in try elementAndShape(of: type) }
        guard let elementType = ElementType(onnx: element) else {
            throw refusal("\(Self.noun(side)) '\(name)' is of \(FileElement.name(element)), which callers cannot send")
        }
        guard shape.count <= Tensor.rankMax else {
            throw refusal("\(Self.noun(side)) '\(name)' has \(shape.count) dimensions; \(Tensor.rankMax) is the limit")
        }
        // A scalar and a tensor of which the model gives no shape both come with no dimensions: the file tells.
        let shapeless = side == .input ? facts.shapelessInputs : facts.shapelessOutputs
        let unknown = shape.isEmpty && shapeless.contains(name)
        return TensorSpecification(name: name, type: elementType, shape: unknown ? nil : shape.map { max($0, -1) })
    }

    private func elementAndShape(of type: borrowing Owned) throws(RuntimeFailure) -> (Int32, [Int64]) {
        let table = runtime.table
        var info: OpaquePointer? = nil
        try unsafe table.check(ort_tensor_of_type(table.slots, type.pointer, &info))
        guard let info = unsafe info else { throw RuntimeFailure(code: 0, text: "a tensor without a type") }
        var element: Int32 = 0
        try unsafe table.check(ort_element_type(table.slots, info, &element))
        var rank = 0
        try unsafe table.check(ort_rank(table.slots, info, &rank))
        var shape = [Int64](repeating: 0, count: rank)
        try unsafe table.check(ort_dimensions(table.slots, info, &shape, rank))
        return (element, shape)
    }

    private static func noun(_ side: Side) -> String { side == .input ? "input" : "output" }

    private static func noTensor(_ side: Side, _ name: String, kind: Int32) -> String {
        let what =
            switch kind {
            case 2: "a sequence"
            case 3: "a map"
            case 5: "a sparse tensor"
            case 6: "an optional value"
            default: "no tensor"
            }
        let sentence = "\(noun(side)) '\(name)' is \(what); only tensors can be served"
        guard side == .output && (kind == 2 || kind == 3) else { return sentence }
        return sentence + " (exported by skl2onnx with zipmap=False, a classifier gives its probabilities as a tensor)"
    }
}
