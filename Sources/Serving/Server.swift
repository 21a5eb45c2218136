// Enters: a configuration. Leaves: shards that serve, until they are drained.
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
    public var models: Directory<Engine>
    /// For each shard its listeners: sockets of its own (SO_REUSEPORT), or one that all share (a Unix socket).
    public var listeners: [[ServerListener]]
    public var log: @Sendable (String) -> Void

    public init(
        limits: ServerLimits, models: Directory<Engine>, listeners: [[ServerListener]],
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

    func changes(_ models: Directory<Engine>) -> UInt64 { models.changes }

    /// The start is over and the end has not begun. A model that failed does not keep the others from serving.
    func isReady(_ models: Directory<Engine>) -> Bool { !isDraining && models.isLoaded }
}

/// The running server: a thread for each shard.
public final class Server: Sendable {
    private let configuration: ServerConfiguration
    private let state = ServerState()
    private let wakeUps: [WakeUp]
    private let threads: Mutex<[Thread.Handle]>

    /// Starts serving at once, whatever state the models are in.
    public init(_ configuration: ServerConfiguration) throws(SystemError) {
        self.configuration = configuration
        var wakeUps: [WakeUp] = []
        for _ in configuration.listeners { wakeUps.append(try WakeUp()) }
        self.wakeUps = wakeUps
        var threads: [Thread.Handle] = []
        for number in configuration.listeners.indices {
            let wakeUp = wakeUps[number]
            let state = state
            threads.append(
                try Thread.start("shard-\(number)") {
                    do throws(SystemError) {
                        try Shard(number: number, server: configuration, wakeUp: wakeUp, state: state).run()
                    } catch {
                        fatalError("shard \(number) cannot start: \(error)")
                    }
                })
        }
        self.threads = Mutex(threads)
    }

    /// A model's state has changed: shards tell those who watch.
    public func modelsChanged() {
        configuration.models.changed()
        for wakeUp in wakeUps { wakeUp.signal() }
    }

    /// Not serving → GOAWAY → what is open may end. Returns at once; `wait` returns when all is done.
    public func drain() {
        state.drain()
        for wakeUp in wakeUps { wakeUp.signal() }
    }

    /// Until every shard has been drained.
    public func wait() {
        for thread in threads.withLock({ $0 }) { thread.join() }
    }
}
