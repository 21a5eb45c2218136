import Audit
import AuditAgent
import Cryptography
import Memory
import Testing

private func open(
    _ machine: MachineModel, seed: UInt64, _ keys: PayloadStoreKeys = TestKeys.store
) throws -> PayloadKeyStore<MachineVolume> {
    try PayloadKeyStore(
        MachineVolume(machine, OrderLife.keysFolder), name: OrderLife.keysName, keys: keys,
        random: Chance(seed: seed).bytes)
}

private func bytes(_ key: PayloadKey) -> [UInt8] { key.key.withBytes { [UInt8](copying: $0) } }

private func file(_ machine: MachineModel) -> [UInt8] {
    machine.current[OrderLife.keysFolder]?[OrderLife.keysName] ?? []
}

@Test func keysComeBack() throws {
    let machine = MachineModel()
    let store = try open(machine, seed: 1)
    #expect(store.isNew && store.count == 0)
    let first = store.key(subject: subject("a"), month: 202_607)
    let other = store.key(subject: subject("a"), month: 202_608)
    let second = store.key(subject: subject("b"), month: 202_607)
    #expect(Set([first, other, second].map(\.name)).count == 3)
    #expect(store.key(subject: subject("a"), month: 202_607).name == first.name)
    let before = machine.operations.count
    try store.flush()
    #expect(machine.operations.count == before + 2, "one write, one sync")
    try store.flush()
    #expect(machine.operations.count == before + 2)
    let salt = Array(file(machine)[16..<48])
    let again = try open(machine, seed: 2)
    #expect(!again.isNew && again.count == 3 && again.lostEntries.isEmpty)
    #expect(Array(file(machine)[16..<48]) != salt, "written anew at a start")
    for key in [first, other, second] {
        let found = again.key(subject: key.subject, month: key.month)
        #expect(found.name == key.name && bytes(found) == bytes(key))
    }
}

@Test func damagedFiles() throws {
    let machine = MachineModel()
    let store = try open(machine, seed: 1)
    for id in ["a", "b", "c"] { _ = store.key(subject: subject(id), month: 202_607) }
    try store.flush()
    let whole = file(machine)
    let entries = whole.count - 3 * 80
    func read(_ file: [UInt8]) throws -> String {
        let store = try open(MachineModel([OrderLife.keysFolder: [OrderLife.keysName: file]]), seed: 2)
        return "\(store.count) are there, lost are \(store.lostEntries)"
    }
    #expect(try read(Array(whole.dropLast(1))) == "2 are there, lost are []", "torn")
    var hit = whole
    hit[entries + 40] ^= 1
    #expect(try read(hit) == "2 are there, lost are [0]", "one hit entry does not cost the others")
    hit = whole
    hit[whole.count - 1] ^= 1
    #expect(try read(hit) == "2 are there, lost are []", "the last one was torn")
    hit = whole
    hit[20] ^= 1
    #expect(throws: PayloadKeyStoreError.self) { try read(hit) }
    #expect(throws: PayloadKeyStoreError.self) { try read([]) }
    let unknown = PayloadStoreKeys(kid: "x", active: TestKeys.secret(9), all: ["x": TestKeys.secret(9)])
    #expect(throws: PayloadKeyStoreError.self) { try open(machine, seed: 3, unknown) }
    #expect(file(machine) == whole, "a file that is refused stays as it is")
}

@Test func anotherStoreKey() throws {
    let machine = MachineModel()
    let store = try open(machine, seed: 1)
    let key = store.key(subject: subject("a"), month: 202_607)
    try store.change(TestKeys.nextStore)
    #expect(store.storeKeyID == "store-2")
    let onlyNew = PayloadStoreKeys(
        kid: "store-2", active: TestKeys.nextStore.active, all: ["store-2": TestKeys.nextStore.active])
    let again = try open(machine, seed: 2, onlyNew)
    #expect(again.key(subject: subject("a"), month: 202_607).name == key.name)
}

@Test func months() throws {
    let machine = MachineModel()
    let store = try open(machine, seed: 1)
    for month in [202_511, 202_512, 202_601, 202_602] as [UInt32] {
        _ = store.key(subject: subject("a"), month: month)
        _ = store.key(subject: subject("b"), month: month)
    }
    _ = try store.setHeld(true, [subject("b")], month: 202_602)
    #expect(store.hasMonths(before: 202_512) && !store.hasMonths(before: 202_511))
    #expect(try store.removeMonths(before: 202_601) == 2)
    #expect(try open(machine, seed: 2).count == 6)
}

/// What a store promised on a machine: keys by the number of operations after which they were durable.
private func promises(_ machine: MachineModel, _ store: PayloadKeyStore<MachineVolume>) throws -> [(Int, PayloadKey)] {
    var promised: [(Int, PayloadKey)] = []
    for round in 0..<6 {
        let keys = (0...round % 3).map { store.key(subject: subject("\(round) \($0)"), month: 202_607) }
        do { try store.flush() } catch { continue }
        promised += keys.map { (machine.operations.count, $0) }
        if round == 2 { _ = try? store.setHeld(true, [subject("0 0")], month: 202_607) }
        if round == 3 { try? store.change(TestKeys.nextStore) }
    }
    return promised
}

@Test func powerCutsOfTheStore() throws {
    var random = SplitMix(seed: 3)
    let machine = MachineModel()
    let promised = try promises(machine, try open(machine, seed: 1))
    var states = 0
    for count in 0...machine.operations.count {
        for _ in 0..<8 {
            let left = machine.files(after: count, MachineModel.Cut(&random))
            let again = try open(MachineModel(left), seed: 2, TestKeys.nextStore)
            for (operations, key) in promised where operations <= count {
                let found = again.key(subject: key.subject, month: key.month)
                #expect(found.name == key.name && bytes(found) == bytes(key), "\(count)")
            }
            states += 1
        }
    }
    #expect(promised.count == 12 && states > 200)
}

/// One operation fails: what was flushed is there, in this life and after it.
@Test func errorsOfTheStore() throws {
    let reference = MachineModel()
    _ = try promises(reference, try open(reference, seed: 1))
    for number in 5..<reference.operations.count {
        let machine = MachineModel()
        machine.failing = number
        let store = try open(machine, seed: 1)
        let promised = try promises(machine, store)
        let again = try open(MachineModel(machine.current), seed: 2, TestKeys.nextStore)
        #expect(promised.count == 12, "\(number)")
        for (_, key) in promised {
            #expect(store.key(subject: key.subject, month: key.month).name == key.name, "\(number)")
            #expect(again.key(subject: key.subject, month: key.month).name == key.name, "\(number)")
        }
        let names = machine.current[OrderLife.keysFolder]?.keys.sorted() ?? []
        #expect(names.contains(OrderLife.keysName))
    }
}

/// A store that forgets to sync is found out.
@Test func aStoreThatForgetsIsFound() throws {
    var random = SplitMix(seed: 4)
    let machine = MachineModel()
    machine.sabotage = { operation in if case .sync = operation { true } else { false } }
    let promised = try promises(machine, try open(machine, seed: 1))
    var found = 0
    for count in 0...machine.operations.count {
        for _ in 0..<8 {
            let left = machine.files(after: count, MachineModel.Cut(&random))
            guard let again = try? open(MachineModel(left), seed: 2, TestKeys.nextStore) else {
                found += 1
                continue
            }
            for (operations, key) in promised where operations <= count {
                if again.key(subject: key.subject, month: key.month).name != key.name { found += 1 }
            }
        }
    }
    #expect(found > 0)
}
