// Enters: a path where servers leave pages. Leaves: what the one that runs now says, in any format. Never fails: what is wrong
// with a page is among the metrics.
import Memory

/// Follows the page at a path: a server that starts anew puts another file there.
public final class PageReader: Sendable {
    /// What was found at one look.
    public struct Look: Sendable {
        /// `nil`: there is no page, or its writer is gone, or it cannot be read.
        public var snapshot: Snapshot?
        public var isUp: Bool
        /// Seconds since the server last gave a sign of life.
        public var heartbeatAge: Double?
        /// Why nothing is shown: a word, and a sentence for people.
        public var problem: (reason: String, sentence: String)?
    }

    private struct State: Sendable {
        var file: SharedFileReader?
        var last: Snapshot?
        /// What an earlier look found wrong; at first nobody has looked.
        var reason: String?? = nil
        /// The first words of each ring of spans when it was read last.
        var rings: [[UInt64]] = []
    }

    public let path: String
    private let createdTimestamps: Bool
    private let state = Lock(State())
    private let now: @Sendable () -> Int64
    private let product: String
    private let own: @Sendable () -> [OwnFamily]
    private let changed: @Sendable (Look) -> Void
    private let writer: String
    private let audit: PageReader?
    /// A server that gave no sign of life for so long hangs.
    static let silenceSeconds = 10.0

    /// - Parameters:
    ///   - product: the version of who reads.
    ///   - now: CLOCK_MONOTONIC, in nanoseconds.
    ///   - own: what the reader's own process says of itself.
    ///   - writer: what sentences call the program that writes the page.
    ///   - audit: the audit agent's page, shown with this one.
    ///   - changed: told of the first look, and of each that finds other trouble than the one before, or none any more.
    public init(
        path: String, createdTimestamps: Bool = false, product: String = "", now: @escaping @Sendable () -> Int64,
        own: @escaping @Sendable () -> [OwnFamily] = { [] }, writer: String = "server", audit: PageReader? = nil,
        changed: @escaping @Sendable (Look) -> Void = { _ in }
    ) {
        self.changed = changed
        self.writer = writer
        self.audit = audit
        self.path = path
        self.createdTimestamps = createdTimestamps
        self.product = product
        self.now = now
        self.own = own
    }

    public func look() -> Look {
        let look = read()
        let isNew = state.withLock { state in
            defer { state.reason = .some(look.problem?.reason) }
            return state.reason != .some(look.problem?.reason)
        }
        if isNew { changed(look) }
        return look
    }

    private func read() -> Look {
        state.withLock { state in
            if let file = state.file, !file.isCurrent { state = State(reason: state.reason) }
            if state.file == nil {
                do throws(SharedFileError) { state.file = try SharedFileReader(path) } catch {
                    // To be there and not for us is another trouble.
                    if error.isForbidden { return Look(isUp: false, problem: ("forbidden", error.sentence)) }
                    return Look(
                        isUp: false, problem: ("no_page", "\(error.sentence): no \(writer) has left a page there"))
                }
            }
            guard let file = state.file else { return Look(isUp: false) }
            guard file.isWritten else {
                // What it counted last is not what is.
                return Look(isUp: false, problem: ("no_writer", "\(path): the \(writer) that wrote it has ended"))
            }
            do throws(PageFault) {
                let snapshot = try Snapshot(
                    { from, count in
                        guard count <= file.count else { return nil }
                        var words = [UInt64](repeating: 0, count: count)
                        return file.read(from: from, into: &words, 0..<count) ? words : nil
                    }, known: state.last)
                state.last = snapshot
                let beat = Int64(truncatingIfNeeded: snapshot[.heartbeatMonotonicNanoseconds])
                let age = max(0, Double(now().subtractingReportingOverflow(beat).partialValue) / 1e9)
                let isSilent = age > Self.silenceSeconds
                return Look(
                    snapshot: snapshot, isUp: !isSilent, heartbeatAge: age,
                    problem: isSilent
                        ? ("silent", "\(path): the \(writer) has given no sign of life for \(age) s") : nil)
            } catch {
                return Look(isUp: false, problem: (error.reason, "\(path): \(error.sentence)"))
            }
        }
    }

    /// How many rings of spans there are: one for each shard.
    public var rings: Int {
        let isKnown = state.withLock { $0.last != nil && $0.file?.isCurrent ?? false }
        // Where everything lies is known by whoever looked once.
        if !isKnown { _ = look() }
        return state.withLock { state in
            guard let last = state.last, last.spanWords >= Self.ringHeaderWords else { return 0 }
            let rings = Int(truncatingIfNeeded: last[.shards])
            while state.rings.count < rings { state.rings.append([]) }
            return rings
        }
    }

