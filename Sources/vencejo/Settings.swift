// Enters: flags and a configuration file, as text. Leaves: settings that are known to be right, before a port is bound.
import Control
import Foundation
import HTTP2
import Reactor
import ServerMetrics
import Serving
import Spans
import StructuredLog
import TLS
import Tensors
import Yams

/// One value of a setting, and who said so: a flag beats the file.
struct Given {
    let value: String
    /// `--shards` or `vencejo.yaml: shards`.
    let origin: String
}

/// Where the server's log goes, and how it is written.
struct LogSettings {
    enum Format: String { case text, json }

    var format = Format.text
    /// `nil`: standard error.
    var file: String?
    var bytesMax = 10 << 20
    var files = 5
}

/// Everything that `vencejo serve` can be told.
struct Settings {
    var repository = ""
    var listen: [Address] = []
    /// Where models may be loaded and swapped from.
    var control: [Address] = []
    /// The file that outlives a restart; `nil`: the repository's own.
    var state: String?
    /// Who changes what is loaded.
    var mode = RepositoryMode.explicit
    /// What is loaded at start in the mode `explicit`; "*": everything.
    var loadModels: Set<String> = ["*"]
    var pollNanoseconds: Int64 = 15_000_000_000
    var shards = Cores.granted()
    var onnxRuntime = Self.systemOnnxRuntime
    static let systemOnnxRuntime = "libonnxruntime.so.1"
    var allowOlderOnnxRuntime = false
    /// Whether what is loaded by order is tried in a process of its own first.
    var probes = true
    var probeSecondsMax = Self.probeSeconds
    /// When the server is ready.
    var ready = ReadyRule.all
    static let probeSeconds = 300
    /// Where others find what the server shows of itself.
    var metrics = MetricsPlace.usual
    /// Without it the server does not start.
    var isMetricsRequired = false
    var latencyBounds = Catalogue.latencyBounds
    var log = LogSettings()
    /// Which calls are told of in traces; `nil`: none.
    var tracing: TracingSettings?
    var tls: ServerContext.Configuration?
    var limits = ServerLimits()
    var answers = AnswerForm.raw
    /// Where calls are recorded; `nil`: nowhere.
    var audit: AuditPlace?

    /// What may be set, by the key in the file; the flag is the same with dashes.
    enum Key: String, CaseIterable {
        case repository, grpc, control, state, shards, executors, onnxruntime
        case repositoryMode = "repository_mode"
        case loadModel = "load_model"
        case repositoryPollSeconds = "repository_poll_seconds"
        case allowOlderOnnxruntime = "allow_older_onnxruntime"
        case probe
        case probeSeconds = "probe_seconds"
        case ready
        case metricsPage = "metrics_page"
        case metricsRequired = "metrics_required"
        case latencyBounds = "latency_bounds"
        case logFormat = "log_format"
        case logFile = "log_file"
        case logBytesMax = "log_bytes_max"
        case logFiles = "log_files"
        case traceRatio = "trace_ratio"
        case traceSlowSeconds = "trace_slow_seconds"
        case tlsCertificate = "tls_certificate"
        case tlsKey = "tls_key"
        case tlsClientCA = "tls_client_ca"
        case tlsMinimumVersion = "tls_minimum_version"
        case memoryLimit = "memory_limit"
        case answers
        case messageBytesMax = "message_bytes_max"
        case streamsMax = "streams_max"
        case connectionsMax = "connections_max"
        case idleSeconds = "idle_seconds"
        case connectionAgeSeconds = "connection_age_seconds"
        case drainSeconds = "drain_seconds"
        case auditRing = "audit_ring"
        case auditRingBytes = "audit_ring_bytes"
        case auditPredictions = "audit_predictions"
        case auditQuestions = "audit_questions"
        case auditSubject = "audit_subject"
        case auditLarge = "audit_large"
        case auditAgentUser = "audit_agent_user"

        var flag: String { "--" + rawValue.replacing("_", with: "-") }
    }

    init(flags: [Key: [String]], file: String?) throws(Failure) {
        var given: [Key: [Given]] = [:]
        if let file { given = try Self.read(file) }
        for (key, values) in flags { given[key] = values.map { Given(value: $0, origin: key.flag) } }
        try apply(given)
    }

