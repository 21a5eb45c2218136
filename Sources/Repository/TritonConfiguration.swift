// Enters: the bytes of Triton's `config.pbtxt`. Leaves: the same as our own configuration, or why we cannot serve it so.
import Tensors

extension ModelConfiguration {
    /// Source: Triton's model_config.proto, and the README of its ONNX Runtime backend. What changes answers and is not
    /// offered is refused by name; what changes none is passed over and listed in `TritonModel.ignored`.
    /// `override`: what goes before it, field by field.
    public init(
        triton bytes: [UInt8], model: String, file: String, override: TritonOverride? = nil
    ) throws(ConfigurationError) {
        var message: TextMessage
        do throws(TextFormatError) { message = try TextMessage(parsing: bytes) } catch {
            throw .triton(file: file, line: error.line, reason: error.sentence)
        }
        if let override { message = message.overridden(by: override.message) }
        let reading = try TritonReading(message, file: file, of: model)
        try self.init(reading.pairs, file: file)
        if let policy = reading.policy { versionPolicy = policy }
        triton = reading.model
    }
}

/// One configuration while it is read.
struct TritonReading {
    private var reader: TritonReader
    /// What `model.yaml` would say.
    private(set) var pairs: [(key: String, value: String)] = []
    private(set) var policy: VersionPolicy?
    private(set) var model: TritonModel
    private var preferred: [Int64] = []
    private var isWithoutRows = false

    init(_ message: TextMessage, file: String, of folder: String) throws(ConfigurationError) {
        reader = TritonReader(file: file)
        model = TritonModel(file: file)
        for field in message.fields { try take(field, of: folder) }
        try end()
    }

    private mutating func take(_ field: TextMessage.Field, of folder: String) throws(ConfigurationError) {
        switch field.name {
        case "name":
            let name = try reader.string(field)
            guard name == folder || name.isEmpty else {
                throw reader.failure(
                    field.line,
                    "name is '\(Layout.printable(name))', but the model's folder is '\(folder)': make them equal")
            }
        case "platform":
            try engine(field, "onnxruntime_onnx")
        case "backend":
            try engine(field, "onnxruntime")
        case "max_batch_size": try rows(field)
        case "input": model.inputs.append(try tensor(field))
        case "output": model.outputs.append(try tensor(field))
        case "version_policy": policy = try versions(try reader.message(field), field)
        case "dynamic_batching": try batching(try reader.message(field))
        case "instance_group": try instances(try reader.message(field))
        case "optimization": try optimization(try reader.message(field))
        case "parameters": try parameter(try reader.message(field))
        case "model_warmup": model.warmUps.append(try TritonModel.WarmUp(try reader.message(field), reader))
        case "default_model_filename": try fileName(field)
        case "model_transaction_policy":
            for policy in try reader.message(field).fields where policy.name == "decoupled" {
                if try reader.bool(policy) {
                    throw reader.refused(policy, "each call has exactly one answer")
                }
            }
        case "ensemble_scheduling": throw reader.refused(field, "call the models one after the other")
        case "sequence_batching": throw reader.refused(field, "each call stands alone")
        case "batch_input", "batch_output":
            throw reader.refused(field, "put what it computes into the model")
        case "model_operations": throw reader.refused(field, "libraries of operators are not loaded")
        case "model_repository_agents": throw reader.refused(field, "put the files there as they are to be served")
        case "runtime":
            if try !reader.string(field).isEmpty { reader.ignore(field.name) }
        case "cc_model_filenames", "metric_tags", "model_metrics", "response_cache": reader.ignore(field.name)
        default: throw reader.unknown(field, in: "a Triton model configuration")
        }
    }

    /// What needs all the rest.
    private mutating func end() throws(ConfigurationError) {
        // Ours has one such number: with so many rows nobody waits for more.
        if let least = preferred.filter({ $0 > 0 }).min() {
            pairs.append(("preferred_batch_size", "\(min(least, Int64(ModelConfiguration.batchRows.upperBound)))"))
        }
        if model.instances > 0 {
            pairs.append(("instances", "\(min(model.instances, ModelConfiguration.threads.upperBound))"))
        }
        // Triton's users say so only of models whose rows are independent.
        if isWithoutRows {
            pairs.append(("batching", "off"))
        } else if model.hasDynamicBatching {
            pairs.append(("batching", "on"))
        }
        model.ignored = reader.ignored
    }

