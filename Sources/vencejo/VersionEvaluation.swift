// Enters: rows, perhaps what is to come out of them, and two versions of a running server. Leaves: how they compare on these rows.
import Bench
import Cryptography
import Foundation
import GRPC
import Memory
import PredictionAPI
import Protobuf
import Reactor
import Rollout
import Tensors

/// Two versions that answer the same rows, each by its number: no caller's call is touched.
struct VersionEvaluation {
    let client: Client
    let model: String
    let versions: (first: Int64, second: Int64)
    private let inputs: [NamedTensor]
    let rows: Rows
    /// What a request has where the model takes no other number of rows.
    private let rowsFixed: Int?
    let expected: NamedTensor?
    let output: String?
    let seed: UInt64
    private let digests: (first: String, second: String)

    /// So many single rows are timed.
    private static let timedMax = 200
    /// A request stays far below what a server takes by default.
    private static let requestBytesMax = 1 << 20

    /// `rowsPerRequest` `nil`: as many as the model takes, up to 32.
    init(
        _ client: Client, model: String, versions: (first: Int64, second: Int64), inputs arguments: [InputArgument],
        expected: InputArgument?, output: String?, rowsPerRequest: Int?, seed: UInt64
    ) throws(Failure) {
        (self.client, self.model, self.versions, self.output, self.seed) = (client, model, versions, output, seed)
        let status = try Self.status(of: model, client)
        let first = try Self.loaded(versions.first, of: status)
        let second = try Self.loaded(versions.second, of: status)
        digests = (first.artifactDigest.hex, second.artifactDigest.hex)
        if let output, !first.outputs.isEmpty, !first.outputs.contains(where: { $0.name == output }) {
            throw .usage(
                "--output-name \(quoted(output)): version \(first.version) has no such output; it has \(listed(first.outputs.map(\.name)))"
            )
        }
        var inputs: [NamedTensor] = []
        for argument in arguments { inputs += try argument.tensors(for: first.inputs, of: model) }
        self.inputs = inputs
        rowsFixed = Self.rowsFixed(first.inputs)
        self.expected = try expected?.tensor()
        do throws(RowsError) {
            rows = try Rows(
                inputs, rowsPerRequest: rowsPerRequest ?? rowsFixed ?? Self.rowsPerRequest(inputs), keepsRest: true)
        } catch {
            throw .usage("--inputs: \(error.sentence)")
        }
        if let expected = self.expected, let dealt = rows.dealt, expected.shape.first.map({ Int($0) }) != dealt.rows {
            throw .usage(
                "--expected: its shape is \(written(expected.shape)), and the inputs have \(dealt.rows) rows: give one for each"
            )
        }
    }

    private static func status(of model: String, _ client: Client) throws(Failure) -> ModelStatus {
        let models: [ModelStatus]
        do throws(ClientError) { models = try client.models() } catch { throw error.failure(at: client.endpoint) }
        guard let status = models.first(where: { $0.name == model }) else {
            throw Failure(
                code: .failed,
                sentence: "model \(quoted(model)) is not loaded; there are: \(listed(models.map(\.name)))")
        }
        return status
    }

    private static func loaded(_ version: Int64, of model: ModelStatus) throws(Failure) -> VersionStatus {
        guard let found = model.versions.first(where: { $0.version == version }),
            found.state == .ready || found.state == .live
        else {
            throw Failure(
                code: .failed,
                sentence: "version \(version) of model \(quoted(model.name)) is not loaded: load it first, with "
                    + "\"vencejo load \(printable(model.name)) --version \(version) --slot shadow\"")
        }
        return found
    }

    /// A model whose first dimension is fixed takes as many rows as that.
    private static func rowsFixed(_ specifications: [TensorSpecification]) -> Int? {
        for specification in specifications {
            if let first = specification.shape?.first, first > 0 { return Int(first) }
        }
        return nil
    }

    private static func rowsPerRequest(_ inputs: [NamedTensor]) -> Int {
        let rows = inputs.first?.shape.first.map { max(1, Int($0)) } ?? 1
        let bytes = inputs.reduce(0) { $0 + $1.content.count } / rows
        return max(1, min(32, requestBytesMax / max(1, bytes)))
    }

    // MARK: - The run

