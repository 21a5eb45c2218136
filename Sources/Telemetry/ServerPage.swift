// Enters: the path of the server's page. Leaves: answers to scrapes, and the rings of span records.
internal import Memory
import Reactor
import ServerMetrics

/// The server's page as the agent uses it, with what the agent says of itself.
public final class ServerPage: Sendable {
    let counts = ExportCounts()
    private let reader: PageReader
    private let auditReader: PageReader?

    /// - Parameters:
    ///   - audit: the path of the audit agent's page; `nil`: there is none.
    ///   - changed: told when the page can be read, or no more, with a sentence that says why; `nil`: it can.
    ///   - auditChanged: the same of the audit agent's.
    public init(
        path: String, audit: String? = nil, createdTimestamps: Bool, version: String,
        changed: @escaping @Sendable (String?) -> Void = { _ in },
        auditChanged: @escaping @Sendable (String?) -> Void = { _ in }
    ) {
        let counts = counts
        auditReader = audit.map { path in
            PageReader(
                path: path, now: { Clock.now() }, writer: "audit agent",
                changed: { auditChanged($0.problem?.sentence) })
        }
        reader = PageReader(
            path: path, createdTimestamps: createdTimestamps, product: Build.name(version), now: { Clock.now() },
            own: { AgentFamilies.all(counts.now) }, audit: auditReader, changed: { changed($0.problem?.sentence) })
    }

    /// Tells how things are, if they have changed.
    public func look() {
        _ = reader.look()
        _ = auditReader?.look()
    }

    /// `version`, and which build of it this is.
    public static func build(of version: String) -> String { Build.name(version) }

    public func reply(_ question: Question) -> Reply { Routes.reply(question, render: reader.render) }

    /// Of each shard one, read when it is looked at: all of them together may be large.
    var rings: LazyMapSequence<Range<Int>, [UInt64]> { (0..<reader.rings).lazy.map { [reader] in reader.ring($0) } }
}

/// What became of spans.
final class ExportCounts: Sendable {
    struct Now: Sendable, Equatable {
        var exported: UInt64 = 0
        var dropped: UInt64 = 0
        /// Calls, not spans: overwritten in the ring before they were read.
        var lost: UInt64 = 0
    }

    private let state = Lock(Now())

    var now: Now { state.withLock { $0 } }

    func set(_ counts: ExportQueue.Counts) {
        state.withLock {
            $0.exported = counts.exported
            $0.dropped = counts.dropped
        }
    }

    func lose(_ calls: UInt64) { state.withLock { $0.lost &+= calls } }
}
