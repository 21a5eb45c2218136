// Enters: families and their series. Leaves: Prometheus' text format 0.0.4, or OpenMetrics 1.0.0.

/// Both text formats: they differ in the names of counters, in infos, units, exemplars, and in how they end.
///
/// Source: prometheus.io, "Exposition formats"; OpenMetrics 1.0.0. `le` is written alike in both, so that a series stays the same
/// when a scraper changes its mind.
struct TextExposition: Exposition {
    private let isOpenMetrics: Bool
    private let showsCreated: Bool
    private var bytes: [UInt8] = []
    private(set) var series = 0
    private var name: [UInt8] = []
    private var suffix: [UInt8] = []
    private var kind = Family.Kind.gauge
    /// ` le="0.005"` and so on, of the buckets that were written last.
    private var boundaries: (names: [Double], labels: [[UInt8]]) = ([], [])

    init(isOpenMetrics: Bool, showsCreated: Bool) {
        self.isOpenMetrics = isOpenMetrics
        self.showsCreated = showsCreated && isOpenMetrics
        bytes.reserveCapacity(1 << 20)
    }

    static func label(_ name: String, _ value: String) -> [UInt8] {
        Array(",\(name)=\"".utf8) + escaped(value, quotes: true) + [UInt8(ascii: "\"")]
    }

    /// By bytes: in a `String` "\r\n" is one character, and a letter with an accent is not the letter.
    private static func escaped(_ text: String, quotes: Bool) -> [UInt8] {
        var bytes: [UInt8] = []
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\\"): bytes += "\\\\".utf8
            case UInt8(ascii: "\"") where quotes: bytes += "\\\"".utf8
            case UInt8(ascii: "\n"): bytes += "\\n".utf8
            default: bytes.append(byte)
            }
        }
        return bytes
    }

    mutating func begin(name: String, help: String, unit: String, kind: Family.Kind, isInfo: Bool) {
        self.kind = kind
        var shown = name
        if isInfo && isOpenMetrics { shown = String(name.dropLast("_info".count)) }
        if kind == .counter && !isOpenMetrics { shown += "_total" }
        let type =
            switch kind {
            case .counter: "counter"
            case .level, .gauge: isInfo && isOpenMetrics ? "info" : "gauge"
            case .histogram: "histogram"
            }
        bytes += "# HELP \(shown) ".utf8
        // A quotation mark is escaped in OpenMetrics only.
        bytes += Self.escaped(help, quotes: isOpenMetrics)
        bytes += "\n# TYPE \(shown) \(type)\n".utf8
        if isOpenMetrics && !unit.isEmpty { bytes += "# UNIT \(shown) \(unit)\n".utf8 }
        self.name = Array((isInfo && isOpenMetrics ? shown : name).utf8)
        suffix = Array((kind == .counter ? "_total" : isInfo && isOpenMetrics ? "_info" : "").utf8)
    }

    private mutating func sample(_ suffix: [UInt8], _ labels: Labels, _ extra: [UInt8] = []) {
        series += 1
        bytes += name
        bytes += suffix
        let start = bytes.count
        bytes += labels.row
        bytes += labels.point
        bytes += extra
        if bytes.count > start {
            // Each label begins with a comma; the first one's is the brace.
            bytes[start] = UInt8(ascii: "{")
            bytes.append(UInt8(ascii: "}"))
        }
        bytes.append(UInt8(ascii: " "))
    }

    private mutating func append(_ number: UInt64) { bytes += "\(number)".utf8 }

    static func text(_ number: Double) -> String {
        if number.isNaN { return "NaN" }
        if number.isInfinite { return number < 0 ? "-Inf" : "+Inf" }
        return "\(number)"
    }

    mutating func number(_ labels: Labels, _ value: ShownNumber, created: Int64) {
        sample(suffix, labels)
        switch value {
        case .whole(let number): append(number)
        case .signed(let number): bytes += "\(number)".utf8
        case .real(let number): bytes += Self.text(number).utf8
        }
        bytes.append(UInt8(ascii: "\n"))
        if kind == .counter { self.created(labels, created) }
    }

    private mutating func created(_ labels: Labels, _ nanoseconds: Int64) {
        guard showsCreated, nanoseconds > 0 else { return }
        sample(Array("_created".utf8), labels)
        bytes += "\(Double(nanoseconds / 1_000_000) / 1000)\n".utf8
    }

    mutating func histogram(
        _ labels: Labels, _ histogram: ShownHistogram, created: Int64, exemplar: (Int) -> Snapshot.Exemplar?
    ) {
        if boundaries.names != histogram.buckets.names {
            let names = histogram.buckets.names
            boundaries = (names, (names + [.infinity]).map { Self.label("le", Self.text($0)) })
        }
        let bucket = Array("_bucket".utf8)
        let count = histogram.count
        for (position, number) in (histogram.classicCounts + [count]).enumerated() {
            sample(bucket, labels, boundaries.labels[position])
            append(number)
            if isOpenMetrics, let exemplar = exemplar(position), histogram.holds(exemplar, position) {
                append(exemplar)
            }
            bytes.append(UInt8(ascii: "\n"))
        }
        sample(Array("_sum".utf8), labels)
        bytes += Self.text(histogram.sum).utf8
        bytes.append(UInt8(ascii: "\n"))
        sample(Array("_count".utf8), labels)
        append(count)
        bytes.append(UInt8(ascii: "\n"))
        self.created(labels, created)
    }

    private mutating func append(_ exemplar: Snapshot.Exemplar) {
        bytes += " # {trace_id=\"\(exemplar.traceID)\"} \(Self.text(exemplar.seconds)) ".utf8
        bytes += "\(Double(exemplar.unixMilliseconds) / 1000)".utf8
    }

    mutating func end() {}

    mutating func finish() -> [UInt8] {
        if isOpenMetrics { bytes += "# EOF\n".utf8 }
        return bytes
    }
}

extension Snapshot.Exemplar {
    /// 32 hexadecimal digits.
    var traceID: String { [traceHigh, traceLow].map(Self.hexadecimal).joined() }

    private static func hexadecimal(_ word: UInt64) -> String {
        let digits = String(word, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}
