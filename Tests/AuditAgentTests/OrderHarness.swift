import Audit
import AuditAgent
import Cryptography
import Memory
import Testing

/// Keys of the tests; nothing secret.
enum TestKeys {
    static func secret(_ byte: UInt8) -> Secret { Secret(copying: [UInt8](repeating: byte, count: 32).raw) }

    static let log = LogKeys(keyID: "audit-1", auditKey: secret(1), signer: Ed25519PrivateKey(seed: secret(2)))
    static let audit = ["audit-1": secret(1)]
    static let store = PayloadStoreKeys(kid: "store-1", active: secret(3), all: ["store-1": secret(3)])
    static let nextStore = PayloadStoreKeys(
        kid: "store-2", active: secret(4), all: ["store-1": secret(3), "store-2": secret(4)])
    static let index = secret(5)
    static var pubkey: String {
        let key = log.signer.publicKey
        return Base64.encode(key.raw)
    }
}

func subject(_ id: String) -> [UInt8] { ErasureSubject.pseudonym(of: id, indexKey: TestKeys.index) }

func order(_ id: String) -> SubjectOrder {
    SubjectOrder(pseudonyms: [subject(id)], principal: "ana", reason: "asked")
}

/// Random bytes of a seed.
final class Chance {
    private var state: SplitMix
    init(seed: UInt64) { state = SplitMix(seed: seed) }
    func bytes(_ count: Int) -> [UInt8] { (0..<count).map { _ in UInt8(truncatingIfNeeded: state.next()) } }
}

/// One life of an agent: a log, the payload keys, retention, on a machine's disks.
final class OrderLife {
    static let keysFolder = "keys"
    static let keysName = "payload.keys"
    static let second: UInt64 = 1_000_000_000
    static let day: UInt64 = 86_400 * second
    /// 2026-07-28
    static let begin: UInt64 = 1_785_240_000 * second

    let machine: MachineModel
    let chance: Chance
    let store: PayloadKeyStore<MachineVolume>
    var writer: LogWriter<MachineVolume>
    var retention: Retention<MachineFolder>
    let board: Board
    var now: UInt64

    /// What left the machine, and what was promised.
    final class Board {
        /// After so many operations.
        var anchored: [(operations: Int, note: String, size: UInt64)] = []
        var calls: [(operations: Int, index: UInt64, subject: String)] = []
        /// After so many operations the subject's erasure was done.
        var erased: [(operations: Int, subject: String)] = []

        var lines: String {
            anchored.map { #"{"time":1,"checkpoint":"\#($0.note.replacing("\n", with: "\\n"))"}"# }.joined(
                separator: "\n")
        }
    }

    /// - Parameter number: of the log; a new one begins where there is none of it.
    init(
        _ machine: MachineModel, seed: UInt64, now: UInt64 = begin, policy: RetentionPolicy = RetentionPolicy(),
        board: Board = Board(), log number: UInt8 = 0, oldestLog: UInt32 = 0,
        keys: PayloadStoreKeys = TestKeys.store
    ) throws {
        let chance = Chance(seed: seed)
        let id = try #require(LogID([0, number] + [UInt8](repeating: 7, count: 14)))
        let origin = try #require(Origin(deployment: "test", id))
        let volume = MachineVolume(machine, MachineFolder.prefix + id.folderName)
        let expected = try ExpectedCheckpoints(board.lines, signers: TrustedSigners(TestKeys.pubkey))
        let state: LogState
        switch try LogRecovery.recover(volume, auditKeys: TestKeys.audit, anchors: expected.checkpoints) {
        case .none: state = LogWriter<MachineVolume>.newState(logID: id, origin: origin, oldestLog: oldestLog)
        case .state(let found): state = found
        case .contradicted(let reason, _): throw Contradicted(reason: reason)
        }
        (self.machine, self.chance, self.board, self.now) = (machine, chance, board, now)
        store = try PayloadKeyStore(
            MachineVolume(machine, Self.keysFolder), name: Self.keysName, keys: keys, random: chance.bytes)
        writer = LogWriter(volume, from: state, keys: TestKeys.log, now: now, random: chance.bytes) { note, _ in
            let size = SignedNote(note).flatMap { Checkpoint(text: $0.text) }?.size ?? 0
            board.anchored.append((machine.operations.count, note, size))
        }
        retention = Retention(MachineFolder(machine: machine), policy, from: state, store)
        try record("start")
    }

    struct Contradicted: Error { let reason: String }

    var anchored: UInt64 { board.anchored.last?.size ?? 0 }

    /// A record of the agent's own.
    func record(_ text: String) throws {
        var record = RecordWriter()
        record.fixed64(1, now)
        record.message(15) { $0.text(1, text) }
        record.data(31, chance.bytes(32))
        let bytes = record.bytes
        _ = try writer.append([Draft(isUrgent: true, plaintext: bytes)], now: now)
    }