    private mutating func apply(_ given: [Key: [Given]]) throws(Failure) {
        func one(_ key: Key) -> Given? { given[key]?.last }
        guard let repository = one(.repository)?.value else {
            throw .usage("--repository is missing: give the folder that holds the models")
        }
        self.repository = repository
        listen = try Self.addresses(given[.grpc] ?? [Given(value: "127.0.0.1:8001", origin: "default")])
        control = try Self.addresses(given[.control] ?? [])
        state = one(.state)?.value
        try applyMode(given)
        if let value = one(.shards) { shards = try Self.integer(value, 1...256) }
        limits.executors =
            try one(.executors).map { (value) throws(Failure) in try Self.integer(value, 1...256) } ?? Cores.granted()
        if let value = one(.onnxruntime) { onnxRuntime = value.value }
        if let value = one(.allowOlderOnnxruntime) { allowOlderOnnxRuntime = try Self.bool(value) }
        if let value = one(.probe) { probes = try Self.onOff(value) }
        if let value = one(.probeSeconds) { probeSecondsMax = try Self.integer(value, 1...86_400) }
        if let value = one(.ready) {
            guard let rule = ReadyRule(rawValue: value.value) else {
                throw .usage("\(value.origin): \"\(value.value)\" is not allowed; it must be all or any")
            }
            ready = rule
        }
        if let value = one(.answers) {
            guard let form = AnswerForm(rawValue: value.value) else {
                throw .usage("\(value.origin): \"\(value.value)\" is not allowed; it must be raw or as-asked")
            }
            answers = form
        }
        try applyMetrics(one)
        try applyTracing(one)
        try applyLog(one)
        if let value = one(.messageBytesMax) {
            limits.messageBytesMax = try Self.integer(value, 1024...2_000_000_000)
            limits.connectionBodyBytesMax = max(limits.connectionBodyBytesMax, 2 * limits.messageBytesMax)
            limits.arenaBytesMax = max(limits.arenaBytesMax, 4 * limits.messageBytesMax)
        }
        limits.memoryBytesMax = try one(.memoryLimit).map(Self.bytes) ?? PhysicalMemory.granted() / 2
        if let value = one(.streamsMax) { limits.http2.streamsMax = try Self.integer(value, 1...100_000) }
        let descriptors = FileLimit.raise()
        // Some descriptors stay free for models, logs and those who look after the server.
        limits.connectionsMax = max(1, (descriptors - 64) / 20 * 19)
        if let value = one(.connectionsMax) {
            limits.connectionsMax = try Self.integer(value, 1...limits.connectionsMax)
        }
        limits.connectionsMax = max(1, limits.connectionsMax / shards)
        if let value = one(.idleSeconds) { limits.idleNanoseconds = try Self.seconds(value) }
        if let value = one(.connectionAgeSeconds) { limits.ageNanoseconds = try Self.seconds(value) }
        if let value = one(.drainSeconds) { limits.drainNanoseconds = try Self.seconds(value) }
        try applyTLS(one)
        audit = try Self.audit(one)
        do throws(LimitsError) { try limits.check() } catch { throw .usage(error.sentence) }
    }

    private static func addresses(_ given: [Given]) throws(Failure) -> [Address] {
        var addresses: [Address] = []
        for address in given {
            do throws(AddressError) {
                addresses.append(try Address(address.value))
            } catch {
                throw .usage("\(address.origin): \(error.sentence)")
            }
        }
        return addresses
    }

    private mutating func applyMode(_ given: [Key: [Given]]) throws(Failure) {
        if let value = given[.repositoryMode]?.last {
            guard let mode = RepositoryMode(rawValue: value.value) else {
                throw .usage(
                    "\(value.origin): \"\(value.value)\" is not allowed; allowed are "
                        + RepositoryMode.allCases.map(\.rawValue).joined(separator: ", "))
            }
            self.mode = mode
            // Who says that orders decide wants nothing loaded but what orders or the next flag say.
            if mode == .explicit { loadModels = [] }
        }
        if let values = given[.loadModel] {
            guard mode == .explicit else {
                throw .usage(
                    "\(values[0].origin) is given with \(Key.repositoryMode.flag) \(mode.rawValue), which loads "
                        + "everything: leave it out, or say explicit")
            }
            loadModels = Set(values.map(\.value))
        }
        if let value = given[.repositoryPollSeconds]?.last {
            guard mode == .watch else {
                throw .usage("\(value.origin) is given without \(Key.repositoryMode.flag) watch")
            }
            pollNanoseconds = try Self.seconds(value)
        }
    }

