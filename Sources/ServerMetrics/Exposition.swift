// Enters: a snapshot, and what its reader knows beside. Leaves: all metrics in one of the formats that Prometheus reads.

/// How metrics are written down.
public enum ExpositionFormat: Sendable, CaseIterable {
    /// Prometheus' text format 0.0.4.
    case text
    /// OpenMetrics 1.0.0.
    case openMetrics
    /// io.prometheus.client.MetricFamily, each with its length before it: the only one with native histograms.
    case protobuf
    /// The names that Triton gives to some of it, as text 0.0.4.
    case triton

    public var contentType: String {
        switch self {
        case .text, .triton: "text/plain; version=0.0.4; charset=utf-8"
        case .openMetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8"
        case .protobuf:
            "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
        }
    }
}

/// A metric that the reader of a page knows by itself.
public struct OwnFamily: Sendable {
    public var name: String
    public var help: String
    public var unit: String
    public var isCounter: Bool
    public var samples: [(labels: [(String, String)], value: Double)]

    public init(
        _ name: String, _ help: String, unit: String = "", isCounter: Bool = false,
        _ samples: [(labels: [(String, String)], value: Double)]
    ) {
        self.name = name
        self.help = help
        self.unit = unit
        self.isCounter = isCounter
        self.samples = samples
    }
}

/// A histogram of one combination of labels.
struct ShownHistogram {
    let buckets: Buckets
    /// By bucket, and the sum behind them.
    let cells: ArraySlice<UInt64>
    let divisor: Double

    var counts: ArraySlice<UInt64> { cells.dropLast() }
    /// Never stored: it is what the buckets hold, also when their writer was killed between two of its stores.
    var count: UInt64 { counts.reduce(0, Self.sum) }
    var sum: Double { Double(cells.last ?? 0) / divisor }

    /// Buckets that nobody can have filled so far do not begin anew: what is cumulative does not fall.
    private static func sum(_ left: UInt64, _ right: UInt64) -> UInt64 {
        let (sum, isOverflow) = left.addingReportingOverflow(right)
        return isOverflow ? .max : sum
    }

    /// Whether a call can have fallen into a classic bucket.
    func holds(_ exemplar: Snapshot.Exemplar, _ bucket: Int) -> Bool {
        (bucket == 0 || exemplar.seconds > buckets.names[bucket - 1])
            && (bucket == buckets.names.count || exemplar.seconds <= buckets.names[bucket])
    }

    /// How many were not above each classic boundary.
    var classicCounts: [UInt64] {
        var result: [UInt64] = []
        var (sum, next): (UInt64, Int) = (0, 0)
        for (position, count) in counts.enumerated() {
            sum = Self.sum(sum, count)
            while next < buckets.classic.count, buckets.classic[next] == position {
                result.append(sum)
                next += 1
            }
        }
        return result
    }

    /// How many fell between two native boundaries: first what is at most the first one, then by exponent, at last what is
    /// above all of them.
    var nativeCounts: [UInt64] {
        var result: [UInt64] = []
        var (sum, next): (UInt64, Int) = (0, 0)
        for (position, count) in counts.enumerated() {
            sum = Self.sum(sum, count)
            while next < buckets.native.count, buckets.native[next] == position {
                result.append(sum)
                sum = 0
                next += 1
            }
        }
        return result + [sum]
    }
}

/// One of the formats: what `Snapshot.write` calls, family after family.
protocol Exposition {
    /// A label as it stands in the format.
    static func label(_ name: String, _ value: String) -> [UInt8]
    /// Series that were written, as Prometheus counts them.
    var series: Int { get }
    mutating func begin(name: String, help: String, unit: String, kind: Family.Kind, isInfo: Bool)
    mutating func number(_ labels: Labels, _ value: ShownNumber, created: Int64)
    mutating func histogram(
        _ labels: Labels, _ histogram: ShownHistogram, created: Int64, exemplar: (Int) -> Snapshot.Exemplar?)
    mutating func end()
    mutating func finish() -> [UInt8]
}

enum ShownNumber {
    case whole(UInt64)
    case signed(Int64)
    case real(Double)
}

/// Labels in the format of an exposition: those of the row, and those of the combination.
struct Labels {
    var row: [UInt8] = []
    var point: [UInt8] = []
}

