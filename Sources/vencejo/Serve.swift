// Enters: settings. Leaves: a running server, until SIGTERM; then exit 0.
import ArgumentParser
import Control
import Experiments
import Foundation
import Glibc
import HTTP2
import Logging
import Memory
import Models
import ONNX
import Reactor
import RecordRing
import Repository
import ServerMetrics
import Serving
import Synchronization
import TLS
import Tensors

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
    @Option(
        help: ArgumentHelp(
            """
            Where models may be loaded, swapped and rolled back from, as --grpc; whoever reaches it may. Serves all the rest \
            too. Default: nowhere.
            """)
    )
    var control: [String] = []
    @Option(
        help: ArgumentHelp(
            """
            The file that keeps what was loaded and swapped, for the next start. Default: .vencejo.json in the repository, if \
            that can be written to.
            """, valueName: "file"))
    var state: String?
    @Option(
        help: ArgumentHelp(
            """
            Who changes what is loaded. none: nobody, all is loaded at start. explicit: orders; at start what they left, and \
            what --load-model names. watch: what is put into the repository, and orders. Default: explicit with \
            --load-model '*'.
            """, valueName: "mode"))
    var repositoryMode: String?
    @Option(
        help: ArgumentHelp(
            "With --repository-mode explicit: a model to load at start, '*' for all; may be given several times.",
            valueName: "name"))
    var loadModel: [String] = []
    @Option(
        help: ArgumentHelp(
            "With --repository-mode watch: how often to look, besides when the kernel tells of a change. Default: 15.",
            valueName: "seconds"))
    var repositoryPollSeconds: String?
    @Option(help: "A YAML file with the same keys.") var config: String?
    @Option(help: "Event loops, one per core. Default: all cores that this process is granted.") var shards: String?
    @Option(
        help:
            "Threads for models whose runs are too long for an event loop. Default: all cores that this process is granted."
    )
    var executors: String?
    @OptionGroup var runtimeOptions: RuntimeOptions
    @Option(
        help: ArgumentHelp(
            """
            on (default): what is loaded by order is tried in a process of its own first, so that a model that crashes, hangs \
            or takes too much memory hurts nobody. off: it is not.
            """, valueName: "on|off"))
    var probe: String?
    @Option(help: "How long such a trial may take. Default: 300.") var probeSeconds: String?
    @Option(
        help: ArgumentHelp(
            """
            When the server is ready. all (default): every model that it begins with has a live version. any: one of them has. \
            From then on it stays ready until it drains.
            """, valueName: "all|any"))
    var ready: String?
    @Option(
        help: ArgumentHelp(
            """
            The file, best in memory, through which vencejo-metrics and vencejo top see this server; off: none. Default: \
            /dev/shm/vencejo-PORT.metrics, by the first --grpc.
            """, valueName: "path"))
    var metricsPage: String?
    @Flag(help: "Do not start if that file cannot be had. Else the server warns, and serves without.")
    var metricsRequired = false
    @Option(
        help: ArgumentHelp(
            """
            Boundaries (le) of latency histograms, in seconds; put that of your objective among them. Default: 0.0005 to 30 in \
            15 steps.
            """, valueName: "list"))
    var latencyBounds: String?
    @Option(help: ArgumentHelp("text (default) or json: a line of JSON for each record.", valueName: "format"))
    var logFormat: String?
    @Option(
        help: ArgumentHelp(
            "A file for the log, as JSON, instead of standard error; rotated by size.", valueName: "path"))
    var logFile: String?
    @Option(help: ArgumentHelp("How large that file may become, as 10M (default).", valueName: "bytes"))
    var logBytesMax: String?
    @Option(help: ArgumentHelp("How many of them are kept, the current one included. Default: 5.", valueName: "number"))
    var logFiles: String?
    @Option(
        help: ArgumentHelp(
            """
            The part of the calls without a traceparent that is traced, from 0 to 1; of others their caller decides. Calls that \
            fail by the server's fault, and slow ones, are traced in any case. Default: $OTEL_TRACES_SAMPLER, then 0.
            """, valueName: "ratio"))
    var traceRatio: String?
    @Option(help: ArgumentHelp("A prediction is slow from here on. Default: 1.", valueName: "seconds"))
    var traceSlowSeconds: String?
    @Option(
        help: ArgumentHelp(
            """
            How ModelInfer and ModelStreamInfer are answered. raw (default): raw_output_contents, as Triton does. as-asked: in \
            the form of the request, raw or typed. A request may say so itself: parameter vencejo_answers.
            """, valueName: "raw|as-asked"))
    var answers: String?
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
    @OptionGroup var auditOptions: AuditOptions

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
        let logger = try logger(settings.log)
        let log = logger
        // People read standard output, programs the log: where that is for programs it has everything.
        let isForPrograms = settings.log.format == .json
        let tell: @Sendable (String) -> Void = { line in
            if isForPrograms { log.info("\(line)") } else { say(line) }
        }
        let runtime = LazyRuntime { (threads) throws(Failure) in try self.runtime(settings, threads, log) }
        func loader(_ page: Page?) -> VersionLoader {
            VersionLoader(
                repository: repository,
                pairs: { (bytes, file) throws(ConfigurationError) in try modelYAML(bytes, file) },
                prober: settings.probes ? Prober(settings) : nil, page: page,
                runtime: { () throws(LoadError) in try runtime.forLoading() })
        }
        let scan = try scan(repository)
        let plans = scan.models.map(loader(nil).plan)
        for problem in scan.problems + scan.models.flatMap(\.sentences) + plans.compactMap(\.note) {
            logger.warning("\(problem)")
        }
        let (file, desired, warning) = try kept(settings)
        let begun = try begun(plans, settings, desired)
        if begun.contains(where: \.needsRuntime) { try runtime.open(threads: plans.threads) }

        // From here on nothing is wrong with what we were told.
        let directory = Directory<Servable>()
        let exposures = Exposures()
        let desk = settings.control.isEmpty ? nil : Desk()
        let audit = try audit(settings)
        let journal = try journal(audit) { logger.warning("\($0)") }
        journal?.tell(.server, ServerRecord(.started, instance: journal?.instance, settings).encoded)
        let started = Clock.wallMilliseconds()
        let page = try page(settings, models: plans.count) { logger.warning("\($0)") }
        let running = Lock<Server?>(nil)
        let control = ModelControl(
            loader: loader(page), directory: directory, file: file, desired: desired, mode: settings.mode,
            readyRule: settings.ready, mayBeginEmpty: settings.mode == .explicit && settings.loadModels.isEmpty,
            exposures: exposures, page: page, journal: journal,
            hooks: ModelControl.Hooks(
                spread: { epoch in running.withLock { $0 }?.spread(epoch) ?? Clock.now() },
                report: { report in
                    tell(report.line)
                    for gate in report.gates where gate.outcome == .failed {
                        log.warning(
                            "model \(report.model), version \(report.version), gate \(gate.name.rawValue): \(gate.sentence)"
                        )
                    }
                    if let note = report.note { log.warning("\(note)") }
                    if let text = report.log { log.error("model \(report.model), version \(report.version): \(text)") }
                },
                warn: { log.warning("\($0)") },
                ready: { running.withLock { $0 }?.becomeReady() }))
        // Before the first client can ask for them, all names are known, as loading.
        let loads = control.begin(begun)
        let listeners: [[ServerListener]]
        do throws(Failure) { listeners = try listen(settings) } catch {
            audit?.remove()
            throw error
        }
        if let warning { logger.warning("\(warning)") }
        let server = try start(
            ServerConfiguration(
                limits: settings.limits, models: directory, listeners: listeners, desk: desk,
                exposures: exposures, page: page, tracing: settings.tracing, answers: settings.answers, audit: audit,
                journal: journal
            ) {
                log.warning("\($0)", metadata: $1.map(\.metadata))
            })
        running.withLock { $0 = server }
        if control.isReady { server.becomeReady() }
        for listener in listeners[0] {
            let what = listener.mayControl ? "gRPC and model control" : "gRPC"
            let line = "serving \(what) on \(listener.listener.boundAddress)"
            // A program that starts a server at a free port reads it here, whatever the log is.
            say(line)
            if isForPrograms { tell(line) }
        }
        if begun.isEmpty, !control.isReady {
            log.warning(
                "the repository \(settings.repository) has no model: the server is not ready until a version is live")
        }
        let showing = try keepShowing(control, settings, startedMilliseconds: started)
        let watcher: Watcher? =
            settings.mode != .watch
            ? nil
            : Watcher(
                control, pollNanoseconds: settings.pollNanoseconds, worksBeside: { server.worksBeside($0) },
                log: tell)
        watcher?.begin()
        try begin(control, loads, server)
        do throws(SystemError) {
            try watcher.map { (watcher) throws(SystemError) in
                try Thread.start("watcher") {
                    Thread.giveWay()
                    watcher.run()
                }.detach()
            }
        } catch {
            throw Failure(code: .failed, sentence: "the server cannot start: \(error)")
        }
        if let desk {
            do throws(SystemError) {
                try Clerk(control, at: desk, worksBeside: { server.worksBeside($0) }, log: tell).start()
            } catch {
                throw Failure(code: .failed, sentence: "the server cannot start: \(error)")
            }
        } else if control.hasExperiments {
            log.warning(
                "an experiment goes on by the shares that it had, and counts its rewards only when the server ends: give --control"
            )
        }

        Signals.next()
        if let problem = control.closeExperiments() {
            log.warning("experiment: what is known cannot be kept for the next start: \(problem)")
        }
        control.leave()
        tell("draining: open calls may end, at most \(settings.limits.drainNanoseconds / 1_000_000_000) s")
        page.reach(.draining)
        journal?.tell(.server, ServerRecord(.draining, instance: journal?.instance).encoded)
        server.drain()
        // A second signal ends at once: nobody blocks it any more.
        try? Thread.start("second-signal") {
            Signals.next()
            Foundation.exit(1)
        }.detach()
        server.wait()
        showing.end()
        page.reach(.closed)
        journal?.end()
        journal?.tell(.server, ServerRecord(.ended, instance: journal?.instance).encoded)
        let tally = server.tally
        tell(
            "drained: \(tally[.expired]) calls expired before they ran, \(tally[.cancelled]) were cancelled before, "
                + "\(tally[.refusedAtDoor]) were refused at the door, \(tally[.batched]) were answered in \(tally[.batches]) batches"
        )
        // A model that is still loading must not see the runtime taken down around it by exit's handlers.
        if control.isLoading { Foundation._exit(0) }
    }

    /// Loads what the server begins with, on threads of their own.
    private func begin(_ control: ModelControl, _ loads: [ModelControl.FirstLoad], _ server: Server) throws(Failure) {
        guard !loads.isEmpty else { return server.startIsOver() }
        let progress = Progress(of: loads.count)
        do throws(SystemError) {
            for number in 0..<min(Cores.granted(), loads.count) {
                try Thread.start("loader-\(number)") {
                    while let index = progress.next() {
                        control.load(loads[index]) { progress.report() }
                        guard progress.end() else { continue }
                        server.startIsOver()
                        control.free()
                    }
                }.detach()
            }
        } catch {
            throw Failure(code: .failed, sentence: "the server cannot start: \(error)")
        }
    }

    /// What is loaded at start.
    private func begun(_ plans: [ModelPlan], _ settings: Settings, _ kept: Desired?) throws(Failure) -> [ModelPlan] {
        for name in settings.loadModels.sorted() where name != "*" && !plans.contains(where: { $0.name == name }) {
            throw .usage("\(Settings.Key.loadModel.flag): model \(quoted(name)) is not in the repository")
        }
        return plans.begun(settings.mode, named: settings.loadModels, kept: kept)
    }

    /// Where the desired state is kept, and what it is. A file that cannot be written now is no reason to serve nothing: who
    /// gives an order is told.
    private func kept(_ settings: Settings) throws(Failure) -> (StateFile?, Desired?, warning: String?) {
        let kept = KeptFile(path: settings.state ?? settings.repository + "/.vencejo.json")
        let file = StateFile(kept)
        let desired: Desired?
        do throws(StateFileError) { desired = try file.read() } catch {
            throw .usage("\(Settings.Key.state.flag): \(error.sentence)")
        }
        if settings.state != nil, case .notWritten(_, let code)? = kept.problem, code == ENOENT || code == ENOTDIR {
            throw .usage(
                "\(Settings.Key.state.flag): the folder of \(kept.path) does not exist: make it, or name another file")
        }
        guard let problem = file.problem else { return (file, desired, nil) }
        let isOptional = settings.state == nil && kept.problem != nil
        let orders = isOptional ? "" : ", and orders are refused until that has changed"
        let warning =
            "\(problem): what is done here is not kept for the next start\(orders); give this server a file of its own with --state"
        // Where nobody does anything there is nothing to keep.
        let isIdle = settings.control.isEmpty && settings.mode != .watch
        return (isOptional ? nil : file, desired, isIdle ? nil : warning)
    }

    private func settings() throws(Failure) -> Settings {
        var flags: [Settings.Key: [String]] = [:]
        func set(_ key: Settings.Key, _ value: String?) { if let value { flags[key] = [value] } }
        set(.repository, repository)
        if !grpc.isEmpty { flags[.grpc] = grpc }
        if !control.isEmpty { flags[.control] = control }
        set(.state, state)
        set(.repositoryMode, repositoryMode)
        if !loadModel.isEmpty { flags[.loadModel] = loadModel }
        set(.repositoryPollSeconds, repositoryPollSeconds)
        set(.shards, shards)
        set(.executors, executors)
        set(.onnxruntime, runtimeOptions.named)
        if runtimeOptions.allowOlderOnnxruntime { flags[.allowOlderOnnxruntime] = ["true"] }
        set(.probe, probe)
        set(.probeSeconds, probeSeconds)
        set(.ready, ready)
        set(.metricsPage, metricsPage)
        if metricsRequired { flags[.metricsRequired] = ["true"] }
        set(.latencyBounds, latencyBounds)
        set(.logFormat, logFormat)
        set(.logFile, logFile)
        set(.logBytesMax, logBytesMax)
        set(.logFiles, logFiles)
        set(.answers, answers)
        set(.traceRatio, traceRatio)
        set(.traceSlowSeconds, traceSlowSeconds)
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
        auditOptions.set(set)
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
        try openRuntime(settings.onnxRuntime, allowOlder: settings.allowOlderOnnxRuntime, threads) {
            log.warning("ONNX Runtime: \($0)")
        }
    }

    private func audit(_ settings: Settings) throws(Failure) -> AuditRings? {
        guard let place = settings.audit else { return nil }
        if unsafe mkdir(place.folder, 0o700) != 0, errno != EEXIST {
            throw .usage("\(Settings.Key.auditRing.flag): \(place.folder): \(SystemError(code: errno))")
        }
        var random = SystemRandomNumberGenerator()
        let instance = RecordInstance(high: random.next(), low: random.next())
        do throws(RecordRingError) {
            return try AuditRings(
                folder: place.folder, instance: instance, shards: settings.shards, bytesPerRing: place.bytesPerRing,
                place.settings)
        } catch {
            throw .usage("\(Settings.Key.auditRing.flag): \(error.sentence)")
        }
    }

    private func journal(
        _ audit: AuditRings?, warn: @escaping @Sendable (String) -> Void
    ) throws(Failure) -> AuditJournal? {
        do throws(SystemError) {
            return try audit.map { (audit) throws(SystemError) in try AuditJournal(audit, warn: warn) }
        } catch {
            throw .usage("\(Settings.Key.auditRing.flag): the audit agent's socket cannot be made: \(error)")
        }
    }

    private func listen(_ settings: Settings) throws(Failure) -> [[ServerListener]] {
        var tls: ServerContext?
        do throws(TLSError) { tls = try settings.tls.map { (tls) throws(TLSError) in try ServerContext(tls) } } catch {
            throw .usage("\(settings.flag(of: error)): \(error.description)")
        }
        var listeners = [[ServerListener]](repeating: [], count: settings.shards)
        let addresses = settings.listen.map { ($0, false) } + settings.control.map { ($0, true) }
        for (address, mayControl) in addresses {
            do throws(SystemError) {
                let first = try Listener(address)
                listeners[0].append(ServerListener(first, tls: tls, mayControl: mayControl))
                for shard in 1..<max(1, settings.shards) {
                    // A Unix socket is one for all; a port has a socket for each.
                    let own = first.boundAddress.port == nil ? first : try Listener(beside: first)
                    listeners[shard].append(ServerListener(own, tls: tls, mayControl: mayControl))
                }
            } catch {
                let flag = mayControl ? Settings.Key.control.flag : Settings.Key.grpc.flag
                let reason =
                    error.code == EADDRINUSE
                    ? taken(address, listeners[0].map(\.listener.boundAddress)) : error.description
                throw Failure(code: .failed, sentence: "\(flag): cannot listen on \(address): \(reason)")
            }
        }
        return listeners
    }

    /// Who has an address that cannot be had. `own`: where this process listens already.
    private func taken(_ address: Address, _ own: [Address]) -> String {
        if own.contains(where: { $0 == address || $0.port != nil && $0.port == address.port }) {
            return "another --grpc or --control of this command line has it already: give each an address of its own"
        }
        let who = address.port.map { "\"ss -ltnp sport = :\($0)\" names it" } ?? "\"ss -lxp\" names it"
        return "another process listens there (\(who)): end that one, or give another address"
    }

    private func start(_ configuration: ServerConfiguration) throws(Failure) -> Server {
        do throws(SystemError) { return try Server(configuration) } catch {
            throw Failure(code: .failed, sentence: "the server cannot start: \(error)")
        }
    }
}

