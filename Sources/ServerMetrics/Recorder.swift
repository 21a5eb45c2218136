// Enters: what happened to calls. Leaves: numbers in the page. No lock, no allocation, no clock.
import Memory

/// One prediction that ended. Times are on the shard's clock, in nanoseconds; 0: it did not come so far.
public struct CallRecord: BitwiseCopyable, Sendable, Equatable {
    /// The version's row, and the model's.
    public var row: Int32 = 0
    public var modelRow: Int32 = 0
    public var method = PredictionMethod.predict
    /// CANCELLED, until somebody answers.
    public var code: UInt8 = 1
    /// A number of `RejectReason` plus one.
    public var rejection: UInt8 = 0
    /// It was counted among those in flight.
    public var isInFlight = false
    public var rows: Int32 = 0
    /// Rows that ran together with it, and what of the run it took to put them together.
    public var batchRows: Int32 = 0
    public var batchNanoseconds: Int32 = 0
    /// Its first byte; when it was checked and ready to run; its run.
    public var began: Int64 = 0
    public var gathered: Int64 = 0
    public var ranFrom: Int64 = 0
    public var ranUntil: Int64 = 0

    public init() {}
}

/// Cells of a page, for those who write them: a shard its own, all other threads together those that they share.
public final class Recorder: Sendable {
    /// Where a metric's cells lie: `first` of row 0, `stride` to the next row, and those of one combination of labels.
    private struct Place: BitwiseCopyable {
        let first: Int
        let stride: Int
        let cellsOfPoint: Int
    }

    private let cells: SharedWords
    private let places: [Place]
    private let times: Buckets
    private let rows: Buckets
    /// Several threads write them.
    private let isShared: Bool

    init(_ cells: SharedWords, _ layout: PageLayout, isShared: Bool) {
        self.cells = cells
        self.isShared = isShared
        places = Metric.allCases.map { metric in
            let family = layout.catalogue.families[metric.rawValue]
            return Place(
                first: layout.cell(family.scope, row: 0) + family.first,
                stride: family.scope == .server ? 0 : layout.catalogue.cells(of: family.scope),
                cellsOfPoint: family.cellsOfPoint)
        }
        func buckets(_ metric: Metric) -> Buckets {
            guard let buckets = layout.catalogue.families[metric.rawValue].buckets else {
                preconditionFailure("a histogram has buckets")
            }
            return buckets
        }
        times = buckets(.requestDuration)
        rows = buckets(.batchSize)
    }

    private func cell(_ metric: Metric, _ row: Int, _ point: Int) -> Int {
        let place = places[metric.rawValue]
        return place.first + row * place.stride + point * place.cellsOfPoint
    }

    private func add(_ cell: Int, _ number: UInt64) {
        if isShared { cells.add(cell, number) } else { cells.count(cell, number) }
    }

    /// `point`: which combination of label values; the last label's changes fastest.
    public func count(_ metric: Metric, row: Int = 0, point: Int = 0, _ number: Int64 = 1) {
        add(cell(metric, row, point), UInt64(bitPattern: number))
    }

    /// A number that only this thread knows. The others' cells of it are zero.
    public func set(_ metric: Metric, row: Int = 0, point: Int = 0, _ number: Double) {
        cells.store(cell(metric, row, point), number.bitPattern)
    }

    /// A counter that somebody else keeps.
    public func set(_ metric: Metric, total: UInt64) { cells.store(cell(metric, 0, 0), total) }

    /// `times` calls that took so long, each. Its bucket first: who reads sees a sum that is a little old, never one that has
    /// more in it than the buckets.
    public func time(_ metric: Metric, row: Int = 0, point: Int = 0, nanoseconds: Int64, times count: Int = 1) {
        let nanoseconds = UInt64(max(0, nanoseconds))
        observe(cell(metric, row, point), times, nanoseconds, count)
    }

    /// So many runs of `rows` rows, each.
    public func ran(row: Int, rows: Int, times count: Int = 1) {
        guard count > 0 else { return }
        add(cell(.executions, row, 0), UInt64(count))
        observe(cell(.batchSize, row, 0), self.rows, UInt64(max(0, rows)), count)
    }

    private func observe(_ first: Int, _ buckets: Buckets, _ number: UInt64, _ count: Int) {
        add(first + buckets.bucket(of: number), UInt64(count))
        add(first + buckets.bounds.count + 1, number &* UInt64(count))
    }

    /// `count` calls that came and went alike; `left`: when their answers did. `bytes`: all of theirs together.
    public func ended(_ call: CallRecord, left: Int64, times count: Int, requestBytes: Int64, responseBytes: Int64) {
        let (row, model) = (Int(call.row), Int(call.modelRow))
        self.count(
            .requests, row: row, point: call.method.rawValue * grpcCodes.count + Int(call.code), Int64(count))
        time(.requestDuration, row: row, point: call.code == 0 ? 0 : 1, nanoseconds: left - call.began, times: count)
        if call.isInFlight { self.count(.inFlight, row: row, -Int64(count)) }
        if requestBytes > 0 { self.count(.requestBytes, row: model, requestBytes) }
        if responseBytes > 0 { self.count(.responseBytes, row: model, responseBytes) }
        if call.rejection > 0 { self.count(.rejected, row: model, point: Int(call.rejection) - 1, Int64(count)) }
        guard call.ranFrom > 0 else { return }
        time(.queueDuration, row: row, nanoseconds: call.ranFrom - call.gathered, times: count)
        guard call.code == 0 else { return }
        self.count(.inferences, row: row, Int64(call.rows) * Int64(count))
        time(.computeDuration, row: row, point: 0, nanoseconds: call.gathered - call.began, times: count)
        time(.computeDuration, row: row, point: 1, nanoseconds: call.ranUntil - call.ranFrom, times: count)
        time(.computeDuration, row: row, point: 2, nanoseconds: left - call.ranUntil, times: count)
    }
}

/// Calls that ended in a turn, until it is known when their answers left. Those that came and went alike are written once: under
/// load a turn's calls do.
public struct LeavingCalls: ~Copyable {
    private struct Alike: BitwiseCopyable {
        var call = CallRecord()
        var count = 0
        var requestBytes: Int64 = 0
        var responseBytes: Int64 = 0
    }

    /// Those that came last, and those before them that were not like them.
    private var latest = Alike()
    private var earlier: [Alike] = []

    public init() {}

    public var isEmpty: Bool { latest.count == 0 }

    public mutating func append(_ call: CallRecord, requestBytes: Int64, responseBytes: Int64) {
        if latest.call != call {
            if latest.count > 0 { earlier.append(latest) }
            latest = Alike(call: call)
        }
        latest.count += 1
        latest.requestBytes += requestBytes
        latest.responseBytes += responseBytes
    }

    /// Writes them; `left`: when the last byte of their answers did.
    public mutating func left(_ left: Int64, to recorder: Recorder) {
        guard !isEmpty else { return }
        earlier.append(latest)
        latest = Alike()
        for alike in earlier {
            recorder.ended(
                alike.call, left: left, times: alike.count, requestBytes: alike.requestBytes,
                responseBytes: alike.responseBytes)
        }
        earlier.removeAll(keepingCapacity: true)
    }
}
