// Enters: the keys and values of a `model.yaml`, parsed at the street. Leaves: checked values.

/// What `model.yaml` may say about a model. All of it has a default: an ordinary ONNX file needs no configuration.
public struct ModelConfiguration: Sendable, Equatable {
    public enum Engine: String, CaseIterable, Sendable { case onnx, identity }

    public enum GraphOptimization: String, CaseIterable, Sendable { case disabled, basic, extended, all }

    public enum Batching: String, CaseIterable, Sendable { case auto, on, off }

    public enum ExecutionMode: String, CaseIterable, Sendable { case sequential, parallel }

    /// Threads that a runtime may be asked for.
    public static let threads = 1...256
    public static let batchRows = 1...4095
    public static let queueDelay = 0...10_000_000
    public static let queueCalls = 1...1_000_000
    public static let versionsKept = 1...1000

    public private(set) var engine = Engine.onnx
    /// Threads inside one operator; `nil`: the server's choice.
    public private(set) var intraOpThreads: Int?
    /// Threads across operators, in the execution mode `parallel`; `nil`: the server's choice.
    public private(set) var interOpThreads: Int?
    public private(set) var graphOptimization = GraphOptimization.all
    public private(set) var executionMode = ExecutionMode.sequential
    /// Whether calls may run together: where the graph proves it, on the owner's word, or never.
    public private(set) var batching = Batching.auto
    /// Rows that may run together; 1: each call by itself; `nil`: the server's choice.
    public private(set) var batchRowsMax: Int?
    /// With so many rows no call waits for more of them.
    public private(set) var batchRowsPreferred: Int?
    /// How long a call may wait for others to run with; `nil`: not at all.
    public private(set) var queueDelayMicroseconds: Int?
    /// Calls that may wait; `nil`: the server's choice.
    public private(set) var queueCallsMax: Int?
    /// Runs at the same time; `nil`: as many as there are executors.
    public private(set) var concurrency: Int?

    /// How far an answer to a golden input may be from the golden output; `nil`: by the element's type.
    public private(set) var goldenRelativeTolerance: Double?
    public private(set) var goldenAbsoluteTolerance: Double?
    /// What the slowest but one percent of single calls may take; `nil`: whatever they take.
    public private(set) var latencyBudgetMilliseconds: Double?
    /// What loading and running it may add to a process's memory; `nil`: whatever there is.
    public private(set) var memoryBudgetBytes: Int?
    /// Which versions are loaded without an order.
    public internal(set) var versionPolicy = VersionPolicy.latest(2)
    /// Where the repository is watched, so many of the highest versions stay in it, and older ones that nobody uses are
    /// removed; `nil`: all stay.
    public private(set) var versionsKept: Int?

    /// Names that callers may use for versions: `labels: {stable: 2}`, which arrives here as `labels.stable`.
    public private(set) var labels: [String: Int64] = [:]

    /// What a Triton configuration said beyond all that; `nil`: there is none.
    public internal(set) var triton: TritonModel?

    public init() {}

    /// What of it decides how a version is loaded and run: two versions with the same answer alike.
    public var ofRuns: ModelConfiguration {
        var runs = self
        runs.versionPolicy = .latest(2)
        (runs.versionsKept, runs.labels) = (nil, [:])
        return runs
    }

    /// `file` is what errors call the configuration. Errors: an unknown key, a key twice, a value that is not allowed.
    public init(_ pairs: [(key: String, value: String)], file: String) throws(ConfigurationError) {
        var seen: Set<Key> = []
        for (name, value) in pairs {
            if name.hasPrefix(Self.labelPrefix) {
                try setLabel(String(name.dropFirst(Self.labelPrefix.count)), value, file: file)
                continue
            }
            let isPolicy = name.hasPrefix(Key.versionPolicy.rawValue + ".")
            guard let key = isPolicy ? .versionPolicy : Key(rawValue: name) else {
                throw .unknownKey(file: file, key: name)
            }
            guard seen.insert(key).inserted else { throw .repeatedKey(file: file, key: key.rawValue) }
            if key == .versionPolicy {
                guard let policy = VersionPolicy(key: name.dropFirst(key.rawValue.count), value: value) else {
                    throw .value(file: file, key: name, value: value, allowed: key.allowed)
                }
                versionPolicy = policy
                continue
            }
            guard set(key, value) else {
                throw .value(file: file, key: name, value: value, allowed: key.allowed)
            }
        }
    }

