// Enters: a model and how to load its server. Leaves: how fast it answers, and what of that is the generator's own.
public import ArgumentParser
public import Bench
import Foundation
import Memory
import Protobuf
import Reactor
import Tensors

struct BenchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "Load a server, and measure its latencies.",
        discussion: """
            Requests are sent at a rate, whether the server keeps up or not, and their latency counts from the time at \
            which they should have been sent: a server that stalls is charged with everybody who would have called \
            meanwhile. With --rate max a request is sent as soon as another one is answered, which measures throughput.

            Inputs are written as for "vencejo predict". Their first dimension is rows, which are dealt out to requests. \
            Without inputs the server is asked what the model takes, and random rows are sent.

            Examples:
              vencejo bench iris --rate 1000 --input X=rows.npy
              vencejo bench iris --rate max --connections 2 --in-flight 128 --server-pid 4711
              vencejo bench iris --protocol oip --endpoint 127.0.0.1:8001 --compare 127.0.0.1:9001 --rounds 7
            """)

    @Argument(help: "The model's name.") var model: String
    @Option(
        parsing: .unconditionalSingleValue,
        help: ArgumentHelp("One input; may be given several times. Default: random rows.", valueName: "name=value"))
    var input: [String] = []
    @Option(help: ArgumentHelp("Rows of the inputs in each request.", valueName: "number")) var rowsPerRequest = 1
    @Option(help: ArgumentHelp("The version. Default: the live one.", valueName: "number")) var version: Int64?
    @Option(
        name: .customLong("protocol"),
        help: "The protocol: vencejo, or oip for any server of the Open Inference Protocol.")
    var dialect = Dialect.vencejo
    @OptionGroup var load: LoadOptions
    @Option(help: ArgumentHelp("A second server, measured in turns with the first.", valueName: "address"))
    var compare: String?
    @Option(help: ArgumentHelp("Rounds of a comparison, of one --duration for each server.", valueName: "number"))
    var rounds: Int?
    @Option(help: ArgumentHelp("The server's process on this machine: report its CPU time.", valueName: "pid"))
    var serverPid: Int32?
    @Option(help: ArgumentHelp("The process of the server behind --compare.", valueName: "pid")) var comparePid: Int32?
    @Option(
        help: ArgumentHelp("Write the latencies to this file, as HdrHistogram's plotters read it.", valueName: "file"))
    var histogram: String?
    @OptionGroup var server: EndpointOptions
    @OptionGroup var options: OutputOptions

    func run() throws {
        try check()
        let plan = try load.plan(timeout: server.resolve().timeoutNanoseconds)
        let arguments = try input.map { text throws(Failure) in try InputArgument(text) }
        _ = FileLimit.raise()
        let first = try server.connect()
        var second: Client?
        if let compare {
            var other = server
            other.endpoint = compare
            second = try other.connect()
        }
        let (rows, origin) = try rows(arguments, first)
        for client in [first, second] { if let client { try probe(client, rows) } }
        let requests: Requests
        do throws(ArenaFull) {
            requests = try Requests(rows, model: model, version: version, in: dialect)
        } catch {
            throw Failure(code: .failed, sentence: "a request needs more than \(error.bytesMax) bytes: send less")
        }
        var bench = Benchmark(
            plan: plan, requests: requests,
            targets: [first.target(process: serverPid)] + (second.map { [$0.target(process: comparePid)] } ?? []),
            rounds: compare == nil ? 1 : rounds ?? Self.roundsDefault)
        try bench.run()
        try writeHistograms(bench)
        let document = BenchDocument(
            bench, command: self,
            inputs: BenchDocument.Inputs(rows, origin: origin, rowsPerRequest: rowsPerRequest))
        switch options.output {
        case .json: print(OutputOptions.json(document))
        case .table: print(document.table)
        }
        if bench.measurements.contains(where: { $0.latency.count == 0 }) {
            throw Failure(code: .failed, sentence: "a server has answered no request with OK; the report says why")
        }
    }

    private static let roundsDefault = 5

    private func check() throws(Failure) {
        try allowed("--rows-per-request", rowsPerRequest, 1...1_000_000)
        if let rounds { try allowed("--rounds", rounds, 1...1000) }
        for (flag, isGiven) in [("--rounds", rounds != nil), ("--compare-pid", comparePid != nil)]
        where isGiven && compare == nil {
            throw .usage("\(flag) is given without --compare: name by it the server to compare with")
        }
        for (flag, process) in [("--server-pid", serverPid), ("--compare-pid", comparePid)] {
            if let process { try allowed(flag, Int(process), 1...4_194_304) }
        }
    }

    private func rows(_ arguments: [InputArgument], _ client: Client) throws(Failure) -> (Rows, String) {
        var specifications: [TensorSpecification] = []
        if arguments.isEmpty || arguments.contains(where: \.needsSignature) {
            do throws(ClientError) {
                specifications = try client.inputs(of: model, version: version.map { "\($0)" } ?? "")
            } catch {
                throw error.failure(at: client.endpoint)
            }
        }
        do throws(RowsError) {
            if arguments.isEmpty {
                guard !specifications.isEmpty else {
                    throw RowsError(
                        sentence: "model \(quoted(model)) takes inputs of any name, so none can be made up: give one "
                            + "by --input NAME=…")
                }
                let rows = try Rows(randomFor: specifications, rowsPerRequest: rowsPerRequest, seed: load.seed)
                return (rows, "random, seed \(load.seed)")
            }
            var inputs: [NamedTensor] = []
            do throws(Failure) {
                for argument in arguments { inputs += try argument.tensors(for: specifications, of: model) }
            } catch {
                throw RowsError(sentence: error.sentence)
            }
            return (try Rows(inputs, rowsPerRequest: rowsPerRequest), "given")
        } catch {
            throw .usage(error.sentence)
        }
    }

    /// One call before the load: what the server refuses is told in its own words.
    private func probe(_ client: Client, _ rows: Rows) throws(Failure) {
        var arena = Arena(bytesMax: 1 << 36)
        let request: WireWriter
        do throws(ArenaFull) {
            request = try dialect.encode(rows.requests[0], model: model, version: version, in: &arena)
        } catch {
            throw Failure(code: .failed, sentence: "a request needs more than \(error.bytesMax) bytes: send less")
        }
        do throws(ClientError) { _ = try client.call(dialect.method, request, in: &arena) } catch {
            throw error.failure(at: client.endpoint)
        }
    }

    /// Of a comparison the second server's stands in FILE.2.
    private func writeHistograms(_ bench: Benchmark) throws(Failure) {
        guard let histogram else { return }
        for (index, measurement) in bench.measurements.enumerated() {
            let path = index == 0 ? histogram : "\(histogram).\(index + 1)"
            do {
                try Data(measurement.latency.percentileDistribution.utf8).write(to: URL(fileURLWithPath: path))
            } catch {
                throw Failure(code: .failed, sentence: "--histogram: the file \(quoted(path)) cannot be written")
            }
        }
    }
}

