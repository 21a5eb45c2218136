// Enters: a model's configuration, and what it was loaded as. Leaves: the same in Triton's words, for ModelConfig.
import Batching
import Memory
import OpenInference
import Repository
import Serving
import Tensors

extension ModelConfiguration {
    /// `inference.ModelConfigResponse`. What a `config.pbtxt` said is said again; of other models it is what they do here.
    func modelConfig(_ name: String, _ engine: Serving.Engine) -> [UInt8] {
        var config = ModelConfig()
        config.name = name
        config.platform = engine.platform
        config.backend = engine.backend
        switch versionPolicy {
        case .latest(let count): config.versions = .latest(count)
        case .specific(let numbers): config.versions = .specific(numbers)
        case .all: config.versions = .all
        }
        let signature = engine.signature
        let settings = batchingSettings
        config.rowsMax = triton?.rowsMax ?? (signature.canBatch && settings.rowsMax > 1 ? settings.rowsMax : 0)
        config.inputs = signature.inputs
        config.outputs = signature.outputs
        if triton?.hasDynamicBatching ?? BatchEquivalence(settings, engine).canBatch {
            var dynamic = ModelConfig.DynamicBatching()
            dynamic.preferredRows = batchRowsPreferred
            dynamic.delayMicroseconds = queueDelayMicroseconds ?? 0
            dynamic.queueMax = settings.queueMax
            config.batching = dynamic
        }
        config.instances = concurrency
        if case .onnx = engine { config.modelFile = triton?.modelFile ?? "model.onnx" }
        return encoded { (arena) throws(ArenaFull) in try config.encode(headroom: 0, in: &arena) }
    }
}