    /// Calls of these subjects, in one batch.
    func calls(_ subjects: [String]) throws {
        let time = now
        let keys = subjects.map { store.key(subject: subject($0), month: RetentionMonth.of(now)) }
        try store.flush()
        let range = try writer.append(subjects.count, isUrgent: false, now: now) { number, place, plaintext in
            var record = RecordWriter()
            record.fixed64(1, time)
            record.message(3) { $0.text(1, subjects[number]) }
            record.message(30) { sealed in
                sealed.data(1, keys[number].name)
                sealed.data(
                    2,
                    Payload.seal(
                        Array("payload of \(subjects[number])".utf8), key: keys[number].key, logID: place.logID,
                        salt: place.salt, index: place.index))
            }
            plaintext += record.bytes
        }
        for (index, id) in zip(range, subjects) { board.calls.append((machine.operations.count, index, id)) }
        now += Self.second
    }

    func erase(_ id: String) throws -> Erasure.Outcome {
        let now = self.now
        let outcome = try Erasure.run(order(id), store, now: now, random: chance.bytes) {
            (drafts) throws(VolumeError) in try writer.append(drafts, now: now)
        }
        if case .done = outcome { board.erased.append((machine.operations.count, id)) }
        return outcome
    }

    func hold(_ id: String, isLifted: Bool = false) throws -> Hold.Outcome {
        let now = self.now
        return try Hold.run(order(id), isLifted: isLifted, store, now: now, random: chance.bytes) {
            (drafts) throws(VolumeError) in try writer.append(drafts, now: now)
        }
    }

    /// What the agent does once a minute. - Returns: whether something was due.
    func retain() throws -> Bool {
        try retention.unlink(anchored: anchored, holdGeneration: store.holdGeneration)
        repeat {
            guard
                let plan = try retention.plan(
                    now: now, store, auditKeys: TestKeys.audit, random: chance.bytes)
            else { continue }
            try retention.begin(plan, &writer, store, now: now)
            try record("next")
            try retention.unlink(anchored: anchored, holdGeneration: store.holdGeneration)
            return true
        } while retention.isScanning
        return false
    }

    func close() { writer.roll(.end, now: now) }
}

/// What lies on a machine's disks, and what opens of it.
struct Left {
    let files: MachineModel.Files

    init(_ files: MachineModel.Files) { self.files = files }

    var logs: [LogFiles] {
        files.filter { $0.key.hasPrefix(MachineFolder.prefix) }.map { folder, files in
            LogFiles(name: String(folder.dropFirst(MachineFolder.prefix.count)), names: files.keys.sorted()) {
                (name, bytesMax) throws(UnreadableFile) in
                OwnedBytes(Array((files[name] ?? []).prefix(bytesMax)))
            }
        }
    }

    func report(_ anchors: String) throws -> VerifyReport {
        let signers = try TrustedSigners(TestKeys.pubkey)
        return try Verifier(
            signers: signers, expected: ExpectedCheckpoints(anchors, signers: signers), auditKeys: TestKeys.audit
        ).verify(folder: logs)
    }

    /// What is wrong; `nil`: nothing that a crash does not do.
    func fault(_ anchors: String) throws -> String? {
        let report = try report(anchors)
        return (report.faults + report.logs.flatMap(\.faults)).first?.sentence
    }

    func payloadKeys(_ keys: PayloadStoreKeys = TestKeys.store) throws -> PayloadKeyFile? {
        guard let file = files[OrderLife.keysFolder]?[OrderLife.keysName] else { return nil }
        return try PayloadKeyFile(file, storeKeys: keys.all)
    }

    /// The payload of each call by its index, as far as it opens.
    func payloads() throws -> [UInt64: String] {
        let keys = Dictionary(
            uniqueKeysWithValues: (try payloadKeys()?.keys ?? []).map { ($0.name, $0.key) })
        let found = Found()
        let verifier = Verifier(signers: nil, expected: nil, auditKeys: TestKeys.audit)
        for log in logs {
            _ = try verifier.read(log) { entry, header in
                guard let plaintext = entry.plaintext, let sealed = Payload.sealed(inRecord: plaintext) else { return }
                found.payloads[entry.index] = keys[sealed.key].flatMap {
                    Payload.open(sealed.data, key: $0, logID: header.logID, salt: header.salt, index: entry.index)
                }.map { String(decoding: $0, as: UTF8.self) }
            }
        }
        return found.payloads
    }

    /// Records as JSON, of all logs.
    func records() throws -> [String] {
        let found = Found()
        let verifier = Verifier(signers: nil, expected: nil, auditKeys: TestKeys.audit)
        for log in logs.sorted(by: { $0.name < $1.name }) {
            _ = try verifier.read(log) { entry, _ in
                if let plaintext = entry.plaintext { found.records.append(RecordJSON.record(plaintext) ?? "none") }
            }
        }
        return found.records
    }

    private final class Found {
        var payloads: [UInt64: String] = [:]
        var records: [String] = []
    }
}