    private static let labelPrefix = "labels."

    /// What may stand at the beginning of a line.
    static let keyNames = Key.allCases.map(\.rawValue) + ["labels"]

    private mutating func setLabel(_ label: String, _ value: String, file: String) throws(ConfigurationError) {
        let key = Self.labelPrefix + label
        guard Layout.isModelName(label), Int64(label) == nil else {
            throw .value(
                file: file, key: "labels", value: label,
                allowed: "a name of letters, digits, '.', '_' and '-' that is not a number")
        }
        guard let version = Layout.version(value) else {
            throw .value(file: file, key: key, value: value, allowed: "the number of a version")
        }
        guard labels.updateValue(version, forKey: label) == nil else { throw .repeatedKey(file: file, key: key) }
    }

    private mutating func set(_ key: Key, _ value: String) -> Bool {
        switch key {
        case .engine: Self.assign(Engine(rawValue: value), to: &engine)
        case .intraOpThreads: Self.assign(Self.number(value, in: Self.threads), to: &intraOpThreads)
        case .interOpThreads: Self.assign(Self.number(value, in: Self.threads), to: &interOpThreads)
        case .graphOptimization: Self.assign(GraphOptimization(rawValue: value), to: &graphOptimization)
        case .executionMode: Self.assign(ExecutionMode(rawValue: value), to: &executionMode)
        case .batching: Self.assign(Batching(rawValue: value), to: &batching)
        case .batchRowsMax: Self.assign(Self.number(value, in: Self.batchRows), to: &batchRowsMax)
        case .batchRowsPreferred: Self.assign(Self.number(value, in: Self.batchRows), to: &batchRowsPreferred)
        case .queueDelay: Self.assign(Self.number(value, in: Self.queueDelay), to: &queueDelayMicroseconds)
        case .queueCallsMax: Self.assign(Self.number(value, in: Self.queueCalls), to: &queueCallsMax)
        case .concurrency: Self.assign(Self.number(value, in: Self.threads), to: &concurrency)
        case .goldenRelative: Self.assign(Self.real(value, from: 0), to: &goldenRelativeTolerance)
        case .goldenAbsolute: Self.assign(Self.real(value, from: 0), to: &goldenAbsoluteTolerance)
        case .latencyBudget: Self.assign(Self.real(value, from: 0.001), to: &latencyBudgetMilliseconds)
        case .memoryBudget: Self.assign(Self.bytes(value), to: &memoryBudgetBytes)
        case .versionsKept: Self.assign(Self.number(value, in: Self.versionsKept), to: &versionsKept)
        case .versionPolicy: preconditionFailure("it may be nested, and is read before")
        }
    }

    private static func assign<Value>(_ value: Value?, to place: inout Value) -> Bool {
        guard let value else { return false }
        place = value
        return true
    }

    /// `nil`: not allowed. (The outer optional; the inner one is the place's.)
    private static func number(_ value: String, in allowed: ClosedRange<Int>) -> Int?? {
        guard let number = Int(value), allowed.contains(number) else { return .none }
        return .some(number)
    }

    private static func real(_ value: String, from least: Double) -> Double?? {
        guard let number = Double(value), number.isFinite, number >= least else { return .none }
        return .some(number)
    }

    /// "536870912", "512M", "2G": K, M and G stand for 1024, 1024² and 1024³ bytes.
    private static func bytes(_ value: String) -> Int?? {
        let units: [Character: Int] = ["K": 10, "M": 20, "G": 30]
        let shift = value.last.flatMap { units[$0] }
        guard let number = Int(shift == nil ? value : String(value.dropLast())), number > 0,
            number <= Int.max >> (shift ?? 0)
        else { return .none }
        return .some(number << (shift ?? 0))
    }

