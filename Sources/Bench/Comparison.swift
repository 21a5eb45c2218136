// Enters: pairs of runs, interleaved. Leaves: the ratios of the second server to the first, and how much they spread.

/// Two servers side by side: the second's numbers as multiples of the first's, round by round.
public struct Comparison: Encodable, Sendable {
    public let rounds: Int
    public let latencyP50: Ratio?
    public let latencyP99: Ratio?
    public let requestsPerSecond: Ratio?
    public let serverCpuPerRequest: Ratio?

    private enum CodingKeys: String, CodingKey {
        case rounds, requestsPerSecond, serverCpuPerRequest
        case latencyP50 = "latency_p50"
        case latencyP99 = "latency_p99"
    }

    public init(_ rounds: [(first: ServerReport, second: ServerReport)]) {
        self.rounds = rounds.count
        func ratio(_ value: (ServerReport) -> Double?) -> Ratio? {
            Ratio(rounds.map { (value($0.first), value($0.second)) })
        }
        latencyP50 = ratio { $0.latencyMicroseconds?.p50 }
        latencyP99 = ratio { $0.latencyMicroseconds?.p99 }
        requestsPerSecond = ratio { $0.requestsPerSecond }
        serverCpuPerRequest = ratio { $0.serverCpuMicrosecondsPerRequest }
    }
}

/// Second to first, of several rounds.
public struct Ratio: Encodable, Sendable, Equatable {
    public let median, min, max: Double

    /// `nil`: a round lacks one of the two, or the first is zero.
    init?(_ pairs: [(first: Double?, second: Double?)]) {
        var ratios: [Double] = []
        for (first, second) in pairs {
            guard let first, let second, first > 0 else { return nil }
            ratios.append(second / first)
        }
        guard !ratios.isEmpty else { return nil }
        ratios.sort()
        let middle = ratios.count / 2
        func rounded(_ ratio: Double) -> Double { (ratio * 1000).rounded() / 1000 }
        median = rounded(ratios.count % 2 == 1 ? ratios[middle] : (ratios[middle - 1] + ratios[middle]) / 2)
        min = rounded(ratios[0])
        max = rounded(ratios[ratios.count - 1])
    }
}