func openRuntime(
    _ path: String, allowOlder: Bool, _ threads: ONNX.Runtime.Threads, _ log: @escaping @Sendable (String) -> Void
) throws(Failure) -> ONNX.Runtime {
    do throws(RuntimeError) {
        return try ONNX.Runtime(path: path, allowOlder: allowOlder, threads: threads, log: log)
    } catch {
        throw .usage("--onnxruntime: \(error.description)")
    }
}

/// A `model.yaml` holds keys and plain values.
func modelYAML(_ bytes: [UInt8], _ file: String) throws(ConfigurationError) -> [(key: String, value: String)] {
    do throws(YAMLError) {
        return try YAML.mapping(bytes).map { ($0.key, $0.values.joined(separator: ", ")) }
    } catch {
        throw .notYAML(file: file, reason: error.sentence)
    }
}

/// One line on standard output, at once: whoever started the server may be waiting for it.
/// A reader that went away misses lines; the server goes on.
func say(_ line: String) { try? FileHandle.standardOutput.write(contentsOf: Data((line + "\n").utf8)) }

extension ModelFolder {
    fileprivate var sentences: [String] { problems.map { "model \(name): \($0)" } }
}

extension Prober {
    fileprivate init(_ settings: Settings) {
        self.init(
            onnxRuntime: settings.onnxRuntime, allowOlder: settings.allowOlderOnnxRuntime,
            secondsMax: settings.probeSecondsMax)
    }
}
