// Enters: a model file's bytes. Leaves: a model that answers calls, or one sentence on why there is none.
import COnnxRuntime
import Glibc
public import Memory
public import Tensors

/// A model in ONNX Runtime. Immutable once made: any number of threads run it at the same time.
@safe public final class Session: Model {
    public let signature: Signature
    public let batchProof: BatchProof
    let runtime: Runtime
    let handle: Owned
    let inputNames: Names
    let outputNames: Names

    /// Reads `file` here and now; nothing keeps a view of it. No path is ever opened: a model is its bytes.
    /// `answering`: names of the outputs that it has for its clients; `nil`: all.
    public init(
        runtime: Runtime, name: String, file: ByteView, options: SessionOptions = SessionOptions(),
        answering: Set<String>? = nil
    ) throws(LoadError) {
        let facts: ModelFileFacts
        do throws(ModelFileError) {
            facts = try ModelFileCheck.check(file)
        } catch {
            throw LoadError(
                sentence: "model '\(name)' does not load: \(error.sentence)", log: "model '\(name)': \(error)")
        }
        let table = runtime.table
        do throws(RuntimeFailure) {
            let made = try options.made(for: table, name: name)
            handle = try unsafe Owned(table, releaseSlot: ORT_RELEASE_SESSION) { session in
                unsafe ort_create_session(
                    table.slots, runtime.environment.pointer, file.pointer.unsafelyUnwrapped, file.count, made.pointer,
                    &session)
            }
        } catch {
            throw LoadError(
                sentence: "model '\(name)' does not load: \(error.sentence(runtime: runtime.version))", log: error.text)
        }
        let whole = try SignatureReader(runtime: runtime, session: handle, model: name, facts: facts).read()
        let outputs = whole.outputs.filter { answering?.contains($0.name) ?? true }
        let graph = try? ModelGraph(file)
        batchProof =
            graph.map { BatchAnalysis.prove($0, outputs: outputs.map(\.name)) } ?? .unproven("its file cannot be read")
        signature = Signature(
            inputs: whole.inputs, outputs: outputs.isEmpty ? whole.outputs : outputs,
            shared: graph?.shared(by: whole.inputs) ?? [])
        inputNames = Names(signature.inputs.map(\.name))
        outputNames = Names(signature.outputs.map(\.name))
        self.runtime = runtime
    }
}

/// The names of a session's inputs or outputs as C wants them, for as long as the session lives.
@safe struct Names: ~Copyable, @unchecked Sendable {
    let pointers: UnsafeMutablePointer<UnsafePointer<CChar>?>
    let count: Int

    init(_ names: [String]) {
        unsafe pointers = .allocate(capacity: max(names.count, 1))
        count = names.count
        for (index, name) in names.enumerated() {
            unsafe (pointers + index).initialize(to: UnsafePointer(strdup(name)))
        }
    }

    deinit {
        for index in 0..<count { unsafe free(UnsafeMutableRawPointer(mutating: pointers[index])) }
        unsafe pointers.deallocate()
    }
}

extension RuntimeFailure {
    /// What callers may know of why the runtime refused a model.
    fileprivate func sentence(runtime version: String) -> String {
        let why =
            switch Int(code) {
            case ORT_ERROR_INVALID_PROTOBUF: "cannot read the file"
            case ORT_ERROR_NOT_IMPLEMENTED: "has no implementation on this machine for one of its operators"
            case ORT_ERROR_INVALID_GRAPH: "finds its graph invalid, or does not know one of its operators"
            default: "refuses it"
            }
        return "ONNX Runtime \(version) \(why); the server's log has its words"
    }
}
