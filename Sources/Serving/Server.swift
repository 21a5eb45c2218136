// Enters: a configuration. Leaves: shards that serve, until they are drained.
public import Experiments
import Memory
public import Models
public import Reactor
import Reflection
public import ServerMetrics
public import Spans
import Synchronization
public import TLS
public import Tensors

/// What this build calls itself.
public enum Product {
    public static let version: StaticString = "0.1.0"
    /// What we offer of the Open Inference Protocol's extensions, in Triton's words.
    static let extensions: [StaticString] = ["binary_tensor_data", "model_configuration", "statistics"]
    /// The services and their descriptors.
    static let services = ServiceIndex()
}

/// A listening socket, and how those who connect to it are spoken to.
public struct ServerListener: Sendable {
    public let listener: Listener
    public let tls: ServerContext?
    /// Whether models may be loaded and swapped from there.
    public let mayControl: Bool

    public init(_ listener: Listener, tls: ServerContext?, mayControl: Bool = false) {
        self.listener = listener
        self.tls = tls
        self.mayControl = mayControl
    }
}

public struct ServerConfiguration: Sendable {
    public var limits: ServerLimits
    public var models: Directory<Servable>
    /// For each shard its listeners: sockets of its own (SO_REUSEPORT), or one that all share (a Unix socket).
    public var listeners: [[ServerListener]]
    /// Where calls about which models are served go; `nil`: nowhere.
    public var desk: Desk?
    /// Which answers wait for a reward.
    public var exposures: Exposures
    /// What it shows of itself, with a shard for each of `listeners`.
    public var page: Page
    /// Which calls leave a span there; `nil`: none.
    public var tracing: TracingSettings?
    /// In which form calls of the Open Inference Protocol are answered that do not say it.
    public var answers = AnswerForm.raw
    /// Where calls are recorded; `nil`: nowhere.
    public var audit: AuditRings?
    /// Where all else is recorded.
    public var journal: AuditJournal?
    /// A line for who looks after the server; of a call that is traced, with its caller's place in the trace.
    public var log: @Sendable (_ line: String, _ trace: TraceContext?) -> Void

    public init(
        limits: ServerLimits, models: Directory<Servable>, listeners: [[ServerListener]], desk: Desk? = nil,
        exposures: Exposures = Exposures(), page: Page, tracing: TracingSettings? = nil,
        answers: AnswerForm = .raw, audit: AuditRings? = nil, journal: AuditJournal? = nil,
        log: @escaping @Sendable (String, TraceContext?) -> Void
    ) {
        self.page = page
        self.tracing = tracing
        self.answers = answers
        self.audit = audit
        self.journal = journal
        self.desk = desk
        self.exposures = exposures
        self.limits = limits
        self.models = models
        self.listeners = listeners
        self.log = log
    }

    func listeners(of shard: Int) -> [ServerListener] { listeners[shard] }
}

/// What all shards know of the server.
final class ServerState: Sendable {
    enum Stage: UInt8 {
        /// Models that it begins with do not answer yet.
        case starting
        case ready
        case draining
    }

    private let raw = Atomic<UInt8>(Stage.starting.rawValue)
    /// Every model that the server begins with is loaded, or has failed.
    let startIsOver = Atomic<Bool>(false)

    /// Shards that have refused calls for some time because they cannot be recorded.
    let closedShards = Atomic<Int>(0)

    /// It only ever goes on.
    var stage: Stage { Stage(rawValue: raw.load(ordering: .acquiring)) ?? .draining }
    var isReady: Bool { stage == .ready && closedShards.load(ordering: .relaxed) == 0 }
    var isDraining: Bool { stage == .draining }

    func reach(_ stage: Stage) { _ = raw.max(stage.rawValue, ordering: .acquiringAndReleasing) }
}

/// What the threads of a server share.
final class Shared: Sendable {
    let configuration: ServerConfiguration
    let state = ServerState()
    let tally = Tally()
    let doors: [ShardDoor]
    let executors: Executors
    let mirrors: Mirrors