    /// One of them; empty if nothing was written since the last time.
    public func ring(_ shard: Int) -> [UInt64] {
        state.withLock { state in
            guard let file = state.file, let last = state.last, shard < state.rings.count else { return [] }
            let at = last.spansAt + shard * last.spanWords
            var header = [UInt64](repeating: 0, count: Self.ringHeaderWords)
            guard file.read(from: at, into: &header, header.indices), header != state.rings[shard] else { return [] }
            var words = [UInt64](repeating: 0, count: last.spanWords)
            guard file.read(from: at, into: &words, words.indices) else { return [] }
            // What was written while it was read is there the next time.
            state.rings[shard] = header
            return words
        }
    }

    /// How many of a ring's words change whenever something is written.
    private static let ringHeaderWords = 8

    public func render(_ format: ExpositionFormat) -> [UInt8] {
        let began = now()
        return render(look(), format, began: began)
    }

    /// What was found at a look. `began`: when that was.
    public func render(_ look: Look, _ format: ExpositionFormat, began: Int64) -> [UInt8] {
        switch format {
        case .triton: return look.snapshot.map(TritonExposition.write) ?? []
        case .text, .openMetrics:
            var exposition = TextExposition(isOpenMetrics: format == .openMetrics, showsCreated: createdTimestamps)
            return write(look, began, to: &exposition)
        case .protobuf:
            var exposition = ProtobufExposition(showsCreated: createdTimestamps)
            return write(look, began, to: &exposition)
        }
    }

    private func write<Format: Exposition>(_ look: Look, _ began: Int64, to format: inout Format) -> [UInt8] {
        if let snapshot = look.snapshot {
            snapshot.write(to: &format)
            snapshot.facts.write(to: &format)
        }
        let series = format.series
        let audit = audit?.look()
        audit?.snapshot?.write(to: &format)
        agentFamilies(look, audit, series: series, seconds: Double(now() - began) / 1e9).write(to: &format)
        return format.finish()
    }

    private func build(_ name: String, _ component: String) -> [(String, String)] {
        let (version, revision) = Build.parts(name)
        return [("version", version), ("revision", revision.isEmpty ? "unknown" : revision), ("component", component)]
    }

    private func agentFamilies(_ look: Look, _ audit: Look?, series: Int, seconds: Double) -> [OwnFamily] {
        let reasons = ["no_page", "forbidden", "no_writer", "not_ready", "silent", "short", "other_version", "damaged"]
        var builds: [(labels: [(String, String)], value: Double)] = []
        if let snapshot = look.snapshot, !snapshot.product.isEmpty {
            builds.append((build(snapshot.product, "server"), 1))
        }
        if !product.isEmpty { builds.append((build(product, "agent"), 1)) }
        if let product = audit?.snapshot?.product, !product.isEmpty { builds.append((build(product, "audit"), 1)) }
        var families = [
            OwnFamily("vencejo_build_info", "The versions of what runs here.", builds),
            OwnFamily("vencejo_up", "1 while the server is alive and its page can be read.", [([], look.isUp ? 1 : 0)]),
            OwnFamily(
                "vencejo_agent_incompatible", "1 for the reason why the server's page says nothing.",
                reasons.map { ([("reason", $0)], look.problem?.reason == $0 ? 1 : 0) }),
            OwnFamily("vencejo_agent_series", "Series of the server that this scrape got.", [([], Double(series))]),
            OwnFamily(
                "vencejo_agent_render_duration_seconds", "How long it took to read the page and write this.",
                unit: "seconds", [([], seconds)]),
        ]
        if let audit {
            families.append(
                OwnFamily(
                    "vencejo_audit_up", "1 while the audit agent is alive and its page can be read.",
                    [([], audit.isUp ? 1 : 0)]))
        }
        if let snapshot = look.snapshot {
            families += [
                OwnFamily(
                    "vencejo_agent_segment_generation", "How many servers have written the page at its path.",
                    [([], Double(snapshot[.generation]))]),
                OwnFamily(
                    "vencejo_agent_series_dropped", "Times that a model or a version found no free row in the page.",
                    isCounter: true, [([], Double(snapshot[.rowsMissed]))]),
            ]
        }
        if let age = look.heartbeatAge {
            families.append(
                OwnFamily(
                    "vencejo_agent_segment_heartbeat_age_seconds", "Since the server last gave a sign of life.",
                    unit: "seconds", [([], age)]))
        }
        return families + own()
    }
}
