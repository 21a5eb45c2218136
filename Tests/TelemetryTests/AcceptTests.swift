// Enters: Accept and Accept-Encoding as scrapers send them. Leaves: what they are answered with.
import ServerMetrics
import Testing

@testable import Telemetry

private let protobuf =
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"

@Test(
    arguments: [
        // Prometheus 2.42
        (
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
                + "text/plain;version=0.0.4;q=0.5,*/*;q=0.1", .openMetrics
        ),
        // Prometheus 3.5, and with native histograms
        (
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
                + "application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,"
                + "text/plain;version=0.0.4;q=0.2,*/*;q=0.1", .openMetrics
        ),
        (
            protobuf + ";q=0.6,application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
                + "application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,"
                + "text/plain;version=0.0.4;q=0.2,*/*;q=0.1", .protobuf
        ),
        // Prometheus 2.42 with native histograms names no quality for its first
        (
            protobuf
                + ",application/openmetrics-text;version=1.0.0;q=0.8,application/openmetrics-text;version=0.0.1;q=0.75,"
                + "text/plain;version=0.0.4;q=0.5,*/*;q=0.1", .protobuf
        ),
        // curl, nobody, nothing, a browser
        ("*/*", .text), (nil, .text), ("", .text), (" , ,", .text),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", .text),
        // garbage
        ("\u{0}\u{ff}", .text), (";;;===,,,", .text), ("application/openmetrics-text;q=high", .text),
        ("application/openmetrics-text;q=2", .text), ("application/openmetrics-text;q=-1", .text), ("image/png", .text),
        ("application/openmetrics-text;q=nan, text/plain", .text), ("application openmetrics-text", .text),
        // what is not wanted
        ("application/openmetrics-text;q=0", .text), ("application/openmetrics-text;q=0, */*", .text),
        ("text/plain;q=0, application/openmetrics-text;q=0.1", .openMetrics), ("text/plain;q=0, */*", .openMetrics),
        ("*/*;q=0", .text), ("text/plain;q=0", .text),
        // ties: of what is named the richest, of patterns the plainest
        ("text/plain, application/openmetrics-text", .openMetrics),
        ("application/openmetrics-text, text/plain", .openMetrics),
        ("application/openmetrics-text, \(protobuf)", .protobuf), ("*/*, application/openmetrics-text", .openMetrics),
        ("text/*, application/*", .text), ("application/*", .openMetrics), ("text/plain, */*", .text),
        // versions and parameters that are not ours
        ("application/openmetrics-text;version=0.0.1", .text), ("application/openmetrics-text;version=2.0.0", .text),
        ("text/plain;version=1.0.0, application/openmetrics-text;q=0.1", .openMetrics),
        ("application/vnd.google.protobuf", .text),
        ("application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=text", .text),
        // spelling
        ("APPLICATION/OpenMetrics-Text ; Version=\"1.0.0\" ; Q=1.0", .openMetrics),
        ("text/plain;note=\"a,b;q=0\\\",c\";q=0.1, application/openmetrics-text;q=0.2", .openMetrics),
    ] as [(String?, ExpositionFormat)])
func formats(accept: String?, format: ExpositionFormat) {
    #expect(ExpositionFormat.negotiated(accept: accept) == format)
}

@Test(
    arguments: [
        (nil, false), ("", false), ("gzip", true), ("GZip", true), ("x-gzip", true), ("gzip, deflate, br", true),
        ("gzip;q=0", false), ("gzip;q=0.0, *", false), ("*", true), ("*;q=0", false), ("identity", false),
        ("identity, gzip;q=0.5", false), ("identity;q=0.5, gzip", true), ("identity;q=0, gzip;q=0.1", true),
        ("br", false), ("deflate, *;q=0.1", true), ("gzip;q=x", false),
    ] as [(String?, Bool)])
func codings(acceptEncoding: String?, isGzip: Bool) {
    #expect(ContentCoding.isGzip(acceptEncoding: acceptEncoding) == isGzip)
}
