// Enters: settings. Leaves: a running server, until SIGTERM; then exit 0.
import ArgumentParser
import Control
import Foundation
import HTTP2
import Logging
import Models
import ONNX
import Reactor
import Repository
import Serving
import Synchronization
import TLS

struct Serve: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Serve the models of a repository.",
        discussion: """
            The repository's layout is <repository>/<model>/<version>/model.onnx; names, types and shapes come from the
            models. Every flag can stand in the configuration file, with underscores: --tls-key is tls_key there. A flag
            beats the file.

            SIGTERM drains: health turns to NOT_SERVING, connections get GOAWAY, open calls end, then exit 0. A second
            SIGTERM ends at once.
            """)

    @Option(help: "The folder that holds the models.") var repository: String?
    @Option(
        help:
            "Where to listen: HOST:PORT, [IPV6]:PORT or unix:PATH; may be given several times. Default: 127.0.0.1:8001."
    )
    var grpc: [String] = []
    @Option(help: "A YAML file with the same keys.") var config: String?
    @Option(help: "Event loops, one per core. Default: all cores that this process is granted.") var shards: String?
    @Option(
        help:
            "Threads for models whose runs are too long for an event loop. Default: all cores that this process is granted."
    )
    var executors: String?
    @Option(help: "libonnxruntime.so to load. Default: $VENCEJO_ONNXRUNTIME, then libonnxruntime.so.1 of the system.")
    var onnxruntime: String?
    @Flag(help: "Take a runtime older than the one this build was tested with.") var allowOlderOnnxruntime = false
    @Option(help: "The server's certificate chain (PEM); turns TLS on.") var tlsCertificate: String?
    @Option(help: "The certificate's private key (PEM).") var tlsKey: String?
    @Option(help: "Demand client certificates that this CA (PEM) has signed.") var tlsClientCa: String?
    @Option(help: "1.3 (default) or 1.2.") var tlsMinimumVersion: String?
    @Option(
        help:
            "What all calls together may hold in memory, as 512M or 2G. Default: half of what this process is granted.")
    var memoryLimit: String?
    @Option(help: "Bytes of one message. Default: 4194304.") var messageBytesMax: String?
    @Option(help: "Streams at a time on one connection. Default: 128.") var streamsMax: String?
    @Option(help: "Connections at a time. Default: 95 % of the descriptors allowed.") var connectionsMax: String?
    @Option(help: "A connection without a call is asked to go after this. Default: 300.") var idleSeconds: String?
    @Option(help: "A connection is asked to go at this age, ± 10 %. Default: 1800.") var connectionAgeSeconds: String?
    @Option(help: "How long a shutdown waits for open calls. Default: 45.") var drainSeconds: String?

    func run() throws {
        // Whoever ends us while we start gets the same quiet end.
        Signals.take()
        let settings = try settings()
        guard HTTP2.Session.libraryIsSafe else {
            throw Failure(
                code: .failed,
                sentence: "libnghttp2 \(Libraries.nghttp2) is too old: 1.52.0 or later is needed "
                    + "(on Debian 12 1.52.0-1+deb12u3)")
        }
        let repository = try open(settings.repository)
        let plan = Plan(try scan(repository)) { (bytes, file) throws(ConfigurationError) in
            try modelYAML(bytes, file)
        }
        var logger = Logger(label: "vencejo") { StreamLogHandler.standardError(label: $0) }
        logger.logLevel = .info
        for problem in plan.problems { logger.warning("\(problem)") }
        let log = logger
        let runtime = try plan.needsRuntime ? runtime(settings, plan.threads, log) : nil
        let directory = Directory<Servable>(plan.descriptions)

        // From here on nothing is wrong with what we were told.
        let listeners = try listen(settings)
        let server = try start(
            ServerConfiguration(limits: settings.limits, models: directory, listeners: listeners) {
                log.warning("\($0)")
            })
        for listener in listeners[0] {
            say("serving gRPC on \(listener.listener.boundAddress)")
        }
        let loader = Loader(plan, into: directory, from: repository, runtime: runtime) { report in
            say(report.line)
            if let text = report.log { log.error("model \(report.model), version \(report.version): \(text)") }
            server.modelsChanged()
        }
        for thread in try loader.start(threads: Cores.granted()) { thread.detach() }

        Signals.next()
        say("draining: open calls may end, at most \(settings.limits.drainNanoseconds / 1_000_000_000) s")
        server.drain()
        // A second signal ends at once: nobody blocks it any more.
        try? Thread.start("second-signal") {
            Signals.next()
            Foundation.exit(1)
        }.detach()
        server.wait()
        let tally = server.tally
        say(
            "drained: \(tally[.expired]) calls expired before they ran, \(tally[.cancelled]) were cancelled before, "
                + "\(tally[.refusedAtDoor]) were refused at the door, \(tally[.batched]) were answered in \(tally[.batches]) batches"
        )
        // A model that is still loading must not see the runtime taken down around it by exit's handlers.
        if !directory.isLoaded { Foundation._exit(0) }
    }

    private func settings() throws(Failure) -> Settings {
        var flags: [Settings.Key: [String]] = [:]
        func set(_ key: Settings.Key, _ value: String?) { if let value { flags[key] = [value] } }
        set(.repository, repository)
        if !grpc.isEmpty { flags[.grpc] = grpc }
        set(.shards, shards)
        set(.executors, executors)
        set(.onnxruntime, onnxruntime ?? ProcessInfo.processInfo.environment["VENCEJO_ONNXRUNTIME"])
        if allowOlderOnnxruntime { flags[.allowOlderOnnxruntime] = ["true"] }
        set(.tlsCertificate, tlsCertificate)
        set(.tlsKey, tlsKey)
        set(.tlsClientCA, tlsClientCa)
        set(.tlsMinimumVersion, tlsMinimumVersion)
        set(.memoryLimit, memoryLimit)
        set(.messageBytesMax, messageBytesMax)
        set(.streamsMax, streamsMax)
        set(.connectionsMax, connectionsMax)
        set(.idleSeconds, idleSeconds)
        set(.connectionAgeSeconds, connectionAgeSeconds)
        set(.drainSeconds, drainSeconds)
        return try Settings(flags: flags, file: config)
    }

    private func open(_ path: String) throws(Failure) -> Repository {
        do throws(RepositoryError) { return try Repository(path: path) } catch {
            throw .usage("--repository: \(error.description)")
        }
    }

    private func scan(_ repository: Repository) throws(Failure) -> Scan {
        do throws(RepositoryError) { return try repository.scan() } catch {
            throw .usage("--repository: \(error.description)")
        }
    }

    private func runtime(
        _ settings: Settings, _ threads: ONNX.Runtime.Threads, _ log: Logger
    ) throws(Failure) -> ONNX.Runtime {
        do throws(RuntimeError) {
            return try ONNX.Runtime(
                path: settings.onnxRuntime, allowOlder: settings.allowOlderOnnxRuntime, threads: threads
            ) {
                log.warning("ONNX Runtime: \($0)")
            }
        } catch {
            throw .usage("--onnxruntime: \(error.description)")
        }
    }

    private func listen(_ settings: Settings) throws(Failure) -> [[ServerListener]] {
        var tls: ServerContext?
        do throws(TLSError) { tls = try settings.tls.map { (tls) throws(TLSError) in try ServerContext(tls) } } catch {
            throw .usage("\(settings.flag(of: error)): \(error.description)")
        }
        var listeners = [[ServerListener]](repeating: [], count: settings.shards)
        for address in settings.listen {
            do throws(SystemError) {
                let first = try Listener(address)
                listeners[0].append(ServerListener(first, tls: tls))
                for shard in 1..<max(1, settings.shards) {
                    // A Unix socket is one for all; a port has a socket for each.
                    let own = first.boundAddress.port == nil ? first : try Listener(first.boundAddress)
                    listeners[shard].append(ServerListener(own, tls: tls))
                }
            } catch {
                throw Failure(code: .failed, sentence: "--grpc: cannot listen on \(address): \(error)")
            }
        }
        return listeners
    }

    private func start(_ configuration: ServerConfiguration) throws(Failure) -> Server {
        do throws(SystemError) { return try Server(configuration) } catch {
            throw Failure(code: .failed, sentence: "the server cannot start: \(error)")
        }
    }
}

/// A `model.yaml` holds keys and plain values.
private func modelYAML(_ bytes: [UInt8], _ file: String) throws(ConfigurationError) -> [(key: String, value: String)] {
    do throws(YAMLError) {
        return try YAML.mapping(bytes).map { ($0.key, $0.values.joined(separator: ", ")) }
    } catch {
        throw .notYAML(file: file, reason: error.sentence)
    }
}

/// One line on standard output, at once: whoever started the server may be waiting for it.
func say(_ line: String) { FileHandle.standardOutput.write(Data((line + "\n").utf8)) }

extension LoadReport {
    fileprivate var line: String {
        let place = "[\(finished)/\(total)] model \(model), version \(version), \(slot)"
        if let failure { return "\(place): FAILED: \(failure)" }
        let milliseconds = Double(nanoseconds / 10_000) / 100
        return "\(place): ready in \(milliseconds) ms"
            + (digest.isEmpty ? "" : ", \(bytes) bytes, sha256 \(digest.prefix(12))")
    }
}