    func run() throws(Failure) -> EvaluationDocument {
        var evaluation = Evaluation()
        var expected = try self.expected.map { expected throws(Failure) in try cut(expected).makeIterator() }
        for request in rows.requests {
            let count = Int(request.first?.shape.first ?? 1)
            var arena = Arena(bytesMax: 1 << 36)
            let first = try answer(request, versions.first, in: &arena)
            let second = try answer(request, versions.second, in: &arena)
            do throws(EvaluationError) {
                try evaluation.note(
                    first, second, rows: count, expected: tensor(expected?.next(), in: &arena), output: output)
            } catch {
                throw Failure(code: .failed, sentence: error.sentence)
            }
        }
        let latency = try time()
        return EvaluationDocument(
            model: model, versions: versions, digests: digests, digest: digest, evaluation: evaluation,
            gain: evaluation.score.flatMap { PairedBootstrap.interval(of: $0.gains, seed: seed) }, seed: seed,
            latency: latency)
    }

    /// What is expected, request by request.
    private func cut(_ expected: NamedTensor) throws(Failure) -> [NamedTensor] {
        do throws(RowsError) {
            return try Rows([expected], rowsPerRequest: rows.dealt?.each ?? 1, keepsRest: true).requests.map { $0[0] }
        } catch {
            throw .usage("--expected: \(error.sentence)")
        }
    }

    private func tensor(_ expected: NamedTensor?, in arena: inout Arena) -> Tensor? {
        do throws(ArenaFull) {
            return try expected.map { expected throws(ArenaFull) in try expected.tensor(in: &arena) }
        } catch {
            preconditionFailure("a request's labels of more than 64 GiB")
        }
    }

    private func answer(
        _ inputs: [NamedTensor], _ version: Int64, in arena: inout Arena
    ) throws(Failure) -> List<Tensor> {
        let request: WireWriter
        do throws(ArenaFull) {
            request = try Dialect.vencejo.encode(inputs, model: model, version: version, in: &arena)
        } catch {
            throw Failure(code: .failed, sentence: "a request needs more than \(error.bytesMax) bytes: send less")
        }
        do throws(ClientError) {
            let message = try client.call(Dialect.vencejo.method, request, in: &arena)
            do throws(PredictionDecodeError) {
                let outputs = try PredictResponse.decode(message, in: &arena).outputs
                do throws(TensorError) {
                    for index in outputs.indices { try outputs[index].check() }
                } catch {
                    throw .tensor(error)
                }
                return outputs
            } catch {
                throw .status(.internal, "the server's answer does not decode: \(error.sentence)")
            }
        } catch {
            let failure = error.failure(at: client.endpoint)
            throw Failure(code: failure.code, sentence: "version \(version): \(failure.sentence)")
        }
    }

    /// Single rows, in turns, so that what drifts meets both: the nanoseconds of each, ascending.
    private func time() throws(Failure) -> (first: [Int64], second: [Int64]) {
        var times: (first: [Int64], second: [Int64]) = ([], [])
        let singles: Rows
        do throws(RowsError) { singles = rowsFixed == nil ? try Rows(inputs, rowsPerRequest: 1) : rows } catch {
            throw .usage("--inputs: \(error.sentence)")
        }
        for request in singles.requests.prefix(Self.timedMax) {
            times.first.append(try time(request, versions.first))
            times.second.append(try time(request, versions.second))
        }
        return (times.first.sorted(), times.second.sorted())
    }

    private func time(_ request: [NamedTensor], _ version: Int64) throws(Failure) -> Int64 {
        var arena = Arena(bytesMax: 1 << 36)
        let began = Clock.now()
        _ = try answer(request, version, in: &arena)
        return Clock.now() - began
    }

    /// SHA-256 of all that was given, however it was written: for each input, by name, and then for what is expected a line with
    /// name, type and shape, and the elements as on the wire.
    private var digest: String {
        var state = SHA256()
        for input in inputs.sorted(by: { $0.name < $1.name }) {
            Self.add(input, named: "input " + input.name, to: &state)
        }
        if let expected { Self.add(expected, named: "expected", to: &state) }
        return state.finish().hex
    }

    private static func add(_ tensor: NamedTensor, named name: String, to state: inout SHA256) {
        let head = OwnedBytes("\(name) \(tensor.type.name) \(written(tensor.shape))\n")
        state.update(head.view)
        let content = OwnedBytes(tensor.content)
        state.update(content.view)
    }
}
