// Enters: what is served now. Leaves: rows and gauges of the metrics page that say so; counters of what was done to models.
import Memory
import Models
import Reactor
import ServerMetrics
import Serving
import Tensors

extension Page {
    /// The rows of a version.
    func series(of model: String, _ version: Int64) -> Series {
        let now = Clock.wallMilliseconds() * 1_000_000
        return Series(
            version: row(.version, model: model, version: "\(version)", unixNanoseconds: now),
            model: row(.model, model: model, unixNanoseconds: now),
            versionless: row(.version, model: model, unixNanoseconds: now))
    }
}

extension ModelControl {
    /// What was done to models, and who wanted it.
    func count(_ decision: Decision, _ action: OrderAction, _ signed: Signed) {
        let action: TransitionAction? =
            switch action {
            case .load: .load
            case .unload: .unload
            case .rollback: .rollback
            case .abort: .abort
            case .swap, .promote: .promote
            case .label, .weights, .shadow, .rollout, .experiment: nil
            }
        let trigger: TransitionTrigger =
            switch signed.trigger {
            case .cli: .cli
            case .api: .api
            case .server, .watch: .auto
            }
        guard let action else { return }
        for change in decision.changes {
            let row = page.row(.model, model: change.model, unixNanoseconds: signed.timeMilliseconds * 1_000_000)
            recorder.count(
                .transitions, row: row.number, point: action.index * TransitionTrigger.allCases.count + trigger.index)
        }
    }

    func count(_ report: LoadReport) {
        let series = page.series(of: report.model, report.version)
        let result = report.failure == nil ? LoadResult.ok : .failed
        recorder.count(.loads, row: series.model.number, point: result.index)
        guard report.failure == nil else { return }
        recorder.set(.loadDuration, row: series.version.number, Double(report.nanoseconds) / 1e9)
        recorder.set(.modelMemory, row: series.version.number, Double(report.memoryBytes))
    }
}

/// Keeps the page in step with what is served. One thread calls `look`, once a second.
public final class Gauges {
    private struct Shown {
        let row: Row
        var slot: Int?
        var digest: [UInt8] = []
    }

    private struct Model {
        let row: Row
        let versionless: Row
        var live: Int64?
    }

    private let control: ModelControl
    private let memoryBytesMax: Int
    /// Rows of versions; and of models, with those of calls that name one and get no version.
    private var versions: [String: Shown] = [:]
    private var models: [String: Model] = [:]
    /// The commit that is shown, and how many versions were on their way out.
    private var epoch: UInt64 = 0
    private var drained = 0
    private var looks = 0
    /// Models whose rollouts are shown to wait.
    private var waiting: [String: Row] = [:]

    /// `executors`, `shards`: how many threads there are.
    public init(_ control: ModelControl, memoryBytesMax: Int, executors: Int, shards: Int, startedMilliseconds: Int64) {
        self.control = control
        self.memoryBytesMax = memoryBytesMax
        let recorder = control.recorder
        recorder.set(.workers, point: WorkerPool.shard.index, Double(shards))
        recorder.set(.workers, point: WorkerPool.executor.index, Double(executors))
        recorder.set(.callMemoryLimit, Double(memoryBytesMax))
        recorder.set(.startTime, Double(startedMilliseconds) / 1000)
        recorder.set(.filesMax, Double(FileLimit.now))
    }

    private var recorder: Recorder { control.recorder }
    private var page: Page { control.page }

    /// Writes what is so now, and that somebody is alive.
    public func look() {
        let now = Clock.wallMilliseconds() * 1_000_000
        showModels(now)
        recorder.set(.callMemory, Double(Ledger.bytes))
        recorder.set(.residentMemory, Double(ProcessMemory.residentBytes))
        if let cpu = try? Clock.processorNanoseconds() { recorder.set(.cpu, total: UInt64(max(0, cpu))) }
        // To count ten thousand descriptors takes milliseconds.
        if looks % 10 == 0 { recorder.set(.openFiles, Double(FileLimit.used)) }
        looks += 1
        page.sweep(monotonicNanoseconds: Clock.now())
        page.beat(monotonicNanoseconds: Clock.now())
    }

    /// Nothing of what is served is kept here: what is replaced is freed when nobody needs it.
    private func showModels(_ now: Int64) {
        let catalog = control.directory.catalog
        // Who decides something now may wait for a disk: predictions do not, and neither does the sign of life.
        let draining = control.drainingUnlessBusy
        if let draining, catalog.epoch != epoch || draining.count != drained {
            (epoch, drained) = (catalog.epoch, draining.count)
            show(catalog, draining, now)
        }
        for version in draining ?? [] { showQueue(version, beside: draining) }
        for entry in catalog.entries {
            for standing in entry.standings { standing.version.map { showQueue($0, beside: draining) } }
        }
        if let names = control.waitingUnlessBusy { showWaiting(names, now) }
    }

