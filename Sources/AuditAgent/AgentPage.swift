// Enters: an agent, now and then. Leaves: its metrics in a page of shared memory, which vencejo-metrics serves.
internal import Memory
internal import ServerMetrics

/// Families of the page, in the order in which they are shown.
enum AgentMetric: Int, CaseIterable {
    case records, lastSequence, lag, ringFill, checkpointEntries, checkpointAge, verifyFailures, writeFailures, batches,
        writeTime, diskState, payloadKeys, cpu, residentMemory, startTime
}

extension Catalogue {
    static let audit = Catalogue(
        AgentMetric.allCases.map { metric in
            switch metric {
            case .records:
                Family(
                    "vencejo_audit_records", "Records: written are durable; dropped are calls that have none.",
                    .counter, of: .server, [Family.Label("result", ["written", "dropped"])])
            case .lastSequence:
                Family("vencejo_audit_last_sequence", "Index of the newest entry that is durable.", .gauge, of: .server)
            case .lag:
                Family(
                    "vencejo_audit_lag_bytes", "Bytes of records in rings that are not durable yet.", unit: "bytes",
                    .gauge, of: .server)
            case .ringFill:
                Family(
                    "vencejo_audit_ring_fill_ratio",
                    "The fullest ring's part that is not durable; at 1 its calls are refused, or go unrecorded.",
                    unit: "ratio", .gauge, of: .server)
            case .checkpointEntries:
                Family("vencejo_audit_checkpoint_entries", "Entries that are signed for.", .gauge, of: .server)
            case .checkpointAge:
                Family(
                    "vencejo_audit_checkpoint_age_seconds", "Since entries were last signed for.", unit: "seconds",
                    .gauge, of: .server)
            case .verifyFailures:
                Family(
                    "vencejo_audit_verify_failures",
                    "Times that bytes were not what was written: the log's, when it was opened, or a ring's.", .counter,
                    of: .server, [Family.Label("kind", ["log", "ring"])])
            case .writeFailures:
                Family(
                    "vencejo_audit_write_failures", "Batches that could not be made durable, and are tried again.",
                    .counter, of: .server)
            case .batches: Family("vencejo_audit_batches", "Batches that are durable.", .counter, of: .server)
            case .writeTime:
                Family(
                    "vencejo_audit_write_seconds", "Time it took to write batches and make them durable.",
                    unit: "seconds", .counter, of: .server, divisor: 1e9)
            case .diskState:
                Family(
                    "vencejo_audit_disk_state", "1 for how full the audit folder or its volume is.", .gauge,
                    of: .server,
                    [Family.Label("state", ["normal", "alarm", "without_copies", "closed"])])
            case .payloadKeys:
                Family("vencejo_audit_payload_keys", "Keys of payloads that are in memory.", .gauge, of: .server)
            case .cpu:
                Family(
                    "vencejo_audit_process_cpu_seconds", "Processor time of the audit agent.", unit: "seconds",
                    .counter, of: .server, divisor: 1e9)
            case .residentMemory:
                Family(
                    "vencejo_audit_process_resident_memory_bytes", "Resident memory of the audit agent.", unit: "bytes",
                    .gauge, of: .server)
            case .startTime:
                Family(
                    "vencejo_audit_process_start_time_seconds", "When the audit agent was started.", unit: "seconds",
                    .gauge, of: .server)
            }
        })
}

/// The agent's page. Its owner shows the agent about once a second: that is its sign of life, too.
public final class AgentPage {
    private let page: Page
    private let cells: PageCells

    /// - Parameter version: of the program.
    public init(_ path: String, version: String, now: AgentTime) throws(AgentError) {
        let origin = Page.Origin(
            unixNanoseconds: Int64(now.unixNanoseconds), monotonicNanoseconds: Int64(now.nanoseconds),
            processID: SystemClock.processID, product: Build.name(version))
        do throws(SharedFileError) {
            page = try Page(.audit, Page.Size(shards: 1, models: 0, versions: 0), origin, path: path)
        } catch {
            throw AgentError(sentence: "--metrics-page: \(error.sentence)")
        }
        cells = PageCells(page)
        set(.startTime, Double(now.unixNanoseconds) / 1e9)
    }

    /// - Parameter residentBytes: of the process.
    public func show<Volume, Keys>(
        _ agent: AuditAgent<Volume, Keys>, payloadKeys: Int, residentBytes: UInt64, now: AgentTime
    ) {
        let counts = agent.counts
        set(.records, point: 0, total: agent.records)
        set(.records, point: 1, total: counts.dropped)
        set(.lastSequence, Double(agent.size == 0 ? 0 : agent.size - 1))
        let lag = agent.lag
        set(.lag, Double(lag.bytes))
        set(.ringFill, lag.fill)
        set(.checkpointEntries, Double(agent.checkpoint.entries))
        set(.checkpointAge, max(0, Double(now.unixNanoseconds) - Double(agent.checkpoint.unixNanoseconds)) / 1e9)
        set(.verifyFailures, point: 0, total: counts.logFaults)
        set(.verifyFailures, point: 1, total: counts.ringFaults)
        set(.writeFailures, total: counts.writeFailures)
        set(.batches, total: counts.batches)
        set(.writeTime, total: counts.writeNanoseconds)
        for state in 0...RetentionPressure.closed.rawValue {
            set(.diskState, point: state, agent.pressure.rawValue == state ? 1 : 0)
        }
        set(.payloadKeys, Double(payloadKeys))
        set(.cpu, total: SystemClock.processorNanoseconds)
        set(.residentMemory, Double(residentBytes))
        page.beat(monotonicNanoseconds: Int64(now.nanoseconds))
    }

    /// The agent ends; what it showed last stays to be read while the process lives.
    public func close() { page.reach(.closed) }

    private func set(_ metric: AgentMetric, point: Int = 0, total: UInt64) {
        cells.set(metric.rawValue, point: point, total: total)
    }

    private func set(_ metric: AgentMetric, point: Int = 0, _ number: Double) {
        cells.set(metric.rawValue, point: point, number)
    }
}
