// Enters: rings of span records, again and again, and verdicts. Leaves: requests to send, and what an operator should know.
internal import Memory
internal import Spans

/// The way of spans from the page to a collector, without the socket: whoever has that asks what to do, and tells how it went.
public final class SpanExport: Sendable {
    public enum Step: Sendable, Equatable {
        /// An ExportTraceServiceRequest. Nothing else is sent until `ended`.
        case send([UInt8])
        /// Nothing to do before this moment, if nothing else happens.
        case waitUntil(nanoseconds: Int64)
        case idle
    }

    /// Something to log.
    public struct Notice: Sendable, Equatable {
        public let isWarning: Bool
        public let text: String
        /// Since the start.
        public let droppedSpans: UInt64
    }

    private struct State {
        var queue: ExportQueue
        var readers: [SpanRingReader] = []
        var isEnding = false
        /// When the last warning was given.
        var warned: Int64?
    }

    private let page: ServerPage
    private let otlp: OTLP
    private let since: UInt64
    private let state: Lock<State>

    /// An agent that is started again finds what the one before it has exported. So long before its start calls may have ended
    /// that it exports too: some are told of twice, but none is lost while an agent is started, or a pod.
    public static let graceSeconds: UInt64 = 30

    /// - Parameters:
    ///   - seed: for the chance in pauses; not the same for two agents.
    ///   - startUnixNanoseconds: the agent's.
    public init(
        _ page: ServerPage, _ settings: ExportSettings, version: String, seed: UInt64, startUnixNanoseconds: UInt64
    ) {
        self.page = page
        let grace = Self.graceSeconds * 1_000_000_000
        since = max(grace, startUnixNanoseconds) - grace
        otlp = OTLP(
            resource: settings.resource, conventions: settings.conventions, server: settings.server, version: version)
        state = Lock(State(queue: ExportQueue(settings.limits, seed: seed)))
    }

    /// Takes what is new in the rings.
    /// - Returns: whether there was anything.
    @discardableResult
    public func read(now: Int64) -> Bool {
        let rings = page.rings
        let (found, missed, counts) = state.withLock { state in
            while state.readers.count < rings.count { state.readers.append(SpanRingReader(since: since)) }
            var found = 0
            var missed: UInt64 = 0
            for (shard, words) in rings.enumerated() {
                let part = state.readers[shard].read(words)
                state.queue.add(part.spans, now: now)
                found += part.spans.count
                missed &+= part.missed
            }
            return (found, missed, state.queue.counts)
        }
        page.counts.lose(missed)
        page.counts.set(counts)
        return found > 0 || missed > 0
    }

    public func step(now: Int64) -> Step {
        let step = state.withLock { $0.queue.step(now: now) }
        // A batch may have been given up.
        page.counts.set(state.withLock { $0.queue.counts })
        switch step {
        case .idle: return .idle
        case .waitUntil(let moment): return .waitUntil(nanoseconds: moment)
        case .send(let spans):
            do throws(ArenaFull) { return .send(try otlp.request(spans)) } catch {
                ended(.refused(reason: "there is no memory to encode \(spans.count) calls"), now: now)
                return .idle
            }
        }
    }

    /// - Returns: what is worth logging: trouble at most once a minute, and its end.
    @discardableResult
    public func ended(_ verdict: Verdict, now: Int64) -> Notice? {
        let (isGone, counts) = state.withLock { ($0.queue.ended(verdict, now: now), $0.queue.counts) }
        page.counts.set(counts)
        let trouble: String
        switch verdict {
        case .taken(0, ""):
            let wasTrouble = state.withLock { state in
                defer { state.warned = nil }
                return state.warned != nil
            }
            return wasTrouble
                ? Notice(isWarning: false, text: "the collector takes spans", droppedSpans: counts.dropped) : nil
        case .taken(let rejected, let message): trouble = "the collector rejected \(rejected) spans: \(message)"
        case .later(_, let reason):
            trouble = "the collector does not take spans\(isGone ? ", a batch is dropped" : " now"): \(reason)"
        case .refused(let reason): trouble = "the collector refused a batch, which is dropped: \(reason)"
        }
        let isDue = state.withLock { state in
            guard state.warned.map({ now - $0 >= Self.warningNanoseconds }) ?? true else { return false }
            state.warned = now
            return true
        }
        return isDue ? Notice(isWarning: true, text: trouble, droppedSpans: counts.dropped) : nil
    }

    static let warningNanoseconds: Int64 = 60_000_000_000

    /// From now on nothing waits that can be sent.
    public func end() {
        state.withLock {
            $0.isEnding = true
            $0.queue.end()
        }
    }

    public var isEnding: Bool { state.withLock { $0.isEnding } }

    /// What was read and nobody has taken.
    public var spansKept: Int { state.withLock { $0.queue.spansKept } }
}
