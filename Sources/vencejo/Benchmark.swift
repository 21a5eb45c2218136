// Enters: a plan and one or two servers. Leaves: their measurements, and on stderr how far it is.
import Bench
import Foundation
import Reactor

/// Runs of one server, or of two in turns.
struct Benchmark {
    let plan: Plan
    let requests: Requests
    let targets: [Target]
    let rounds: Int
    /// Of each server, all rounds together.
    private(set) var measurements: [Bench.Measurement] = []
    private(set) var comparison: Comparison?

    init(plan: Plan, requests: Requests, targets: [Target], rounds: Int) {
        self.plan = plan
        self.requests = requests
        self.targets = targets
        self.rounds = rounds
    }

    mutating func run() throws(Failure) {
        var pairs: [(first: ServerReport, second: ServerReport)] = []
        var meter = Meter(runs: rounds * targets.count)
        defer { meter.clear() }
        for round in 0..<rounds {
            var reports: [ServerReport?] = targets.map { _ in nil }
            // Who is first changes, so that what drifts meets both.
            for index in round % 2 == 0 ? Array(targets.indices) : targets.indices.reversed() {
                let measurement = try measure(targets[index], &meter)
                reports[index] = ServerReport(measurement, endpoint: targets[index].text, plan: plan)
                keep(measurement, of: index)
            }
            if reports.count == 2, let first = reports[0], let second = reports[1] { pairs.append((first, second)) }
        }
        if targets.count == 2 { comparison = Comparison(pairs) }
    }

    /// The first round takes the servers in their order.
    private mutating func keep(_ measurement: Bench.Measurement, of index: Int) {
        if index < measurements.count {
            measurements[index].merge(measurement)
        } else {
            measurements.append(measurement)
        }
    }

    private func measure(_ target: Target, _ meter: inout Meter) throws(Failure) -> Bench.Measurement {
        meter.begin(target.text)
        do throws(BenchError) {
            return try Run.perform(plan, on: target, requests) { meter.show($0) }
        } catch {
            switch error {
            case .unreachable(let reason):
                throw Failure(code: .unreachable, sentence: "no gRPC server answers at \(target.text): \(reason)")
            case .process(let process, let reason):
                throw Failure(
                    code: .usage,
                    sentence: "the processor time of process \(process) cannot be read: \(reason); give the server's "
                        + "number by --server-pid, or --compare-pid")
            case .system(let reason): throw Failure(code: .failed, sentence: "the generator cannot work: \(reason)")
            }
        }
    }

    func report(_ index: Int) -> ServerReport {
        ServerReport(measurements[index], endpoint: targets[index].text, plan: plan)
    }
}

/// The progress bar: drawn over itself on a terminal, else a line now and then.
private struct Meter {
    private let runs: Int
    private var run = 0
    private var text = ""
    private var lastLine: Int64 = 0
    private let isTerminal = isatty(STDERR_FILENO) == 1
    private static let lineNanoseconds: Int64 = 10_000_000_000
    private static let cells = 30

    init(runs: Int) { self.runs = runs }

    mutating func begin(_ server: String) {
        run += 1
        text = runs > 1 ? "\(server), run \(run) of \(runs): " : "\(server): "
        lastLine = 0
    }

    mutating func show(_ moment: Moment) {
        let share = min(1, Double(moment.nanoseconds) / Double(max(1, moment.ofNanoseconds)))
        let seconds = decimal(Double(moment.nanoseconds) / 1_000_000_000, digits: 1)
        let facts = "\(seconds) s, \(moment.answered) answers, \(moment.failed) errors"
        if isTerminal {
            let full = Int(share * Double(Self.cells))
            let bar = String(repeating: "#", count: full) + String(repeating: ".", count: Self.cells - full)
            write("\r\u{1b}[K\(text)[\(bar)] \(facts)")
        } else if moment.nanoseconds - lastLine >= Self.lineNanoseconds {
            lastLine = moment.nanoseconds
            write("\(text)\(Int(share * 100)) %, \(facts)\n")
        }
    }

    func clear() {
        if isTerminal { write("\r\u{1b}[K") }
    }

    private func write(_ text: String) { try? FileHandle.standardError.write(contentsOf: Data(text.utf8)) }
}

extension Client {
    /// The server for a load generator: at the address where it has answered us.
    func target(process: Int32?) -> Target {
        Target(
            text: endpoint.text, address: address, authority: endpoint.authority, tls: endpoint.tls,
            serverName: endpoint.serverName ?? endpoint.host, process: process)
    }
}
