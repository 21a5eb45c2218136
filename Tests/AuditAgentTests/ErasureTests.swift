import Audit
import AuditAgent
import Cryptography
import Memory
import Testing

private func contains(_ haystack: [UInt8], _ needle: [UInt8]) -> Bool {
    haystack.count >= needle.count
        && (0...(haystack.count - needle.count)).contains { haystack[$0..<$0 + needle.count].elementsEqual(needle) }
}

/// Bytes of the file of keys that belong to `id`: names of its keys, the wrapped keys, the pseudonym.
private func traces(_ id: String, _ machine: MachineModel) throws -> [[UInt8]] {
    let left = Left(machine.current)
    let file = try #require(left.files[OrderLife.keysFolder]?[OrderLife.keysName])
    let keys = try #require(try left.payloadKeys()).keys
    let entries = file.count - 80 * keys.count
    return keys.enumerated().filter { $1.subject == subject(id) }.flatMap { index, key -> [[UInt8]] in
        let entry = Array(file[(entries + 80 * index)..<(entries + 80 * (index + 1))])
        return [key.name, key.subject, Array(entry[32..<80]), key.key.withBytes { [UInt8](copying: $0) }]
    }
}

@Test func anErasedSubjectIsGone() throws {
    let machine = MachineModel()
    let life = try OrderLife(machine, seed: 1)
    for _ in 0..<4 { try life.calls(["ana", "ben", "ana", "eva"]) }
    life.now += 31 * OrderLife.day
    try life.calls(["ana", "ben"])
    let gone = try traces("ana", machine)
    #expect(gone.count == 8, "two months")
    #expect(try Left(machine.current).payloads().count == 18)
    #expect(try life.erase("ana") == .done(keys: 2, intent: 22, record: 23))
    for (name, bytes) in machine.current[OrderLife.keysFolder] ?? [:] {
        for trace in gone { #expect(!contains(bytes, trace), "\(name)") }
    }
    #expect(machine.current[OrderLife.keysFolder]?.count == 1, "no other file lies there")
    let payloads = try Left(machine.current).payloads()
    for call in life.board.calls {
        #expect(payloads[call.index] == (call.subject == "ana" ? nil : "payload of \(call.subject)"))
    }
    try life.calls(["ana"])
    #expect(try Left(machine.current).payloads().count == payloads.count + 1, "a call after that has a new key")
    life.close()
    let report = try Left(machine.current).report(life.board.lines)
    #expect(report.status == .whole, "\(report)")
    let records = try Left(machine.current).records().filter { $0.contains("erasure") }
    #expect(records.count == 2)
    let pseudonym = subject("ana").hex
    #expect(records.allSatisfy { $0.contains(#""subject":"\#(pseudonym)""#) && $0.contains(#""principal":"ana""#) })
    #expect(records[0].contains(#""phase":1"#) && records[1].contains(#""phase":2"#))
    #expect(records[1].contains(#""keys":2"#))
    guard case .done(keys: 0, intent: _, record: _) = try life.erase("not known") else {
        Issue.record("an unknown subject has keys")
        return
    }
}

/// Power is cut behind each operation: the subject's keys are all there or all gone, those of others are there, the log verifies,
/// and the order can be given again.
@Test func powerCutsOfAnErasure() throws {
    var random = SplitMix(seed: 5)
    let machine = MachineModel()
    let life = try OrderLife(machine, seed: 1)
    try life.calls(["ana", "ben", "eva"])
    let first = machine.operations.count
    _ = try life.erase("ana")
    try life.calls(["ben", "ana"])
    var (kept, gone) = (0, 0)
    for count in first...machine.operations.count {
        for _ in 0..<8 {
            let left = machine.files(after: count, MachineModel.Cut(&random))
            let board = OrderLife.Board()
            board.anchored = life.board.anchored.filter { $0.operations <= count }
            #expect(try Left(left).fault(board.lines) == nil, "\(count)")
            let next = try OrderLife(MachineModel(left), seed: 2, now: life.now, board: board)
            let payloads = try Left(next.machine.current).payloads()
            for call in life.board.calls where call.operations <= count && call.subject != "ana" {
                #expect(payloads[call.index] == "payload of \(call.subject)", "\(count)")
            }
            let isThere = payloads[life.board.calls[0].index] != nil
            (kept, gone) = isThere ? (kept + 1, gone) : (kept, gone + 1)
            for erased in life.board.erased where erased.operations <= count { #expect(!isThere, "\(erased.subject)") }
            _ = try next.erase("ana")
            #expect(try Left(next.machine.current).payloads()[life.board.calls[0].index] == nil)
            next.close()
            #expect(try Left(next.machine.current).fault(board.lines) == nil)
        }
    }
    #expect(kept > 0 && gone > 0)
}

/// An operation fails, whichever: the order fails or is done, other keys stay, and an alarm follows an intent that failed.
@Test func errorsOfAnErasure() throws {
    let reference = MachineModel()
    let wanted = try OrderLife(reference, seed: 1)
    try wanted.calls(["ana", "ben"])
    let first = reference.operations.count
    _ = try wanted.erase("ana")
    var failed = 0
    for number in first..<reference.operations.count {
        let machine = MachineModel()
        let life = try OrderLife(machine, seed: 1)
        try life.calls(["ana", "ben"])
        machine.failing = number
        let outcome = try? life.erase("ana")
        try life.calls(["ben"])
        let left = Left(machine.current)
        let payloads = try left.payloads()
        for call in life.board.calls where call.subject == "ben" { #expect(payloads[call.index] != nil, "\(number)") }
        if outcome == nil {
            failed += 1
            #expect(try left.records().contains { $0.contains("alarm") && $0.contains("erasure") })
        } else {
            #expect(payloads[life.board.calls[0].index] == nil, "\(number)")
        }
        #expect(try left.fault(life.board.lines) == nil)
    }
    #expect(failed > 2)
}

/// A store that forgets to make the new file's name durable is found: the subject comes back.
@Test func anErasureThatForgetsIsFound() throws {
    var random = SplitMix(seed: 9)
    let machine = MachineModel()
    machine.sabotage = { $0 == .syncNames(OrderLife.keysFolder) }
    let life = try OrderLife(machine, seed: 1)
    try life.calls(["ana", "ben"])
    _ = try life.erase("ana")
    var found = 0
    for _ in 0..<32 {
        let left = machine.files(after: machine.operations.count, MachineModel.Cut(&random))
        if try Left(left).payloads()[life.board.calls[0].index] != nil { found += 1 }
    }
    #expect(found > 0)
}

/// Python: hmac.new(b"\x05" * 32, b"audsub-v1\0ana", "sha256").digest()[:16]
@Test func pseudonymsAreThoseOfTheFormat() {
    #expect(subject("ana").hex == "0e276ff26d20895ccdd47c0bf0d5edfb")
    #expect(subject("ana") != subject("ben"))
}
