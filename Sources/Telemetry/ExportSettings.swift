// Enters: flags and OpenTelemetry's environment variables. Leaves: where spans go and how; nothing where nobody asked for it.
internal import Spans

/// A setting that makes no sense: its name, its value, what is allowed.
public struct SettingsError: Error, Equatable {
    public let sentence: String
}

/// Where spans are exported to.
///
/// Source: OpenTelemetry's specification, "OTLP Exporter Configuration" and "Environment Variables". A variable for traces
/// (OTEL_EXPORTER_OTLP_TRACES_…) beats the one for all signals; a flag beats both. What makes no sense is an error, not a
/// warning that nobody reads.
public struct ExportSettings: Sendable {
    public enum Transport: String, Sendable, CaseIterable {
        case grpc
        case http = "http/protobuf"
    }

    public let transport: Transport
    public let target: Target
    /// Sent with each request; names in lower case.
    public let headers: [(name: String, value: String)]
    /// For one attempt.
    public let timeoutNanoseconds: Int64
    /// PEM file of who signs the collector's certificate; `nil`: the system's.
    public let certificate: String?
    public let isCompressed: Bool
    let limits: ExportLimits
    let conventions: SpanConventions
    /// What is said of the server, `service.name` first.
    let resource: [(name: String, value: String)]
    let server: ServerAddress?

    /// What the environment has other names for, and what callers of the server call.
    public struct Flags: Sendable {
        public var endpoint: String?
        public var transport: String?
        public var serverAddress: String?

        public init(endpoint: String? = nil, transport: String? = nil, serverAddress: String? = nil) {
            self.endpoint = endpoint
            self.transport = transport
            self.serverAddress = serverAddress
        }
    }

    /// `nil`: nothing is exported, because no endpoint is named or OTEL_SDK_DISABLED or OTEL_TRACES_EXPORTER says so.
    public static func read(flags: Flags, environment: [String: String]) throws(SettingsError) -> ExportSettings? {
        let variables = ExportVariables(environment)
        if let address = flags.serverAddress, HostAndPort(address) == nil {
            throw SettingsError(sentence: "--server-address is \"\(address)\": give HOST:PORT or [IPV6]:PORT")
        }
        guard !variables.isTrue("OTEL_SDK_DISABLED") else { return nil }
        let exporter = variables["OTEL_TRACES_EXPORTER"] ?? "otlp"
        guard exporter == "otlp" || exporter == "none" else {
            throw SettingsError(sentence: "OTEL_TRACES_EXPORTER is \"\(exporter)\": allowed are otlp and none")
        }
        guard exporter == "otlp", flags.endpoint != nil || variables.otlp("ENDPOINT") != nil else { return nil }
        return try ExportSettings(flags, variables)
    }

    private init(_ flags: Flags, _ variables: ExportVariables) throws(SettingsError) {
        let named = flags.transport.map { ("--otlp-protocol", $0) } ?? variables.otlp("PROTOCOL")
        guard let transport = Transport(rawValue: named?.1 ?? Transport.http.rawValue) else {
            throw SettingsError(
                sentence: "\(named?.0 ?? "") is \"\(named?.1 ?? "")\": allowed are grpc and http/protobuf")
        }
        self.transport = transport
        if let endpoint = flags.endpoint {
            target = try Target(endpoint, "--otlp-endpoint", transport, isWhole: false)
        } else {
            let (name, endpoint) = variables.otlp("ENDPOINT") ?? ("", "")
            target = try Target(endpoint, name, transport, isWhole: name.contains("_TRACES_"))
        }
        let (headersName, headers) = variables.otlp("HEADERS") ?? ("", "")
        self.headers = try ExportVariables.pairs(headers, headersName).map { ($0.name.lowercased(), $0.value) }
        timeoutNanoseconds =
            try variables.milliseconds(variables.otlp("TIMEOUT"), 1...3_600_000) ?? 10_000_000_000
        certificate = variables.otlp("CERTIFICATE")?.1
        let compression = variables.otlp("COMPRESSION") ?? ("", "gzip")
        guard ["gzip", "none"].contains(compression.1) else {
            throw SettingsError(sentence: "\(compression.0) is \"\(compression.1)\": allowed are gzip and none")
        }
        isCompressed = compression.1 == "gzip"
        limits = try ExportLimits(variables)
        conventions = SpanConventions(optIn: variables["OTEL_SEMCONV_STABILITY_OPT_IN"] ?? "")
        let attributes = try ExportVariables.pairs(
            variables["OTEL_RESOURCE_ATTRIBUTES"] ?? "", "OTEL_RESOURCE_ATTRIBUTES")
        let service =
            variables["OTEL_SERVICE_NAME"] ?? attributes.last { $0.name == "service.name" }?.value ?? "vencejo"
        // Of one name the last counts.
        var resource = [("service.name", service)]
        for (index, pair) in attributes.enumerated() where pair.name != "service.name" {
            if attributes[(index + 1)...].contains(where: { $0.name == pair.name }) { continue }
            resource.append((pair.name, pair.value))
        }
        self.resource = resource
        server = flags.serverAddress.flatMap { ServerAddress($0) }
    }
}

/// Where a collector is.
public struct Target: Sendable, Equatable {
    public let isSecure: Bool
    /// Without the brackets of an IPv6 address.
    public let host: String
    public let port: Int
    /// For HTTP.
    public let path: String

    public var authority: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }

    public var url: String { (isSecure ? "https://" : "http://") + authority + path }

    /// - Parameter isWhole: the path stands as it is; else /v1/traces is added to it.
    init(
        _ text: String, _ name: String, _ transport: ExportSettings.Transport, isWhole: Bool
    ) throws(SettingsError) {
        func wrong(_ what: String) -> SettingsError {
            SettingsError(
                sentence: "\(name) is \"\(text)\": \(what); give http://HOST:PORT or https://HOST:PORT of a collector")
        }
        guard let scheme = ["http://", "https://"].first(where: text.lowercased().hasPrefix) else {
            throw wrong("it does not begin with http:// or https://")
        }
        isSecure = scheme == "https://"
        let rest = text.dropFirst(scheme.count)
        let authority = rest.prefix { $0 != "/" }
        guard !authority.contains("@"), !rest.contains("?"), !rest.contains("#"),
            rest.allSatisfy({ $0.isASCII && $0 > " " && $0 != "\u{7f}" })
        else { throw wrong("it has more than a host, a port and a path") }
        let bracket = authority.lastIndex(of: "]")
        let colon = authority[(bracket ?? authority.startIndex)...].lastIndex(of: ":")
        var host = String(authority[..<(colon ?? authority.endIndex)])
        if host.hasPrefix("["), host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
        guard !host.isEmpty else { throw wrong("it names no host") }
        self.host = host
        let standard = transport == .grpc ? 4317 : isSecure ? 443 : 80
        if let colon {
            guard let port = Int(authority[authority.index(after: colon)...]), (1...65535).contains(port) else {
                throw wrong("its port is not a number from 1 to 65535")
            }
            self.port = port
        } else {
            port = standard
        }
        let path = String(rest.dropFirst(authority.count))
        self.path = isWhole ? (path.isEmpty ? "/" : path) : (path.hasSuffix("/") ? path : path + "/") + "v1/traces"
    }
}

/// Where to listen, and the like: `HOST:PORT` or `[IPV6]:PORT`.
public struct HostAndPort: Sendable, Equatable {
    /// Without brackets.
    public let host: String
    public let port: Int

    public init?(_ text: String) {
        guard let address = ServerAddress(text), let port = address.port, !address.host.isEmpty else { return nil }
        host = address.host
        self.port = Int(port)
    }
}
