import Audit
import AuditAgent
import Memory
import Testing

private let policy = RetentionPolicy(days: 10, payloadMonths: 1)

/// A life in which a batch is written every three days, and a segment begins every six.
private func live(
    _ machine: MachineModel, seed: UInt64 = 1, days: Int, policy: RetentionPolicy = policy,
    board: OrderLife.Board = OrderLife.Board(), now: UInt64 = OrderLife.begin, log: UInt8 = 0, oldestLog: UInt32 = 0,
    subjects: (Int) -> [String] = { ["subject \($0)", "other"] }
) throws -> OrderLife {
    let life = try OrderLife(
        machine, seed: seed, now: now, policy: policy, board: board, log: log, oldestLog: oldestLog)
    for day in stride(from: 0, to: days, by: 3) {
        try life.calls(subjects(day))
        life.now += 3 * OrderLife.day
    }
    return life
}

private func segments(_ machine: MachineModel, log: String = "log-0000") -> [String] {
    machine.current.filter { $0.key.hasPrefix(MachineFolder.prefix + log) }.flatMap(\.value.keys).sorted()
}

@Test func oldSegmentsGo() throws {
    let machine = MachineModel()
    let life = try live(machine, days: 60)
    let before = segments(machine).count
    #expect(before == 10)
    #expect(try life.retain())
    let left = segments(machine)
    #expect(left.count == 4, "\(left)")
    #expect(try !life.retain(), "nothing more is due")
    life.close()
    let report = try Left(machine.current).report("")
    #expect(report.status == .whole, "\(report.faults) \(report.logs.map(\.faults))")
    #expect(try Left(machine.current).fault(life.board.lines) == nil, "anchors of pruned entries are passed over")
    let records = try Left(machine.current).records().filter { $0.contains(#""retention""#) }
    #expect(records.count == 1 && records[0].contains(#""policy":"--keep 10 --keep-payloads 1""#))
    #expect(records[0].contains(#""oldest_period":"#), "\(records)")
    let payloads = try Left(machine.current).payloads()
    #expect(!payloads.isEmpty && payloads.values.allSatisfy { $0.hasPrefix("payload of") })
}

/// A roll that retention makes is no reason for the next one: files go once an hour at most.
@Test func retentionRests() throws {
    let machine = MachineModel()
    let life = try OrderLife(machine, seed: 1, policy: RetentionPolicy(days: 0))
    var times: [UInt64] = []
    for _ in 0..<200 {
        life.now += 60 * OrderLife.second
        try life.record("a minute later")
        life.writer.roll(.size, now: life.now)
        if try life.retain() { times.append(life.now) }
    }
    #expect((2...4).contains(times.count), "\(times)")
    for (time, next) in zip(times, times.dropFirst()) { #expect(next - time >= 3600 * OrderLife.second) }
}

/// What is younger than the policy's days never goes, at whatever moment it is asked.
@Test func youngRecordsStay() throws {
    let machine = MachineModel()
    let life = try OrderLife(machine, seed: 1, policy: RetentionPolicy(days: 10))
    var times: [UInt64: UInt64] = [:]
    for day in 0..<80 {
        let time = life.now
        try life.calls(["ana"])
        if let last = life.board.calls.last { times[last.index] = time }
        life.now += OrderLife.day * UInt64(day % 4) / 2
        _ = try life.retain()
        let payloads = try Left(machine.current).payloads()
        for (index, time) in times where life.now - time <= 10 * OrderLife.day {
            #expect(payloads[index] != nil, "\(index)")
        }
    }
    #expect(segments(machine).first != "segment-000000000000.aud")
}

@Test func aHoldStopsRetention() throws {
    let machine = MachineModel()
    let life = try live(machine, days: 60, policy: RetentionPolicy(days: 10)) { day in
        day == 15 || day == 45 ? ["ana"] : ["other"]
    }
    let first = try #require(life.board.calls.first { $0.subject == "ana" }?.index)
    _ = try life.hold("ana")
    #expect(try life.retain(), "segments before the subject's first record go")
    var payloads = try Left(machine.current).payloads()
    #expect(payloads[first] == "payload of ana")
    #expect(life.board.calls.filter { $0.subject == "ana" }.allSatisfy { payloads[$0.index] != nil })
    let held = segments(machine)
    #expect(held.count > 8)
    life.now += 100 * OrderLife.day
    try life.record("later")
    #expect(try !life.retain() && segments(machine).prefix(held.count).elementsEqual(held), "the hold stands")
    _ = try life.hold("ana", isLifted: true)
    #expect(try life.retain())
    payloads = try Left(machine.current).payloads()
    #expect(payloads[first] == nil && segments(machine).count < 4)
    life.close()
    #expect(try Left(machine.current).report("").status == .whole)
}

/// A hold that comes between the plan and the removal is respected: what may be missing stays.
@Test func aHoldBetweenPlanAndRemoval() throws {
    let machine = MachineModel()
    let policy = RetentionPolicy(days: 10)
    let life = try live(machine, days: 60, policy: policy) { _ in ["ana"] }
    try life.retention.unlink(anchored: life.anchored, holdGeneration: life.store.holdGeneration)
    let plan = try #require(
        try life.retention.plan(now: life.now, life.store, auditKeys: TestKeys.audit, random: life.chance.bytes))
    try life.retention.begin(plan, &life.writer, life.store, now: life.now)
    let before = segments(machine).count
    _ = try life.hold("ana")
    try life.record("next")
    try life.retention.unlink(anchored: life.anchored, holdGeneration: life.store.holdGeneration)
    #expect(segments(machine).count >= before)
    #expect(try !life.retain())
    life.close()
    let next = try OrderLife(machine, seed: 9, now: life.now, policy: policy, board: life.board)
    try next.retention.unlink(anchored: next.anchored, holdGeneration: next.store.holdGeneration)
    #expect(segments(machine).count >= before)
    next.close()
    #expect(try Left(machine.current).report(next.board.lines).status == .whole)
}

/// Files do not go before a checkpoint that covers the header is anchored.
@Test func nothingGoesBeforeTheCheckpoint() throws {
    let machine = MachineModel()
    let life = try live(machine, days: 60)
    try life.retention.unlink(anchored: life.anchored, holdGeneration: life.store.holdGeneration)
    let plan = try #require(
        try life.retention.plan(now: life.now, life.store, auditKeys: TestKeys.audit, random: life.chance.bytes))
    try life.retention.begin(plan, &life.writer, life.store, now: life.now)
    let before = segments(machine)
    try life.retention.unlink(anchored: life.anchored, holdGeneration: life.store.holdGeneration)
    #expect(segments(machine) == before)
    try life.record("next")
    try life.retention.unlink(anchored: life.anchored, holdGeneration: life.store.holdGeneration)
    #expect(segments(machine).count < before.count)
}

/// Files that go before that checkpoint are missed: the verifier says so.
@Test func filesThatGoTooEarlyAreMissed() throws {
    let machine = MachineModel()
    let life = try live(machine, days: 60)
    try life.retention.unlink(anchored: life.anchored, holdGeneration: life.store.holdGeneration)
    let plan = try #require(
        try life.retention.plan(now: life.now, life.store, auditKeys: TestKeys.audit, random: life.chance.bytes))
    try life.retention.begin(plan, &life.writer, life.store, now: life.now)
    #expect(try Left(machine.current).fault(life.board.lines) == nil)
    try life.retention.unlink(anchored: .max, holdGeneration: life.store.holdGeneration)
    #expect(try Left(machine.current).fault(life.board.lines)?.contains("are missing") == true)
}

