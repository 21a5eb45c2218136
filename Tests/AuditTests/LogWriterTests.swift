import Audit
import Cryptography
import Memory
import Testing

private let vectors = Vectors.shared
private let keys = LogKeys(
    keyID: "audit-1", auditKey: vectors.secret("audit"), signer: Ed25519PrivateKey(seed: vectors.secret("checkpoint")))

/// One life of an agent on a disk, and what it told others.
private struct Life {
    let disk: DiskModel
    /// After so many operations the record was acknowledged, with this index and content.
    var acknowledged: [(operations: Int, index: UInt64, content: [UInt8])] = []
    /// After so many operations the checkpoint had left the machine.
    var anchored: [(operations: Int, note: String)] = []
}

/// Of whom the closures of a writer know.
private final class Notebook {
    var anchored: [(operations: Int, note: String)] = []
}

/// Recovers the log of `disk` and writes some batches more. - Returns: `nil`: the log is left as it is.
private func live(
    _ disk: DiskModel, seed: UInt64, batches: Int, anchors: [String], closes: Bool = true
) throws -> Life? {
    var random = SplitMix(seed: seed)
    let expected = try ExpectedCheckpoints(
        anchors.map { #"{"time":1,"checkpoint":"\#($0.replacing("\n", with: "\\n"))"}"# }.joined(separator: "\n"),
        signers: TrustedSigners(vectors.pubkey))
    let state: LogState
    switch try LogRecovery.recover(disk, auditKeys: vectors.auditKeys, anchors: expected.checkpoints) {
    case .none:
        let id = try #require(LogID(bytes(vectors.logId)))
        let origin = try #require(Origin(vectors.origin))
        state = LogWriter<DiskModel>.newState(logID: id, origin: origin, oldestLog: 0)
    case .state(let found): state = found
    case .contradicted: return nil
    }
    let notebook = Notebook()
    var now: UInt64 = 1_785_240_000_000_000_000
    var life = Life(disk: disk)
    var salts = SplitMix(seed: seed &+ 1)
    var writer = LogWriter(disk, from: state, keys: keys, now: now) { count in
        (0..<count).map { _ in UInt8(truncatingIfNeeded: salts.next()) }
    } anchor: { note, _ in
        notebook.anchored.append((disk.operations.count, note))
    }
    for batch in 0..<batches {
        now += 1_000_000_000
        let contents = (0...Int(random.next() % 4)).map { number -> [UInt8] in
            var record = RecordWriter()
            record.fixed64(1, now)
            record.message(15) { $0.text(1, "\(seed) \(batch) \(number)") }
            record.data(31, [UInt8](repeating: UInt8(number + 1), count: 32))
            return record.bytes
        }
        let isUrgent = random.next() % 3 == 0
        let range = try writer.append(contents.map { Draft(isUrgent: isUrgent, plaintext: $0) }, now: now)
        for (index, content) in zip(range, contents) {
            life.acknowledged.append((disk.operations.count, index, content))
        }
        if random.next() % 5 == 0 { writer.roll(.age, now: now) }
    }
    if closes { writer.roll(.end, now: now) }
    life.anchored = notebook.anchored
    return life
}

private func verify(_ files: [String: [UInt8]], _ anchors: [String]) throws -> LogReport {
    let signers = try TrustedSigners(vectors.pubkey)
    let lines = anchors.map { #"{"time":1,"checkpoint":"\#($0.replacing("\n", with: "\\n"))"}"# }
    let expected = try ExpectedCheckpoints(lines.joined(separator: "\n"), signers: signers)
    return try Verifier(signers: signers, expected: expected, auditKeys: vectors.auditKeys)
        .verify(LogFiles("copy", files)).logs[0]
}

/// The contents of records by index.
private func records(_ files: [String: [UInt8]]) throws -> [UInt64: [UInt8]] {
    let found = Pinboard()
    let verifier = Verifier(signers: nil, expected: nil, auditKeys: vectors.auditKeys)
    _ = try verifier.read(LogFiles("copy", files)) { entry, _ in
        if let plaintext = entry.plaintext { found.records[entry.index] = plaintext }
    }
    return found.records
}

private final class Pinboard {
    var records: [UInt64: [UInt8]] = [:]
}

@Test func whatIsWrittenIsWhole() throws {
    let disk = DiskModel()
    let first = try #require(try live(disk, seed: 1, batches: 12, anchors: []))
    let second = try #require(try live(disk, seed: 2, batches: 12, anchors: first.anchored.map(\.note)))
    let report = try verify(disk.current, (first.anchored + second.anchored).map(\.note))
    #expect(report.faults.isEmpty && report.unclean.isEmpty && report.notes.isEmpty && !report.isUncovered)
    let found = try records(disk.current)
    #expect(found.count == first.acknowledged.count + second.acknowledged.count)
    for record in first.acknowledged + second.acknowledged { #expect(found[record.index] == record.content) }
}

/// What is wrong after a power cut behind `count` operations and another life; `nil`: nothing.
private func faultAfterCut(_ life: Life, _ count: Int, _ cut: DiskModel.Cut, seed: UInt64) throws -> String? {
    let anchors = life.anchored.filter { $0.operations <= count }.map(\.note)
    let left = life.disk.files(after: count, cut)
    let disk = DiskModel(left)
    guard let next = try live(disk, seed: seed, batches: 2, anchors: anchors) else { return "a false alarm" }
    let report = try verify(disk.current, anchors + next.anchored.map(\.note))
    if let fault = report.faults.first ?? report.unclean.first { return "\(fault.sentence)" }
    if report.isUncovered { return "not covered" }
    let found = try records(disk.current)
    for record in life.acknowledged where record.operations <= count {
        if found[record.index] != record.content { return "entry \(record.index) was acknowledged and is gone" }
    }
    for record in next.acknowledged where found[record.index] != record.content {
        return "entry \(record.index) of the next life is gone"
    }
    return nil
}

private func cuts(_ random: inout SplitMix) -> DiskModel.Cut {
    DiskModel.Cut(
        names: Int(random.next() % 3), share: [0, 0, 64, 128, 255, 256][Int(random.next() % 6)],
        isZeroed: random.next() % 4 == 0, syncImpliesName: random.next() % 2 == 0)
}

/// Power is cut behind every operation; nothing acknowledged is lost, and no false alarm is raised.
@Test func powerCuts() throws {
    var random = SplitMix(seed: 99)
    var states = 0
    for seed in UInt64(1)...8 {
        let disk = DiskModel()
        var life = try #require(try live(disk, seed: seed, batches: 10, anchors: []))
        let second = try #require(
            try live(disk, seed: seed + 50, batches: 6, anchors: life.anchored.map(\.note), closes: false))
        life.acknowledged += second.acknowledged
        life.anchored += second.anchored
        for count in 0...disk.operations.count {
            for _ in 0..<4 {
                let cut = cuts(&random)
                let fault = try faultAfterCut(life, count, cut, seed: seed + 100)
                #expect(fault == nil, "seed \(seed), \(count) operations, \(cut)")
                states += 1
            }
        }
    }
    #expect(states >= 2000)
}

/// A writer that leaves out a sync is found out.
@Test(arguments: ["sync", "syncNames"]) func aWriterThatForgetsIsFound(operation: String) throws {
    var random = SplitMix(seed: 5)
    let disk = DiskModel()
    disk.sabotage = { what in
        if case .sync = what { return operation == "sync" }
        return what == .syncNames && operation == "syncNames"
    }
    let life = try #require(try live(disk, seed: 3, batches: 12, anchors: []))
    var found = 0
    for count in 0...disk.operations.count {
        for _ in 0..<4 {
            var cut = cuts(&random)
            cut.syncImpliesName = false
            if try faultAfterCut(life, count, cut, seed: 200) != nil { found += 1 }
        }
    }
    #expect(found > 0)
}

/// One operation fails, whichever: what was acknowledged is there once, and the log is whole.
@Test func inputOutputErrors() throws {
    let reference = DiskModel()
    let wanted = try #require(try live(reference, seed: 7, batches: 8, anchors: []))
    for number in 0..<reference.operations.count {
        let disk = DiskModel()
        disk.failing = number
        let life = try #require(try live(disk, seed: 7, batches: 8, anchors: []))
        #expect(life.acknowledged.map(\.content) == wanted.acknowledged.map(\.content))
        let next = try #require(try live(disk, seed: 8, batches: 1, anchors: life.anchored.map(\.note)), "\(number)")
        let report = try verify(disk.current, (life.anchored + next.anchored).map(\.note))
        #expect(report.faults.isEmpty && report.unclean.isEmpty, "\(number): \(report.faults) \(report.unclean)")
        let found = try records(disk.current)
        for record in life.acknowledged { #expect(found[record.index] == record.content, "\(number)") }
    }
}

/// A snapshot of the volume that was put back contradicts the anchors; without them it cannot be told.
@Test func aRestoredSnapshotIsNoticed() throws {
    let disk = DiskModel()
    let first = try #require(try live(disk, seed: 1, batches: 5, anchors: []))
    let snapshot = disk.current
    let second = try #require(try live(disk, seed: 2, batches: 5, anchors: first.anchored.map(\.note)))
    let anchors = (first.anchored + second.anchored).map(\.note)
    #expect(try live(DiskModel(snapshot), seed: 3, batches: 1, anchors: anchors) == nil)
    #expect(try live(DiskModel(snapshot), seed: 3, batches: 1, anchors: first.anchored.map(\.note)) != nil)
}
