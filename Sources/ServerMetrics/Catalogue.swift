// Enters: nothing. Leaves: every metric of the server, with its place in the page.

/// All metrics of a page, and where in a row of their scope their cells lie.
public struct Catalogue: Sendable, Equatable {
    public private(set) var families: [Family]
    /// Cells of a row, by scope.
    public private(set) var rowCells: [Family.Scope: Int]

    public init(_ families: [Family]) {
        self.families = families
        var cells: [Family.Scope: Int] = [:]
        for index in families.indices {
            let scope = families[index].scope
            self.families[index].first = cells[scope, default: 0]
            cells[scope, default: 0] += families[index].cells
        }
        rowCells = cells
    }

    func cells(of scope: Family.Scope) -> Int { rowCells[scope] ?? 0 }
}

/// The server's metrics, in the order in which they are shown.
public enum Metric: Int, CaseIterable, Sendable {
    case requests, requestDuration, queueDuration, computeDuration, batchSize, inferences, executions,
        batchDisagreements, inFlight, queueDepth
    case modelState, trafficRatio, loadDuration, modelMemory
    case queueCapacity, rejected, requestBytes, responseBytes, loads, transitions, lastTransition, rolloutWaiting,
        shadowComparisons
    case rpcs, workerBusy, workers, connections, goaways, callMemory, callMemoryLimit, spans, catalogEpoch,
        commitDuration
    case cpu, residentMemory, openFiles, filesMax, startTime
}

/// How a prediction was asked for.
public enum PredictionMethod: Int, CaseIterable, BitwiseCopyable, Sendable {
    case predict, modelInfer, predictStream, predictMany, modelStreamInfer

    /// It is one message of a stream.
    public var isStreamed: Bool {
        switch self {
        case .predict, .modelInfer: false
        case .predictStream, .predictMany, .modelStreamInfer: true
        }
    }

    var name: String {
        switch self {
        case .predict: "Predict"
        case .modelInfer: "ModelInfer"
        case .predictStream: "PredictStream"
        case .predictMany: "PredictMany"
        case .modelStreamInfer: "ModelStreamInfer"
        }
    }
}

/// Why a prediction was turned away before it ran.
public enum RejectReason: String, CaseIterable, Sendable {
    case queueFull = "queue_full"
    case deadline, draining, auth
    case tooLarge = "too_large"
    case unknownModel = "unknown_model"
    case badInput = "bad_input"
    case memory, unavailable, audit

    public var literal: StaticString {
        switch self {
        case .queueFull: "queue_full"
        case .deadline: "deadline"
        case .draining: "draining"
        case .auth: "auth"
        case .tooLarge: "too_large"
        case .unknownModel: "unknown_model"
        case .badInput: "bad_input"
        case .memory: "memory"
        case .unavailable: "unavailable"
        case .audit: "audit"
        }
    }
}

public enum ModelPhase: String, CaseIterable, Sendable { case loading, ready, draining, failed }
public enum TransitionAction: String, CaseIterable, Sendable { case promote, rollback, abort, load, unload }
public enum TransitionTrigger: String, CaseIterable, Sendable { case cli, api, auto, scheduler }
public enum LoadResult: String, CaseIterable, Sendable { case ok, failed }
public enum ShadowResult: String, CaseIterable, Sendable { case match, mismatch, error }
public enum GoawayReason: String, CaseIterable, Sendable {
    case drain
    case maxAge = "max_age"
    case idle, error
}
public enum WorkerPool: String, CaseIterable, Sendable { case shard, executor }

extension CaseIterable where Self: Equatable, AllCases: RandomAccessCollection, AllCases.Index == Int {
    /// Its place among all cases, which is that of its label value.
    public var index: Int { Self.allCases.firstIndex(of: self) ?? 0 }
}

/// gRPC's status codes by number, in its own spelling.
public let grpcCodes = [
    "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
    "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED",
    "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
]

extension Catalogue {
    /// Classic boundaries of times, in seconds, unless somebody wants others: those of an objective must be among them.
    public static let latencyBounds = [
        0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30,
    ]

