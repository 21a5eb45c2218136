// Enters: what there is to export. Leaves: requests to the collector, in their time.
import Logging
import Telemetry

/// Reads the rings and sends what is in them, until it is told to end; then sends what is left, for at most five seconds.
final class Exporter: Sendable {
    private let export: SpanExport
    private let settings: ExportSettings
    private let collector: Collector
    private let log: Logger
    private let start = ContinuousClock.now

    init(_ export: SpanExport, _ settings: ExportSettings, _ collector: Collector, _ log: Logger) {
        self.export = export
        self.settings = settings
        self.collector = collector
        self.log = log
    }

    func run() async {
        log.info(
            "spans are exported",
            metadata: ["endpoint": "\(settings.target.url)", "protocol": "\(settings.transport.rawValue)"])
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.poll() }
            await self.sendInTime()
            group.cancelAll()
        }
        if export.spansKept > 0 {
            log.warning("spans are lost at the end", metadata: ["spans": .stringConvertible(export.spansKept)])
        }
    }

    func end() { export.end() }

    private var now: Int64 {
        let (seconds, attoseconds) = (ContinuousClock.now - start).components
        return seconds * 1_000_000_000 + attoseconds / 1_000_000_000
    }

    private static let pauseNanosecondsMin: Int64 = 100_000_000
    /// While nothing happens; a ring has room for what comes in so long.
    private static let pauseNanosecondsMax: Int64 = 400_000_000

    private func poll() async {
        var pause = Self.pauseNanosecondsMin
        while !Task.isCancelled, !export.isEnding {
            pause = export.read(now: now) ? Self.pauseNanosecondsMin : min(2 * pause, Self.pauseNanosecondsMax)
            try? await Task.sleep(nanoseconds: UInt64(pause))
        }
    }

    /// Until it is ended, and up to five seconds longer; whatever is still on its way then is cancelled.
    private func sendInTime() async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.send() }
            group.addTask {
                while !Task.isCancelled, !self.export.isEnding {
                    try? await Task.sleep(nanoseconds: UInt64(Self.pauseNanosecondsMin))
                }
                try? await Task.sleep(for: .seconds(5))
            }
            await group.next()
            group.cancelAll()
        }
    }

    private func send() async {
        while !Task.isCancelled {
            let isEnding = export.isEnding
            // What the server wrote before it ended.
            if isEnding { export.read(now: now) }
            switch export.step(now: now) {
            case .send(let request): tell(export.ended(await collector.send(request), now: now))
            case .idle where isEnding: return
            case .idle: try? await Task.sleep(nanoseconds: UInt64(Self.pauseNanosecondsMin))
            case .waitUntil(let moment):
                let pause = min(max(moment - now, 1_000_000), Self.pauseNanosecondsMin)
                try? await Task.sleep(nanoseconds: UInt64(pause))
            }
        }
    }

    private func tell(_ notice: SpanExport.Notice?) {
        guard let notice else { return }
        log.log(
            level: notice.isWarning ? .warning : .info, "\(notice.text)",
            metadata: ["dropped_spans": .stringConvertible(notice.droppedSpans)])
    }
}
