// Enters: a disk, a folder of rings, keys. Leaves: lives of an agent on them, and what its log says at the end.
import Audit
import Cryptography
import Foundation
import Memory
import TestSupport
import Testing

@testable import AuditAgent
@testable import RecordRing

/// All that outlives an agent.
final class Stage {
    let place: Place
    var disk = ModelDisk()
    let clock = VirtualClock()
    let sockets = ModelSockets()
    let store = KeyStore()
    var anchors: [String] = []
    var sentences: [String] = []
    let keys: String
    private var random = SplitMix(seed: 5)

    init(keys: String = SharedKeyrings.place.folder) throws {
        place = try Place()
        self.keys = keys
    }

    func keyrings() throws -> AgentKeyrings { try AgentKeyrings(folder: keys, now: clock.now) }

    /// A new life of the agent.
    func agent(copies: BodyCopies = .none) throws -> AuditAgent<ModelVolume, MemoryKeys> {
        let keyrings = try keyrings()
        let lines = anchors.map { $0 + "\n" }.joined()
        let anchored = try AnchoredCheckpoints(Array(lines.utf8), isWhole: true, signers: keyrings.signers)
        let random = { (count: Int) -> [UInt8] in self.random.bytes(count) }
        let log = try LogOpening(
            disk, deployment: "test", auditKeys: keyrings.auditKeys, anchors: anchored, random: random
        ).open()
        return AuditAgent(
            log, rings: place.folder, keyrings: keyrings, payloadKeys: MemoryKeys(store), copies: copies,
            name: "test 1", world: .init(clock: clock, sockets: sockets, random: random),
            voice: AgentVoice {
                self.sentences.append($1)
            } anchor: {
                self.anchors.append($0)
            })
    }

    /// What the logs of the disk say.
    func reading() throws -> Reading { try Reading(disk, keyrings(), anchors, store) }
}

extension AuditAgent {
    /// Until nothing is to be done; at most so many steps.
    func run(_ clock: VirtualClock, steps: Int = 100, until isDone: () -> Bool = { false }) {
        for _ in 0..<steps where !isDone() { clock.pass(step()) }
    }
}

/// A folder of logs, read back.
struct Reading {
    var status: VerifyStatus
    var faults: [String]
    /// The records as JSON, of all logs in order.
    var records: [NSDictionary] = []
    /// Payloads by the index of their record among `records`.
    var payloads: [Int: String] = [:]

    init(_ disk: ModelDisk, _ keyrings: AgentKeyrings, _ anchors: [String], _ store: KeyStore) throws {
        let pubkeys = keyrings.signers.map { Base64.encode($0.bytes.raw) }.joined(separator: "\n")
        let signers = try TrustedSigners(pubkeys)
        let lines = anchors.joined(separator: "\n")
        let expected = anchors.isEmpty ? nil : try ExpectedCheckpoints(lines, signers: signers)
        let verifier = Verifier(signers: signers, expected: expected, auditKeys: keyrings.auditKeys)
        let logs = disk.logs.map(disk.log)
        let report = try verifier.verify(folder: logs)
        status = report.status
        faults = report.faults.map(\.sentence) + report.logs.flatMap { $0.faults.map(\.sentence) }
        let found = Found()
        for log in logs {
            _ = try verifier.read(log) { entry, header in
                guard let plaintext = entry.plaintext else { return }
                found.entries.append((plaintext, entry.index, header))
            }
        }
        for (number, (plaintext, index, header)) in found.entries.enumerated() {
            let json = RecordJSON.record(plaintext) ?? "none"
            records.append(try #require(JSONSerialization.jsonObject(with: Data(json.utf8)) as? NSDictionary))
            guard let sealed = Payload.sealed(inRecord: plaintext) else { continue }
            let key = try #require(store.key(named: sealed.key), "a payload key that is not durable")
            let payload = Payload.open(
                sealed.data, key: key, logID: header.logID, salt: header.salt, index: index)
            let text: String = try #require(payload.flatMap(RecordJSON.payload), "a payload that does not open")
            payloads[number] = text
        }
    }

    private final class Found {
        var entries: [([UInt8], UInt64, SegmentHeader)] = []
    }

    /// "instance ring sequence" of all that came from rings, in order.
    var sources: [String] {
        records.compactMap { record in
            guard let source = record["source"] as? NSDictionary else { return nil }
            let instance = (source["instance"] as? NSNumber)?.uint64Value ?? 0
            return "\(instance) \(source["ring"] ?? 0) \(source["sequence"] ?? 0)"
        }
    }

    func events(_ kind: String) -> [NSDictionary] { records.compactMap { $0[kind] as? NSDictionary } }
}
