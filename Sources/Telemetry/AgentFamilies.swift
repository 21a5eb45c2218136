import Reactor
// Enters: what the agent did. Leaves: its own metrics, to stand beside the server's.
import ServerMetrics

/// What the agent says of itself.
enum AgentFamilies {
    private static let started = Double(Clock.wallMilliseconds()) / 1000

    static func all(_ spans: ExportCounts.Now) -> [OwnFamily] {
        [
            OwnFamily(
                "vencejo_trace_spans_exported", "Spans that the collector took.", isCounter: true,
                [([], Double(spans.exported))]),
            OwnFamily(
                "vencejo_trace_spans_dropped",
                "Spans that were given up: the queue was full, or the collector refused them.",
                isCounter: true, [([], Double(spans.dropped))]),
            OwnFamily(
                "vencejo_trace_spans_lost", "Calls whose spans were overwritten before they were read.",
                isCounter: true,
                [([], Double(spans.lost))]),
            OwnFamily(
                "vencejo_agent_process_cpu_seconds", "Processor time of the agent.", unit: "seconds", isCounter: true,
                [([], Double((try? Clock.processorNanoseconds()) ?? 0) / 1e9)]),
            OwnFamily(
                "vencejo_agent_process_resident_memory_bytes", "Resident memory of the agent.", unit: "bytes",
                [([], Double(ProcessMemory.residentBytes))]),
            OwnFamily(
                "vencejo_agent_process_open_fds", "File descriptors of the agent.", [([], Double(FileLimit.used))]),
            OwnFamily(
                "vencejo_agent_process_start_time_seconds", "When the agent was started.", unit: "seconds",
                [([], started)]),
        ]
    }
}
