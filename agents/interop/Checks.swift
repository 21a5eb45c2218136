// Enters: a connected client. Leaves: how many of the checks failed; each prints a line.
import Foundation
import GRPCCore
import GRPCNIOTransportHTTP2Posix
import SwiftProtobuf

struct Wrong: Error, CustomStringConvertible {
    let description: String
}

func expect<Value: Equatable>(_ found: Value, _ wanted: Value, _ what: String) throws {
    if found != wanted { throw Wrong(description: "\(what) is \(found), expected \(wanted)") }
}

struct Checks: Sendable {
    typealias Transport = HTTP2ClientTransport.Posix

    let predictions: Vencejo_V1_PredictionService.Client<Transport>
    let inference: Inference_GRPCInferenceService.Client<Transport>
    let sample: Sample
    /// FP32 of all kinds: numbers, infinities, NaNs with a payload.
    let odd = Data(
        (0..<300).flatMap { each in withUnsafeBytes(of: UInt32(each) &* 0x9e37_79b9 | 0x7f80_0000) { Array($0) } })

    init(_ client: GRPCClient<Transport>, _ sample: Sample) {
        predictions = Vencejo_V1_PredictionService.Client(wrapping: client)
        inference = Inference_GRPCInferenceService.Client(wrapping: client)
        self.sample = sample
    }

    func run() async -> Int {
        let checks: [(String, @Sendable () async throws -> Void)] = [
            ("ServerLive", serverLive), ("ModelMetadata", modelMetadata), ("ListModels", listModels),
            ("Predict identity", predictIdentity), ("Predict identity, gzip", predictCompressed),
            ("Predict breast_cancer", predictModel), ("Predict of a model that is not there", predictUnknown),
            ("PredictStream", predictStream), ("PredictMany", predictMany), ("ModelInfer, raw", inferRaw),
            ("ModelInfer, typed", inferTyped), ("ModelStreamInfer", streamInfer),
        ]
        var failures = 0
        for (name, check) in checks {
            do {
                try await check()
                print("ok      \(name)")
            } catch {
                failures += 1
                print("FAILED  \(name): \(error)")
            }
        }
        return failures
    }

    // MARK: - vencejo.v1

    private func request(
        _ model: String, _ tensors: (String, [Int64], Data)..., id: String = ""
    ) -> Vencejo_V1_PredictRequest {
        .with {
            $0.model.name = model
            $0.requestID = id
            $0.inputs = tensors.map { name, shape, data in
                .with {
                    $0.name = name
                    $0.type = .fp32
                    $0.shape = shape
                    $0.data = data
                }
            }
        }
    }

    private func identity(id: String) -> Vencejo_V1_PredictRequest {
        request("identity", ("x", [3, 100], odd), id: id)
    }

    private func checkIdentity(_ response: Vencejo_V1_PredictResponse, id: String) throws {
        try expect(response.model, "identity", "model")
        try expect(response.requestID, id, "request_id")
        try expect(response.outputs, identity(id: id).inputs, "outputs")
    }

    private func predictIdentity() async throws {
        try checkIdentity(try await predictions.predict(identity(id: "one")), id: "one")
    }

    private func predictCompressed() async throws {
        var options = CallOptions.defaults
        options.compression = .gzip
        let long = request("identity", ("x", [2, 5000], Data(repeating: 7, count: 40_000)))
        try expect(try await predictions.predict(long, options: options).outputs, long.inputs, "outputs")
    }

    private func predictModel() async throws {
        let response = try await predictions.predict(request("breast_cancer", ("X", [1, 30], sample.row)))
        try expect(response.outputs.map(\.name), ["label", "probabilities"], "outputs")
        try expect(response.outputs[0].data, sample.label, "label")
        try expect(response.outputs[1].data, sample.probabilities, "probabilities")
        try expect(response.slot, .blue, "slot")
        try expect(response.artifactDigest.count, 32, "bytes of artifact_digest")
    }

    private func predictUnknown() async throws {
        do {
            _ = try await predictions.predict(request("nothing"))
            throw Wrong(description: "it was answered")
        } catch let error as RPCError {
            try expect(error.code, .notFound, "status")
            try expect(error.message.contains("\"nothing\""), true, "the message \(error.message) naming the model")
        }
    }

    /// The third of the five is refused in its place.
    private func five() -> [Vencejo_V1_PredictRequest] {
        (1...5).map { $0 == 3 ? request("nothing", id: "3") : identity(id: "\($0)") }
    }

