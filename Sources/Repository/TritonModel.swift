// Enters: what a `config.pbtxt` said that is no setting of ours. Leaves: how the model itself differs from it.
public import Tensors

/// What Triton's configuration says of a model beyond our own settings.
public struct TritonModel: Sendable, Equatable {
    /// An input or output as it is declared: without the batch dimension where `rowsMax` is above 0.
    public struct Tensor: Sendable, Equatable {
        public var name = ""
        public var type: ElementType?
        public var dimensions: [Int64] = []
        /// Where it is declared.
        public var line = 0
    }

    /// A call that is made before anybody else's.
    public struct WarmUp: Sendable, Equatable {
        public enum Source: Sendable, Equatable {
            case zeros, random
            /// A file in the model's folder `warmup`: the tensor's bytes.
            case file(String)
        }

        public struct Input: Sendable, Equatable {
            public var name = ""
            public var type = ElementType.float32
            public var dimensions: [Int64] = []
            public var source = Source.zeros
        }

        public var name = ""
        /// 0: the model has no batch dimension.
        public var rows = 0
        public var runs = 1
        public var inputs: [Input] = []
    }

    /// Which file this is, for sentences.
    public var file: String
    /// `max_batch_size`; 0: there is no batch dimension.
    public var rowsMax = 0
    /// None: what the model says holds, as where Triton completes a configuration.
    public var inputs: [Tensor] = []
    public var outputs: [Tensor] = []
    public var warmUps: [WarmUp] = []
    /// `default_model_filename`.
    public var modelFile = Layout.modelFile
    public var hasDynamicBatching = false
    public var instances = 0
    /// What was passed over, and changes no answer.
    public var ignored: [String] = []

    public init(file: String) { self.file = file }

    /// Names of the outputs that the model has for its clients; `nil`: none is declared, and it has its own.
    public var answered: Set<String>? { outputs.isEmpty ? nil : Set(outputs.map(\.name)) }

    /// One sentence for the log; `nil`: nothing was passed over.
    public var warning: String? {
        ignored.isEmpty ? nil : "\(file): passed over, and no answer depends on it: \(ignored.joined(separator: ", "))"
    }

    /// Why the loaded model is not the one that is configured; `nil`: it is.
    public func difference(from signature: Signature) -> String? {
        if !inputs.isEmpty {
            if let wrong = difference(inputs, signature.inputs, "input") { return wrong }
            for input in signature.inputs where !inputs.contains(where: { $0.name == input.name }) {
                return "\(file): the model's input \(quoted(input.name)) is not declared: add it"
            }
        }
        return difference(outputs, signature.outputs, "output")
    }

    private func difference(_ declared: [Tensor], _ own: [TensorSpecification], _ what: String) -> String? {
        for tensor in declared {
            let line = tensor.line > 0 ? "\(file):\(tensor.line)" : TritonOverride.name
            let place = "\(line): \(what) \(quoted(tensor.name))"
            guard let model = own.first(where: { $0.name == tensor.name }) else {
                return "\(place) is not in the model, whose \(what)s are: \(listed(own.map(\.name)))"
            }
            if let type = tensor.type, type != model.type {
                return "\(place) is declared as \(type.name); the model has \(model.type.name)"
            }
            guard let shape = model.shape else { continue }
            let full = (rowsMax > 0 ? [-1] : []) + tensor.dimensions
            if rowsMax > 0, let first = shape.first, first != -1 {
                return
                    "\(place): max_batch_size is \(rowsMax), but the model's shape \(written(shape)) has no free first "
                    + "dimension: set max_batch_size to 0"
            }
            // What is free in the model may be declared; what is fixed there must be the same.
            let fits = full.count == shape.count && zip(full, shape).allSatisfy { $1 == -1 || $0 == $1 }
            if !fits {
                return "\(place) is declared with dims \(written(tensor.dimensions))"
                    + (rowsMax > 0 ? " behind the batch dimension" : "") + "; the model has \(written(shape))"
            }
        }
        return nil
    }
}
