// Enters: calls that came and ended, one way or another. Leaves: numbers in the metrics page. The only place that says what counts
// as what.
import GRPC
import HTTP2
import Memory
public import Metrics
import Reactor
import Tensors

extension Shard {
    /// A prediction's message is here; `began`: its first byte.
    func record(_ message: ByteView, of exchange: Exchange, began: Int64) {
        var record = CallRecord()
        record.method = UInt8(rpcs[exchange.seat].method.prediction?.rawValue ?? 0)
        record.requestBytes = Int64(message.count)
        record.began = began
        rpcs[exchange.seat].record = record
    }

    /// It is leased.
    func count(_ exchange: Exchange, with servable: Servable) {
        rpcs[exchange.seat].record.row = servable.row
        rpcs[exchange.seat].record.modelRow = servable.modelRow
    }

    /// It names a model, and gets no version: it is counted with those of that model that had none.
    func countAside(_ exchange: Exchange, _ model: ByteView) {
        rpcs[exchange.seat].record.row = Int32(server.configuration.page.versionlessRow(of: model))
        rpcs[exchange.seat].record.modelRow = Int32(server.configuration.page.modelRow(of: model))
    }

    /// It was taken.
    func begin(_ job: inout Job) {
        job.record.isInFlight = true
        rpcs[job.exchange.seat].record.isInFlight = true
        recorder.count(.inFlight, row: Int(job.record.row))
    }

    /// A stream is gone. A unary prediction is counted with it, whatever became of it; those of streams were before.
    func count(_ rpc: RPC, of exchange: Exchange) {
        guard exchange.headIsComplete else { return }
        if rpc.method.prediction != nil && rpc.method.shape == .unary {
            leaving.append(rpc.record)
            if rpc.record.began == 0 {
                leaving[leaving.count - 1].began = exchange.openedNanoseconds
                leaving[leaving.count - 1].method = UInt8(rpc.method.prediction?.rawValue ?? 0)
            }
            return
        }
        if rpc.record.responseBytes > 0, rpc.method.prediction != nil {
            recorder.count(.responseBytes, row: Int(rpc.record.modelRow), rpc.record.responseBytes)
        }
        recorder.count(.rpcs, point: Int(rpc.method.rawValue) * grpcCodes.count + Int(rpc.record.code))
    }

    /// A message of a stream got its answer, or its refusal, or nobody waits for it any more.
    func countStreamed(_ exchange: Exchange, _ record: CallRecord, _ result: Result<Answer, Refusal>?) {
        var record = record
        switch result {
        case .success: record.code = StatusCode.ok.rawValue
        case .failure(let refusal): record.note(refusal)
        case nil: break
        }
        record.responseBytes = rpcs[exchange.seat].record.responseBytes
        rpcs[exchange.seat].record.responseBytes = 0
        leaving.append(record)
    }

    /// The turn's answers have left.
    func countLeaving() {
        guard !leaving.isEmpty else { return }
        let left = Clock.now()
        for record in leaving { ledger.ended(record, left: left) }
        ledger.flush(left: left)
        leaving.removeAll(keepingCapacity: true)
    }
}

extension CallRecord {
    /// It is one message of a stream.
    var isStreamed: Bool { PredictionMethod(rawValue: Int(method))?.isStreamed ?? false }

    mutating func note(_ refusal: Refusal) {
        code = refusal.status.rawValue
        rejection = refusal.rejection.map { UInt8($0.index + 1) } ?? 0
    }
}

extension PredictionMethod {
    fileprivate var isStreamed: Bool { self != .predict && self != .modelInfer }
}

extension Method {
    /// `nil`: it is no prediction.
    var prediction: PredictionMethod? {
        switch self {
        case .predict: .predict
        case .modelInfer: .modelInfer
        case .predictStream: .predictStream
        case .predictMany: .predictMany
        case .modelStreamInfer: .modelStreamInfer
        default: nil
        }
    }
}

extension Product {
    /// What this server shows of itself. - Parameter latencyBounds: the classic boundaries of times, in seconds.
    public static func catalogue(latencyBounds: [Double] = Catalogue.latencyBounds) -> Catalogue {
        let rpcs = Method.allCases.map { $0 == .none ? "other" : String("\($0.path)".dropFirst()) }
        return .server(rpcs: rpcs, latencyBounds: latencyBounds)
    }
}
