// Enters: what was measured. Leaves: a table for people; for programs the fields of this type (schema 1).
import Bench

/// All that is printed of a benchmark.
struct BenchDocument: Encodable {
    let schema = 1
    let model: String
    let `protocol`: String
    let arrival: String
    /// `nil`: as many as the server answers.
    let rate: Double?
    let durationSeconds: Double
    let warmUpSeconds: Double
    let connections: Int
    let inFlight: Int
    let threads: Int
    let seed: UInt64
    let inputs: Inputs
    let servers: [ServerReport]
    /// The second server's numbers as multiples of the first's.
    let comparison: Comparison?

    struct Inputs: Encodable {
        let origin: String
        let rowsPerRequest: Int
        let differentRequests: Int
        let rowsLeftOut: Int
    }

    init(_ bench: Benchmark, command: BenchCommand, inputs: Inputs) {
        let plan = bench.plan
        model = command.model
        `protocol` = command.dialect.rawValue
        arrival = plan.rate == nil ? "closed_loop" : plan.arrival.rawValue
        rate = plan.rate
        durationSeconds = Double(plan.durationNanoseconds) / 1_000_000_000
        warmUpSeconds = Double(plan.warmUpNanoseconds) / 1_000_000_000
        connections = plan.connections
        inFlight = plan.inFlight
        threads = plan.threads
        seed = plan.seed
        self.inputs = inputs
        servers = bench.targets.indices.map { bench.report($0) }
        comparison = bench.comparison
    }

    /// For people.
    var table: String {
        let load =
            rate.map { "\(decimal($0, digits: 0)) requests/s, \(arrival)" } ?? "as many as it answers (closed loop)"
        let seconds = [durationSeconds, warmUpSeconds].map { decimal($0, digits: 1) }
        var lines = [
            "model \(printable(model)) by \(`protocol`): \(load), for \(seconds[0]) s"
                + (comparison.map { " in each of \($0.rounds) rounds" } ?? "") + " after a warm-up of \(seconds[1]) s",
            "\(connections) connections, \(inFlight) in flight on each, \(threads) threads; inputs \(inputs.text)",
            "", latencies, "", costs,
        ]
        if let comparison { lines += ["", self.ratios(comparison)] }
        for server in servers {
            let facts =
                server.errors.map { "\($0.count) × \($0.status): \(printable($0.message))" } + server.warnings
            lines += facts.map { "\(servers.count > 1 ? "\(server.endpoint): " : "")\($0)" }
        }
        return lines.joined(separator: "\n")
    }

    private var latencies: String {
        vencejo.table(
            ["LATENCY, us", "p50", "p90", "p99", "p99.9", "p99.99", "max"],
            servers.map { server in
                [server.endpoint] + cells(server.latencyMicroseconds)
            }
                + servers.filter { $0.generator.lateMicroseconds != nil }.map { server in
                    [servers.count > 1 ? "  sent late, \(server.endpoint)" : "  sent late"]
                        + cells(server.generator.lateMicroseconds)
                })
    }

    private func cells(_ values: Percentiles?) -> [String] {
        guard let values else { return Array(repeating: "-", count: 6) }
        return [values.p50, values.p90, values.p99, values.p999, values.p9999, values.max].map {
            decimal($0, digits: $0 < 100 ? 1 : 0)
        }
    }

    private var costs: String {
        vencejo.table(
            ["SERVER", "OK/s", "OK", "ERRORS", "CPU us/REQUEST", "GENERATOR'S"],
            servers.map { server in
                let ok = server.statuses["OK"] ?? 0
                return [
                    server.endpoint, decimal(server.requestsPerSecond, digits: 0), "\(ok)",
                    "\(server.statuses.values.reduce(0, +) - ok + server.unsent)",
                    server.serverCpuMicrosecondsPerRequest.map { decimal($0, digits: 2) } ?? "-",
                    server.generator.cpuMicrosecondsPerRequest.map { decimal($0, digits: 2) } ?? "-",
                ]
            })
    }

    private func ratios(_ comparison: Comparison) -> String {
        let rows: [(String, Ratio?)] = [
            ("latency p50", comparison.latencyP50), ("latency p99", comparison.latencyP99),
            ("OK/s", comparison.requestsPerSecond), ("CPU per request", comparison.serverCpuPerRequest),
        ]
        return vencejo.table(
            ["\(servers[1].endpoint) IS TIMES \(servers[0].endpoint)", "MEDIAN", "LEAST", "MOST"],
            rows.compactMap { name, ratio in
                ratio.map { [name] + [$0.median, $0.min, $0.max].map { decimal($0, digits: 3) } }
            })
    }
}

extension BenchDocument.Inputs {
    init(_ rows: Rows, origin: String, rowsPerRequest: Int) {
        self.origin = origin
        self.rowsPerRequest = rowsPerRequest
        differentRequests = rows.requests.count
        rowsLeftOut = rows.dealt.map { $0.rows % $0.each } ?? 0
    }

    fileprivate var text: String {
        "\(origin): \(differentRequests) different requests of \(rowsPerRequest) rows"
            + (rowsLeftOut > 0 ? ", \(rowsLeftOut) rows left out" : "")
    }
}
