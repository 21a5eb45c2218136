// Enters: measurements. Leaves: the facts that are printed, with units in their names. Schema 1.
import GRPC

/// What a run says of one server.
public struct ServerReport: Encodable, Sendable {
    public let endpoint: String
    public let requestsPerSecond: Double
    /// Of all requests of the window; `nil`: there were none.
    public let latencyMicroseconds: Percentiles?
    /// By the names of gRPC's statuses.
    public let statuses: [String: Int]
    public let errors: [CallError]
    public let waitedForInFlight: Int
    public let unsent: Int
    public let reconnects: Int
    public let generator: GeneratorReport
    public let serverCpuMicrosecondsPerRequest: Double?
    /// What is to be known before the numbers are believed.
    public let warnings: [String]

    public struct CallError: Encodable, Sendable {
        public let status: String
        public let count: Int
        /// The first one's.
        public let message: String
    }

    public struct GeneratorReport: Encodable, Sendable {
        public let cpuMicrosecondsPerRequest: Double?
        /// From a request's intended time until the generator got to it.
        public let lateMicroseconds: Percentiles?
        public let wasLate: Bool
    }

    public init(_ measurement: Measurement, endpoint: String, plan: Plan) {
        self.endpoint = endpoint
        requestsPerSecond =
            (Double(measurement.okInWindow) * 1e10 / Double(measurement.windowNanoseconds)).rounded() / 10
        latencyMicroseconds = Percentiles(measurement.latency)
        statuses = Dictionary(
            uniqueKeysWithValues: measurement.statuses.map { ("\($0.status.name)", $0.count) })
        errors = measurement.statuses.filter { $0.status != .ok }.map {
            CallError(status: "\($0.status.name)", count: $0.count, message: $0.sentence)
        }
        waitedForInFlight = plan.rate == nil ? 0 : measurement.waited
        unsent = measurement.unsent
        reconnects = measurement.reconnects
        func each(_ nanoseconds: Int64?) -> Double? {
            guard let nanoseconds, measurement.answersInWindow > 0 else { return nil }
            return (Double(nanoseconds) / Double(measurement.answersInWindow) / 10).rounded() / 100
        }
        let wasLate = plan.rate != nil && Self.isLate(measurement)
        generator = GeneratorReport(
            cpuMicrosecondsPerRequest: each(measurement.generatorNanoseconds),
            lateMicroseconds: plan.rate == nil ? nil : Percentiles(measurement.lateness), wasLate: wasLate)
        serverCpuMicrosecondsPerRequest = each(measurement.serverNanoseconds)
        warnings = Self.warnings(measurement, plan, wasLate: wasLate)
    }

    /// More than a millisecond, or a tenth of what is reported, is the generator's own.
    static func isLate(_ measurement: Measurement) -> Bool {
        let late = measurement.lateness.nanoseconds(percentile: 99)
        return late > 1_000_000 || Double(late) > 0.1 * Double(measurement.latency.nanoseconds(percentile: 99))
    }

    private static func warnings(_ measurement: Measurement, _ plan: Plan, wasLate: Bool) -> [String] {
        var warnings: [String] = []
        if plan.rate == nil {
            warnings.append(
                "closed loop: a request is sent when another one is answered, so latencies leave out what callers would "
                    + "have waited while the server stalled; give a --rate to measure them")
        }
        if wasLate {
            let late = decimal(Double(measurement.lateness.nanoseconds(percentile: 99)) / 1000, digits: 0)
            warnings.append(
                "the generator was late: 1 % of the requests were sent \(late) us or more after their time, and that "
                    + "is part of their latency; give it more --threads and cores, or a lower --rate")
        }
        if measurement.unsent > 0 {
            warnings.append(
                "\(measurement.unsent) requests were never sent, as the server was slower than the rate: the latencies "
                    + "leave them out and are too low")
        }
        if measurement.waited > 0, plan.rate != nil {
            warnings.append(
                "\(measurement.waited) requests waited until others were answered (--in-flight); their latency has it")
        }
        if measurement.streamsMax < plan.inFlight {
            warnings.append(
                "the server takes \(measurement.streamsMax) requests at a time on a connection, not the "
                    + "\(plan.inFlight) of --in-flight")
        }
        if measurement.reconnects > 0 {
            warnings.append("connections were lost \(measurement.reconnects) times")
        }
        return warnings
    }
}

/// A distribution, in microseconds.
public struct Percentiles: Encodable, Sendable {
    public let min, mean, p50, p90, p99, p999, p9999, max: Double

    private enum CodingKeys: String, CodingKey {
        case min, mean, p50, p90, p99, max
        case p999 = "p99.9"
        case p9999 = "p99.99"
    }

    init?(_ histogram: Histogram) {
        guard histogram.count > 0 else { return nil }
        func microseconds(_ percent: Double) -> Double {
            Double(histogram.nanoseconds(percentile: percent)) / 1000
        }
        min = Double(histogram.minNanoseconds) / 1000
        mean = histogram.meanNanoseconds.rounded() / 1000
        p50 = microseconds(50)
        p90 = microseconds(90)
        p99 = microseconds(99)
        p999 = microseconds(99.9)
        p9999 = microseconds(99.99)
        max = Double(histogram.maxNanoseconds) / 1000
    }
}