    enum Key: String, CaseIterable {
        case engine
        case intraOpThreads = "intra_op_threads"
        case interOpThreads = "inter_op_threads"
        case graphOptimization = "graph_optimization"
        case executionMode = "execution_mode"
        case batching
        case batchRowsMax = "max_batch_size"
        case batchRowsPreferred = "preferred_batch_size"
        case queueDelay = "max_queue_delay_microseconds"
        case queueCallsMax = "max_queue_size"
        case concurrency = "instances"
        case goldenRelative = "golden_rtol"
        case goldenAbsolute = "golden_atol"
        case latencyBudget = "latency_budget_milliseconds"
        case memoryBudget = "memory_budget"
        case versionPolicy = "version_policy"
        case versionsKept = "keep"

        /// The end of a sentence that begins with "allowed is".
        var allowed: String {
            switch self {
            case .engine: Self.list(Engine.self)
            case .batching: Self.list(Batching.self)
            case .intraOpThreads, .interOpThreads, .concurrency: Self.range(ModelConfiguration.threads)
            case .batchRowsMax, .batchRowsPreferred: Self.range(ModelConfiguration.batchRows)
            case .queueDelay: Self.range(ModelConfiguration.queueDelay)
            case .queueCallsMax: Self.range(ModelConfiguration.queueCalls)
            case .goldenRelative, .goldenAbsolute: "a number from 0 on"
            case .latencyBudget: "a number of milliseconds from 0.001 on"
            case .memoryBudget: "bytes, as 536870912, 512M or 2G"
            case .graphOptimization: Self.list(GraphOptimization.self)
            case .executionMode: Self.list(ExecutionMode.self)
            case .versionPolicy: VersionPolicy.allowed
            case .versionsKept: Self.range(ModelConfiguration.versionsKept)
            }
        }

        private static func range(_ allowed: ClosedRange<Int>) -> String {
            "a whole number from \(allowed.lowerBound) to \(allowed.upperBound)"
        }

        private static func list<Value: CaseIterable & RawRepresentable<String>>(_ type: Value.Type) -> String {
            type.allCases.map(\.rawValue).joined(separator: ", ")
        }
    }
}

/// A `model.yaml` that says something it may not.
public enum ConfigurationError: Error, Equatable {
    case notYAML(file: String, reason: String)
    /// Of a `config.pbtxt`.
    case triton(file: String, line: Int, reason: String)
    case unknownKey(file: String, key: String)
    case repeatedKey(file: String, key: String)
    /// `allowed`: what would have been right, in words.
    case value(file: String, key: String, value: String, allowed: String)
}

extension ConfigurationError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .notYAML(let file, let reason): "\(file): \(reason)"
        case .triton(_, 0, let reason): "\(TritonOverride.name): \(reason)"
        case .triton(let file, let line, let reason): "\(file):\(line): \(reason)"
        case .unknownKey(let file, let key):
            "\(file): there is no key '\(Layout.printable(key))'\(Self.suggestion(for: key)); allowed are "
                + ModelConfiguration.keyNames.joined(separator: ", ")
        case .repeatedKey(let file, let key): "\(file): the key '\(key)' is given more than once"
        case .value(let file, let key, let value, let allowed):
            "\(file): \(key) is '\(Layout.printable(value))'; allowed is \(allowed)"
        }
    }

    /// The key that was probably meant: at most a third of its letters differ.
    private static func suggestion(for key: String) -> String {
        guard key.utf8.count <= Layout.nameBytesMax else { return "" }
        // Of a nested key the outer one may be what is misspelled.
        let outer = String(key.prefix { $0 != "." })
        let ranked = ModelConfiguration.keyNames.map { (name: $0, edits: min(edits(key, $0), edits(outer, $0))) }
        guard let best = ranked.min(by: { $0.edits < $1.edits }), best.edits <= best.name.utf8.count / 3 else {
            return ""
        }
        return " (did you mean '\(best.name)'?)"
    }

    /// Levenshtein's distance of two names, in bytes, row by row.
    private static func edits(_ left: String, _ right: String) -> Int {
        let right = Array(right.utf8)
        var row = Array(0...right.count)
        for (line, byte) in left.utf8.enumerated() {
            var diagonal = row[0]
            row[0] = line + 1
            for column in right.indices {
                let replaced = diagonal + (byte == right[column] ? 0 : 1)
                diagonal = row[column + 1]
                row[column + 1] = min(replaced, diagonal + 1, row[column] + 1)
            }
        }
        return row[right.count]
    }
}
