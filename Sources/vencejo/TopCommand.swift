// Enters: a server's metrics page, looked at again and again. Leaves: what it does now, as a table that stays in its place.
import ArgumentParser
import Foundation
import Glibc
import Reactor
import ServerMetrics
import Spans

struct TopCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "top",
        abstract: "Show what a server on this machine does now: calls, times and errors of each version.",
        discussion: """
            Reads the server's metrics page; neither the network nor the server is asked. Until Ctrl-C.

            Examples:
              vencejo top
              vencejo top --every 5 --page /run/vencejo/metrics
              vencejo top --times 1 -o json
            """)

    @OptionGroup var place: PageOptions
    @Option(help: ArgumentHelp("How often to look.", valueName: "seconds")) var every = 1.0
    @Option(help: ArgumentHelp("How many tables to show. Default: until Ctrl-C.", valueName: "number")) var times: Int?
    @OptionGroup var options: OutputOptions

    func validate() throws {
        guard (0.1...3600).contains(every) else {
            throw ValidationError("--every: \"\(every)\" is not allowed; allowed are seconds from 0.1 to 3600")
        }
        if let times, times < 1 {
            throw ValidationError("--times: \"\(times)\" is not allowed; allowed are 1 and more")
        }
    }

    func run() throws {
        let reader = place.reader
        try place.check(reader.look())
        var last: Activity.Moment?
        var problem: String?
        // One look more than tables: what is shown is what was done in between.
        for looks in 0...(times ?? .max - 1) {
            if looks > 0 { Thread.sleep(forTimeInterval: every) }
            let look = reader.look()
            let now = look.snapshot.map { Activity.Moment(snapshot: $0, nanoseconds: Clock.now()) }
            if look.problem?.reason != problem, let sentence = look.problem?.sentence { Vencejo.complain(sentence) }
            problem = look.problem?.reason
            // A server that was started anew has counted nothing in between.
            if let now, let last, now.snapshot[.generation] == last.snapshot[.generation] {
                show(Activity(from: last, to: now))
            }
            last = now
        }
    }

    private func show(_ activity: Activity) {
        switch options.output {
        case .json: say(activity.json.compact)
        // On a terminal the new picture takes the old one's place.
        case .table: say(isatty(1) == 1 ? "\u{1b}[H\u{1b}[2J" + activity.table : activity.table + "\n")
        }
    }
}

/// What was done between two looks at a page.
struct Activity {
    struct Moment {
        let snapshot: Snapshot
        let nanoseconds: Int64
    }

    struct Line {
        var model = ""
        var version = ""
        var slot = ""
        /// 0 to 1, of the calls that name no version.
        var share = 0.0
        var callsPerSecond = 0.0
        /// Failed by the server's fault; turned away, or the caller's fault.
        var failedPerSecond = 0.0
        var refusedPerSecond = 0.0
        /// In seconds; `nil`: there was no call.
        var p50: Double?
        var p99: Double?
        var rowsPerRun: Double?
        var inFlight = 0
        var waiting = 0
    }

    private let before: Moment
    private let after: Moment
    private let seconds: Double
    private(set) var lines: [Line] = []

    init(from before: Moment, to after: Moment) {
        self.before = before
        self.after = after
        seconds = max(1e-3, Double(after.nanoseconds - before.nanoseconds) / 1e9)
        for row in after.snapshot.rows where row.scope == .version {
            let line = line(row)
            // Calls that had no version, and versions that are gone, only if there were any.
            let isHere = gauge("vencejo_model_state", row, point: 0) + gauge("vencejo_model_state", row, point: 1) > 0
            if isHere || line.callsPerSecond > 0 { lines.append(line) }
        }
        lines.sort { ($0.model, $0.version) < ($1.model, $1.version) }
    }

    private func family(_ name: String) -> Family? { after.snapshot.catalogue.families.first { $0.name == name } }

    /// What was counted in between; a row that somebody else had before counts from zero.
    private func counts(_ name: String, _ row: Snapshot.Row?, point: Int = 0) -> [UInt64] {
        guard let family = family(name) else { return [] }
        let now = after.snapshot.cells(family, row: row?.number ?? 0, point: point)
        let isOld = row.map { row in
            before.snapshot.rows.contains {
                $0.scope == row.scope && $0.number == row.number
                    && $0.createdUnixNanoseconds == row.createdUnixNanoseconds
            }
        }
        guard isOld ?? true else { return Array(now) }
        let then = before.snapshot.cells(family, row: row?.number ?? 0, point: point)
        guard then.count == now.count else { return Array(now) }
        return zip(now, then).map { $0 >= $1 ? $0 - $1 : 0 }
    }

    private func gauge(_ name: String, _ row: Snapshot.Row?, point: Int = 0) -> Double {
        guard let family = family(name) else { return 0 }
        let number = Double(bitPattern: after.snapshot.cells(family, row: row?.number ?? 0, point: point).first ?? 0)
        return number.isFinite ? number : 0
    }

    private func level(_ name: String, _ row: Snapshot.Row?) -> Int {
        guard let family = family(name) else { return 0 }
        return Int(Int64(bitPattern: after.snapshot.cells(family, row: row?.number ?? 0, point: 0).first ?? 0))
    }

