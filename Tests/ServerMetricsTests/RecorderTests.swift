// Enters: calls that ended. Leaves: which cells of a page changed, and by how much.
import Foundation
import Memory
import Testing

@testable import ServerMetrics

/// A server's page with one model and one version, and what changed in it.
private struct Bench {
    let page = Page(.server(rpcs: ["Check"]), Page.Size(shards: 2, models: 1, versions: 1), .fixed)
    let model: Row
    let version: Row

    init() {
        model = page.row(.model, model: "m", unixNanoseconds: 1)
        version = page.row(.version, model: "m", version: "1", unixNanoseconds: 1)
    }

    /// Of every series that is not zero: name, row, label values, number; of histograms how many, and their sum.
    var changes: [String] {
        get throws {
            let snapshot = try Snapshot(of: page.snapshot)
            var changes: [String] = []
            for family in snapshot.catalogue.families {
                let rows =
                    family.scope == .server
                    ? 1 : family.scope == .model ? page.layout.modelRows : page.layout.versionRows
                for row in 0..<rows {
                    for point in 0..<family.points {
                        let cells = snapshot.cells(family, row: row, point: point)
                        guard cells.contains(where: { $0 != 0 }) else { continue }
                        changes.append(
                            ([family.name.replacing("vencejo_", with: ""), "\(row)"] + family.values(point) + [
                                family.shown(cells)
                            ]).joined(separator: " "))
                    }
                }
            }
            return changes
        }
    }
}

extension Family {
    fileprivate func values(_ point: Int) -> [String] {
        var rest = point
        return labels.reversed().map { label in
            defer { rest /= label.values.count }
            return label.values[rest % label.values.count]
        }.reversed()
    }

    fileprivate func shown(_ cells: ArraySlice<UInt64>) -> String {
        switch kind {
        case .counter: "\(cells.first ?? 0)"
        case .level: "\(Int64(bitPattern: cells.first ?? 0))"
        case .gauge: "\(Double(bitPattern: cells.first ?? 0))"
        case .histogram: "\(cells.dropLast().reduce(0, +)) of \(cells.last ?? 0)"
        }
    }
}

extension CallRecord {
    init(_ bench: Row, _ model: Row, _ change: (inout CallRecord) -> Void) {
        self.init()
        row = Int32(bench.number)
        modelRow = Int32(model.number)
        (began, gathered, ranFrom, ranUntil) = (1000, 1100, 1300, 1900)
        (isInFlight, rows, code) = (true, 3, 0)
        change(&self)
    }
}

struct RecordRow: Sendable {
    let name: String
    let times: Int
    let bytes: (request: Int64, response: Int64)
    let change: @Sendable (inout CallRecord) -> Void
    let changes: [String]

    init(
        _ name: String, times: Int = 1, bytes: (request: Int64, response: Int64) = (0, 0),
        _ change: @escaping @Sendable (inout CallRecord) -> Void, _ changes: [String]
    ) {
        (self.name, self.times, self.bytes, self.change, self.changes) = (name, times, bytes, change, changes)
    }

    static let all = [
        RecordRow(
            "answered", bytes: (40, 50), { _ in },
            [
                "requests 2 Predict OK 1", "request_duration_seconds 2 ok 1 of 1000",
                "queue_duration_seconds 2 1 of 200",
                "compute_duration_seconds 2 input 1 of 100", "compute_duration_seconds 2 infer 1 of 600",
                "compute_duration_seconds 2 output 1 of 100", "inferences 2 3", "requests_in_flight 2 -1",
                "request_bytes 2 40", "response_bytes 2 50",
            ]),
        RecordRow(
            "three that were answered alike", times: 3, { $0.method = .modelStreamInfer },
            [
                "requests 2 ModelStreamInfer OK 3", "request_duration_seconds 2 ok 3 of 3000",
                "queue_duration_seconds 2 3 of 600", "compute_duration_seconds 2 input 3 of 300",
                "compute_duration_seconds 2 infer 3 of 1800", "compute_duration_seconds 2 output 3 of 300",
                "inferences 2 9", "requests_in_flight 2 -3",
            ]),
        RecordRow(
            "ran, and failed", { $0.code = 13 },
            [
                "requests 2 Predict INTERNAL 1", "request_duration_seconds 2 error 1 of 1000",
                "queue_duration_seconds 2 1 of 200", "requests_in_flight 2 -1",
            ]),
        RecordRow(
            "turned away, the queue being full", bytes: (7, 0),
            { call in
                (call.method, call.code, call.rejection, call.isInFlight) = (.modelInfer, 8, 1, false)
                (call.gathered, call.ranFrom, call.ranUntil) = (0, 0, 0)
            },
            [
                "requests 2 ModelInfer RESOURCE_EXHAUSTED 1", "request_duration_seconds 2 error 1 of 1000",
                "requests_rejected 2 queue_full 1", "request_bytes 2 7",
            ]),
        RecordRow(
            "of a model that there is not",
            { call in
                (call.row, call.modelRow, call.code, call.isInFlight) = (0, 0, 5, false)
                (call.rejection, call.gathered, call.ranFrom) = (6, 0, 0)
            },
            [
                "requests 0 Predict NOT_FOUND 1", "request_duration_seconds 0 error 1 of 1000",
                "requests_rejected 0 unknown_model 1",
            ]),
        RecordRow(
            "on a clock that went back", { ($0.began, $0.code, $0.ranFrom, $0.isInFlight) = (5000, 1, 0, false) },
            ["requests 2 Predict CANCELLED 1", "request_duration_seconds 2 error 1 of 0"]),
    ]
}