    private func engine(_ field: TextMessage.Field, _ allowed: String) throws(ConfigurationError) {
        let name = try reader.string(field)
        guard name == allowed || name.isEmpty else {
            throw reader.failure(
                field.line,
                "\(field.name) '\(Layout.printable(name))' is not served here; '\(allowed)' is: export the model to ONNX"
            )
        }
    }

    private mutating func rows(_ field: TextMessage.Field) throws(ConfigurationError) {
        model.rowsMax = Int(try reader.integer(field, in: 0...Int64(Int32.max)))
        // 0 is Triton's word for a model without rows.
        isWithoutRows = model.rowsMax == 0
        if isWithoutRows { return }
        pairs.append(("max_batch_size", "\(min(model.rowsMax, ModelConfiguration.batchRows.upperBound))"))
    }

    private mutating func tensor(_ field: TextMessage.Field) throws(ConfigurationError) -> TritonModel.Tensor {
        var tensor = TritonModel.Tensor()
        let message = try reader.message(field)
        tensor.line = message.line
        for part in message.fields {
            switch part.name {
            case "name": tensor.name = try reader.string(part)
            case "data_type": tensor.type = try reader.type(part)
            case "dims": tensor.dimensions.append(try reader.dimension(part))
            case "reshape": throw reader.refused(part, "declare the dims that the model itself has")
            case "is_shape_tensor":
                if try reader.bool(part) { throw reader.refused(part, "ONNX models have no shape tensors") }
            case "is_non_linear_format_io":
                if try reader.bool(part) { throw reader.refused(part, "ONNX models have linear tensors only") }
            case "format", "allow_ragged_batch", "optional", "label_filename":
                reader.ignore("\(field.name).\(part.name)")
            default: throw reader.unknown(part, in: "'\(field.name)'")
            }
        }
        guard !tensor.name.isEmpty else { throw reader.failure(message.line, "an \(field.name) has no name: add it") }
        return tensor
    }

    private func versions(
        _ message: TextMessage, _ field: TextMessage.Field
    ) throws(ConfigurationError) -> VersionPolicy {
        guard message.fields.count == 1, let choice = message.fields.first else {
            throw reader.failure(field.line, "version_policy takes exactly one of latest, all and specific")
        }
        let parts = try reader.message(choice).fields
        switch choice.name {
        case "all": return .all
        case "latest":
            var count: Int64 = 1
            for part in parts {
                guard part.name == "num_versions" else { throw reader.unknown(part, in: "'latest'") }
                count = try reader.integer(part, in: 1...1_000_000)
            }
            return .latest(Int(count))
        case "specific":
            var versions: [Int64] = []
            for part in parts {
                guard part.name == "versions" else { throw reader.unknown(part, in: "'specific'") }
                versions.append(try reader.integer(part, in: 1...Int64.max))
            }
            guard !versions.isEmpty else { throw reader.failure(choice.line, "specific names no version: add one") }
            return .specific(versions)
        default: throw reader.unknown(choice, in: "'version_policy'")
        }
    }

    private mutating func batching(_ message: TextMessage) throws(ConfigurationError) {
        model.hasDynamicBatching = true
        for field in message.fields {
            switch field.name {
            case "preferred_batch_size": preferred.append(try reader.integer(field, in: 0...Int64(Int32.max)))
            case "max_queue_delay_microseconds":
                pairs.append(("max_queue_delay_microseconds", "\(try reader.integer(field, in: 0...Int64.max))"))
            case "default_queue_policy":
                for part in try reader.message(field).fields {
                    switch part.name {
                    case "max_queue_size":
                        // 0 is Triton's word for no limit; ours then has its own.
                        let size = try reader.integer(part, in: 0...Int64(UInt32.max))
                        let bound = Int64(ModelConfiguration.queueCalls.upperBound)
                        if size > 0 { pairs.append(("max_queue_size", "\(min(size, bound))")) }
                    case "timeout_action", "default_timeout_microseconds", "allow_timeout_override":
                        reader.ignore("dynamic_batching.default_queue_policy.\(part.name)")
                    default: throw reader.unknown(part, in: "'default_queue_policy'")
                    }
                }
            case "preserve_ordering", "priority_levels", "default_priority_level", "priority_queue_policy":
                reader.ignore("dynamic_batching.\(field.name)")
            default: throw reader.unknown(field, in: "'dynamic_batching'")
            }
        }
    }