    private func line(_ row: Snapshot.Row) -> Line {
        var line = Line(model: row.model, version: row.version, slot: row.slot)
        line.share = gauge("vencejo_model_traffic_ratio", row)
        if let requests = family("vencejo_requests") {
            for point in 0..<requests.points {
                let perSecond = Double(counts(requests.name, row, point: point).first ?? 0) / seconds
                guard perSecond > 0 else { continue }
                line.callsPerSecond += perSecond
                let code = UInt8(point % grpcCodes.count)
                if StatusName.isError(code) {
                    line.failedPerSecond += perSecond
                } else if code != 0 {
                    line.refusedPerSecond += perSecond
                }
            }
        }
        if let buckets = family("vencejo_request_duration_seconds")?.buckets {
            let counts = counts("vencejo_request_duration_seconds", row).dropLast()
            line.p50 = quantile(0.5, counts, buckets).map { $0 / 1e9 }
            line.p99 = quantile(0.99, counts, buckets).map { $0 / 1e9 }
        }
        let runs = counts("vencejo_executions", row).first ?? 0
        let rows = counts("vencejo_batch_size", row).last ?? 0
        line.rowsPerRun = runs > 0 ? Double(rows) / Double(runs) : nil
        line.inFlight = level("vencejo_requests_in_flight", row)
        line.waiting = Int(saturating: gauge("vencejo_queue_depth", row))
        return line
    }

    // MARK: - Shown

    private var cores: Double { Double(counts("process_cpu_seconds", nil).first ?? 0) / 1e9 / seconds }
    private var megabytes: Double { gauge("process_resident_memory_bytes", nil) / 1e6 }
    private var connections: Int { level("vencejo_grpc_connections", nil) }
    private var upSeconds: Double {
        let start = Int64(bitPattern: after.snapshot[.startMonotonicNanoseconds])
        return max(0, Double(after.nanoseconds.subtractingReportingOverflow(start).partialValue) / 1e9)
    }

    private static func number(_ number: Double) -> String {
        number >= 10_000
            ? "\(Int(saturating: number / 1000))k"
            : number >= 100 || number == 0 ? "\(Int(saturating: number))" : short(number)
    }

    private static func short(_ number: Double) -> String { String(format: "%.3g", number) }

    private static func milliseconds(_ seconds: Double?) -> String { seconds.map { short($0 * 1000) } ?? "-" }

    var table: String {
        let head =
            "up \(Int(saturating: upSeconds)) s, \(Self.short(cores)) cores, \(Int(saturating: megabytes)) MB, \(connections) connections, "
            + "\(Self.number(lines.reduce(0) { $0 + $1.callsPerSecond })) calls/s"
        let rows = lines.map { line in
            [
                printable(line.model), line.version.isEmpty ? "-" : printable(line.version), line.slot,
                "\(Int(saturating: (line.share * 100).rounded())) %", Self.number(line.callsPerSecond),
                Self.milliseconds(line.p50), Self.milliseconds(line.p99), Self.number(line.failedPerSecond),
                Self.number(line.refusedPerSecond), line.rowsPerRun.map(Self.short) ?? "-", "\(line.inFlight)",
                "\(line.waiting)",
            ]
        }
        return head + "\n\n"
            + vencejo.table(
                [
                    "MODEL", "VERSION", "SLOT", "SHARE", "CALLS/s", "P50 ms", "P99 ms", "FAILED/s", "REFUSED/s",
                    "ROWS/RUN", "IN FLIGHT", "WAITING",
                ], rows)
    }

    var json: JSON {
        .object([
            ("up_seconds", JSON.real(upSeconds)), ("cores", JSON.real(cores)),
            ("resident_bytes", JSON.real(gauge("process_resident_memory_bytes", nil))),
            ("connections", .number(connections)),
            (
                "versions",
                .array(
                    lines.map { line in
                        .object([
                            ("model", .string(line.model)), ("version", .string(line.version)),
                            ("slot", .string(line.slot)), ("traffic_ratio", JSON.real(line.share)),
                            ("calls_per_second", JSON.real(line.callsPerSecond)),
                            ("failed_per_second", JSON.real(line.failedPerSecond)),
                            ("refused_per_second", JSON.real(line.refusedPerSecond)),
                            ("p50_seconds", line.p50.map { JSON.real($0) } ?? .null),
                            ("p99_seconds", line.p99.map { JSON.real($0) } ?? .null),
                            ("rows_per_run", line.rowsPerRun.map { JSON.real($0) } ?? .null),
                            ("in_flight", .number(line.inFlight)), ("waiting", .number(line.waiting)),
                        ])
                    })
            ),
        ])
    }
}

extension JSON {
    fileprivate static func real(_ value: Double) -> JSON { value.isFinite ? .literal("\(value)") : .null }
}

extension Int {
    /// What a page says may be anything: what has no room in an `Int` is the nearest that has, and what is no number 0.
    fileprivate init(saturating number: Double) {
        self = Int(exactly: number.rounded(.towardZero)) ?? (number > 0 ? .max : number < 0 ? .min : 0)
    }
}