@Test func finishedLogsGo() throws {
    let machine = MachineModel()
    let board = OrderLife.Board()
    var now = OrderLife.begin
    for number in 0..<4 as Range<UInt8> {
        let life = try live(machine, seed: UInt64(number) + 1, days: 12, policy: policy, now: now, log: number)
        board.anchored += life.board.anchored
        life.close()
        now = life.now
    }
    let life = try OrderLife(machine, seed: 9, now: now, policy: policy, log: 4)
    #expect(try life.retain())
    let logs = try MachineFolder(machine: machine).names().sorted().map { String($0.prefix(8)) }
    #expect(logs == ["log-0003", "log-0004"])
    life.close()
    let report = try Left(machine.current).report("")
    #expect(report.status == .whole, "\(report.faults) \(report.logs.map(\.faults))")
    #expect(try Left(machine.current).fault(board.lines) == nil, "checkpoints of pruned logs are passed over")
}

/// `--keep-logs` keeps more, never less.
@Test(arguments: [(nil, 1, 3), (10, 3, 1), (1000, 0, 0), (10, 0, 3), (nil, 4, 0)] as [(UInt32?, UInt32, Int)])
func logsThatAreKept(days: UInt32?, logs: UInt32, gone: Int) throws {
    let machine = MachineModel()
    var now = OrderLife.begin
    for number in 0..<4 as Range<UInt8> {
        let life = try live(machine, seed: UInt64(number) + 1, days: 12, now: now, log: number)
        life.close()
        now = life.now
    }
    let policy = RetentionPolicy(days: days, logs: logs)
    let life = try OrderLife(machine, seed: 9, now: now, policy: policy, log: 4)
    _ = try life.retain()
    #expect(try MachineFolder(machine: machine).names().count == 5 - gone)
    life.close()
    #expect(try Left(machine.current).report("").status == .whole)
}