    private mutating func instances(_ message: TextMessage) throws(ConfigurationError) {
        var count: Int64 = 1
        for field in message.fields {
            switch field.name {
            case "count": count = try reader.integer(field, in: 0...Int64(Int32.max))
            case "kind":
                switch try reader.word(field) {
                case "KIND_CPU", "KIND_AUTO", "KIND_MODEL": break
                case "KIND_GPU": reader.ignore("instance_group.kind KIND_GPU (it runs on the CPU)")
                case let kind:
                    throw reader.failure(
                        field.line,
                        "kind is '\(Layout.printable(kind))'; allowed is KIND_AUTO, KIND_CPU, KIND_GPU, KIND_MODEL")
                }
            case "name": break
            case "gpus", "profile", "passive", "host_policy", "rate_limiter", "secondary_devices":
                reader.ignore("instance_group.\(field.name)")
            default: throw reader.unknown(field, in: "'instance_group'")
            }
        }
        model.instances = min(model.instances + Int(max(1, count)), Int(Int32.max))
    }

    private mutating func optimization(_ message: TextMessage) throws(ConfigurationError) {
        for field in message.fields {
            switch field.name {
            case "graph":
                for part in try reader.message(field).fields {
                    guard part.name == "level" else { throw reader.unknown(part, in: "'graph'") }
                    switch try reader.integer(part, in: -1...2) {
                    case -1: pairs.append(("graph_optimization", "basic"))
                    case 1: pairs.append(("graph_optimization", "extended"))
                    case 2: pairs.append(("graph_optimization", "disabled"))
                    default: break
                    }
                }
            case "execution_accelerators": reader.ignore("optimization.execution_accelerators (it runs on the CPU)")
            case "priority", "cuda", "input_pinned_memory", "output_pinned_memory", "gather_kernel_buffer_threshold",
                "eager_batching":
                reader.ignore("optimization.\(field.name)")
            default: throw reader.unknown(field, in: "'optimization'")
            }
        }
    }

    /// An entry of the map: a key and `{ string_value: … }`.
    private mutating func parameter(_ message: TextMessage) throws(ConfigurationError) {
        var (key, value) = ("", "")
        for field in message.fields {
            switch field.name {
            case "key": key = try reader.string(field)
            case "value":
                for part in try reader.message(field).fields {
                    guard part.name == "string_value" else { throw reader.unknown(part, in: "'value'") }
                    value = try reader.string(part)
                }
            default: throw reader.unknown(field, in: "'parameters'")
            }
        }
        switch (key, value) {
        case ("intra_op_thread_count", "0"), ("inter_op_thread_count", "0"), ("execution_mode", "0"): break
        case ("intra_op_thread_count", _): pairs.append(("intra_op_threads", value))
        case ("inter_op_thread_count", _): pairs.append(("inter_op_threads", value))
        case ("execution_mode", "1"): pairs.append(("execution_mode", "parallel"))
        case ("execution_mode", _):
            throw reader.failure(
                message.line,
                "execution_mode is '\(Layout.printable(value))'; allowed is 0 (sequential) or 1 (parallel)")
        default: reader.ignore("parameters '\(Layout.printable(key))'")
        }
    }

    private mutating func fileName(_ field: TextMessage.Field) throws(ConfigurationError) {
        let name = try reader.string(field)
        if name.isEmpty { return }
        guard Layout.isModelName(name) else {
            throw reader.failure(
                field.line, "default_model_filename is '\(Layout.printable(name))'; allowed is the plain name of a file"
            )
        }
        model.modelFile = name
    }
}
