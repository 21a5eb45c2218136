// Enters: a request's path. Leaves: which method it is.
import Memory

/// Every method that is served.
enum Method: UInt8, CaseIterable, BitwiseCopyable {
    case none
    case modelInfer, predict
    case predictStream, predictMany, modelStreamInfer
    case serverLive, serverReady, modelReady, serverMetadata, modelMetadata, modelConfig, modelStatistics
    case listModels, feedback, healthCheck, healthWatch
    case load, unload, swap, rollback, setLabel, history
    case setWeights, rollout, promote, abort, shadow, experiment, status, watch
    case repositoryIndex, repositoryModelLoad, repositoryModelUnload
    case reflection, reflectionAlpha

    /// In the order in which they are asked for most.
    var path: StaticString {
        switch self {
        case .none: ""
        case .modelInfer: "/inference.GRPCInferenceService/ModelInfer"
        case .predict: "/vencejo.v1.PredictionService/Predict"
        case .predictStream: "/vencejo.v1.PredictionService/PredictStream"
        case .predictMany: "/vencejo.v1.PredictionService/PredictMany"
        case .modelStreamInfer: "/inference.GRPCInferenceService/ModelStreamInfer"
        case .serverLive: "/inference.GRPCInferenceService/ServerLive"
        case .serverReady: "/inference.GRPCInferenceService/ServerReady"
        case .modelReady: "/inference.GRPCInferenceService/ModelReady"
        case .serverMetadata: "/inference.GRPCInferenceService/ServerMetadata"
        case .modelMetadata: "/inference.GRPCInferenceService/ModelMetadata"
        case .modelConfig: "/inference.GRPCInferenceService/ModelConfig"
        case .modelStatistics: "/inference.GRPCInferenceService/ModelStatistics"
        case .listModels: "/vencejo.v1.PredictionService/ListModels"
        case .feedback: "/vencejo.v1.PredictionService/Feedback"
        case .load: "/vencejo.v1.ModelControlService/Load"
        case .unload: "/vencejo.v1.ModelControlService/Unload"
        case .swap: "/vencejo.v1.ModelControlService/Swap"
        case .rollback: "/vencejo.v1.ModelControlService/Rollback"
        case .setLabel: "/vencejo.v1.ModelControlService/SetLabel"
        case .history: "/vencejo.v1.ModelControlService/History"
        case .setWeights: "/vencejo.v1.ModelControlService/SetWeights"
        case .rollout: "/vencejo.v1.ModelControlService/Rollout"
        case .promote: "/vencejo.v1.ModelControlService/Promote"
        case .abort: "/vencejo.v1.ModelControlService/Abort"
        case .shadow: "/vencejo.v1.ModelControlService/Shadow"
        case .experiment: "/vencejo.v1.ModelControlService/Experiment"
        case .status: "/vencejo.v1.ModelControlService/Status"
        case .watch: "/vencejo.v1.ModelControlService/Watch"
        case .repositoryIndex: "/inference.GRPCInferenceService/RepositoryIndex"
        case .repositoryModelLoad: "/inference.GRPCInferenceService/RepositoryModelLoad"
        case .repositoryModelUnload: "/inference.GRPCInferenceService/RepositoryModelUnload"
        case .healthCheck: "/grpc.health.v1.Health/Check"
        case .healthWatch: "/grpc.health.v1.Health/Watch"
        case .reflection: "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
        case .reflectionAlpha: "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
        }
    }

    init?(path: ByteView) {
        var number = Method.modelInfer.rawValue
        while let method = Method(rawValue: number) {
            if path == method.path {
                self = method
                return
            }
            number += 1
        }
        return nil
    }

    /// What somebody else than a shard answers.
    var errand: Errand.Purpose? {
        switch self {
        case .load: .load
        case .unload: .unload
        case .swap: .swap
        case .rollback: .rollback
        case .setLabel: .setLabel
        case .history: .history
        case .setWeights: .setWeights
        case .rollout: .rollout
        case .promote: .promote
        case .abort: .abort
        case .shadow: .shadow
        case .experiment: .experiment
        case .status: .status
        case .watch: .watch
        case .repositoryIndex: .repositoryIndex
        case .repositoryModelLoad: .repositoryModelLoad
        case .repositoryModelUnload: .repositoryModelUnload
        default: nil
        }
    }

    enum Shape {
        /// One message in, one out.
        case unary
        /// Messages in, each with an answer in its place.
        case bidirectional
        /// Messages in, one answer at the end.
        case clientStreaming
        /// One message in, answers until somebody ends it.
        case serverStreaming
    }

    var shape: Shape {
        switch self {
        case .predictStream, .modelStreamInfer, .reflection, .reflectionAlpha: .bidirectional
        case .predictMany: .clientStreaming
        case .healthWatch, .watch: .serverStreaming
        default: .unary
        }
    }
}