extension Snapshot {
    /// All families with their series.
    func write<Format: Exposition>(to format: inout Format) {
        var rowLabels: [Family.Scope: [(row: Row?, number: Int, labels: [UInt8])]] = [.server: [(nil, 0, [])]]
        for row in rows {
            var labels = Format.label("model", row.model)
            if row.scope == .version { labels += Format.label("version", row.version) }
            rowLabels[row.scope, default: []].append((row, row.number, labels))
        }
        for family in catalogue.families {
            format.begin(
                name: family.name, help: family.help, unit: family.unit, kind: family.kind, isInfo: false)
            let points = family.shownPoints(as: Format.self)
            for (row, number, labels) in rowLabels[family.scope] ?? [] {
                let created = row?.createdUnixNanoseconds ?? Int64(truncatingIfNeeded: self[.startUnixNanoseconds])
                for point in points {
                    write(
                        family, number, point, Labels(row: labels, point: point.labels), created: created,
                        isNobodys: row?.isNobodys ?? false, to: &format)
                }
            }
            format.end()
        }
    }

    private func write<Format: Exposition>(
        _ family: Family, _ row: Int, _ point: Family.Point, _ labels: Labels, created: Int64, isNobodys: Bool,
        to format: inout Format
    ) {
        let cells = cells(family, row: row, point: point.number)
        guard let first = cells.first else { return }
        let isZero = cells.allSatisfy { $0 == 0 }
        // What is nobody's is shown once it happened; and what is rare, too.
        if isZero && (isNobodys || !point.isExpected) { return }
        switch family.kind {
        case .counter:
            let value = family.divisor == 1 ? ShownNumber.whole(first) : .real(Double(first) / family.divisor)
            format.number(labels, value, created: created)
        case .level: format.number(labels, .signed(Int64(bitPattern: first)), created: created)
        case .gauge: format.number(labels, .real(Double(bitPattern: first)), created: created)
        case .histogram:
            guard let buckets = family.buckets else { return }
            let hasExemplars = family == catalogue.exemplary
            format.histogram(
                labels, ShownHistogram(buckets: buckets, cells: cells, divisor: family.divisor), created: created
            ) { bucket in
                hasExemplars ? exemplar(row: row, point: point.number, bucket: bucket, of: buckets) : nil
            }
        }
    }

    /// What stands in rows and the header, and is no number.
    public var facts: [OwnFamily] {
        let versions = rows.filter { $0.scope == .version && !$0.version.isEmpty }
        return [
            OwnFamily(
                "vencejo_model_info", "The versions that are loaded, where they stand, and the SHA-256 of their files.",
                versions.map { row in
                    let digest = row.digest.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
                    return (
                        [
                            ("model", row.model), ("version", row.version), ("slot", row.slot),
                            ("digest", digest.isEmpty ? "" : "sha256:" + digest), ("format", row.format),
                        ], 1
                    )
                })
        ]
    }
}

extension Snapshot.Row {
    /// It is no version's that is loaded.
    fileprivate var isNobodys: Bool { number < Page.reservedRows || scope == .version && version.isEmpty }
}

extension Catalogue {
    /// The family whose calls leave exemplars.
    var exemplary: Family? { families.first { $0.scope == .version && $0.kind == .histogram } }
}

extension Family {
    struct Point {
        let number: Int
        let labels: [UInt8]
        let isExpected: Bool
    }

    /// Every combination of label values.
    func shownPoints<Format: Exposition>(as format: Format.Type) -> [Point] {
        (0..<points).map { number in
            var rest = number
            var text: [[UInt8]] = []
            var isExpected = true
            for label in labels.reversed() {
                let value = rest % label.values.count
                rest /= label.values.count
                text.append(Format.label(label.name, label.values[value]))
                isExpected = isExpected && label.expected[value]
            }
            return Point(number: number, labels: Array(text.reversed().joined()), isExpected: isExpected)
        }
    }
}

extension [OwnFamily] {
    func write<Format: Exposition>(to format: inout Format) {
        for family in self where !family.samples.isEmpty {
            let isInfo = family.name.hasSuffix("_info")
            format.begin(
                name: family.name, help: family.help, unit: family.unit, kind: family.isCounter ? .counter : .gauge,
                isInfo: isInfo)
            for sample in family.samples {
                let labels = sample.labels.flatMap { Format.label($0.0, $0.1) }
                format.number(Labels(row: labels), .real(sample.value), created: 0)
            }
            format.end()
        }
    }
}