    private mutating func applyMetrics(_ one: (Key) -> Given?) throws(Failure) {
        if let value = one(.metricsPage) {
            guard !value.value.isEmpty else { throw .usage("\(value.origin) is empty: give a path, or off") }
            metrics = value.value == "off" ? .none : .path(value.value)
        }
        if let value = one(.metricsRequired) {
            isMetricsRequired = try Self.bool(value)
            if isMetricsRequired && metrics == .none {
                throw .usage("\(value.origin) is given with \(Key.metricsPage.flag) off: leave one of them out")
            }
        }
        guard let value = one(.latencyBounds) else { return }
        let bounds = value.value.split(separator: ",").map { Double($0.trimmingCharacters(in: .whitespaces)) }
        let numbers = bounds.compactMap { $0 }
        guard numbers.count == bounds.count, (1...64).contains(numbers.count),
            numbers.allSatisfy({ (1e-6...3600).contains($0) }),
            zip(numbers, numbers.dropFirst()).allSatisfy({ Int64($0 * 1e9) < Int64($1 * 1e9) })
        else {
            throw .usage(
                "\(value.origin): \"\(value.value)\" is not allowed; allowed are 1 to 64 numbers of seconds, each larger than "
                    + "the one before, from 0.000001 to 3600, as 0.005,0.01,0.1")
        }
        latencyBounds = numbers
    }

    private mutating func applyLog(_ one: (Key) -> Given?) throws(Failure) {
        if let value = one(.logFormat) {
            guard let format = LogSettings.Format(rawValue: value.value) else {
                throw .usage("\(value.origin): \"\(value.value)\" is not allowed; allowed are text and json")
            }
            log.format = format
        }
        log.file = one(.logFile)?.value
        for key in [Key.logBytesMax, .logFiles] where log.file == nil {
            if let value = one(key) { throw .usage("\(value.origin) is given without \(Key.logFile.flag)") }
        }
        if log.file != nil {
            guard log.format == .json || one(.logFormat) == nil else {
                throw .usage("\(Key.logFile.flag) is given with \(Key.logFormat.flag) text: a file has lines of JSON")
            }
            log.format = .json
        }
        if let value = one(.logBytesMax) { log.bytesMax = try Self.bytes(value) }
        if let value = one(.logFiles) { log.files = try Self.integer(value, 1...1000) }
    }

    /// What flags and file do not say, the environment may, by OpenTelemetry's names.
    private mutating func applyTracing(_ one: (Key) -> Given?) throws(Failure) {
        let environment = ProcessInfo.processInfo.environment
        if environment["OTEL_SDK_DISABLED"]?.lowercased() == "true" { return }
        var sampler = Sampler(followsCaller: true, ratio: 0)
        if let value = one(.traceRatio) {
            guard let ratio = Double(value.value), (0...1).contains(ratio) else {
                throw .usage("\(value.origin): \"\(value.value)\" is not allowed; allowed are numbers from 0 to 1")
            }
            sampler = Sampler(followsCaller: true, ratio: ratio)
        } else if let name = environment["OTEL_TRACES_SAMPLER"], !name.isEmpty {
            do throws(SamplerError) {
                sampler = try Sampler(name: name, argument: environment["OTEL_TRACES_SAMPLER_ARG"])
            } catch {
                throw .usage("OTEL_TRACES_SAMPLER: \(error.sentence)")
            }
        }
        let slow = try one(.traceSlowSeconds).map(Self.seconds) ?? 1_000_000_000
        tracing = TracingSettings(sampler: sampler, slowNanoseconds: slow)
    }

