// Enters: commits, while a server runs. Leaves: the certainty that every shard goes by them, and memory that is free.
import Memory
import Models
import Tensors
import Testing

@testable import Serving

private final class Weak {
    private(set) weak var servable: Servable?
    init(_ servable: Servable) { self.servable = servable }
}

private func entry(_ servable: Servable) -> Entry<Servable> {
    var standing = Standing<Servable>(loading: 1, slot: .blue)
    standing.becomeReady(Version(of: "m", number: 1, servable, digest: []))
    standing.note(.promoted)
    return Entry(name: "m", standings: [standing], labels: [:])
}

/// Shards that sleep are woken, those that have ended are not waited for.
@Test(arguments: [1, 3])
func everyShardGoesByACommit(shards: Int) throws {
    let directory = Directory<Servable>()
    let lines = Lines()
    let server = try Server(
        ServerConfiguration(
            limits: ServerLimits(), models: directory, listeners: [[ServerListener]](repeating: [], count: shards),
            page: .ofATest(shards: shards)
        ) { line, _ in lines.append(line) })
    #expect(server.spread(1) >= 0)
    var before: Weak?
    for epoch in 2...30 as ClosedRange<UInt64> {
        let servable = Servable(name: "m", engine: Engines.identity)
        let weak = Weak(servable)
        #expect(directory.commit([entry(servable)]) == epoch)
        #expect(server.spread(epoch) >= 0)
        // One that was seen by all is not waited for again.
        #expect(server.spread(epoch - 1) >= 0)
        directory.release(replacedBy: epoch)
        #expect(before?.servable == nil && weak.servable != nil)
        before = weak
    }
    server.startIsOver()
    server.drain()
    server.wait()
    directory.commit([])
    #expect(server.spread(31) >= 0 && server.spread(.max) >= 0)
    #expect(lines.list.isEmpty)
}
