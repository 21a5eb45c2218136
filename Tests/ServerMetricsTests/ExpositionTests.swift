// Enters: small pages. Leaves: what each format makes of them, to the letter; and the rules that all of it keeps.
import Memory
import Testing

@testable import ServerMetrics

/// Of `SmallPage.written`.
private enum Golden {
    static let text = #"""
        # HELP t_calls_total Calls: "all" of them, C:\\new\nand more.
        # TYPE t_calls_total counter
        t_calls_total{model="forest",version="v1",code="OK"} 8
        t_calls_total{model="forest",version="v1",code="BAD"} 0
        t_calls_total{model="forest",version="v2",code="OK"} 0
        t_calls_total{model="forest",version="v2",code="BAD"} 0
        t_calls_total{model="forest",version="v2",code="WORSE"} 3
        # HELP t_wait_seconds Waiting.
        # TYPE t_wait_seconds histogram
        t_wait_seconds_bucket{model="forest",version="v1",outcome="ok",le="0.3"} 2
        t_wait_seconds_bucket{model="forest",version="v1",outcome="ok",le="1.0"} 3
        t_wait_seconds_bucket{model="forest",version="v1",outcome="ok",le="1.5"} 4
        t_wait_seconds_bucket{model="forest",version="v1",outcome="ok",le="+Inf"} 5
        t_wait_seconds_sum{model="forest",version="v1",outcome="ok"} 11.000000001
        t_wait_seconds_count{model="forest",version="v1",outcome="ok"} 5
        t_wait_seconds_bucket{model="forest",version="v1",outcome="error",le="0.3"} 0
        t_wait_seconds_bucket{model="forest",version="v1",outcome="error",le="1.0"} 0
        t_wait_seconds_bucket{model="forest",version="v1",outcome="error",le="1.5"} 0
        t_wait_seconds_bucket{model="forest",version="v1",outcome="error",le="+Inf"} 0
        t_wait_seconds_sum{model="forest",version="v1",outcome="error"} 0.0
        t_wait_seconds_count{model="forest",version="v1",outcome="error"} 0
        t_wait_seconds_bucket{model="forest",version="v2",outcome="ok",le="0.3"} 0
        t_wait_seconds_bucket{model="forest",version="v2",outcome="ok",le="1.0"} 0
        t_wait_seconds_bucket{model="forest",version="v2",outcome="ok",le="1.5"} 0
        t_wait_seconds_bucket{model="forest",version="v2",outcome="ok",le="+Inf"} 0
        t_wait_seconds_sum{model="forest",version="v2",outcome="ok"} 0.0
        t_wait_seconds_count{model="forest",version="v2",outcome="ok"} 0
        t_wait_seconds_bucket{model="forest",version="v2",outcome="error",le="0.3"} 0
        t_wait_seconds_bucket{model="forest",version="v2",outcome="error",le="1.0"} 0
        t_wait_seconds_bucket{model="forest",version="v2",outcome="error",le="1.5"} 0
        t_wait_seconds_bucket{model="forest",version="v2",outcome="error",le="+Inf"} 0
        t_wait_seconds_sum{model="forest",version="v2",outcome="error"} 0.0
        t_wait_seconds_count{model="forest",version="v2",outcome="error"} 0
        # HELP t_depth Depth.
        # TYPE t_depth gauge
        t_depth{model="forest"} 2.5
        # HELP t_open Open.
        # TYPE t_open gauge
        t_open -2
        # HELP t_busy_seconds_total Busy.
        # TYPE t_busy_seconds_total counter
        t_busy_seconds_total 1.5
        # HELP vencejo_model_info The versions that are loaded, where they stand, and the SHA-256 of their files.
        # TYPE vencejo_model_info gauge
        vencejo_model_info{model="forest",version="v1",slot="blue",digest="sha256:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",format="onnx"} 1.0
        vencejo_model_info{model="forest",version="v2",slot="none",digest="",format=""} 1.0