/// Power is cut behind each operation of a retention of logs and segments: the log verifies, with what was anchored; the next life
/// finishes the work.
@Test func powerCutsOfARetention() throws {
    var random = SplitMix(seed: 8)
    let machine = MachineModel()
    let board = OrderLife.Board()
    let old = try live(machine, seed: 1, days: 9, board: board)
    old.close()
    let life = try live(machine, seed: 2, days: 60, board: board, now: old.now, log: 1)
    let first = machine.operations.count
    #expect(try life.retain())
    try life.calls(["last"])
    #expect(machine.operations.count > first + 20)
    for count in first...machine.operations.count {
        for _ in 0..<3 {
            let left = machine.files(after: count, MachineModel.Cut(&random))
            let board = OrderLife.Board()
            board.anchored = life.board.anchored.filter { $0.operations <= count }
            #expect(try Left(left).fault(board.lines) == nil, "\(count)")
            let next = try OrderLife(
                MachineModel(left), seed: 3, now: life.now, policy: policy, board: board, log: 1)
            try next.retention.unlink(anchored: next.anchored, holdGeneration: next.store.holdGeneration)
            _ = try next.retain()
            next.close()
            let report = try Left(next.machine.current).report(board.lines)
            #expect(report.status == .whole, "\(count) \(report.faults) \(report.logs.map(\.faults))")
            #expect(try MachineFolder(machine: next.machine).names().count == 1, "\(count)")
            #expect(segments(next.machine, log: "log-0001").count < 10, "\(count)")
        }
    }
}

/// An operation fails: the work goes on at the next checkpoint.
@Test func errorsOfARetention() throws {
    let reference = MachineModel()
    let wanted = try live(reference, days: 30)
    let first = reference.operations.count
    _ = try wanted.retain()
    for number in first..<reference.operations.count {
        let machine = MachineModel()
        let life = try live(machine, days: 30)
        machine.failing = number
        _ = try? life.retain()
        try life.record("next")
        try life.retention.unlink(anchored: life.anchored, holdGeneration: life.store.holdGeneration)
        _ = try life.retain()
        life.close()
        #expect(try Left(machine.current).fault(life.board.lines) == nil, "\(number)")
        #expect(segments(machine).count < 8, "\(number)")
    }
}
