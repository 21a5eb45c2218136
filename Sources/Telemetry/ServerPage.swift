// Enters: the path of the server's page. Leaves: answers to scrapes, and the rings of span records.
internal import Memory
import Metrics
import Reactor

/// The server's page as the agent uses it, with what the agent says of itself.
public final class ServerPage: Sendable {
    let counts = ExportCounts()
    private let reader: PageReader

    public init(path: String, createdTimestamps: Bool, version: String) {
        let counts = counts
        reader = PageReader(
            path: path, createdTimestamps: createdTimestamps, product: Build.name(version), now: { Clock.now() },
            own: { AgentFamilies.all(counts.now) })
    }

    /// `version`, and which build of it this is.
    public static func build(of version: String) -> String { Build.name(version) }

    public func reply(_ question: Question) -> Reply { Routes.reply(question, render: reader.render) }

    /// Of each shard one.
    var rings: [[UInt64]] { reader.spans() }
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
