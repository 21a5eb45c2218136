// Enters: agents to which something happened. Leaves: what their page shows of it.
import Audit
import Foundation
import Memory
import ServerMetrics
import Testing

@testable import AuditAgent
@testable import RecordRing

/// Of the exposition, by series.
private func shown(_ agent: AuditAgent<ModelVolume, MemoryKeys>, _ stage: Stage) throws -> [String: Double] {
    let path = stage.place.folder + "/page"
    defer { try? FileManager.default.removeItem(atPath: path) }
    let page = try AgentPage(path, version: "1", now: stage.clock.now)
    page.show(agent, payloadKeys: 3, residentBytes: 4096, now: stage.clock.now)
    let clock = stage.clock.now.nanoseconds
    let reader = PageReader(path: path, now: { Int64(clock) }, writer: "audit agent")
    var found: [String: Double] = [:]
    for line in String(decoding: reader.render(.text), as: UTF8.self).split(separator: "\n") where line.first != "#" {
        let parts = line.split(separator: " ")
        found[String(parts[0].replacing("vencejo_audit_", with: ""))] = Double(parts[1])
    }
    page.close()
    return found
}

@Test func aPageShowsWhatWaitsAndWhatIsDurable() throws {
    let stage = try Stage()
    let agent = try stage.agent()
    let server = try Server(stage.place.folder, rings: 1)
    server.shards[0].write(call(1))
    agent.run(stage.clock, steps: 4)
    // Header, Log, Clock, the call.
    var numbers = try shown(agent, stage)
    #expect(numbers["last_sequence"] == 3 && numbers["records_total{result=\"written\"}"] == 3)
    #expect(numbers["lag_bytes"] == 0 && numbers["ring_fill_ratio"] == 0 && numbers["write_failures_total"] == 0)
    #expect(numbers["payload_keys"] == 3 && numbers["process_resident_memory_bytes"] == 4096)
    #expect(numbers["process_cpu_seconds_total"] ?? 0 > 0)
    stage.disk.error = VolumeError(sentence: "no space")
    server.shards[0].write(call(2))
    let waiting = server.words.load(16) - server.words.load(16 + 8)
    agent.run(stage.clock, steps: 10)
    numbers = try shown(agent, stage)
    #expect(numbers["lag_bytes"] == Double(8 * waiting) && numbers["ring_fill_ratio"] ?? 0 > 0)
    #expect(numbers["write_failures_total"] ?? 0 > 1 && numbers["last_sequence"] == 3)
    stage.disk.error = nil
    agent.pressure = .withoutCopies
    #expect(agent.finish { stage.clock.pass($0) })
    numbers = try shown(agent, stage)
    #expect(numbers["lag_bytes"] == 0 && numbers["checkpoint_entries"] == (numbers["last_sequence"] ?? 0) + 1)
    #expect(numbers["disk_state{state=\"without_copies\"}"] == 1 && numbers["disk_state{state=\"normal\"}"] == 0)
    stage.clock.pass(7_000_000_000)
    #expect(try shown(agent, stage)["checkpoint_age_seconds"] == (numbers["checkpoint_age_seconds"] ?? 0) + 7)
}

@Test func aPageCountsWhatIsMissingAndWhatIsWrong() throws {
    let stage = try Stage()
    let agent = try stage.agent()
    let server = try Server(stage.place.folder, rings: 1)
    // Message Gap: so many calls went unrecorded.
    server.shards[0].write(.gap, [0x18, 41])
    server.shards[0].write(call(1))
    agent.run(stage.clock, steps: 4)
    #expect(try shown(agent, stage)["records_total{result=\"dropped\"}"] == 41)
    let place = RingLayout.dataStart(rings: 1) + Int(server.words.load(16)) + 10
    server.shards[0].write(call(2))
    server.words.store(place, server.words.load(place) ^ 1)
    agent.run(stage.clock, steps: 4)
    #expect(try shown(agent, stage)["verify_failures_total{kind=\"ring\"}"] == 1)
    server.shards[0].write(call(3))
    stage.clock.pass(1_000_000_000)
    agent.run(stage.clock, steps: 4)
    let numbers = try shown(agent, stage)
    #expect(numbers["records_total{result=\"dropped\"}"] == 42)
    #expect(numbers["verify_failures_total{kind=\"ring\"}"] == 2 && numbers["verify_failures_total{kind=\"log\"}"] == 0)
}

@Test func aPageTellsOfALogThatWasPutBack() throws {
    let stage = try Stage()
    let first = try stage.agent()
    first.run(stage.clock, steps: 4)
    let snapshot = stage.disk.restarted(isPowerCut: false)
    #expect(first.finish { stage.clock.pass($0) })
    stage.disk = snapshot
    #expect(try shown(stage.agent(), stage)["verify_failures_total{kind=\"log\"}"] == 1)
}

@Test func aPageIsOneProcesss() throws {
    let stage = try Stage()
    let path = stage.place.folder + "/page"
    let page = try AgentPage(path, version: "1", now: stage.clock.now)
    #expect(throws: AgentError.self) { _ = try AgentPage(path, version: "1", now: stage.clock.now) }
    page.close()
    _ = try AgentPage(path, version: "1", now: stage.clock.now)
}
