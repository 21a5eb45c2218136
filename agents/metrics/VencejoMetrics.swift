// Enters: a command line and the environment. Leaves: an exit code: 0 ended as asked, 1 it failed, 2 a setting is wrong.
import ArgumentParser
import Foundation
import Logging
import NIOPosix
import StructuredLog
import Telemetry

@main
struct VencejoMetrics: AsyncParsableCommand {
    static let version = "0.1.0"

    static let configuration = CommandConfiguration(
        commandName: "vencejo-metrics",
        abstract: "Serves the metrics of a vencejo server, and exports its spans.",
        discussion: """
            It reads the page of shared memory that the server writes, and never writes to it: no scrape and no collector \
            that is away slows a prediction down.

            /metrics answers in Prometheus text, OpenMetrics or protobuf, as the scraper asks; /metrics/triton in Triton's \
            names; /healthz says whether the agent is alive.

            Spans are exported if an OTLP endpoint is named, by --otlp-endpoint, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT or \
            OTEL_EXPORTER_OTLP_ENDPOINT. OpenTelemetry's other variables hold too: OTEL_TRACES_EXPORTER, OTEL_EXPORTER_OTLP_{HEADERS,PROTOCOL,TIMEOUT,CERTIFICATE,COMPRESSION}, \
            OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES, OTEL_BSP_{MAX_QUEUE_SIZE,MAX_EXPORT_BATCH_SIZE,SCHEDULE_DELAY,\
            EXPORT_TIMEOUT}, OTEL_SEMCONV_STABILITY_OPT_IN, OTEL_SDK_DISABLED. Which calls are sampled is the server's to \
            decide. When the queue is full its oldest spans are dropped and counted.
            """,
        version: ServerPage.build(of: version))

    @Option(help: ArgumentHelp("The server's page of shared memory.", valueName: "path"))
    var page = "/dev/shm/vencejo-8001.metrics"

    @Option(help: ArgumentHelp("Serve the audit agent's metrics too: its --metrics-page.", valueName: "path"))
    var auditPage: String?

    @Option(help: ArgumentHelp("Where to serve metrics; port 0 takes a free one and logs it.", valueName: "host:port"))
    var listen = "127.0.0.1:9464"

    @Option(
        help: ArgumentHelp(
            "PEM file of the certificate and those that lead to its root: serve HTTPS.", valueName: "file"))
    var tlsCertificate: String?

    @Option(help: ArgumentHelp("PEM file of the certificate's private key.", valueName: "file"))
    var tlsKey: String?

    @Flag(help: "Tell when counters began (_created). Prometheus needs created-timestamp-zero-ingestion for it.")
    var createdTimestamps = false

    @Option(help: ArgumentHelp("A collector, http://HOST:PORT or https://HOST:PORT; spans go there.", valueName: "url"))
    var otlpEndpoint: String?

    @Option(help: ArgumentHelp("grpc (usually port 4317) or http/protobuf (4318, the default).", valueName: "protocol"))
    var otlpProtocol: String?

    @Option(
        help: ArgumentHelp("What callers of the server call; spans say it as server.address.", valueName: "host:port"))
    var serverAddress: String?

    @Option(help: ArgumentHelp("Write the log to this file instead of standard error.", valueName: "path"))
    var logFile: String?

    @Option(
        help: ArgumentHelp(
            "How large the log file may become before it is put aside: 64K or more.", valueName: "bytes"),
        transform: { text in
            guard let bytes = byteCount(text) else {
                throw ValidationError("\"\(text)\" is not allowed; allowed are bytes, as 65536, 64K or 10M")
            }
            return bytes
        })
    var logBytesMax = 10 << 20

    @Option(help: ArgumentHelp("How many log files are kept, the current one included.", valueName: "number"))
    var logFiles = 5

    @Option(help: "What is worth logging: trace, debug, info, notice, warning, error or critical.")
    var logLevel = "info"

