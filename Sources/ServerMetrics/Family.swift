// Enters: what a metric is called and means. Leaves: which cells of a row are its.
import Memory

/// One metric with all its label values; what Prometheus calls a metric family.
public struct Family: Sendable, Equatable {
    public enum Kind: UInt64, Sendable {
        case counter = 1
        /// A whole number that goes up and down; each shard has its part of it.
        case level
        /// The bits of a double, written by one thread.
        case gauge
        case histogram
    }

    /// What it is counted for, and so which labels it has beside its own.
    public enum Scope: UInt64, Sendable, CaseIterable {
        case server = 1
        /// Label `model`.
        case model
        /// Labels `model` and `version`.
        case version
    }

    /// A label with all the values that it may have; none is ever taken from a request.
    public struct Label: Sendable, Equatable {
        public var name: String
        public var values: [String]
        /// Whether a value is shown from the start, so that a rate sees the first event; the others are once they happened.
        public var expected: [Bool]

        /// `expected`: all of them, unless it is said which.
        public init(_ name: String, _ values: [String], expected: [String]? = nil) {
            self.name = name
            self.values = values
            self.expected = values.map { expected?.contains($0) ?? true }
        }
    }

    public var name: String
    public var help: String
    /// A suffix of the name, or empty.
    public var unit: String
    public var kind: Kind
    public var scope: Scope
    public var labels: [Label]
    /// A cell's number divided by this is the metric's.
    public var divisor: Double
    /// Of a histogram.
    public var buckets: Buckets?
    /// The place of its first cell in a row of its scope.
    public internal(set) var first = 0

    public init(
        _ name: String, _ help: String, unit: String = "", _ kind: Kind, of scope: Scope, _ labels: [Label] = [],
        divisor: Double = 1, buckets: Buckets? = nil
    ) {
        precondition((kind == .histogram) == (buckets != nil), "buckets are a histogram's")
        self.name = name
        self.help = help
        self.unit = unit
        self.kind = kind
        self.scope = scope
        self.labels = labels
        self.divisor = divisor
        self.buckets = buckets
    }

    /// How many combinations of label values there are. The last label's value changes fastest.
    public var points: Int { labels.reduce(1) { $0 * $1.values.count } }

    /// Cells of one combination: a histogram's buckets and its sum.
    public var cellsOfPoint: Int { buckets.map { $0.bounds.count + 2 } ?? 1 }

    public var cells: Int { points * cellsOfPoint }
}
