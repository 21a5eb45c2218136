// Enters: lives of an agent that end at any operation of the volume. Leaves: whether each record is in the log once.
import Audit
import Foundation
import Memory
import TestSupport
import Testing

@testable import AuditAgent
@testable import RecordRing

/// Servers come, write and die while the agent dies at `crash`, is started again, and dies at the second life's operation `again`.
/// - Returns: the stage, and all that was written.
private func play(_ crash: ModelDisk.Crash?, again: Int? = nil, isPowerCut: Bool, seed: UInt64) throws -> (
    Stage, written: [String], lives: Int
) {
    let stage = try Stage()
    stage.disk.crash = crash
    var random = SplitMix(seed: seed)
    var agent = try? stage.agent()
    var written: [String] = []
    var lives = 1
    func turn(_ steps: Int) throws {
        for _ in 0..<steps {
            if agent == nil || stage.disk.isCrashed {
                agent = nil
                if stage.disk.isCrashed { stage.disk = stage.disk.restarted(isPowerCut: isPowerCut) }
                if lives == 1, let again { stage.disk.crash = .init(operation: again, isBehind: again % 2 == 0) }
                stage.sockets.closeAll()
                agent = try? stage.agent()
                lives += 1
            }
            agent?.run(stage.clock, steps: 1)
        }
    }
    // A checkpoint that the crash cut may lie behind a batch that is durable.
    stage.sockets.check = { stage.disk.isCrashed || stage.disk.isSynced }
    for instance in 1...2 as ClosedRange<UInt64> {
        var server: Server? = try Server(stage.place.folder, instance: instance)
        stage.clock.pass(100_000_000)
        for _ in 0..<8 {
            for _ in 0..<1 + random.below(4) {
                let ring = random.below(2)
                guard let shard = server?.shards[ring] else { continue }
                let isWritten =
                    random.below(4) == 0
                    ? shard.write(.withheld, [8, 1]) : shard.write(call(shard.written, subject: "s\(random.below(3))"))
                if isWritten { written.append("\(instance) \(ring) \(shard.written)") }
            }
            try turn(1 + random.below(3))
        }
        server = nil
        try turn(90)
    }
    agent.map { agent in #expect(agent.finish { stage.clock.pass($0) }) }
    return (stage, written, lives)
}

/// Crashes before and behind each operation, with the kernel alive and without power.
@Test(arguments: [(false, false), (false, true), (true, false), (true, true)])
func crashesAtEachOperation(isPowerCut: Bool, isBehind: Bool) throws {
    let (whole, wanted, _) = try play(nil, isPowerCut: isPowerCut, seed: 3)
    let count = whole.disk.operations
    #expect(count >= 40 && wanted.count > 20, "\(count) \(wanted.count)")
    var random = SplitMix(seed: 11)
    for operation in 0..<count {
        let (stage, written, lives) = try play(
            ModelDisk.Crash(operation: operation, isBehind: isBehind),
            again: operation % 2 == 0 ? nil : random.below(14),
            isPowerCut: isPowerCut, seed: 3)
        let reading = try stage.reading()
        let what: Comment = "operation \(operation)"
        #expect(reading.faults == [] && [.whole, .unclean].contains(reading.status), what)
        #expect(reading.sources.sorted() == written.sorted(), what)
        #expect(reading.events("server").count == 2, what)
        #expect(reading.events("log").count >= 1 && reading.events("alarm").isEmpty, what)
        #expect(stage.sockets.unchecked == 0 && (lives >= 2 || stage.disk.isCrashed), what)
        #expect(stage.place.names.isEmpty, what)
        #expect(stage.disk.logs.count == 1, what)
    }
}
