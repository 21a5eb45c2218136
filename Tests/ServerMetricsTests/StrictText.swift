// Enters: a body in text 0.0.4 or OpenMetrics 1.0. Leaves: its samples, or the first rule that it breaks.

struct Malformed: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// Stricter than any scraper: what they accept in silence is refused here.
struct StrictText {
    struct Sample {
        var name: String
        var labels: [String: String]
        var value: Double
        var exemplar: Double?
    }

    private struct Family {
        var name: String
        var type = ""
        var unit = ""
        var samples: [Sample] = []
    }

    private let isOpenMetrics: Bool
    /// Triton's counters have other names than ours.
    private let isTriton: Bool
    private(set) var samples: [Sample] = []
    private var family: Family?
    private var owners: [String: String] = [:]
    private var families = Set<String>()
    private var series = Set<String>()

    init(_ body: [UInt8], isOpenMetrics: Bool = false, isTriton: Bool = false) throws(Malformed) {
        self.isOpenMetrics = isOpenMetrics
        self.isTriton = isTriton
        guard String(validating: body, as: UTF8.self) != nil else { throw Malformed("it is not UTF-8") }
        guard body.last == 10 || body.isEmpty && !isOpenMetrics else { throw Malformed("its last line has no end") }
        var lines = body.dropLast().split(separator: 10, omittingEmptySubsequences: false)
        if body.isEmpty { lines = [] }
        if isOpenMetrics {
            guard lines.popLast().map({ String(decoding: $0, as: UTF8.self) }) == "# EOF" else {
                throw Malformed("it has no # EOF")
            }
        }
        for line in lines { try read(line) }
        try end()
    }

    private mutating func read(_ line: ArraySlice<UInt8>) throws(Malformed) {
        guard line.first == UInt8(ascii: "#") else { return try sample(line) }
        let parts = line.split(separator: 32, maxSplits: 3, omittingEmptySubsequences: false).map {
            String(decoding: $0, as: UTF8.self)
        }
        guard parts.count == 4, parts[0] == "#" else { throw Malformed("a line that says nothing: \(parts)") }
        switch parts[1] {
        case "HELP":
            try end()
            guard families.insert(parts[2]).inserted else { throw Malformed("\(parts[2]) stands in two places") }
            family = Family(name: parts[2])
            try unescape(Array(parts[3].utf8), mayEscapeQuotes: isOpenMetrics)
        case "TYPE" where family?.name == parts[2] && family?.type == "": family?.type = parts[3]
        case "UNIT" where isOpenMetrics && family?.name == parts[2] && family?.samples.isEmpty == true:
            guard parts[2].hasSuffix("_" + parts[3]) else { throw Malformed("\(parts[2]) in \(parts[3])") }
            family?.unit = parts[3]
        default: throw Malformed("a line out of place: \(parts)")
        }
    }

    private func unescape(_ text: [UInt8], mayEscapeQuotes: Bool) throws(Malformed) {
        var isEscape = false
        for byte in text {
            if isEscape {
                let known = [UInt8(ascii: "\\"), UInt8(ascii: "n")] + (mayEscapeQuotes ? [UInt8(ascii: "\"")] : [])
                guard known.contains(byte) else { throw Malformed("an escape that there is not") }
                isEscape = false
            } else {
                isEscape = byte == UInt8(ascii: "\\")
                if mayEscapeQuotes && byte == UInt8(ascii: "\"") { throw Malformed("a bare quotation mark") }
            }
        }
        if isEscape { throw Malformed("an escape without end") }
    }

    private var suffixes: [String] {
        switch family?.type {
        case "counter": isOpenMetrics ? ["_total", "_created"] : [""]
        case "gauge": [""]
        case "info" where isOpenMetrics: ["_info"]
        case "histogram": ["_bucket", "_sum", "_count"] + (isOpenMetrics ? ["_created"] : [])
        default: []
        }
    }

    private mutating func sample(_ line: ArraySlice<UInt8>) throws(Malformed) {
        var cursor = Cursor(line)
        guard let family, let name = cursor.name(), let suffix = suffixes.first(where: { family.name + $0 == name })
        else { throw Malformed("a sample in another's family: \(String(decoding: line, as: UTF8.self))") }
        guard owners.updateValue(family.name, forKey: name) ?? family.name == family.name else {
            throw Malformed("\(name) belongs to two families")
        }
        if family.type == "counter" && !isTriton {
            guard family.name.hasSuffix("_total") != isOpenMetrics else { throw Malformed("a counter \(family.name)") }
        }
        let labels = try cursor.labels()
        guard cursor.take(" "), let value = cursor.number() else { throw Malformed("\(name) has no value") }
        var sample = Sample(name: name, labels: labels, value: value)
        if !cursor.isAtEnd {
            guard isOpenMetrics, suffix == "_bucket" || suffix == "_total", cursor.take(" "), cursor.take("#"),
                cursor.take(" ")
            else { throw Malformed("more behind \(name) than its value") }
            let marks = try cursor.labels()
            guard marks.reduce(0, { $0 + $1.key.unicodeScalars.count + $1.value.unicodeScalars.count }) <= 128,
                cursor.take(" "), let number = cursor.number(), cursor.take(" "), cursor.number() != nil, cursor.isAtEnd
            else { throw Malformed("an exemplar that is none, of \(name)") }
            sample.exemplar = number
        }
        if family.type == "counter" || family.type == "histogram", !(value >= 0) {
            throw Malformed("\(name) is \(value)")
        }
        let key = ([name] + labels.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value.debugDescription)" })
        guard series.insert(key.joined(separator: ",")).inserted else { throw Malformed("\(key) stands there twice") }
        self.family?.samples.append(sample)
    }

