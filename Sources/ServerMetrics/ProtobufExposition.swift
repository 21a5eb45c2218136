// Enters: families and their series. Leaves: Prometheus' protobuf messages, histograms in both their forms.
import Memory
import Protobuf

/// io.prometheus.client.MetricFamily, each behind its length. Source: prometheus/client_model, metrics.proto.
struct ProtobufExposition: Exposition {
    private let showsCreated: Bool
    private var bytes: [UInt8] = []
    private var family: [UInt8] = []
    private var kind = Family.Kind.gauge
    private(set) var series = 0

    init(showsCreated: Bool) {
        self.showsCreated = showsCreated
        bytes.reserveCapacity(1 << 20)
    }

    static func label(_ name: String, _ value: String) -> [UInt8] {
        var pair: [UInt8] = []
        pair.field(1, Array(name.utf8))
        pair.field(2, Array(value.utf8))
        var bytes: [UInt8] = []
        bytes.field(1, pair)
        return bytes
    }

    mutating func begin(name: String, help: String, unit: String, kind: Family.Kind, isInfo: Bool) {
        self.kind = kind
        family.removeAll(keepingCapacity: true)
        family.field(1, Array((kind == .counter ? name + "_total" : name).utf8))
        family.field(2, Array(help.utf8))
        let type: UInt64 =
            switch kind {
            case .counter: 0
            case .level, .gauge: 1
            case .histogram: 4
            }
        family.number(3, type)
        family.field(5, Array(unit.utf8))
    }

    private mutating func metric(_ labels: Labels, _ field: Int, _ value: [UInt8]) {
        var metric = labels.row + labels.point
        metric.field(field, value)
        family.field(4, metric)
    }

    mutating func number(_ labels: Labels, _ value: ShownNumber, created: Int64) {
        series += 1
        var message: [UInt8] = []
        switch value {
        case .whole(let number): message.double(1, Double(number))
        case .signed(let number): message.double(1, Double(number))
        case .real(let number): message.double(1, number)
        }
        if kind == .counter { message.timestamp(3, nanoseconds: showsCreated ? created : 0) }
        metric(labels, kind == .counter ? 3 : 2, message)
    }

    mutating func histogram(
        _ labels: Labels, _ histogram: ShownHistogram, created: Int64, exemplar: (Int) -> Snapshot.Exemplar?
    ) {
        series += histogram.buckets.names.count + 3
        var message: [UInt8] = []
        let count = histogram.count
        message.number(1, count)
        message.double(2, histogram.sum)
        for (position, number) in (histogram.classicCounts + [count]).enumerated() {
            var bucket: [UInt8] = []
            bucket.number(1, number)
            bucket.double(2, position < histogram.buckets.names.count ? histogram.buckets.names[position] : .infinity)
            if let exemplar = exemplar(position), histogram.holds(exemplar, position) {
                bucket.field(3, Self.message(exemplar))
            }
            message.field(3, bucket)
        }
        native(histogram, to: &message)
        message.timestamp(15, nanoseconds: showsCreated ? created : 0)
        metric(labels, 7, message)
    }

    /// What is at most the first boundary is what Prometheus calls zero; what is above the last belongs to the bucket behind it.
    private func native(_ histogram: ShownHistogram, to message: inout [UInt8]) {
        let buckets = histogram.buckets
        let counts = histogram.nativeCounts
        guard let first = buckets.native.first else { return }
        message.signed(5, Int64(buckets.schema))
        message.double(6, Double(buckets.bounds[first]) / histogram.divisor)
        message.number(7, counts[0])
        var (previous, next): (Int64, Int) = (0, 0)
        var deltas: [UInt8] = []
        var (spanStart, spanLength) = (0, 0)
        func closeSpan(_ message: inout [UInt8]) {
            guard spanLength > 0 else { return }
            var span: [UInt8] = []
            span.signed(1, Int64(spanStart))
            span.number(2, UInt64(spanLength))
            message.field(12, span)
        }
        for (position, count) in counts.enumerated().dropFirst() where count > 0 {
            // The bucket of exponent e holds what is above the boundary of e - 1.
            let exponent = buckets.firstExponent + position
            if spanLength > 0 && exponent == next {
                spanLength += 1
            } else {
                closeSpan(&message)
                // The first span's offset is an exponent, a later one's the gap since the span before.
                spanStart = spanLength == 0 ? exponent : exponent - next
                spanLength = 1
            }
            next = exponent + 1
            deltas.zigzag(Int64(bitPattern: count) &- previous)
            previous = Int64(bitPattern: count)
        }
        if spanLength == 0 {
            // Without any span it would be taken for a classic histogram.
            message.field(12, [])
        } else {
            closeSpan(&message)
            message.field(13, deltas)
        }
    }

    private static func message(_ exemplar: Snapshot.Exemplar) -> [UInt8] {
        var message: [UInt8] = label("trace_id", exemplar.traceID)
        message.double(2, exemplar.seconds)
        message.timestamp(
            3, nanoseconds: exemplar.unixMilliseconds.multipliedReportingOverflow(by: 1_000_000).partialValue)
        return message
    }

    mutating func end() {
        bytes.varint(UInt64(family.count))
        bytes += family
    }

    mutating func finish() -> [UInt8] { bytes }
}

/// Protobuf's wire format, appended: `Protobuf.WireWriter` writes into an arena, and here there is none.
extension [UInt8] {
    fileprivate mutating func varint(_ number: UInt64) {
        var rest = number
        while rest > 0x7f {
            append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        append(UInt8(rest))
    }

    fileprivate mutating func zigzag(_ number: Int64) { varint(UInt64(bitPattern: number << 1 ^ number >> 63)) }

    fileprivate mutating func number(_ field: Int, _ number: UInt64) {
        varint(UInt64(field << 3))
        varint(number)
    }

    fileprivate mutating func signed(_ field: Int, _ number: Int64) {
        varint(UInt64(field << 3))
        zigzag(number)
    }

    fileprivate mutating func double(_ field: Int, _ number: Double) {
        varint(UInt64(field << 3 | 1))
        for byte in 0..<8 { append(UInt8(truncatingIfNeeded: number.bitPattern >> UInt64(8 * byte))) }
    }

    fileprivate mutating func field(_ field: Int, _ content: [UInt8]) {
        varint(UInt64(field << 3 | 2))
        varint(UInt64(content.count))
        self += content
    }

    /// google.protobuf.Timestamp; none for 0.
    fileprivate mutating func timestamp(_ field: Int, nanoseconds: Int64) {
        guard nanoseconds > 0 else { return }
        var message: [UInt8] = []
        message.number(1, UInt64(nanoseconds / 1_000_000_000))
        message.number(2, UInt64(nanoseconds % 1_000_000_000))
        self.field(field, message)
    }
}