    init(_ configuration: ServerConfiguration) throws(SystemError) {
        self.configuration = configuration
        var doors: [ShardDoor] = []
        for _ in configuration.listeners { doors.append(ShardDoor(wakeUp: try WakeUp())) }
        self.doors = doors
        mirrors = try Mirrors(configuration.page.common)
        awake = Atomic(doors.count)
        executors = try Executors(
            count: configuration.limits.executors, firstRunner: doors.count,
            arenaBytesMax: configuration.limits.arenaBytesMax, tally: tally,
            recorder: configuration.page.common, takesDigests: configuration.audit?.settings.digestsLarge ?? false
        ) { configuration.log($0, nil) }
    }

    /// Shards that are not asleep.
    private let awake: Atomic<Int>

    func fallAsleep() { awake.subtract(1, ordering: .relaxed) }
    func wakeUp() { awake.add(1, ordering: .relaxed) }

    /// Cores on which neither a shard nor an executor is at work, as far as one can know; there is an executor for each.
    var idleCores: Int {
        let busyExecutors = executors.count - executors.idleCount
        return max(0, executors.count - awake.load(ordering: .relaxed) - busyExecutors)
    }

    /// Threads that load models.
    let beside = Atomic<Int>(0)

    /// Executors, or who loads models, have work and not a core of their own for it.
    var isCrowded: Bool {
        let busy = executors.count - executors.idleCount + beside.load(ordering: .relaxed)
        return busy > 0 && busy + awake.load(ordering: .relaxed) > executors.count
    }

    func wake() { for door in doors { door.wakeUp.signal() } }
}

/// The running server: a thread for each shard, and the executors.
public final class Server: Sendable {
    private let shared: Shared
    private let threads: Lock<[Thread.Handle]>

    /// Starts serving at once, whatever state the models are in.
    public init(_ configuration: ServerConfiguration) throws(SystemError) {
        let shared = try Shared(configuration)
        self.shared = shared
        var threads: [Thread.Handle] = []
        for number in configuration.listeners.indices {
            threads.append(
                try Thread.start("shard-\(number)") {
                    do throws(SystemError) {
                        try Shard(number: number, of: shared).run()
                    } catch {
                        fatalError("shard \(number) cannot start: \(error)")
                    }
                })
        }
        self.threads = Lock(threads)
    }

    public var tally: Tally { shared.tally }

    /// The models that it begins with are loaded, or have failed. Health says so by the name `startup`.
    public func startIsOver() {
        shared.state.startIsOver.store(true, ordering: .releasing)
        shared.wake()
    }

    /// The models that it begins with answer: from now on it is ready, until it drains.
    public func becomeReady() {
        shared.state.reach(.ready)
        shared.wake()
    }

    /// Returns when every shard has begun a turn with this commit, or a later one. Until then answers may come from the one
    /// before; from then on none does, but for calls that were with executors already.
    /// - Returns: when the last one did, on the shards' clock.
    @discardableResult
    public func spread(_ epoch: UInt64) -> Int64 {
        shared.wake()
        var pause = 10_000
        var last: Int64 = 0
        for door in shared.doors {
            while door.epoch.load(ordering: .acquiring) < epoch {
                Thread.rest(nanoseconds: pause)
                pause = min(1_000_000, pause * 2)
            }
            last = max(last, door.changedNanoseconds.load(ordering: .relaxed))
        }
        return last
    }

    /// Somebody begins, or ends, work that gives way to shards: where there is no core for it they leave it some time.
    public func worksBeside(_ change: Int) { shared.beside.add(change, ordering: .relaxed) }

    /// Not serving → GOAWAY → what is open may end. Returns at once; `wait` returns when all is done.
    public func drain() {
        shared.state.reach(.draining)
        shared.wake()
    }

    /// Until every shard has been drained, and the last run has ended.
    public func wait() {
        for thread in threads.withLock({ $0 }) { thread.join() }
        shared.executors.stop()
        shared.mirrors.stop()
    }
}