    /// - Parameter rpcs: names of the methods that are no predictions.
    /// - Parameter latencyBounds: ascending, in seconds.
    public static func server(rpcs: [String], latencyBounds: [Double] = latencyBounds) -> Catalogue {
        // 1 µs to 128 s in steps of 9 %.
        let times = Buckets(schema: 3, exponents: -160...56, classic: latencyBounds, divisor: 1e9)
        let rows = Buckets(schema: 0, exponents: -1...10, classic: (0...10).map { Double(1 << $0) }, divisor: 1)
        // A zero from the start where an error ratio's first step should be seen.
        let methods = Family.Label(
            "method", PredictionMethod.allCases.map(\.name), expected: ["Predict", "ModelInfer"])
        let codes = Family.Label(
            "code", grpcCodes,
            expected: ["OK", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "INTERNAL", "UNAVAILABLE"])
        return Catalogue(
            Metric.allCases.map { metric in
                switch metric {
                case .requests:
                    Family(
                        "vencejo_requests",
                        "Predictions that were asked for and ended: unary calls, and messages of streams.",
                        .counter, of: .version,
                        [methods, codes])
                case .requestDuration:
                    Family(
                        "vencejo_request_duration_seconds",
                        "From the first byte of a request to the last byte of its answer, in the server.",
                        unit: "seconds",
                        .histogram, of: .version, [Family.Label("outcome", ["ok", "error"])], divisor: 1e9,
                        buckets: times)
                case .queueDuration:
                    Family(
                        "vencejo_queue_duration_seconds", "From a checked call to the begin of its run.",
                        unit: "seconds",
                        .histogram, of: .version, divisor: 1e9, buckets: times)
                case .computeDuration:
                    Family(
                        "vencejo_compute_duration_seconds",
                        "Parts of a request that was answered: input is reading and checking, infer the run, output the answer.",
                        unit: "seconds", .histogram, of: .version,
                        [Family.Label("phase", ["input", "infer", "output"])],
                        divisor: 1e9, buckets: times)
                case .batchSize:
                    Family("vencejo_batch_size", "Rows that ran together.", .histogram, of: .version, buckets: rows)
                case .inferences: Family("vencejo_inferences", "Rows that were answered.", .counter, of: .version)
                case .executions: Family("vencejo_executions", "Runs of the model.", .counter, of: .version)
                case .batchDisagreements:
                    Family(
                        "vencejo_batch_disagreements",
                        "Batches that gave other answers than their calls alone: a fault of the server.", .counter,
                        of: .version)
                case .inFlight:
                    Family(
                        "vencejo_requests_in_flight", "Predictions that were taken and are not answered yet.", .level,
                        of: .version)
                case .queueDepth:
                    Family(
                        "vencejo_queue_depth", "Calls that wait for an executor or are with one.", .gauge, of: .version)
                case .modelState:
                    Family(
                        "vencejo_model_state", "1 for the state that the version is in.", .gauge, of: .version,
                        [Family.Label("state", ModelPhase.allCases.map(\.rawValue))])
                case .trafficRatio:
                    Family(
                        "vencejo_model_traffic_ratio", "The version's part of the calls that name none.", unit: "ratio",
                        .gauge, of: .version)
                case .loadDuration:
                    Family(
                        "vencejo_model_load_duration_seconds",
                        "How long the last load took, warm-up and gates included.",
                        unit: "seconds", .gauge, of: .version)
                case .modelMemory:
                    Family(
                        "vencejo_model_memory_bytes", "What loading the version added to the server's memory.",
                        unit: "bytes", .gauge, of: .version)
                case .queueCapacity:
                    Family(
                        "vencejo_queue_capacity", "Calls of one version that may wait; one more is refused.", .gauge,
                        of: .model)
                case .rejected:
                    Family(
                        "vencejo_requests_rejected", "Predictions that were turned away before they ran.", .counter,
                        of: .model, [Family.Label("reason", RejectReason.allCases.map(\.rawValue))])
                case .requestBytes:
                    Family("vencejo_request_bytes", "Bytes of requests' messages.", unit: "bytes", .counter, of: .model)
                case .responseBytes:
                    Family("vencejo_response_bytes", "Bytes of answers' messages.", unit: "bytes", .counter, of: .model)
                case .loads:
                    Family(
                        "vencejo_model_loads", "Loads that ended.", .counter, of: .model,
                        [Family.Label("result", LoadResult.allCases.map(\.rawValue))])
                case .transitions:
                    Family(
                        "vencejo_model_transitions", "Changes of which versions are served, and who wanted them.",
                        .counter,
                        of: .model,
                        [
                            Family.Label("action", TransitionAction.allCases.map(\.rawValue)),
                            Family.Label("trigger", TransitionTrigger.allCases.map(\.rawValue)),
                        ])
                case .lastTransition:
                    Family(
                        "vencejo_model_last_transition_timestamp_seconds", "When another version was last made live.",
                        unit: "seconds", .gauge, of: .model)
                case .rolloutWaiting:
                    Family(
                        "vencejo_rollout_waiting", "1 while the model's rollout waits for an operator to decide.",
                        .gauge,
                        of: .model)
                case .shadowComparisons:
                    Family(
                        "vencejo_shadow_comparisons", "Calls that the version in the shadow repeated.", .counter,
                        of: .model,
                        [Family.Label("result", ShadowResult.allCases.map(\.rawValue))])
                case .rpcs:
                    Family(
                        "vencejo_rpcs", "Calls that are no predictions.", .counter, of: .server,
                        [Family.Label("method", rpcs, expected: []), Family.Label("code", grpcCodes)])
                case .workerBusy:
                    Family(
                        "vencejo_worker_busy_seconds", "Time that threads were not asleep.", unit: "seconds", .counter,
                        of: .server, [Family.Label("pool", WorkerPool.allCases.map(\.rawValue))], divisor: 1e9)
                case .workers:
                    Family(
                        "vencejo_workers", "Threads.", .gauge, of: .server,
                        [Family.Label("pool", WorkerPool.allCases.map(\.rawValue))])
                case .connections: Family("vencejo_grpc_connections", "Open connections.", .level, of: .server)
                case .goaways:
                    Family(
                        "vencejo_grpc_goaways", "Connections that were asked to leave.", .counter, of: .server,
                        [Family.Label("reason", GoawayReason.allCases.map(\.rawValue))])
                case .callMemory:
                    Family("vencejo_call_memory_bytes", "Memory that calls hold.", unit: "bytes", .gauge, of: .server)
                case .callMemoryLimit:
                    Family(
                        "vencejo_call_memory_limit_bytes", "Memory that calls may hold.", unit: "bytes", .gauge,
                        of: .server)
                case .spans:
                    Family("vencejo_trace_spans", "Calls that were recorded for tracing.", .counter, of: .server)
                case .catalogEpoch:
                    Family(
                        "vencejo_catalog_epoch", "The number of the last change of what is served.", .gauge, of: .server
                    )
                case .commitDuration:
                    Family(
                        "vencejo_commit_duration_seconds",
                        "From the store of a change to the last shard that goes by it.",
                        unit: "seconds", .histogram, of: .server, divisor: 1e9, buckets: times)
                case .cpu:
                    Family(
                        "process_cpu_seconds", "Processor time of the server.", unit: "seconds", .counter, of: .server,
                        divisor: 1e9)
                case .residentMemory:
                    Family(
                        "process_resident_memory_bytes", "Resident memory of the server.", unit: "bytes", .gauge,
                        of: .server)
                case .openFiles: Family("process_open_fds", "File descriptors of the server.", .gauge, of: .server)
                case .filesMax: Family("process_max_fds", "File descriptors that it may have.", .gauge, of: .server)
                case .startTime:
                    Family(
                        "process_start_time_seconds", "When the server was started.", unit: "seconds", .gauge,
                        of: .server)
                }
            })
    }
}