    private mutating func applyTLS(_ one: (Key) -> Given?) throws(Failure) {
        guard let certificate = one(.tlsCertificate) else {
            for key in [Key.tlsKey, .tlsClientCA, .tlsMinimumVersion] {
                if let value = one(key) {
                    throw .usage("\(value.origin) is given without \(Key.tlsCertificate.flag): TLS needs a certificate")
                }
            }
            return
        }
        guard let key = one(.tlsKey) else {
            throw .usage("\(certificate.origin) is given without \(Key.tlsKey.flag): TLS needs the certificate's key")
        }
        var configuration = ServerContext.Configuration(
            certificateFile: certificate.value, keyFile: key.value, clientAuthorityFile: one(.tlsClientCA)?.value)
        if let version = one(.tlsMinimumVersion) {
            switch version.value {
            case "1.3": configuration.minimumVersion = .tls13
            case "1.2": configuration.minimumVersion = .tls12
            default:
                throw .usage("\(version.origin): \"\(version.value)\" is not a TLS version; allowed are 1.2 and 1.3")
            }
        }
        tls = configuration
    }

    /// The flag that named the file of which an error speaks.
    func flag(of error: TLSError) -> String {
        if case .noKey = error { return Key.tlsKey.flag }
        let named: [(Key, String?)] = [
            (.tlsCertificate, tls?.certificateFile), (.tlsClientCA, tls?.clientAuthorityFile), (.tlsKey, tls?.keyFile),
        ]
        let key = named.first { $0.1.map { error.description.contains("'\($0)'") } ?? false }?.0
        return (key ?? .tlsCertificate).flag
    }

    static func integer(_ given: Given, _ allowed: ClosedRange<Int>) throws(Failure) -> Int {
        guard let value = Int(given.value), allowed.contains(value) else {
            throw .usage(
                "\(given.origin): \"\(given.value)\" is not allowed; allowed are \(allowed.lowerBound) to \(allowed.upperBound)"
            )
        }
        return value
    }

    /// "536870912", "512M", "2G": K, M and G stand for 1024, 1024² and 1024³ bytes.
    static func bytes(_ given: Given) throws(Failure) -> Int {
        guard let bytes = byteCount(given.value) else {
            throw .usage(
                "\(given.origin): \"\(given.value)\" is not allowed; allowed are bytes, as 536870912, 512M or 2G")
        }
        return bytes
    }

    private static func seconds(_ given: Given) throws(Failure) -> Int64 {
        guard let value = Double(given.value), value > 0, value <= 31_536_000 else {
            throw .usage(
                "\(given.origin): \"\(given.value)\" is not allowed; allowed are seconds above 0, up to 31536000")
        }
        return Int64(value * 1_000_000_000)
    }

    private static func bool(_ given: Given) throws(Failure) -> Bool {
        switch given.value {
        case "true": return true
        case "false": return false
        default: throw .usage("\(given.origin): \"\(given.value)\" is not allowed; allowed are true and false")
        }
    }

    private static func onOff(_ given: Given) throws(Failure) -> Bool {
        switch given.value {
        // YAML's own words for the two, too.
        case "on", "true": return true
        case "off", "false": return false
        default: throw .usage("\(given.origin): \"\(given.value)\" is not allowed; allowed are on and off")
        }
    }

    private static func read(_ file: String) throws(Failure) -> [Key: [Given]] {
        let bytes: [UInt8]
        do throws(LimitedFile.Problem) {
            bytes = try LimitedFile.read(file, bytesMax: LimitedFile.configurationBytesMax)
        } catch {
            throw .usage("--config: the file \"\(file)\" \(error.sentence): give the path of a YAML file")
        }
        let pairs: [(key: String, values: [String])]
        do throws(YAMLError) { pairs = try YAML.mapping(bytes) } catch {
            throw .usage("\(file): \(error.sentence)")
        }
        var given: [Key: [Given]] = [:]
        for (name, values) in pairs {
            guard let key = Key(rawValue: name) else {
                let known = Key.allCases.map(\.rawValue).joined(separator: ", ")
                let value = values.joined(separator: ", ")
                throw .usage("\(file): the key \"\(name)\" (value \"\(value)\") is not known; allowed are \(known)")
            }
            guard values.count == 1 || key == .grpc || key == .loadModel || key == .latencyBounds else {
                throw .usage("\(file): \(name): \(values.count) values are given; allowed is one")
            }
            let joined = key == .latencyBounds ? [values.joined(separator: ",")] : values
            given[key] = joined.map { Given(value: $0, origin: "\(file): \(name)") }
        }
        return given
    }
}
