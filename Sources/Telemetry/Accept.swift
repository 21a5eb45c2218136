// Enters: what a scraper says that it understands. Leaves: the format to answer in, and whether to compress.
public import ServerMetrics

/// One item of an Accept or Accept-Encoding header.
struct AcceptItem: Equatable {
    /// Lower-case, with its parameters but without q.
    let value: String
    let parameters: [String: String]
    /// 0 to 1.
    let quality: Double

    /// The items of a header, as RFC 9110, section 12.5, writes them. What is no item is passed over.
    static func items(_ header: String) -> [AcceptItem] {
        split(header, at: ",").compactMap { item in
            let parts = split(item, at: ";").map { $0.trimmed }
            guard let value = parts.first, !value.isEmpty, !value.contains(" ") else { return nil }
            var parameters: [String: String] = [:]
            var quality = 1.0
            for part in parts.dropFirst() where !part.isEmpty {
                guard let equals = part.firstIndex(of: "=") else { continue }
                let name = String(part[..<equals]).trimmed.lowercased()
                let value = String(part[part.index(after: equals)...]).trimmed.unquoted
                guard name == "q" else {
                    parameters[name] = value
                    continue
                }
                guard let number = Double(value), number >= 0, number <= 1 else { return nil }
                quality = number
            }
            return AcceptItem(value: value.lowercased(), parameters: parameters, quality: quality)
        }
    }

    /// Parts between separators that stand in no quoted text.
    private static func split(_ text: String, at separator: Character) -> [String] {
        var parts = [""]
        var isQuoted = false
        var isEscaped = false
        for character in text {
            if character == separator && !isQuoted {
                parts.append("")
                continue
            }
            if character == "\"" && !isEscaped { isQuoted.toggle() }
            isEscaped = isQuoted && character == "\\" && !isEscaped
            parts[parts.count - 1].append(character)
        }
        return parts
    }
}

extension String {
    fileprivate var trimmed: String {
        var rest = self[...]
        while let first = rest.first, first == " " || first == "\t" { rest.removeFirst() }
        while let last = rest.last, last == " " || last == "\t" { rest.removeLast() }
        return String(rest)
    }

    fileprivate var unquoted: String {
        count >= 2 && hasPrefix("\"") && hasSuffix("\"") ? String(dropFirst().dropLast()) : self
    }
}

extension ExpositionFormat {
    /// The format that the scraper likes best of ours; text where it names none of them, or nothing.
    ///
    /// What it names counts more than a pattern; of what it likes alike the richest is taken, of patterns the plainest.
    public static func negotiated(accept: String?) -> ExpositionFormat {
        let items = AcceptItem.items(accept ?? "")
        var best: (format: ExpositionFormat, rank: (Double, Int, Int))?
        for (preference, format) in [text, openMetrics, protobuf].enumerated() {
            let matches = items.compactMap { item in format.specificity(of: item).map { ($0, item.quality) } }
            guard let match = matches.max(by: { $0 < $1 }), match.1 > 0 else { continue }
            let rank = (match.1, match.0, match.0 == 2 ? preference : -preference)
            if best.map({ rank > $0.rank }) ?? true { best = (format, rank) }
        }
        return best?.format ?? .text
    }

    /// 2: the item names this format; 1: its type's pattern; 0: any type. `nil`: it is another.
    private func specificity(of item: AcceptItem) -> Int? {
        let (type, parameters) =
            switch self {
            case .text, .triton: ("text/plain", ["version": "0.0.4"])
            case .openMetrics: ("application/openmetrics-text", ["version": "1.0.0"])
            case .protobuf:
                (
                    "application/vnd.google.protobuf",
                    ["proto": "io.prometheus.client.MetricFamily", "encoding": "delimited"]
                )
            }
        if item.value == type {
            // A parameter that is not named is any; protobuf is something else without its own.
            let fits = parameters.allSatisfy { name, value in
                item.parameters[name].map { $0 == value } ?? (self != .protobuf)
            }
            return fits ? 2 : nil
        }
        if item.value == "*/*" { return 0 }
        return item.value == type.prefix { $0 != "/" } + "/*" ? 1 : nil
    }
}

public enum ContentCoding {
    /// Whether to answer compressed: gzip is offered, and not liked less than the plain body.
    public static func isGzip(acceptEncoding: String?) -> Bool {
        let items = AcceptItem.items(acceptEncoding ?? "")
        func quality(_ names: Set<String>) -> Double? { items.filter { names.contains($0.value) }.map(\.quality).max() }
        let gzip = quality(["gzip", "x-gzip"]) ?? quality(["*"]) ?? 0
        return gzip > 0 && gzip >= quality(["identity"]) ?? 0
    }
}
