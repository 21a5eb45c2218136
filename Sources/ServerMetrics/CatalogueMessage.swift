// Enters: a catalogue. Leaves: a protobuf message that tells another process what the cells mean; and back.
import Memory
import Protobuf

/// message Catalogue { repeated Family families = 1; }
/// message Family {
///   string name = 1; string help = 2; string unit = 3; uint64 kind = 4; uint64 scope = 5; repeated Label labels = 6;
///   double divisor = 7; repeated uint64 bounds = 8; repeated uint64 classic = 9; repeated double names = 10;
///   repeated uint64 native = 11; int64 first_exponent = 12; int64 schema = 13;
/// }
/// message Label { string name = 1; repeated string values = 2; repeated bool expected = 3; }
enum CatalogueMessage {
    static func encode(_ catalogue: Catalogue) -> [UInt8] {
        var arena = Arena(firstChunkBytes: 64 << 10, bytesMax: 16 << 20)
        do throws(ArenaFull) {
            var writer = try WireWriter(headroom: 0, in: &arena)
            for family in catalogue.families {
                let mark = try writer.begin(1, in: &arena)
                try encode(family, to: &writer, in: &arena)
                try writer.end(mark, in: &arena)
            }
            let pieces = try writer.finish(in: &arena) { _, _ in }
            var bytes: [UInt8] = []
            for index in pieces.indices { bytes += pieces[index].array }
            return bytes
        } catch {
            preconditionFailure("a catalogue of more than \(error.bytesMax) bytes")
        }
    }

    private static func encode(
        _ family: Family, to writer: inout WireWriter, in arena: inout Arena
    ) throws(ArenaFull) {
        try writer.string(1, try arena.copy(family.name), in: &arena)
        try writer.string(2, try arena.copy(family.help), in: &arena)
        try writer.string(3, try arena.copy(family.unit), in: &arena)
        try writer.number(4, family.kind.rawValue, in: &arena)
        try writer.number(5, family.scope.rawValue, in: &arena)
        for label in family.labels {
            let mark = try writer.begin(6, in: &arena)
            try writer.string(1, try arena.copy(label.name), in: &arena)
            for value in label.values { try writer.element(2, try arena.copy(value), in: &arena) }
            let flags = try writer.begin(3, in: &arena)
            for flag in label.expected { try writer.varint(flag ? 1 : 0, in: &arena) }
            try writer.end(flags, in: &arena)
            try writer.end(mark, in: &arena)
        }
        try writer.double(7, family.divisor, in: &arena)
        guard let buckets = family.buckets else { return }
        for (field, numbers) in [
            (8, buckets.bounds), (9, buckets.classic.map(UInt64.init)), (10, buckets.names.map(\.bitPattern)),
            (11, buckets.native.map(UInt64.init)),
        ] {
            let mark = try writer.begin(field, in: &arena)
            for number in numbers { try writer.varint(number, in: &arena) }
            try writer.end(mark, in: &arena)
        }
        try writer.number(12, Int64(buckets.firstExponent), in: &arena)
        try writer.number(13, Int64(buckets.schema), in: &arena)
    }

    /// What another process says, believed in nothing. `nil`: it does not fit together.
    static func decode(_ message: ByteView) -> Catalogue? {
        var families: [Family] = []
        do {
            var reader = WireReader(message)
            while let field = try reader.next() {
                guard field.number == 1 else { continue }
                guard families.count < 1024, let family = try family(try field.message()) else { return nil }
                families.append(family)
            }
        } catch {
            return nil
        }
        var names = Set<String>()
        guard families.reduce(0, { $0 + $1.cells }) <= 1 << 24,
            families.allSatisfy({ $0.sampleNames.allSatisfy { names.insert($0).inserted } })
        else { return nil }
        return Catalogue(families)
    }