    private func showWaiting(_ names: Set<String>, _ now: Int64) {
        for (name, row) in waiting where !names.contains(name) {
            recorder.set(.rolloutWaiting, row: row.number, 0)
            waiting[name] = nil
        }
        for name in names where waiting[name] == nil {
            let row = page.row(.model, model: name, unixNanoseconds: now)
            recorder.set(.rolloutWaiting, row: row.number, 1)
            waiting[name] = row
        }
    }

    /// A number that was loaded anew stands for two versions while calls of the old one end. Allocates nothing.
    private func showQueue(_ version: Version<Servable>, beside draining: [Version<Servable>]?) {
        guard let shown = versions["\(version.name.text) \(version.number)"] else { return }
        var calls = version.model.callsWaiting
        for other in draining ?? [] where other !== version && other.number == version.number {
            if other.name == version.name { calls += other.model.callsWaiting }
        }
        recorder.set(.queueDepth, row: shown.row.number, Double(calls))
    }

    private func show(_ catalog: Catalog<Servable>, _ draining: [Version<Servable>], _ now: Int64) {
        recorder.set(.catalogEpoch, Double(epoch))
        var versions: [String: Shown] = [:]
        var models: [String: Model] = [:]
        func row(_ model: String, _ version: Int64) -> Shown {
            let name = "\(model) \(version)"
            let shown =
                self.versions[name]
                ?? Shown(row: page.row(.version, model: model, version: "\(version)", unixNanoseconds: now))
            versions[name] = shown
            return shown
        }
        for entry in catalog.entries {
            var model =
                self.models[entry.name]
                ?? Model(
                    row: page.row(.model, model: entry.name, unixNanoseconds: now),
                    versionless: page.row(.version, model: entry.name, unixNanoseconds: now))
            if model.live != entry.live?.number {
                model.live = entry.live?.number
                recorder.set(.lastTransition, row: model.row.number, Double(now / 1_000_000) / 1000)
            }
            models[entry.name] = model
            for standing in entry.standings {
                var shown = row(entry.name, standing.number)
                let share =
                    entry.split.map { Double($0.shares[standing.number] ?? 0) / 100 }
                    ?? (standing.state == .live ? 1 : 0)
                recorder.set(.trafficRatio, row: shown.row.number, share)
                show(ModelPhase(standing.state), shown.row)
                let slot = standing.slot.map { Int($0.rawValue) } ?? 0
                if let version = standing.version {
                    let servable = version.model
                    recorder.set(.queueCapacity, row: model.row.number, Double(servable.settings.queueMax))
                    let digest = version.digest.array
                    if shown.slot != slot || shown.digest != digest {
                        page.describe(shown.row, slot: slot, digest: digest, format: "\(servable.engine.platform)")
                        (shown.slot, shown.digest) = (slot, digest)
                    }
                }
                versions["\(entry.name) \(standing.number)"] = shown
            }
        }
        for version in draining {
            let name = "\(version.name.text) \(version.number)"
            guard versions[name] == nil else { continue }
            var shown = row(version.name.text, version.number)
            show(.draining, shown.row)
            recorder.set(.trafficRatio, row: shown.row.number, 0)
            if shown.slot != 0 {
                page.describe(
                    shown.row, slot: 0, digest: version.digest.array, format: "\(version.model.engine.platform)")
                shown.slot = 0
            }
            versions[name] = shown
        }
        for (name, shown) in self.versions where versions[name] == nil {
            show(nil, shown.row)
            recorder.set(.trafficRatio, row: shown.row.number, 0)
            recorder.set(.queueDepth, row: shown.row.number, 0)
        }
        (self.versions, self.models) = (versions, models)
    }

    private func show(_ phase: ModelPhase?, _ row: Row) {
        for other in ModelPhase.allCases {
            recorder.set(.modelState, row: row.number, point: other.index, other == phase ? 1 : 0)
        }
    }
}

extension ModelPhase {
    fileprivate init?(_ state: VersionState) {
        switch state {
        case .absent: return nil
        case .loading, .warming: self = .loading
        case .ready, .live: self = .ready
        case .draining: self = .draining
        case .failed, .quarantined: self = .failed
        }
    }
}