    /// One line for what is wrong, and an exit code that a script can tell apart.
    static func main() async {
        do {
            var command = try parseAsRoot()
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
        } catch let failure as Failure {
            complain(failure.sentence)
            Foundation.exit(failure.code)
        } catch {
            let code = exitCode(for: error)
            if code == .success { exit(withError: error) }
            complain(message(for: error).replacing("\n", with: " "))
            Foundation.exit(2)
        }
    }

    mutating func run() async throws {
        guard !page.isEmpty else { throw Failure.usage("--page is empty: give the server's --metrics-page") }
        let signals = Signals()
        let log = try logger()
        let page = ServerPage(
            path: page, audit: auditPage, createdTimestamps: createdTimestamps, version: Self.version,
            changed: { Self.tell(log, "a", "server", $0) }, auditChanged: { Self.tell(log, "an", "audit agent", $0) })
        guard let address = HostAndPort(listen) else {
            throw Failure.usage("--listen is \"\(listen)\": give HOST:PORT or [IPV6]:PORT")
        }
        let tls = try Exposition.tls(tlsCertificate, tlsKey)
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 2)
        let exporter = try exporter(page, group, log)
        let server = try await Exposition(address, tls, page, group)
        log.info(
            "metrics are served",
            metadata: [
                "host": "\(address.host)", "port": .stringConvertible(server.port ?? address.port),
                "tls": .stringConvertible(tls != nil), "page": "\(self.page)",
            ])
        // Whether there is a server is said at once, and not when somebody asks.
        page.look()
        let running = Task { await exporter?.run() }
        await signals.first()
        // While the last spans leave, their counts can still be scraped.
        exporter?.end()
        await running.value
        await server.close()
        log.info("ended")
        // Connections of scrapers are closed with the process.
        Foundation.exit(0)
    }

    /// - Parameter problem: why its page says nothing; `nil`: it is read.
    private static func tell(_ log: Logger, _ article: String, _ writer: String, _ problem: String?) {
        if let problem {
            log.warning("no \(writer)'s metrics: \(problem)")
        } else {
            log.info("\(article) \(writer)'s metrics are read")
        }
    }

    private func logger() throws(Failure) -> Logger {
        guard let level = Logger.Level(rawValue: logLevel) else {
            throw .usage("--log-level is \"\(logLevel)\": give trace, debug, info, notice, warning, error or critical")
        }
        let lines: any LogLines
        do throws(LogFileError) {
            lines =
                if let logFile { try RotatingFile(logFile, bytesMax: logBytesMax, files: logFiles) } else {
                    StandardError()
                }
        } catch {
            throw .usage(error.sentence)
        }
        LoggingSystem.bootstrap { _ in JSONLogHandler(lines, level: level) }
        return Logger(label: "vencejo-metrics")
    }

    private func exporter(
        _ page: ServerPage, _ group: MultiThreadedEventLoopGroup, _ log: Logger
    ) throws(Failure) -> Exporter? {
        let settings: ExportSettings?
        do throws(SettingsError) {
            settings = try ExportSettings.read(
                flags: .init(endpoint: otlpEndpoint, transport: otlpProtocol, serverAddress: serverAddress),
                environment: ProcessInfo.processInfo.environment)
        } catch {
            throw .usage(error.sentence)
        }
        guard let settings else { return nil }
        let export = SpanExport(
            page, settings, version: Self.version, seed: .random(in: 0...UInt64.max),
            startUnixNanoseconds: UInt64(max(0, Date().timeIntervalSince1970) * 1e9))
        return Exporter(export, settings, try Collector(settings, group), log)
    }

    private static func complain(_ sentence: String) {
        try? FileHandle.standardError.write(contentsOf: Data("vencejo-metrics: \(sentence)\n".utf8))
    }
}

/// Why the agent does not run.
struct Failure: Error {
    let code: Int32
    let sentence: String

    static func usage(_ sentence: String) -> Failure { Failure(code: 2, sentence: sentence) }
}