    private func checkFive(_ results: [Vencejo_V1_PredictStreamResponse]) throws {
        try expect(results.count, 5, "answers")
        for (number, result) in zip(1..., results) {
            if number == 3 {
                try expect(result.error.code, 5, "code of the third")
                try expect(result.error.requestID, "3", "request_id of the third")
            } else {
                try checkIdentity(result.response, id: "\(number)")
            }
        }
    }

    private func predictStream() async throws {
        let five = five()
        let results = try await predictions.predictStream { writer in
            for each in five { try await writer.write(each) }
        } onResponse: { response in
            try await response.messages.reduce(into: []) { $0.append($1) }
        }
        try checkFive(results)
    }

    private func predictMany() async throws {
        let five = five()
        let many = try await predictions.predictMany { writer in
            for each in five { try await writer.write(each) }
        }
        try checkFive(many.results)
    }

    private func listModels() async throws {
        let models = try await predictions.listModels(Vencejo_V1_ListModelsRequest()).models
        guard let model = models.first(where: { $0.name == "breast_cancer" }) else {
            throw Wrong(description: "breast_cancer is not there")
        }
        try expect(model.versions.map(\.version), [2, 1], "versions of breast_cancer")
        try expect(model.versions[0].state, .live, "state")
        try expect(model.versions[0].inputs.map(\.shape), [[-1, 30]], "shapes of its inputs")
    }

    // MARK: - inference

    private func infer(_ model: String, _ name: String, _ shape: [Int64], raw: Data) -> Inference_ModelInferRequest {
        .with {
            $0.modelName = model
            $0.id = "7"
            $0.inputs = [
                .with {
                    $0.name = name
                    $0.datatype = "FP32"
                    $0.shape = shape
                }
            ]
            $0.rawInputContents = [raw]
        }
    }

    private func serverLive() async throws {
        try expect(try await inference.serverLive(Inference_ServerLiveRequest()).live, true, "live")
    }

    private func modelMetadata() async throws {
        let metadata = try await inference.modelMetadata(.with { $0.name = "breast_cancer" })
        try expect(metadata.platform, "onnxruntime_onnx", "platform")
        try expect(metadata.versions, ["1", "2"], "versions")
        try expect(metadata.inputs.map { "\($0.name) \($0.datatype) \($0.shape)" }, ["X FP32 [-1, 30]"], "inputs")
        try expect(metadata.outputs.map(\.name), ["label", "probabilities"], "outputs")
    }

    private func inferRaw() async throws {
        let response = try await inference.modelInfer(infer("breast_cancer", "X", [1, 30], raw: sample.row))
        try expect(response.id, "7", "id")
        try expect(response.rawOutputContents, [sample.label, sample.probabilities], "raw outputs")
    }

    private func inferTyped() async throws {
        var request = infer("breast_cancer", "X", [1, 30], raw: Data())
        request.rawInputContents = []
        request.inputs[0].contents.fp32Contents = sample.row.elements(of: Float.self)
        request.parameters["vencejo_answers"] = .with { $0.stringParam = "as-asked" }
        let response = try await inference.modelInfer(request)
        try expect(response.outputs[0].contents.int64Contents, sample.label.elements(of: Int64.self), "label")
        try expect(
            response.outputs[1].contents.fp32Contents, sample.probabilities.elements(of: Float.self), "probabilities")
    }

    private func streamInfer() async throws {
        let requests = [
            infer("identity", "x", [300], raw: odd), infer("nothing", "x", [300], raw: odd),
            infer("identity", "x", [300], raw: odd),
        ]
        let answers = try await inference.modelStreamInfer { writer in
            for each in requests { try await writer.write(each) }
        } onResponse: { response in
            try await response.messages.reduce(into: []) { $0.append($1) }
        }
        try expect(answers.count, 3, "answers")
        try expect(answers[0].inferResponse.rawOutputContents, [odd], "the first answer's bytes")
        try expect(answers[1].errorMessage.contains("\"nothing\""), true, "\(answers[1].errorMessage) naming the model")
        try expect(answers[2].inferResponse.rawOutputContents, [odd], "the third answer's bytes")
    }
}

extension Data {
    fileprivate func elements<Element: BitwiseCopyable>(of type: Element.Type) -> [Element] {
        let size = MemoryLayout<Element>.size
        return withUnsafeBytes { bytes in
            (0..<count / size).map { bytes.loadUnaligned(fromByteOffset: $0 * size, as: Element.self) }
        }
    }
}
