// Enters: a body in Prometheus' protobuf format. Leaves: its families, or the first rule that it breaks.
import Memory
import Protobuf

/// io.prometheus.client.MetricFamily, by the field numbers of its metrics.proto.
struct DecodedFamily {
    struct Metric {
        var labels: [String] = []
        var value = 0.0
        var created: Int64?
        var histogram: Histogram?
    }

    struct Histogram {
        var count: UInt64 = 0
        var sum = 0.0
        var buckets: [(count: UInt64, bound: Double, exemplar: Double?)] = []
        var schema: Int64 = 0
        var zeroThreshold = 0.0
        var zeroCount: UInt64 = 0
        var spans: [(offset: Int64, length: UInt64)] = []
        var deltas: [Int64] = []

        /// Counts of native buckets by their exponents.
        var native: [Int64: Int64] {
            var (exponent, count): (Int64, Int64) = (0, 0)
            var counts: [Int64: Int64] = [:]
            var deltas = deltas[...]
            for span in spans {
                exponent += span.offset
                for _ in 0..<span.length {
                    count &+= deltas.popFirst() ?? 0
                    counts[exponent] = count
                    exponent += 1
                }
            }
            return counts
        }
    }

    var name = ""
    var help = ""
    var type: UInt64 = 0
    var unit = ""
    var metrics: [Metric] = []

    static func all(_ body: [UInt8]) throws -> [DecodedFamily] {
        let bytes = OwnedBytes(body)
        return try withExtendedLifetime(bytes) {
            // Each message stands behind its length: as if all of them were of one field without a tag.
            var families: [DecodedFamily] = []
            var rest = bytes.view
            while rest.count > 0 {
                var (length, at) = (0, 0)
                repeat {
                    length |= Int(rest[at] & 0x7f) << (7 * at)
                    at += 1
                } while rest[at - 1] & 0x80 != 0
                guard length <= rest.count - at else { throw Malformed("a family without end") }
                families.append(try DecodedFamily(rest[at..<at + length]))
                rest = rest[(at + length)..<rest.count]
            }
            guard Set(families.map(\.name)).count == families.count else { throw Malformed("a family in two places") }
            for family in families {
                guard Set(family.metrics.map(\.labels)).count == family.metrics.count else {
                    throw Malformed("\(family.name) has two series of one name")
                }
            }
            return families
        }
    }

    private init(_ message: ByteView) throws {
        var reader = WireReader(message)
        while let field = try reader.next() {
            switch field.number {
            case 1: name = try field.string().text
            case 2: help = try field.string().text
            case 3: type = try field.unsigned()
            case 4: metrics.append(try Self.metric(try field.message()))
            case 5: unit = try field.string().text
            default: throw Malformed("\(name): field \(field.number)")
            }
        }
        for metric in metrics {
            guard (metric.histogram != nil) == (type == 4) else { throw Malformed("\(name) is of two types") }
        }
    }

    private static func metric(_ message: WireReader) throws -> Metric {
        var metric = Metric()
        var reader = message
        while let field = try reader.next() {
            switch field.number {
            case 1: metric.labels.append(try label(try field.message()))
            case 2, 3:
                var value = try field.message()
                while let field = try value.next() {
                    if field.number == 1 { metric.value = try field.double() }
                    if field.number == 3 { metric.created = try seconds(try field.message()) }
                }
            case 7: metric.histogram = try histogram(try field.message(), &metric.created)
            default: throw Malformed("a metric's field \(field.number)")
            }
        }
        return metric
    }

    private static func label(_ message: WireReader) throws -> String {
        var (name, value) = ("", "")
        var reader = message
        while let field = try reader.next() {
            if field.number == 1 { name = try field.string().text } else { value = try field.string().text }
        }
        return "\(name)=\(value)"
    }

    private static func seconds(_ message: WireReader) throws -> Int64 {
        var reader = message
        var seconds: Int64 = 0
        while let field = try reader.next() { if field.number == 1 { seconds = try field.signed() } }
        return seconds
    }

    private static func zigzag(_ word: UInt64) -> Int64 { Int64(bitPattern: word >> 1) ^ -Int64(word & 1) }

    private static func histogram(_ message: WireReader, _ created: inout Int64?) throws -> Histogram {
        var histogram = Histogram()
        var reader = message
        while let field = try reader.next() {
            switch field.number {
            case 1: histogram.count = try field.unsigned()
            case 2: histogram.sum = try field.double()
            case 3: histogram.buckets.append(try bucket(try field.message()))
            case 5: histogram.schema = zigzag(try field.unsigned())
            case 6: histogram.zeroThreshold = try field.double()
            case 7: histogram.zeroCount = try field.unsigned()
            case 12:
                var span = (offset: Int64(0), length: UInt64(0))
                var inner = try field.message()
                while let field = try inner.next() {
                    if field.number == 1 { span.offset = zigzag(try field.unsigned()) }
                    if field.number == 2 { span.length = try field.unsigned() }
                }
                histogram.spans.append(span)
            case 13: try field.eachVarint { (number) throws(Never) in histogram.deltas.append(zigzag(number)) }
            case 15: created = try seconds(try field.message())
            default: throw Malformed("a histogram's field \(field.number)")
            }
        }
        try check(histogram)
        return histogram
    }

    private static func bucket(_ message: WireReader) throws -> (count: UInt64, bound: Double, exemplar: Double?) {
        var bucket = (count: UInt64(0), bound: 0.0, exemplar: Double?.none)
        var reader = message
        while let field = try reader.next() {
            switch field.number {
            case 1: bucket.count = try field.unsigned()
            case 2: bucket.bound = try field.double()
            case 3:
                var exemplar = try field.message()
                while let field = try exemplar.next() {
                    if field.number == 2 { bucket.exemplar = try field.double() }
                }
            default: throw Malformed("a bucket's field \(field.number)")
            }
        }
        return bucket
    }

    private static func check(_ histogram: Histogram) throws {
        let buckets = histogram.buckets
        for (one, next) in zip(buckets, buckets.dropFirst()) {
            guard one.bound < next.bound, one.count <= next.count else { throw Malformed("buckets that fall") }
        }
        for (place, bucket) in buckets.enumerated() {
            guard let exemplar = bucket.exemplar else { continue }
            guard exemplar <= bucket.bound, place == 0 || exemplar > buckets[place - 1].bound else {
                throw Malformed("an exemplar outside its bucket")
            }
        }
        guard buckets.last?.count == histogram.count, buckets.last?.bound == .infinity else {
            throw Malformed("+Inf is not the count")
        }
        guard histogram.spans.reduce(0, { $0 + $1.length }) == UInt64(histogram.deltas.count) else {
            throw Malformed("spans of other lengths than their counts")
        }
    }
}
