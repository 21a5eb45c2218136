// Enters: how an operator wants a model run. Leaves: the runtime's options for one session.
import COnnxRuntime

/// How one session runs. The defaults are those of a server that runs many models on few cores: no threads of its own.
public struct SessionOptions: Sendable, Equatable {
    public enum GraphOptimization: String, Sendable, CaseIterable { case disabled, basic, extended, all }
    public enum ExecutionMode: String, Sendable, CaseIterable { case sequential, parallel }

    /// An entry of the runtime's own configuration, for what has no name here ("session.intra_op.allow_spinning").
    public struct Entry: Sendable, Equatable {
        public var key: String
        public var value: String

        public init(key: String, value: String) {
            self.key = key
            self.value = value
        }
    }

    /// Threads of one operator, the calling thread among them. With more than 1 the session runs on the pool that all such
    /// sessions share, whose size was given when the runtime was opened.
    public var intraOpThreads = 1
    /// Threads that run operators side by side, of a shared pool too; only with `.parallel`.
    public var interOpThreads = 1
    public var graphOptimization = GraphOptimization.all
    public var executionMode = ExecutionMode.sequential
    /// Plans memory by the shapes of the first call. Off where every call has its own shape.
    public var memoryPattern = true
    /// Keeps freed memory for the next call. Off: less memory, more system calls.
    public var cpuArena = true
    /// The runtime's whole account of what it does with the model goes to the log, not its warnings only.
    public var verbose = false
    public var entries: [Entry] = []

    public init() {}
}

extension SessionOptions {
    /// The options as the runtime wants them; `name` stands in its log lines.
    func made(for table: Table, name: String) throws(RuntimeFailure) -> Owned {
        let owned = try unsafe Owned(table, releaseSlot: ORT_RELEASE_SESSION_OPTIONS) {
            unsafe ort_create_session_options(table.slots, &$0)
        }
        let (slots, options) = unsafe (table.slots, owned.pointer)
        try unsafe table.check(ort_set_log_name(slots, options, name))
        func set(_ slot: Int, _ value: Int) throws(RuntimeFailure) {
            try unsafe table.check(ort_set(slots, CInt(slot), options, Int32(clamping: value)))
        }
        if verbose { try set(ORT_SET_LOG_SEVERITY, ORT_SEVERITY_INFO) }
        if intraOpThreads > 1 || interOpThreads > 1 {
            try unsafe table.check(ort_share_threads(slots, options))
        } else {
            try set(ORT_SET_INTRA_OP_THREADS, 1)
            try set(ORT_SET_INTER_OP_THREADS, 1)
        }
        try set(ORT_SET_GRAPH_OPTIMIZATION, graphOptimization.level)
        try set(ORT_SET_EXECUTION_MODE, executionMode == .parallel ? 1 : 0)
        try unsafe table.check(ort_set_memory_pattern(slots, options, memoryPattern ? 1 : 0))
        try unsafe table.check(ort_set_cpu_arena(slots, options, cpuArena ? 1 : 0))
        for entry in entries { try unsafe table.check(ort_add_config_entry(slots, options, entry.key, entry.value)) }
        // Last, so that no entry undoes it: bytes that `ModelFileCheck` walked as protobuf must not be read as the
        // runtime's other format, which it tells by four bytes that a protobuf may hold too.
        try unsafe table.check(ort_add_config_entry(slots, options, "session.load_model_format", "ONNX"))
        return owned
    }
}

extension SessionOptions.GraphOptimization {
    fileprivate var level: Int {
        switch self {
        case .disabled: 0
        case .basic: 1
        case .extended: 2
        case .all: 99
        }
    }
}