        """#

    static let openMetrics = #"""
        # HELP t_calls Calls: \"all\" of them, C:\\new\nand more.
        # TYPE t_calls counter
        t_calls_total{model="forest",version="v1",code="OK"} 8
        t_calls_total{model="forest",version="v1",code="BAD"} 0
        t_calls_total{model="forest",version="v2",code="OK"} 0
        t_calls_total{model="forest",version="v2",code="BAD"} 0
        t_calls_total{model="forest",version="v2",code="WORSE"} 3
        # HELP t_wait_seconds Waiting.
        # TYPE t_wait_seconds histogram
        # UNIT t_wait_seconds seconds
        t_wait_seconds_bucket{model="forest",version="v1",outcome="ok",le="0.3"} 2 # {trace_id="11223344556677880000000000000099"} 0.2 1700000002.345
        t_wait_seconds_bucket{model="forest",version="v1",outcome="ok",le="1.0"} 3
        t_wait_seconds_bucket{model="forest",version="v1",outcome="ok",le="1.5"} 4
        t_wait_seconds_bucket{model="forest",version="v1",outcome="ok",le="+Inf"} 5 # {trace_id="11223344556677880000000000000099"} 9.0 1700000002.345
        t_wait_seconds_sum{model="forest",version="v1",outcome="ok"} 11.000000001
        t_wait_seconds_count{model="forest",version="v1",outcome="ok"} 5
        t_wait_seconds_bucket{model="forest",version="v1",outcome="error",le="0.3"} 0
        t_wait_seconds_bucket{model="forest",version="v1",outcome="error",le="1.0"} 0
        t_wait_seconds_bucket{model="forest",version="v1",outcome="error",le="1.5"} 0
        t_wait_seconds_bucket{model="forest",version="v1",outcome="error",le="+Inf"} 0
        t_wait_seconds_sum{model="forest",version="v1",outcome="error"} 0.0
        t_wait_seconds_count{model="forest",version="v1",outcome="error"} 0
        t_wait_seconds_bucket{model="forest",version="v2",outcome="ok",le="0.3"} 0
        t_wait_seconds_bucket{model="forest",version="v2",outcome="ok",le="1.0"} 0
        t_wait_seconds_bucket{model="forest",version="v2",outcome="ok",le="1.5"} 0
        t_wait_seconds_bucket{model="forest",version="v2",outcome="ok",le="+Inf"} 0
        t_wait_seconds_sum{model="forest",version="v2",outcome="ok"} 0.0
        t_wait_seconds_count{model="forest",version="v2",outcome="ok"} 0
        t_wait_seconds_bucket{model="forest",version="v2",outcome="error",le="0.3"} 0
        t_wait_seconds_bucket{model="forest",version="v2",outcome="error",le="1.0"} 0
        t_wait_seconds_bucket{model="forest",version="v2",outcome="error",le="1.5"} 0
        t_wait_seconds_bucket{model="forest",version="v2",outcome="error",le="+Inf"} 0
        t_wait_seconds_sum{model="forest",version="v2",outcome="error"} 0.0
        t_wait_seconds_count{model="forest",version="v2",outcome="error"} 0
        # HELP t_depth Depth.
        # TYPE t_depth gauge
        t_depth{model="forest"} 2.5
        # HELP t_open Open.
        # TYPE t_open gauge
        t_open -2
        # HELP t_busy_seconds Busy.
        # TYPE t_busy_seconds counter
        # UNIT t_busy_seconds seconds
        t_busy_seconds_total 1.5
        # HELP vencejo_model The versions that are loaded, where they stand, and the SHA-256 of their files.
        # TYPE vencejo_model info
        vencejo_model_info{model="forest",version="v1",slot="blue",digest="sha256:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",format="onnx"} 1.0
        vencejo_model_info{model="forest",version="v2",slot="none",digest="",format=""} 1.0
        # EOF

