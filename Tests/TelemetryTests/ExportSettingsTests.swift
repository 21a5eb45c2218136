import Spans
// Enters: flags and environments. Leaves: where spans go, or a sentence about what is wrong.
import Testing

@testable import Telemetry

private func read(
    _ environment: [String: String], _ flags: ExportSettings.Flags = .init()
) throws(SettingsError) -> ExportSettings? { try ExportSettings.read(flags: flags, environment: environment) }

private let endpoint = ["OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"]

private func with(_ more: [String: String]) -> [String: String] { endpoint.merging(more) { $1 } }

@Test(arguments: [
    [:], ["OTEL_EXPORTER_OTLP_ENDPOINT": ""], with(["OTEL_SDK_DISABLED": "TRUE"]),
    with(["OTEL_TRACES_EXPORTER": "none"]),
])
func nothingIsExported(environment: [String: String]) throws { #expect(try read(environment) == nil) }

@Test func whatNobodySaid() throws {
    let settings = try #require(try read(endpoint))
    #expect(settings.transport == .http && settings.target.url == "http://collector:4318/v1/traces")
    #expect(settings.timeoutNanoseconds == 10_000_000_000 && settings.isCompressed && settings.certificate == nil)
    #expect(settings.headers.isEmpty && settings.conventions == .new && settings.limits == ExportLimits())
    #expect(settings.resource.map(\.name) == ["service.name"] && settings.resource[0].value == "vencejo")
}

@Test func whatCanBeSaid() throws {
    let settings = try #require(
        try read(
            with([
                "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_HEADERS": "Api-Key=a%2Cb, x = y=z ",
                "OTEL_EXPORTER_OTLP_TIMEOUT": "250", "OTEL_EXPORTER_OTLP_CERTIFICATE": "/ca.pem",
                "OTEL_EXPORTER_OTLP_COMPRESSION": "none", "OTEL_SERVICE_NAME": "prices",
                "OTEL_RESOURCE_ATTRIBUTES": "service.name=other,k8s.pod.name=p%C3%B1,a=1,a=2",
                "OTEL_SEMCONV_STABILITY_OPT_IN": "rpc/dup", "OTEL_BSP_MAX_QUEUE_SIZE": "10",
                "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "5", "OTEL_BSP_SCHEDULE_DELAY": "1", "OTEL_BSP_EXPORT_TIMEOUT": "2",
            ])))
    #expect(settings.transport == .grpc && settings.target.authority == "collector:4318")
    #expect(settings.headers.map(\.name) == ["api-key", "x"] && settings.headers.map(\.value) == ["a,b", "y=z"])
    #expect(settings.timeoutNanoseconds == 250_000_000 && settings.certificate == "/ca.pem" && !settings.isCompressed)
    #expect(settings.resource.map(\.name) == ["service.name", "k8s.pod.name", "a"])
    #expect(settings.resource.map(\.value) == ["prices", "pñ", "2"] && settings.conventions == .both)
    #expect(settings.limits.queueSpansMax == 10 && settings.limits.batchSpansMax == 5)
    #expect(settings.limits.delayNanoseconds == 1_000_000 && settings.limits.timeoutNanoseconds == 2_000_000)
}

@Test func tracesBeatAllAndFlagsBeatBoth() throws {
    let environment = with([
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://traces/else", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
        "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf",
    ])
    #expect(try read(environment)?.target.url == "https://traces:443/else")
    let flags = ExportSettings.Flags(endpoint: "http://[::1]:1/base/", transport: "grpc")
    #expect(try read(environment, flags)?.target.url == "http://[::1]:1/base/v1/traces")
    #expect(try read(environment, flags)?.transport == .grpc)
    #expect(try read(environment, .init(serverAddress: "[::1]:8001"))?.server == ServerAddress("[::1]:8001"))
    #expect(throws: SettingsError.self) { try read([:], .init(serverAddress: "nowhere")) }
    #expect(try read([:], .init(endpoint: "http://x", transport: "grpc"))?.target.port == 4317)
}

@Test(
    arguments: [
        (["OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4318"], "OTEL_EXPORTER_OTLP_ENDPOINT is \"collector:4318\""),
        (["OTEL_EXPORTER_OTLP_ENDPOINT": "http://"], "it names no host"),
        (["OTEL_EXPORTER_OTLP_ENDPOINT": "http://:80"], "it names no host"),
        (["OTEL_EXPORTER_OTLP_ENDPOINT": "http://x:0"], "from 1 to 65535"),
        (["OTEL_EXPORTER_OTLP_ENDPOINT": "http://x:y"], "from 1 to 65535"),
        (["OTEL_EXPORTER_OTLP_ENDPOINT": "http://user:word@x"], "more than a host"),
        (["OTEL_EXPORTER_OTLP_ENDPOINT": "http://x/\r\nHost: y"], "more than a host"),
        (["OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"], "allowed are grpc and http/protobuf"),
        (["OTEL_EXPORTER_OTLP_TIMEOUT": "0"], "OTEL_EXPORTER_OTLP_TIMEOUT is \"0\": give a number from 1 to 3600000"),
        (["OTEL_EXPORTER_OTLP_TIMEOUT": "1s"], "from 1 to"), (["OTEL_BSP_MAX_QUEUE_SIZE": "-1"], "from 1 to"),
        (["OTEL_BSP_MAX_QUEUE_SIZE": "100"], "a batch is at most as large as the queue"),
        (["OTEL_EXPORTER_OTLP_HEADERS": "novalue"], "NAME=VALUE"),
        (["OTEL_EXPORTER_OTLP_HEADERS": "a=%zz"], "NAME=VALUE"),
        (["OTEL_RESOURCE_ATTRIBUTES": "=x"], "NAME=VALUE"), (["OTEL_RESOURCE_ATTRIBUTES": "a=%ff"], "NAME=VALUE"),
        (["OTEL_EXPORTER_OTLP_COMPRESSION": "zstd"], "allowed are gzip and none"),
        (["OTEL_TRACES_EXPORTER": "console"], "allowed are otlp and none"),
    ] as [([String: String], String)])
func whatIsWrongIsNamed(environment: [String: String], part: String) {
    do throws(SettingsError) {
        _ = try read(with(environment))
        Issue.record("\(environment) was taken")
    } catch {
        #expect(error.sentence.contains(part))
    }
}

@Test(
    arguments: [
        ("127.0.0.1:9464", "127.0.0.1", 9464), ("[::1]:0", "::1", 0), ("host:65535", "host", 65535), ("host", nil, 0),
        (":1", nil, 0), ("host:", nil, 0), ("host:65536", nil, 0), ("host:-1", nil, 0), ("unix:/x:1", nil, 0),
        ("", nil, 0),
    ] as [(String, String?, Int)])
func hostsAndPorts(text: String, host: String?, port: Int) {
    let parsed = HostAndPort(text)
    #expect(parsed?.host == host && (parsed?.port ?? 0) == port)
}