    private static func family(_ message: WireReader) throws -> Family? {
        var reader = message
        var (name, help, unit) = ("", "", "")
        var (kind, scope): (Family.Kind?, Family.Scope?)
        var labels: [Family.Label] = []
        var divisor = 1.0
        var numbers: [Int: [UInt64]] = [:]
        var (firstExponent, schema): (Int64, Int64) = (0, 0)
        while let field = try reader.next() {
            switch field.number {
            case 1: name = try field.string().text
            case 2: help = try field.string().text
            case 3: unit = try field.string().text
            case 4: kind = Family.Kind(rawValue: try field.unsigned())
            case 5: scope = Family.Scope(rawValue: try field.unsigned())
            case 6:
                guard labels.count < 8, let label = try label(try field.message()) else { return nil }
                labels.append(label)
            case 7: divisor = try field.double()
            case 8, 9, 10, 11:
                numbers[field.number] = try varints(field)
            case 12: firstExponent = try field.signed()
            case 13: schema = try field.signed()
            default: break
            }
        }
        guard let kind, let scope, name.isMetricName, !name.isReaders,
            unit.isEmpty || unit.isMetricName && name.hasSuffix("_" + unit),
            divisor.isFinite, divisor > 0, Set(labels.map(\.name)).count == labels.count,
            labels.allSatisfy({ $0.values.count <= 4096 }),
            labels.reduce(1, { min($0 * $1.values.count, 1 << 21) }) <= 1 << 20
        else { return nil }
        var buckets: Buckets?
        if kind == .histogram {
            let bounds = numbers[8] ?? []
            let (classic, native) = (
                (numbers[9] ?? []).map { Int(clamping: $0) }, (numbers[11] ?? []).map { Int(clamping: $0) }
            )
            let names = (numbers[10] ?? []).map(Double.init(bitPattern:))
            guard !bounds.isEmpty, bounds.isAscending, classic.isAscending, native.isAscending,
                (classic + native).allSatisfy({ $0 < bounds.count }), names.count == classic.count,
                names.allSatisfy(\.isFinite), names.isAscending, names.first ?? 0 >= 0, (-4...8).contains(schema),
                (-100_000...100_000).contains(firstExponent)
            else { return nil }
            buckets = Buckets(
                bounds: bounds, classic: classic, names: names, native: native, firstExponent: Int(firstExponent),
                schema: Int(schema))
        }
        let family = Family(name, help, unit: unit, kind, of: scope, labels, divisor: divisor, buckets: buckets)
        return family.points * family.cellsOfPoint <= 1 << 22 ? family : nil
    }

    private static func varints(_ field: WireField) throws -> [UInt64] {
        var numbers: [UInt64] = []
        try field.eachVarint { (number) throws(Never) in if numbers.count < 4096 { numbers.append(number) } }
        return numbers
    }

    private static func label(_ message: WireReader) throws -> Family.Label? {
        var reader = message
        var label = Family.Label("", [])
        while let field = try reader.next() {
            switch field.number {
            case 1: label.name = try field.string().text
            case 2: label.values.append(try field.string().text)
            case 3: label.expected = try varints(field).map { $0 != 0 }
            default: break
            }
        }
        guard label.name.isMetricName, !["model", "version", "le"].contains(label.name), !label.name.hasPrefix("__"),
            !label.values.isEmpty, label.expected.count == label.values.count,
            Set(label.values).count == label.values.count
        else { return nil }
        return label
    }
}

extension Family {
    /// What its samples are called in one format or another.
    fileprivate var sampleNames: [String] {
        switch kind {
        case .level, .gauge: [name]
        case .counter: [name, name + "_total", name + "_created"]
        case .histogram: [name, name + "_bucket", name + "_sum", name + "_count", name + "_created"]
        }
    }
}

extension String {
    /// The reader of a page says these itself.
    fileprivate var isReaders: Bool { self == "vencejo_up" || hasPrefix("vencejo_agent_") || hasSuffix("_info") }

    /// What may be the name of a metric or a label: letters, digits and underscores, no digit first.
    var isMetricName: Bool {
        !isEmpty && utf8.count <= 200 && !(0x30...0x39).contains(utf8.first ?? 0)
            && utf8.allSatisfy {
                (0x30...0x39).contains($0) || (0x41...0x5a).contains($0) || (0x61...0x7a).contains($0) || $0 == 0x5f
            }
    }
}

extension [UInt64] { var isAscending: Bool { zip(self, dropFirst()).allSatisfy { $0 < $1 } } }
extension [Int] { var isAscending: Bool { zip(self, dropFirst()).allSatisfy { $0 < $1 } } }
extension [Double] { var isAscending: Bool { zip(self, dropFirst()).allSatisfy { $0 < $1 } } }
