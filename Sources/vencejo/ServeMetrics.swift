// Enters: where the metrics page is to lie. Leaves: a page there, and a thread that keeps it in step.
import Control
import Foundation
import Memory
import Reactor
import ServerMetrics
import Serving
import Spans
import Synchronization

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
            processID: getpid(), product: Build.name("\(Product.version)"))
        let catalogue = Product.catalogue(latencyBounds: settings.latencyBounds)
        var path: String?
        switch settings.metrics {
        case .none: break
        case .path(let given): path = given
        // A port that the kernel chose is nobody's to guess.
        case .usual:
            path = settings.listen.first.flatMap { $0.port == 0 ? nil : MetricsPlace.usualPath($0) }
        }
        guard let path else {
            if settings.isMetricsRequired {
                throw .usage(
                    "\(Settings.Key.metricsRequired.flag) needs \(Settings.Key.metricsPage.flag): a server on a Unix socket, or on a "
                        + "port that the kernel chooses, has no usual page")
            }
            return Page(catalogue, size, origin)
        }
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

    /// Once a second what is so now is written into the page, until somebody ends it.
    func keepShowing(
        _ control: ModelControl, _ settings: Settings, startedMilliseconds: Int64
    ) throws(Failure) -> Showing {
        let (executors, shards, memory) = (settings.limits.executors, settings.shards, settings.limits.memoryBytesMax)
        let showing = Showing()
        do throws(SystemError) {
            let thread = try Thread.start("gauges") {
                let gauges = Gauges(
                    control, memoryBytesMax: memory, executors: executors, shards: shards,
                    startedMilliseconds: startedMilliseconds)
                while !showing.isEnded {
                    gauges.look()
                    // In short rests: who ends the server waits for this thread.
                    for _ in 0..<10 where !showing.isEnded { Thread.rest(nanoseconds: 100_000_000) }
                }
            }
            showing.begun(by: thread)
            return showing
        } catch {
            throw Failure(code: .failed, sentence: "the server cannot start: \(error)")
        }
    }
}

/// The thread that keeps the page in step. It has the control, and with it all that is served, as long as it runs.
final class Showing: Sendable {
    private let ended = Atomic<Bool>(false)
    private let thread = Lock<Reactor.Thread.Handle?>(nil)

    var isEnded: Bool { ended.load(ordering: .acquiring) }

    func begun(by thread: Reactor.Thread.Handle) { self.thread.withLock { $0 = thread } }

    /// Returns when the thread has ended.
    func end() {
        ended.store(true, ordering: .releasing)
        thread.withLock { $0 }?.join()
    }
}
