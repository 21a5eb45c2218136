// Stands in for the room Metrics until it is merged; then this file goes, and its users import Metrics. Its page is nothing but
// one ring of span records.
internal import Memory

public enum ExpositionFormat: Sendable { case text, openMetrics, protobuf, triton }

struct AgentFacts: Sendable {
    let version: String
    /// What became of spans.
    let spans: @Sendable () -> ExportCounts.Now
}

final class PageReader: Sendable {
    private let path: String
    private let facts: AgentFacts

    init(path: String, createdTimestamps: Bool, facts: AgentFacts) {
        self.path = path
        self.facts = facts
    }

    func render(_ format: ExpositionFormat) -> [UInt8] {
        let spans = facts.spans()
        let lines = [
            ("vencejo_up", "gauge", 0), ("vencejo_trace_spans_exported_total", "counter", spans.exported),
            ("vencejo_trace_spans_dropped_total", "counter", spans.dropped),
            ("vencejo_trace_spans_lost_total", "counter", spans.lost),
        ].map { name, type, value in "# HELP \(name) Stands in.\n# TYPE \(name) \(type)\n\(name) \(value)\n" }
        return Array((lines.joined() + (format == .openMetrics ? "# EOF\n" : "")).utf8)
    }

    func spans() -> (rings: [[UInt64]], generation: UInt64) {
        guard let file = try? SharedFileReader(path) else { return ([], 0) }
        var words = [UInt64](repeating: 0, count: file.count)
        return file.read(from: 0, into: &words, words.indices) ? ([words], 0) : ([], 0)
    }
}