    private mutating func end() throws(Malformed) {
        guard let family else { return }
        guard family.type != "" else { throw Malformed("\(family.name) has no type") }
        if family.type == "histogram" { try histograms(family) }
        samples += family.samples
    }

    /// Buckets first and ascending, then the sum, then the count, which is the last bucket's.
    private func histograms(_ family: Family) throws(Malformed) {
        var (last, le, isOpen): (Double, Double, Bool) = (0, -.infinity, false)
        var of: [String: String] = [:]
        for sample in family.samples {
            var labels = sample.labels
            let bound = labels.removeValue(forKey: "le").map { $0 == "+Inf" ? .infinity : Double($0) ?? .nan }
            if !isOpen { (of, isOpen, last, le) = (labels, true, 0, -.infinity) }
            guard of == labels else { throw Malformed("\(family.name): another's sample among those of \(of)") }
            switch sample.name.dropFirst(family.name.count) {
            case "_bucket":
                guard let bound, bound > le, sample.value >= last else {
                    throw Malformed("\(family.name) \(of): \(bound ?? .nan) does not go on from \(le)")
                }
                if let exemplar = sample.exemplar, !(exemplar > le && exemplar <= bound) {
                    throw Malformed("\(family.name) \(of): an exemplar of \(exemplar) up to \(bound)")
                }
                (le, last) = (bound, sample.value)
            case "_sum": guard le == .infinity else { throw Malformed("\(family.name) \(of): no +Inf") }
            case "_count":
                guard sample.value == last, le == .infinity else {
                    throw Malformed("\(family.name) \(of): \(sample.value) in all, +Inf has \(last)")
                }
                isOpen = false
            default: isOpen = false
            }
        }
    }

    /// The value of the one sample of this name that has these labels, among others.
    func value(_ name: String, _ labels: [String: String] = [:]) -> Double? {
        let found = samples.filter { sample in
            sample.name == name && labels.allSatisfy { sample.labels[$0.key] == $0.value }
        }
        return found.count == 1 ? found[0].value : nil
    }
}

/// Reads a line from its begin to its end.
private struct Cursor {
    private let bytes: ArraySlice<UInt8>
    private var at: Int

    init(_ bytes: ArraySlice<UInt8>) {
        self.bytes = bytes
        at = bytes.startIndex
    }

    var isAtEnd: Bool { at == bytes.endIndex }
    private var next: UInt8? { isAtEnd ? nil : bytes[at] }

    mutating func take(_ byte: Unicode.Scalar) -> Bool {
        guard next == UInt8(ascii: byte) else { return false }
        at += 1
        return true
    }

    private mutating func run(_ isMeant: (UInt8) -> Bool) -> String {
        let start = at
        while let next, isMeant(next) { at += 1 }
        return String(decoding: bytes[start..<at], as: UTF8.self)
    }

    mutating func name() -> String? {
        let name = run { $0 == 0x5f || 0x30...0x39 ~= $0 || 0x41...0x5a ~= $0 || 0x61...0x7a ~= $0 }
        return name.isEmpty || name.first?.isNumber == true ? nil : name
    }

    mutating func labels() throws(Malformed) -> [String: String] {
        var labels: [String: String] = [:]
        guard take("{") else { return labels }
        repeat {
            guard let name = name(), take("="), let value = quoted(), !name.hasPrefix("__") else {
                throw Malformed("a label that is none: \(String(decoding: bytes, as: UTF8.self))")
            }
            guard labels.updateValue(value, forKey: name) == nil else { throw Malformed("the label \(name) twice") }
        } while take(",")
        guard take("}") else { throw Malformed("labels without end: \(String(decoding: bytes, as: UTF8.self))") }
        return labels
    }

    private mutating func quoted() -> String? {
        guard take("\"") else { return nil }
        var value: [UInt8] = []
        while let byte = next {
            at += 1
            switch byte {
            case UInt8(ascii: "\""): return String(decoding: value, as: UTF8.self)
            case UInt8(ascii: "\\"):
                if take("\\") {
                    value.append(UInt8(ascii: "\\"))
                } else if take("\"") {
                    value.append(UInt8(ascii: "\""))
                } else if take("n") {
                    value.append(10)
                } else {
                    return nil
                }
            default: value.append(byte)
            }
        }
        return nil
    }

    mutating func number() -> Double? {
        let text = run { $0 != 32 }
        switch text {
        case "NaN": return .nan
        case "+Inf": return .infinity
        case "-Inf": return -.infinity
        default: return text.utf8.allSatisfy { "0123456789+-.e".utf8.contains($0) } ? Double(text) : nil
        }
    }
}
