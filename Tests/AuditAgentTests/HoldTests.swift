import Audit
import AuditAgent
import Memory
import Testing

@Test func aHeldSubjectIsNotErased() throws {
    let machine = MachineModel()
    let life = try OrderLife(machine, seed: 1)
    try life.calls(["ana", "ben"])
    #expect(try life.hold("ana") == .done(keys: 1, record: 4))
    #expect(try life.erase("ana") == .refused(record: 5))
    #expect(try life.erase("ben") == .done(keys: 1, intent: 6, record: 7))
    // The next month is held as well, and so is a life later.
    life.now += 40 * OrderLife.day
    try life.calls(["ana"])
    life.close()
    let next = try OrderLife(machine, seed: 2, now: life.now, board: life.board)
    guard case .refused = try next.erase("ana") else {
        Issue.record("it is erased")
        return
    }
    #expect(next.store.heldNames.count == 2)
    #expect(try next.store.removeMonths(before: 209_901) == 0)
    #expect(try Left(machine.current).payloads().values.sorted() == ["payload of ana", "payload of ana"])
    guard case .done(keys: 2, record: _) = try next.hold("ana", isLifted: true) else {
        Issue.record("it is not lifted")
        return
    }
    #expect(try next.hold("ana", isLifted: true) == .notHeld)
    guard case .done(keys: 2, intent: _, record: _) = try next.erase("ana") else {
        Issue.record("it is not erased")
        return
    }
    next.close()
    #expect(try Left(machine.current).report(next.board.lines).status == .whole)
    let records = try Left(machine.current).records()
    #expect(records.filter { $0.contains(#""hold""#) }.map { $0.contains(#""lifted":true"#) } == [false, true])
    #expect(records.filter { $0.contains(#""phase":3"#) }.count == 2)
}

/// A subject without a key can be held: the key of its first call is.
@Test func aSubjectIsHeldBeforeItsFirstCall() throws {
    let machine = MachineModel()
    let life = try OrderLife(machine, seed: 1)
    #expect(try life.hold("ana") == .done(keys: 1, record: 2))
    life.now += 70 * OrderLife.day
    try life.calls(["ana"])
    guard case .refused = try life.erase("ana") else {
        Issue.record("it is erased")
        return
    }
    #expect(life.store.heldNames.count == 2)
}

/// A subject goes by a pseudonym for each index key; a hold of one holds all, and an erasure takes all.
@Test func severalPseudonyms() throws {
    let life = try OrderLife(MachineModel(), seed: 1)
    let both = SubjectOrder(pseudonyms: [subject("new name"), subject("old name")], principal: "p", reason: "r")
    try life.calls(["old name", "other"])
    #expect(try life.store.setHeld(true, [subject("old name")], month: 202_607) == 1)
    #expect(life.store.isHeld(both.pseudonyms))
    #expect(try life.store.setHeld(true, both.pseudonyms, month: 202_607) == 2)
    #expect(try life.store.setHeld(false, both.pseudonyms, month: 202_607) == 2)
    #expect(try life.store.erase(both.pseudonyms) == 2 && life.store.count == 1)
}

/// Power is cut behind each operation of a hold and of lifting it: a hold that the log tells of stands until it is lifted.
@Test func powerCutsOfAHold() throws {
    var random = SplitMix(seed: 6)
    let machine = MachineModel()
    let life = try OrderLife(machine, seed: 1)
    try life.calls(["ana", "ben"])
    let first = machine.operations.count
    _ = try life.hold("ana")
    let held = machine.operations.count
    try life.calls(["ben"])
    let lifts = machine.operations.count
    _ = try life.hold("ana", isLifted: true)
    let lifted = machine.operations.count
    for count in first...lifted {
        for _ in 0..<8 {
            let left = machine.files(after: count, MachineModel.Cut(&random))
            let board = OrderLife.Board()
            board.anchored = life.board.anchored.filter { $0.operations <= count }
            let next = try OrderLife(MachineModel(left), seed: 2, now: life.now, board: board)
            let isHeld = next.store.isHeld([subject("ana")])
            if (held...lifts).contains(count) { #expect(isHeld, "\(count)") }
            if count == lifted { #expect(!isHeld) }
            let payloads = try Left(next.machine.current).payloads()
            for call in life.board.calls where call.operations <= count {
                #expect(payloads[call.index] == "payload of \(call.subject)", "\(count)")
            }
            if try Left(next.machine.current).records().contains(where: { $0.contains(#""hold":{"subject""#) }),
                count < lifts
            {
                #expect(isHeld, "\(count)")
            }
            #expect(try Left(next.machine.current).fault(board.lines) == nil)
        }
    }
}
