// Enters: a snapshot. Leaves: what of it Triton knows, by Triton's names: dashboards made for it go on.

/// Text 0.0.4 only: its counters have no `_total`, which OpenMetrics does not allow.
///
/// Source: Triton Inference Server, "Metrics". All times are sums in microseconds.
enum TritonExposition {
    static func write(_ snapshot: Snapshot) -> [UInt8] {
        let versions = snapshot.rows.filter { $0.scope == .version && !$0.version.isEmpty }
        var bytes: [UInt8] = []
        func family(
            _ name: String, _ help: String, _ type: String = "counter",
            _ values: (Snapshot.Row) -> [(label: String, value: UInt64)]
        ) {
            bytes += "# HELP \(name) \(help)\n# TYPE \(name) \(type)\n".utf8
            for row in versions {
                let labels =
                    TextExposition.label("model", row.model).dropFirst() + TextExposition.label("version", row.version)
                for (label, value) in values(row) {
                    bytes += "\(name){".utf8
                    bytes += labels
                    bytes += "\(label)} \(value)\n".utf8
                }
            }
        }
        let read = Reading(snapshot)
        family("nv_inference_request_success", "Number of successful inference requests, all batch sizes") {
            [("", read.requests($0) { $0 == 0 })]
        }
        family("nv_inference_request_failure", "Number of failed inference requests, all batch sizes") { row in
            // 1 CANCELLED; 8, 14, 4: turned away; 13, 2, 15: the model's or our fault.
            let reasons: [(String, Set<Int>)] = [
                ("REJECTED", [4, 8, 14]), ("CANCELED", [1]), ("BACKEND", [2, 13, 15]),
            ]
            let known = reasons.reduce(into: Set([0])) { $0.formUnion($1.1) }
            return reasons.map { reason in
                (",reason=\"\(reason.0)\"", read.requests(row) { reason.1.contains($0) })
            } + [(",reason=\"OTHER\"", read.requests(row) { !known.contains($0) })]
        }
        family("nv_inference_count", "Number of inferences performed") { [("", read.sum("vencejo_inferences", $0))] }
        family("nv_inference_exec_count", "Number of model executions performed") {
            [("", read.sum("vencejo_executions", $0))]
        }
        for (name, help, source, point) in [
            ("request", "Cumulative inference request duration in microseconds", "vencejo_request_duration_seconds", 0),
            ("queue", "Cumulative inference queuing duration in microseconds", "vencejo_queue_duration_seconds", 0),
            (
                "compute_input", "Cumulative compute input duration in microseconds",
                "vencejo_compute_duration_seconds", 0
            ),
            (
                "compute_infer", "Cumulative compute inference duration in microseconds",
                "vencejo_compute_duration_seconds", 1
            ),
            (
                "compute_output", "Cumulative inference compute output duration in microseconds",
                "vencejo_compute_duration_seconds", 2
            ),
        ] {
            family("nv_inference_\(name)_duration_us", help) { [("", read.sum(source, $0, point: point) / 1000)] }
        }
        family(
            "nv_inference_pending_request_count", "Instantaneous number of pending requests awaiting execution", "gauge"
        ) {
            let depth = Double(bitPattern: read.sum("vencejo_queue_depth", $0))
            return [("", depth >= 0 && depth < 1e15 ? UInt64(depth) : 0)]
        }
        return bytes
    }

    private struct Reading {
        let snapshot: Snapshot
        let families: [String: Family]

        init(_ snapshot: Snapshot) {
            self.snapshot = snapshot
            families = Dictionary(snapshot.catalogue.families.map { ($0.name, $0) }) { first, _ in first }
        }

        /// A counter's cell, or a histogram's sum.
        func sum(_ name: String, _ row: Snapshot.Row, point: Int = 0) -> UInt64 {
            guard let family = families[name], family.scope == row.scope else { return 0 }
            return snapshot.cells(family, row: row.number, point: point).last ?? 0
        }

        /// Requests by every method, of those codes.
        func requests(_ row: Snapshot.Row, _ isMeant: (Int) -> Bool) -> UInt64 {
            guard let family = families["vencejo_requests"], family.labels.count == 2 else { return 0 }
            let codes = family.labels[1].values.count
            return (0..<family.points).reduce(0) { sum, point in
                isMeant(point % codes) ? sum &+ (snapshot.cells(family, row: row.number, point: point).first ?? 0) : sum
            }
        }
    }
}
