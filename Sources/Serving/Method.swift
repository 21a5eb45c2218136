// Enters: a request's path. Leaves: which method it is.
import Memory

/// Every method that is served.
enum Method: UInt8, CaseIterable, BitwiseCopyable {
    case none
    case modelInfer, predict
    case predictStream, predictMany, modelStreamInfer
    case serverLive, serverReady, modelReady, serverMetadata, modelMetadata
    case listModels, healthCheck, healthWatch
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
        case .listModels: "/vencejo.v1.PredictionService/ListModels"
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
        case .healthWatch: .serverStreaming
        default: .unary
        }
    }
}
