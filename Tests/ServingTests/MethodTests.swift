// Enters: paths, right and nearly right. Leaves: the method, or none.
import Foundation
import GRPC
import Memory
import Reflection
import TestSupport
import Testing

@testable import Serving

@Test(arguments: Method.allCases.filter { $0 != .none })
func everyPathIsItsMethod(method: Method) throws {
    let path = method.path.description
    #expect(Method(path: view(path)) == method)
    let parts = try #require(Path.split(view(path)))
    #expect(path == "/\(parts.service.text)/\(parts.method.text)")
    // Near misses: nothing is trimmed, folded or decoded.
    for near in [
        String(path.dropFirst()), "/" + path, path + "/", path + " ", path + "?", path + "\0", String(path.dropLast()),
        path + "x", path.lowercased(), path.uppercased(), path.replacingOccurrences(of: "/", with: "%2F"),
        path.replacingOccurrences(of: ".", with: "/"), "/\(parts.service.text)", "/\(parts.service.text)/",
        "/\(parts.service.text)//\(parts.method.text)", "/x\(parts.service.text)/\(parts.method.text)",
        "/\(parts.service.text)/./\(parts.method.text)", "http://localhost" + path,
    ] {
        #expect(Method(path: view(near)) == nil, "\(near)")
    }
}

@Test(arguments: [
    "", "/", "//", "*", "/vencejo.v1.PredictionService", "/grpc.health.v2.Health/Check", "/x/y", "\u{ff}",
])
func noMethod(path: String) { #expect(Method(path: view(path)) == nil) }

@Test func pathsAreDistinct() {
    let paths = Method.allCases.map { $0.path.description }
    #expect(Set(paths).count == paths.count)
    // Only `none` has no path.
    #expect(paths.filter(\.isEmpty).count == 1 && Method.none.path.description.isEmpty)
}

@Test(
    arguments: [
        (.predict, .unary), (.modelInfer, .unary), (.predictStream, .bidirectional),
        (.modelStreamInfer, .bidirectional),
        (.predictMany, .clientStreaming), (.serverLive, .unary), (.serverReady, .unary), (.modelReady, .unary),
        (.serverMetadata, .unary), (.modelMetadata, .unary), (.modelConfig, .unary), (.modelStatistics, .unary),
        (.healthCheck, .unary), (.healthWatch, .serverStreaming),
        (.reflection, .bidirectional), (.reflectionAlpha, .bidirectional), (.load, .unary), (.unload, .unary),
        (.swap, .unary), (.rollback, .unary), (.setLabel, .unary), (.history, .unary), (.listModels, .unary),
        (.setWeights, .unary), (.rollout, .unary), (.promote, .unary), (.abort, .unary), (.status, .unary),
        (.shadow, .unary), (.experiment, .unary), (.feedback, .unary), (.watch, .serverStreaming),
        (.repositoryIndex, .unary), (.repositoryModelLoad, .unary), (.repositoryModelUnload, .unary),
    ] as [(Method, Method.Shape)])
func shapes(method: Method, shape: Method.Shape) { #expect(method.shape == shape) }

/// What takes time is done at the desk, all the rest by shards.
@Test func errands() {
    let purposes = Method.allCases.compactMap(\.errand)
    #expect(Set(purposes).count == purposes.count && purposes.count == 17)
    for method in Method.allCases {
        let path = method.path.description
        let isControl =
            path.hasPrefix("/vencejo.v1.ModelControlService/")
            || path.hasPrefix("/inference.GRPCInferenceService/Repository")
        #expect((method.errand != nil) == isControl)
    }
    #expect(Method.setLabel.errand == .setLabel && Method.history.errand == .history && Method.load.errand == .load)
}

/// What we serve is what reflection tells.
@Test func theServicesAreThoseOfReflection() throws {
    let told = Set(Product.services.services)
    let served = Set(
        try Method.allCases.filter { $0 != .none }.map {
            try #require(Path.split(view($0.path.description))).service.text
        })
    #expect(served.isSubset(of: told))
    #expect(told.isSubset(of: served))
}
