// Enters: where the metrics page is to lie. Leaves: a page there, and a thread that keeps it in step.
import Control
import Foundation
import Memory
import Metrics
import Reactor
import Serving
import Tracing

/// Where the metrics page lies.
enum MetricsPlace: Equatable {
    /// By the port that the server listens on.
    case usual
    case path(String)
    case none

    /// For a server that listens there. `nil`: nowhere, because nobody could guess it.
    static func usualPath(_ address: Address) -> String? {
        address.port.map { "/dev/shm/vencejo-\($0).metrics" }
    }
}

extension Serve {
    /// What the server shows of itself, where it can be seen; else for itself only, with a warning.
    func page(
        _ settings: Settings, models: Int, _ warn: (String) -> Void
    ) throws(Failure) -> Page {
        // Room for as many models again, two versions each and those that were unloaded of late.
        let size = Page.Size(
            shards: settings.shards, models: max(32, 2 * models), versions: max(96, 6 * models),
            spanWords: settings.tracing == nil ? 0 : SpanRing.words(records: TracingSettings.records))
        let origin = Page.Origin(
            unixNanoseconds: Clock.wallMilliseconds() * 1_000_000, monotonicNanoseconds: Clock.now(), bootID: bootID,
            processID: getpid(), product: "\(Product.version)")
        let catalogue = Product.catalogue(latencyBounds: settings.latencyBounds)
        var path: String?
        switch settings.metrics {
        case .none: break
        case .path(let given): path = given
        // A port that the kernel chose is nobody's to guess.
        case .usual:
            path = settings.listen.first.flatMap { $0.port == 0 ? nil : MetricsPlace.usualPath($0) }
        }
        guard let path else { return Page(catalogue, size, origin) }
        do throws(SharedFileError) { return try Page(catalogue, size, origin, path: path) } catch {
            let sentence = "\(Settings.Key.metricsPage.flag): \(error.sentence)"
            guard settings.isMetricsRequired else {
                warn("\(sentence). Serving goes on, and nobody sees its metrics")
                return Page(catalogue, size, origin)
            }
            throw Failure(code: .failed, sentence: sentence)
        }
    }

    /// Linux' number for the time since the machine was started.
    private var bootID: (UInt64, UInt64) {
        let text = (try? String(contentsOfFile: "/proc/sys/kernel/random/boot_id", encoding: .utf8)) ?? ""
        let digits = text.filter(\.isHexDigit)
        return (UInt64(digits.prefix(16), radix: 16) ?? 0, UInt64(digits.dropFirst(16), radix: 16) ?? 0)
    }

    /// Once a second what is so now is written into the page.
    func keepShowing(_ control: ModelControl, _ settings: Settings, startedMilliseconds: Int64) throws(Failure) {
        let (executors, shards, memory) = (settings.limits.executors, settings.shards, settings.limits.memoryBytesMax)
        do throws(SystemError) {
            try Thread.start("gauges") {
                let gauges = Gauges(
                    control, memoryBytesMax: memory, executors: executors, shards: shards,
                    startedMilliseconds: startedMilliseconds)
                while true {
                    gauges.look()
                    Thread.rest(nanoseconds: 1_000_000_000)
                }
            }.detach()
        } catch {
            throw Failure(code: .failed, sentence: "the server cannot start: \(error)")
        }
    }
}