        """#

    /// Name, help, type, unit; and of each series labels, when it was made, and its number or its histogram.
    static let protobuf = [
        #"t_calls_total|Calls: "all" of them, C:\new⏎and more.|0|"#,
        "model=forest,version=v1,code=OK @0 8.0", "model=forest,version=v1,code=BAD @0 0.0",
        "model=forest,version=v2,code=OK @0 0.0", "model=forest,version=v2,code=BAD @0 0.0",
        "model=forest,version=v2,code=WORSE @0 3.0",
        "t_wait_seconds|Waiting.|4|seconds",
        "model=forest,version=v1,outcome=ok @0 5 11.000000001 [0.3:2*0.2 1.0:3 1.5:4 inf:5*9.0] 2^-1 0.5:3 1+1 1+1 [1 0]",
        "model=forest,version=v1,outcome=error @0 0 0.0 [0.3:0 1.0:0 1.5:0 inf:0] 2^-1 0.5:0 0+0 []",
        "model=forest,version=v2,outcome=ok @0 0 0.0 [0.3:0 1.0:0 1.5:0 inf:0] 2^-1 0.5:0 0+0 []",
        "model=forest,version=v2,outcome=error @0 0 0.0 [0.3:0 1.0:0 1.5:0 inf:0] 2^-1 0.5:0 0+0 []",
        "t_depth|Depth.|1|", "model=forest @0 2.5",
        "t_open|Open.|1|", " @0 -2.0",
        "t_busy_seconds_total|Busy.|0|seconds", " @0 1.5",
        "vencejo_model_info|The versions that are loaded, where they stand, and the SHA-256 of their files.|1|",
        "model=forest,version=v1,slot=blue,digest=sha256:\((0..<32).map { $0 < 16 ? "0\(String($0, radix: 16))" : String($0, radix: 16) }.joined()),format=onnx @0 1.0",
        "model=forest,version=v2,slot=none,digest=,format= @0 1.0",
    ]
}

extension DecodedFamily {
    fileprivate var lines: [String] {
        ["\(name)|\(help.replacing("\n", with: "⏎"))|\(type)|\(unit)"]
            + metrics.map { metric in
                "\(metric.labels.joined(separator: ",")) @\(metric.created ?? 0) "
                    + (metric.histogram.map(Self.line) ?? "\(metric.value)")
            }
    }

    private static func line(_ histogram: Histogram) -> String {
        let buckets = histogram.buckets.map { bucket in
            "\(bucket.bound):\(bucket.count)" + (bucket.exemplar.map { "*\($0)" } ?? "")
        }
        let spans = histogram.spans.map { "\($0.offset)+\($0.length)" }
        return
            ([
                "\(histogram.count)", "\(histogram.sum)", "[\(buckets.joined(separator: " "))]",
                "2^-\(histogram.schema)",
                "\(histogram.zeroThreshold):\(histogram.zeroCount)",
            ] + spans + ["[\(histogram.deltas.map { "\($0)" }.joined(separator: " "))]"]).joined(separator: " ")
    }
}

@Suite struct ExpositionTests {
    private let small = SmallPage.written()

    private func lines(_ format: ExpositionFormat) throws -> [String] {
        try Snapshot(of: small.words).text(format).components
    }

    @Test func theTextFormatToTheLetter() throws { #expect(try lines(.text) == Golden.text.components) }

    @Test func openMetricsToTheLetter() throws { #expect(try lines(.openMetrics) == Golden.openMetrics.components) }

    @Test func protobufToTheLetter() throws {
        let families = try DecodedFamily.all(Snapshot(of: small.words).body(.protobuf))
        #expect(families.flatMap(\.lines) == Golden.protobuf)
    }

    @Test func whenASeriesBeganIsToldIfAsked() throws {
        let snapshot = try Snapshot(of: small.words)
        let created = snapshot.text(.openMetrics, created: true).components.filter { $0.contains("_created") }
        #expect(created.count == 5 + 4 + 1)
        #expect(created.first == #"t_calls_created{model="forest",version="v1",code="OK"} 1700000001.0"#)
        #expect(created.last == "t_busy_seconds_created 1700000000.25")
        _ = try StrictText(snapshot.body(.openMetrics, created: true), isOpenMetrics: true)
        // The text format has no such thing.
        #expect(snapshot.text(.text, created: true) == snapshot.text(.text))
        let metrics = try DecodedFamily.all(snapshot.body(.protobuf, created: true)).prefix(2).flatMap(\.metrics)
        #expect(metrics.allSatisfy { $0.created == 1_700_000_001 })
    }

    @Test(arguments: ExpositionFormat.allCases) func theServersMetricsKeepAllRules(_ format: ExpositionFormat) throws {
        let page = Page.busy()
        let snapshot = try Snapshot(of: page.snapshot)
        for created in [false, true] {
            let body = snapshot.body(format, created: created)
            switch format {
            case .protobuf:
                let names = try DecodedFamily.all(body).map(\.name)
                #expect(names.count == Metric.allCases.count + 1)
            case .text, .openMetrics, .triton:
                let text = try StrictText(body, isOpenMetrics: format == .openMetrics, isTriton: format == .triton)
                #expect(text.samples.allSatisfy { $0.exemplar == nil })
            }
        }
    }

    /// The number of series is what Prometheus will count.
    @Test func seriesAreCounted() throws {
        let snapshot = try Snapshot(of: small.words)
        for (isOpenMetrics, created) in [(false, false), (true, false), (true, true)] {
            var exposition = TextExposition(isOpenMetrics: isOpenMetrics, showsCreated: created)
            snapshot.write(to: &exposition)
            let series = exposition.series
            #expect(try StrictText(exposition.finish(), isOpenMetrics: isOpenMetrics).samples.count == series)
        }
    }

    @Test func boundariesAreWrittenAlikeInBothTextFormats() throws {
        let snapshot = try Snapshot(of: Page.busy().snapshot)
        func bounds(_ format: ExpositionFormat) throws -> [String?] {
            try StrictText(snapshot.body(format), isOpenMetrics: format == .openMetrics).samples.map { $0.labels["le"] }
        }
        #expect(try bounds(.text) == bounds(.openMetrics))
        #expect(
            try Set(bounds(.text).compactMap(\.self)).isSuperset(of: [
                "0.0005", "0.005", "1.0", "30.0", "1024.0", "+Inf",
            ]))
    }

    @Test func whatIsRareIsShownOnceItHappened() throws {
        let page = Page.busy()
        let text = try StrictText(Snapshot(of: page.snapshot).body(.text))
        let calls = text.samples.filter { $0.name == "vencejo_requests_total" }
        func series(_ model: String) -> [String] {
            calls.filter { $0.labels["model"] == model }.map {
                "\($0.labels["method"] ?? "") \($0.labels["code"] ?? "")"
            }
        }
        let expected = ["OK", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "INTERNAL", "UNAVAILABLE"]
        #expect(
            Set(series("idle"))
                == Set(["Predict", "ModelInfer"].flatMap { method in expected.map { "\(method) \($0)" } }))
        #expect(Set(series("busy")).subtracting(series("idle")) == ["PredictMany CANCELLED"])
        #expect(series("_unknown") == ["Predict NOT_FOUND"])
        #expect(series("_overflow") == [])
        #expect(text.value("vencejo_rpcs_total") == nil)
        #expect(text.value("vencejo_requests_rejected_total", ["model": "idle", "reason": "memory"]) == 0)
    }

    @Test func tritonsNames() throws {
        let text = try StrictText(Snapshot(of: Page.busy().snapshot).body(.triton), isTriton: true)
        #expect(Set(text.samples.map { $0.labels["model"] }) == ["busy", "idle"])
        for (name, reason, value) in [
            ("request_success", "", 3), ("request_failure", "CANCELED", 1), ("request_failure", "REJECTED", 2),
            ("request_failure", "BACKEND", 0), ("request_failure", "OTHER", 0), ("count", "", 12),
            ("exec_count", "", 1),
            ("request_duration_us", "", 15), ("queue_duration_us", "", 3), ("compute_input_duration_us", "", 3),
            ("compute_infer_duration_us", "", 6), ("compute_output_duration_us", "", 3),
            ("pending_request_count", "", 7),
        ] as [(String, String, Double)] {
            let labels = ["model": "busy", "version": "1"].merging(reason.isEmpty ? [:] : ["reason": reason]) {
                old, _ in old
            }
            #expect(text.value("nv_inference_\(name)", labels) == value, "\(name) \(reason)")
        }
    }
}

extension Page {
    /// With one version to which a little of everything happened, another to which nothing did, and a call for no model.
    static func busy() -> Page {
        let page = Page(.server(rpcs: ["Check"]), Page.Size(shards: 2, models: 2, versions: 2), .fixed)
        let rows = ["busy", "idle"].map { name in
            (
                page.row(.model, model: name, unixNanoseconds: 1),
                page.row(.version, model: name, version: "1", unixNanoseconds: 1)
            )
        }
        let recorder = page.recorder(shard: 0)
        func end(
            _ times: Int, code: UInt8, method: PredictionMethod = .predict, row: Int = 2, rejection: UInt8 = 0,
            ran: Bool = false
        ) {
            var call = CallRecord()
            (call.row, call.modelRow, call.code, call.method) = (Int32(row), Int32(row), code, method)
            (call.rejection, call.rows, call.began, call.gathered) = (rejection, 4, 10_000, 11_000)
            if ran { (call.ranFrom, call.ranUntil) = (12_000, 14_000) }
            recorder.ended(call, left: 15_000, times: times, requestBytes: 5, responseBytes: 6)
        }
        end(3, code: 0, ran: true)
        end(1, code: 1, method: .predictMany)
        end(2, code: 8, rejection: 1)
        end(1, code: 5, row: 0, rejection: 6)
        recorder.ran(row: 2, rows: 12)
        recorder.set(.queueDepth, row: 2, 7)
        recorder.set(.trafficRatio, row: 2, 0.25)
        page.common.time(.commitDuration, nanoseconds: 2_000_000)
        withExtendedLifetime(rows) {}
        return page
    }
}

extension String {
    fileprivate var components: [String] { split(separator: "\n", omittingEmptySubsequences: false).map(String.init) }
}
