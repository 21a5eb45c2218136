// Enters: a configuration. Leaves: shards that serve, until they are drained.
import Memory
public import Models
public import Reactor
import Reflection
import Synchronization
public import TLS

/// What this build calls itself.
public enum Product {
    public static let version: StaticString = "0.1.0"
    /// What we offer of the Open Inference Protocol's extensions, in Triton's words.
    static let extensions: [StaticString] = ["binary_tensor_data"]
    /// The services and their descriptors.
    static let services = ServiceIndex()
}

/// A listening socket, and how those who connect to it are spoken to.
public struct ServerListener: Sendable {
    public let listener: Listener
    public let tls: ServerContext?

    public init(_ listener: Listener, tls: ServerContext?) {
        self.listener = listener
        self.tls = tls
    }
}

public struct ServerConfiguration: Sendable {
    public var limits: ServerLimits
    public var models: Directory<Servable>
    /// For each shard its listeners: sockets of its own (SO_REUSEPORT), or one that all share (a Unix socket).
    public var listeners: [[ServerListener]]
    public var log: @Sendable (String) -> Void

    public init(
        limits: ServerLimits, models: Directory<Servable>, listeners: [[ServerListener]],
        log: @escaping @Sendable (String) -> Void
    ) {
        self.limits = limits
        self.models = models
        self.listeners = listeners
        self.log = log
    }

    func listeners(of shard: Int) -> [ServerListener] { listeners[shard] }
}

/// What all shards know of the server.
public final class ServerState: Sendable {
    private let draining = Atomic<Bool>(false)

    public var isDraining: Bool { draining.load(ordering: .acquiring) }

    func drain() { draining.store(true, ordering: .releasing) }

    func changes(_ models: Directory<Servable>) -> UInt64 { models.changes }

    /// The start is over and the end has not begun. A model that failed does not keep the others from serving.
    func isReady(_ models: Directory<Servable>) -> Bool { !isDraining && models.isLoaded }
}

/// What the threads of a server share.
final class Shared: Sendable {
    let configuration: ServerConfiguration
    let state = ServerState()
    let tally = Tally()
    let doors: [ShardDoor]
    let executors: Executors

    init(_ configuration: ServerConfiguration) throws(SystemError) {
        self.configuration = configuration
        var doors: [ShardDoor] = []
        for _ in configuration.listeners { doors.append(ShardDoor(wakeUp: try WakeUp())) }
        self.doors = doors
        awake = Atomic(doors.count)
        executors = try Executors(
            count: configuration.limits.executors, arenaBytesMax: configuration.limits.arenaBytesMax, tally: tally,
            log: configuration.log)
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

    /// Executors have work, and not a core of their own for it.
    var isCrowded: Bool {
        let busyExecutors = executors.count - executors.idleCount
        return busyExecutors > 0 && busyExecutors + awake.load(ordering: .relaxed) > executors.count
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

    /// A model's state has changed: shards tell those who watch.
    public func modelsChanged() {
        shared.configuration.models.changed()
        shared.wake()
    }

    /// Not serving → GOAWAY → what is open may end. Returns at once; `wait` returns when all is done.
    public func drain() {
        shared.state.drain()
        shared.wake()
    }

    /// Until every shard has been drained, and the last run has ended.
    public func wait() {
        for thread in threads.withLock({ $0 }) { thread.join() }
        shared.executors.stop()
    }
}