@Suite struct RecorderTests {
    @Test(arguments: RecordRow.all) func whatACallChanges(_ row: RecordRow) throws {
        let bench = Bench()
        let call = CallRecord(bench.version, bench.model, row.change)
        bench.page.recorder(shard: 1).ended(
            call, left: 2000, times: row.times, requestBytes: row.bytes.request, responseBytes: row.bytes.response)
        #expect(try bench.changes == row.changes, "\(row.name)")
    }

    @Test func numbersOfAllKinds() throws {
        let bench = Bench()
        let (one, other, common) = (bench.page.recorder(shard: 0), bench.page.recorder(shard: 1), bench.page.common)
        one.count(.connections)
        one.count(.connections)
        other.count(.connections, -3)
        common.count(.goaways, point: 2)
        common.count(.rpcs, point: 5, 2)
        other.set(.queueDepth, row: 2, 4.5)
        other.set(.queueDepth, row: 2, 2.5)
        common.set(.cpu, total: 9)
        common.set(.cpu, total: 11)
        common.time(.commitDuration, nanoseconds: 7, times: 2)
        common.time(.commitDuration, nanoseconds: -7)
        one.ran(row: 2, rows: 12, times: 2)
        one.ran(row: 2, rows: 5, times: 0)
        #expect(
            try bench.changes == [
                "batch_size 2 2 of 24", "executions 2 2", "queue_depth 2 2.5", "rpcs 0 Check NOT_FOUND 2",
                "grpc_connections 0 -1", "grpc_goaways 0 idle 1", "commit_duration_seconds 0 3 of 14",
                "process_cpu_seconds 0 11",
            ])
    }

    @Test func mergedTheySayTheSameAsOneByOne() throws {
        var random = SplitMix(seed: 4)
        for _ in 0..<30 {
            let (merged, single) = (Bench(), Bench())
            let recorder = merged.page.recorder(shard: 0)
            var leaving = LeavingCalls()
            for turn in 1...Int.random(in: 1...4, using: &random) {
                let left = Int64(turn) * 10_000
                for _ in 0..<Int.random(in: 0...20, using: &random) {
                    // Few kinds of calls, so that some are alike and some are not.
                    let kind = Int.random(in: 0...2, using: &random)
                    let call = CallRecord(merged.version, merged.model) { call in
                        call.method = PredictionMethod.allCases[kind]
                        (call.code, call.rejection) = kind == 2 ? (8, 2) : (0, 0)
                        if kind == 2 { call.ranFrom = 0 }
                        call.isInFlight = Bool.random(using: &random)
                    }
                    let bytes = (Int64.random(in: 0...100, using: &random), Int64.random(in: 0...100, using: &random))
                    leaving.append(call, requestBytes: bytes.0, responseBytes: bytes.1)
                    single.page.recorder(shard: 0).ended(
                        call, left: left, times: 1, requestBytes: bytes.0, responseBytes: bytes.1)
                }
                leaving.left(left, to: recorder)
                leaving.left(left, to: recorder)
            }
            #expect(merged.page.snapshot == single.page.snapshot)
        }
    }

    @Test func threadsThatShareCellsLoseNothing() async throws {
        let bench = Bench()
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<4 {
                group.addTask {
                    for _ in 0..<5000 { bench.page.common.time(.requestDuration, row: 2, nanoseconds: 3) }
                }
            }
        }
        #expect(try bench.changes == ["request_duration_seconds 2 ok 20000 of 60000"])
    }

    /// Of two shards that tell of a call at the same moment one wins, or none: never half of each.
    @Test func exemplarsAreWhole() async {
        let page = Bench().page
        let slots = page.exemplars(row: 2)
        await withTaskGroup(of: Void.self) { group in
            for thread in 0..<2 {
                group.addTask {
                    var call = CallRecord()
                    call.row = 2
                    for number in 0..<50_000 {
                        let trace = UInt64(number * 2 + thread + 1)
                        page.exemplify(
                            call, nanoseconds: Int64(trace), traceHigh: trace, traceLow: trace,
                            unixMilliseconds: Int64(trace))
                    }
                }
            }
            group.addTask {
                for _ in 0..<50_000 {
                    let words = (0..<PageLayout.Exemplar.words).map { slots.load($0) }
                    guard words[7] == PageLayout.checksum(words[..<7]) else { continue }
                    #expect(Set(words[..<4]).count == 1, "\(words)")
                }
            }
        }
    }
}