/// How a server is loaded.
struct LoadOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Requests per second, or max.", valueName: "number|max")) var rate = "1000"
    @Option(help: "How requests follow each other: poisson or constant.") var arrival = Arrival.poisson
    @Option(help: ArgumentHelp("How long to measure, as 500ms, 10s or 2min.", valueName: "time")) var duration = "10s"
    @Option(help: ArgumentHelp("How long to load the server before that.", valueName: "time")) var warmUp = "1s"
    @Option(help: ArgumentHelp("Connections, over which requests are dealt out in turn.", valueName: "number"))
    var connections = 4
    @Option(help: ArgumentHelp("Requests on their way on a connection; others wait.", valueName: "number"))
    var inFlight = 100
    @Option(help: ArgumentHelp("Threads of the generator.", valueName: "number")) var threads = 1
    @Option(help: ArgumentHelp("The deadline that each request tells the server.", valueName: "time"))
    var deadline: String?
    @Option(help: ArgumentHelp("Arrivals and random rows are the same for the same seed.", valueName: "number"))
    var seed: UInt64 = 1

    func plan(timeout: Int64) throws(Failure) -> Plan {
        try allowed("--connections", connections, 1...100_000)
        try allowed("--in-flight", inFlight, 1...1_000_000)
        try allowed("--threads", threads, 1...256)
        guard connections >= threads else {
            throw .usage(
                "--threads: \(threads) is more than the \(connections) of --connections: each thread needs one")
        }
        var number: Double?
        if rate != "max" {
            number = Double(rate)
            guard let number, number >= 0.001, number <= 100_000_000 else {
                throw .usage(
                    "--rate: \(quoted(rate)) is not allowed; allowed are max, and requests per second from 0.001 to "
                        + "100000000")
            }
        }
        return Plan(
            rate: number, arrival: arrival, seed: seed,
            warmUpNanoseconds: try time("--warm-up", warmUp, min: 0),
            durationNanoseconds: try time("--duration", duration),
            connections: connections, inFlight: inFlight, threads: threads,
            deadlineNanoseconds: try deadline.map { text throws(Failure) in try time("--deadline", text) },
            patienceNanoseconds: timeout)
    }

    private func time(_ flag: String, _ text: String, min: Double = 0.001) throws(Failure) -> Int64 {
        let units: [(String, Double)] = [("ms", 0.001), ("min", 60), ("s", 1)]
        for (unit, seconds) in units where text.hasSuffix(unit) {
            guard let number = Double(text.dropLast(unit.count)), number * seconds >= min, number * seconds <= 86400
            else { break }
            return Int64(number * seconds * 1_000_000_000)
        }
        throw .usage(
            "\(flag): \(quoted(text)) is not allowed; allowed are a number and ms, s or min, as 500ms, up to 24 hours")
    }
}

private func allowed(_ flag: String, _ value: Int, _ range: ClosedRange<Int>) throws(Failure) {
    guard !range.contains(value) else { return }
    throw .usage("\(flag): \(value) is not allowed; allowed are \(range.lowerBound) to \(range.upperBound)")
}

extension Arrival: ExpressibleByArgument {}
extension Dialect: ExpressibleByArgument {}
