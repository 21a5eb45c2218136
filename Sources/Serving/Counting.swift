// Enters: calls that came and ended, one way or another. Leaves: numbers in the metrics page. The only place that says what counts
// as what.
import GRPC
import HTTP2
import Memory
import Models
import Reactor
public import ServerMetrics
import Tensors

/// What is known of an exchange's call that has not ended; of a stream, of the message that was decoded last.
struct CallInProgress: BitwiseCopyable {
    var call = CallRecord()
    var requestBytes: Int64 = 0
    var responseBytes: Int64 = 0
}

extension Shard {
    /// A prediction's message is here; `began`: its first byte.
    func record(_ message: ByteView, of exchange: Exchange, _ method: PredictionMethod, began: Int64) {
        var record = CallInProgress()
        record.call.method = method
        record.call.began = began
        record.requestBytes = Int64(message.count)
        // A stream's answer is counted after the next message was taken.
        record.responseBytes = records[exchange.seat].responseBytes
        records[exchange.seat] = record
        beginAudit(message, of: exchange, isStreamed: method.isStreamed)
    }

    /// It is leased, and in flight from here on.
    func count(_ exchange: Exchange, with servable: Servable) {
        records[exchange.seat].call.leased(row: servable.row, modelRow: servable.modelRow)
        if servable.row != takenRow { countTaken() }
        takenRow = servable.row
        taken += 1
    }

    /// Those that were taken since it was last called.
    func countTaken() {
        guard taken > 0 else { return }
        recorder.count(.inFlight, row: Int(takenRow), Int64(taken))
        taken = 0
    }

    /// It names a model, and gets no version: it is counted with those of that model that had none.
    func countAside(_ exchange: Exchange, _ model: ByteView, _ error: LeaseError) {
        // Nobody's row need not be looked for.
        if case .unknownModel = error { return }
        records[exchange.seat].call.row = Int32(server.configuration.page.versionlessRow(of: model))
        records[exchange.seat].call.modelRow = Int32(server.configuration.page.modelRow(of: model))
    }

    /// A stream is gone. A unary prediction is counted with it, whatever became of it; those of streams were before.
    func count(_ exchange: Exchange, _ method: Method, of connection: Connection) {
        guard exchange.headIsComplete else { return }
        if let prediction = method.prediction, !prediction.isStreamed {
            if records[exchange.seat].call.began == 0 {
                // Its message never came, or was none.
                records[exchange.seat].call.began = exchange.openedNanoseconds
                records[exchange.seat].call.method = prediction
            }
            let record = records[exchange.seat]
            leaving.append(record.call, requestBytes: record.requestBytes, responseBytes: record.responseBytes)
        } else {
            let record = records[exchange.seat]
            // What PredictMany answers at its end.
            if method.prediction != nil, record.responseBytes > 0 {
                recorder.count(.responseBytes, row: Int(record.call.modelRow), record.responseBytes)
            }
            recorder.count(.rpcs, point: Int(method.rawValue) * grpcCodes.count + Int(record.call.code))
        }
        traceIfWanted(exchange, method, of: connection)
    }

    /// A message of a stream got its answer, or its refusal, or nobody waits for it any more.
    func countStreamed(
        _ exchange: Exchange, _ record: CallRecord, _ result: Result<Answer, Refusal>?, requestBytes: Int32
    ) {
        var record = record
        switch result {
        case .success: record.code = StatusCode.ok.rawValue
        case .failure(let refusal): record.note(refusal)
        case nil: break
        }
        leaving.append(
            record, requestBytes: Int64(requestBytes), responseBytes: records[exchange.seat].responseBytes)
        records[exchange.seat].responseBytes = 0
    }

    /// The turn's answers have left.
    func countLeaving() {
        countTaken()
        if !leaving.isEmpty { leaving.left(Clock.now(), to: recorder) }
    }
}

extension CallRecord {
    init(_ job: Job, gathered: Int64) {
        self.init()
        row = job.servable.row
        modelRow = job.servable.modelRow
        method = job.method
        isInFlight = true
        rows = Int32(clamping: job.rows ?? 1)
        batchRows = job.result.batchRows
        batchNanoseconds = job.result.batchNanoseconds
        began = job.arrived
        self.gathered = gathered
        ranFrom = job.result.ranFrom
        ranUntil = job.result.ranUntil
    }

    /// What is known of it when it has run.
    mutating func ran(_ record: CallRecord, began: Int64) {
        self = record
        self.began = began
    }

    mutating func leased(row: Int32, modelRow: Int32) {
        self.row = row
        self.modelRow = modelRow
        isInFlight = true
    }

    mutating func note(_ refusal: Refusal) {
        code = refusal.status.rawValue
        rejection = refusal.rejection.map { UInt8($0.index + 1) } ?? 0
    }
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
