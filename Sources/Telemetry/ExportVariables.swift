// Enters: the environment. Leaves: the values of OpenTelemetry's variables, or what is wrong with one.

/// OpenTelemetry's environment variables. An empty one is as if it were not there.
struct ExportVariables {
    private let environment: [String: String]

    init(_ environment: [String: String]) { self.environment = environment }

    subscript(name: String) -> String? { environment[name].flatMap { $0.isEmpty ? nil : $0 } }

    func isTrue(_ name: String) -> Bool { self[name]?.lowercased() == "true" }

    /// The variable for traces, else the one for all signals, with its name.
    func otlp(_ name: String) -> (String, String)? {
        for name in ["OTEL_EXPORTER_OTLP_TRACES_\(name)", "OTEL_EXPORTER_OTLP_\(name)"] {
            if let value = self[name] { return (name, value) }
        }
        return nil
    }

    func number(_ named: (String, String)?, _ allowed: ClosedRange<Int64>) throws(SettingsError) -> Int64? {
        guard let (name, value) = named else { return nil }
        guard let number = Int64(value), allowed.contains(number) else {
            throw SettingsError(
                sentence: "\(name) is \"\(value)\": give a number from \(allowed.lowerBound) to \(allowed.upperBound)")
        }
        return number
    }

    func number(_ name: String, _ allowed: ClosedRange<Int64>) throws(SettingsError) -> Int64? {
        try number(self[name].map { (name, $0) }, allowed)
    }

    /// In nanoseconds.
    func milliseconds(_ named: (String, String)?, _ allowed: ClosedRange<Int64>) throws(SettingsError) -> Int64? {
        try number(named, allowed).map { $0 * 1_000_000 }
    }

    /// `name=value,name=value`, values percent-encoded as W3C Baggage has them.
    static func pairs(_ text: String, _ name: String) throws(SettingsError) -> [(name: String, value: String)] {
        var pairs: [(name: String, value: String)] = []
        for part in text.split(separator: ",") {
            let halves = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let key = halves[0].filter { $0 != " " }
            guard halves.count == 2, !key.isEmpty, let value = decoded(halves[1]) else {
                throw SettingsError(
                    sentence: "\(name) has \"\(part)\": give NAME=VALUE,NAME=VALUE, with %XX for a comma in a value")
            }
            pairs.append((String(key), value))
        }
        return pairs
    }

    private static func decoded(_ text: Substring) -> String? {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while rest.first == UInt8(ascii: " ") { rest.removeFirst() }
        while rest.last == UInt8(ascii: " ") { rest.removeLast() }
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard rest.count >= 2, let digits = String(validating: rest.prefix(2), as: UTF8.self),
                let code = UInt8(digits, radix: 16), !digits.hasPrefix("+")
            else { return nil }
            bytes.append(code)
            rest = rest.dropFirst(2)
        }
        return String(validating: bytes, as: UTF8.self)
    }
}

extension ExportLimits {
    init(_ variables: ExportVariables) throws(SettingsError) {
        self.init()
        if let spans = try variables.number("OTEL_BSP_MAX_QUEUE_SIZE", 1...1_000_000) { queueSpansMax = Int(spans) }
        if let spans = try variables.number("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 1...100_000) {
            batchSpansMax = Int(spans)
        }
        guard batchSpansMax <= queueSpansMax else {
            throw SettingsError(
                sentence:
                    "OTEL_BSP_MAX_EXPORT_BATCH_SIZE is \(batchSpansMax) and OTEL_BSP_MAX_QUEUE_SIZE \(queueSpansMax): "
                    + "a batch is at most as large as the queue")
        }
        let delay = variables["OTEL_BSP_SCHEDULE_DELAY"].map { ("OTEL_BSP_SCHEDULE_DELAY", $0) }
        let timeout = variables["OTEL_BSP_EXPORT_TIMEOUT"].map { ("OTEL_BSP_EXPORT_TIMEOUT", $0) }
        delayNanoseconds = try variables.milliseconds(delay, 1...3_600_000) ?? delayNanoseconds
        timeoutNanoseconds = try variables.milliseconds(timeout, 1...3_600_000) ?? timeoutNanoseconds
    }
}
