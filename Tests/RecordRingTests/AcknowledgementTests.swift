// Enters: packets of the agent's socket. Leaves: what they say, or why the agent is refused; indexes for receipts.
import Memory
import Testing

@testable import RecordRing

private func problem(_ body: () throws -> Void) -> AcknowledgementError? {
    do {
        try body()
        return nil
    } catch { return error as? AcknowledgementError }
}

private let logID = AuditLogID(high: 0x0001_0203_0405_0607, low: 0x0809_0a0b_0c0d_0e0f)
private let magic = Array("VCJACK1\n".utf8)

@Test func theFirstPacket() throws {
    let packet = magic + Array(0...15) + [0, 0, 0, 0, 0, 0, 1, 2]
    let hello = AgentHello(logID: logID, size: 258)
    #expect(hello.packet == packet)
    #expect(try AgentHello(parsing: kept(packet)) == hello)
    for place in 0..<8 {
        var other = packet
        other[place] ^= 1
        #expect(problem { _ = try AgentHello(parsing: kept(other)) } == .magic)
    }
    for count in [0, 1, 31, 33, 64] {
        let bytes = kept((packet + packet).prefix(count).map { $0 })
        #expect(problem { _ = try AgentHello(parsing: bytes) } == .length(count))
    }
}

/// ring, count, sequence, index · why it is refused, of a server with three rings
@Test(
    arguments: [
        (0, 1, 1, 0, nil), (2, 5, 5, 4, nil), (2, 0xffff_ffff, .max, .max, nil), (3, 1, 1, 0, "ring"),
        (0xffff_ffff, 1, 1, 0, "ring"), (0, 0, 1, 1, "count"), (0, 2, 1, 9, "count"), (0, 2, 2, 0, "count"),
        (0, 1, 0, 0, "count"),
    ] as [(UInt32, UInt32, UInt64, UInt64, String?)])
func packets(ring: UInt32, count: UInt32, sequence: UInt64, index: UInt64, fault: String?) throws {
    let one = Acknowledgement(ring: ring, count: count, sequence: sequence, index: index)
    let other = Acknowledgement(ring: 1, count: 0x0102, sequence: 0x0304, index: 0x0506)
    let packet = Acknowledgement.packet([other, one])
    #expect(
        packet.prefix(24)
            == [0, 0, 0, 1, 0, 0, 1, 2, 0, 0, 0, 0, 0, 0, 3, 4, 0, 0, 0, 0, 0, 0, 5, 6])
    let bytes = kept(packet)
    #expect(try Acknowledgement.count(in: bytes) == 2)
    #expect(try Acknowledgement(parsing: bytes, at: 0, rings: 3) == other)
    let expected: AcknowledgementError? =
        switch fault {
        case "ring": .ring(ring, rings: 3)
        case "count": .count(one)
        default: nil
        }
    var found: Acknowledgement?
    #expect(problem { found = try Acknowledgement(parsing: bytes, at: 1, rings: 3) } == expected)
    #expect(found == (expected == nil ? one : nil))
}

@Test(
    arguments: [(0, nil), (1, nil), (23, nil), (24, 1), (25, nil), (48, 2), (24 * 64, 64), (24 * 65, nil)]
        as [(Int, Int?)])
func packetLengths(bytes: Int, count: Int?) {
    let packet = kept([UInt8](repeating: 0, count: bytes))
    var found: Int?
    #expect(problem { found = try Acknowledgement.count(in: packet) } == (count == nil ? .length(bytes) : nil))
    #expect(found == count)
}

private func batch(_ count: UInt32, _ sequence: UInt64, _ index: UInt64) -> Acknowledgement {
    Acknowledgement(ring: 0, count: count, sequence: sequence, index: index)
}

@Test func receipts() throws {
    var table = ReceiptTable()
    var arena = Arena(bytesMax: 1 << 16)
    #expect(table.index(of: 1) == nil && table.sequence == 0)
    #expect(try table.receipt(of: 1, in: &arena) == nil)
    try table.begin(AgentHello(logID: logID, size: 10))
    try table.add(batch(3, 3, 14), written: 9)
    // 12, 13 and 14 are records 1, 2 and 3; then the agent was started again, and 4 and 5 were acknowledged by no packet.
    try table.add(batch(2, 7, 21), written: 9)
    #expect(table.sequence == 7)
    let indexes: [UInt64?] = [nil, 12, 13, 14, nil, nil, 20, 21, nil, nil]
    for (sequence, index) in indexes.enumerated() { #expect(table.index(of: UInt64(sequence)) == index) }
    let receipt = try table.receipt(of: 7, in: &arena)
    #expect(receipt?.text == "000102030405060708090a0b0c0d0e0f/21")
}

@Test(arguments: [0, 9, 10, 99, 100, 12_345, UInt64.max - 1])
func receiptsAreDecimal(index: UInt64) throws {
    var table = ReceiptTable()
    var arena = Arena(bytesMax: 1 << 16)
    try table.begin(AgentHello(logID: AuditLogID(high: 0, low: .max), size: 0))
    try table.add(batch(1, 1, index), written: 1)
    #expect(try table.receipt(of: 1, in: &arena)?.text == "0000000000000000ffffffffffffffff/\(index)")
}

/// count, sequence, index of a batch after one of records 4 and 5 at 20 and 21, of nine that were written · its fault
@Test(
    arguments: [
        (1, 6, 22, ""), (4, 9, 25, ""), (1, 9, .max - 1, ""), (1, 5, 22, "sequence"), (2, 6, 23, "sequence"),
        (1, 10, 22, "sequence"), (1, 6, 21, "index"), (2, 7, 22, "index"), (1, 6, .max, "index"), (0, 6, 22, "count"),
        (7, 6, 30, "count"), (4, 9, 2, "count"),
    ] as [(UInt32, UInt64, UInt64, String)])
func batchesThatCannotBe(count: UInt32, sequence: UInt64, index: UInt64, fault: String) throws {
    var table = ReceiptTable()
    try table.begin(AgentHello(logID: logID, size: 20))
    try table.add(batch(2, 5, 21), written: 9)
    let one = batch(count, sequence, index)
    let expected: AcknowledgementError? =
        switch fault {
        case "sequence": .sequence(one, after: 5, written: 9)
        case "index": .index(one, size: 22)
        case "count": .count(one)
        default: nil
        }
    #expect(problem { try table.add(one, written: 9) } == expected)
    #expect(table.sequence == (expected == nil ? sequence : 5), "a refused one changes nothing")
    #expect(table.index(of: 5) == 21)
}

@Test func anAgentThatComesAgain() throws {
    var table = ReceiptTable()
    try table.begin(AgentHello(logID: logID, size: 20))
    try table.add(batch(2, 5, 21), written: 9)
    // The receipt for 21 was given: a log of 21 entries, 0 to 20, was rolled back.
    #expect(problem { try table.begin(AgentHello(logID: logID, size: 21)) } == .rolledBack(size: 21, index: 21))
    try table.begin(AgentHello(logID: logID, size: 22))
    #expect(table.index(of: 5) == 21)
    // Another log's indexes begin anew; what is durable stays durable.
    try table.begin(AgentHello(logID: AuditLogID(high: 1, low: 1), size: 3))
    #expect(table.index(of: 5) == nil && table.sequence == 5)
    try table.add(batch(1, 6, 3), written: 9)
    #expect(table.index(of: 6) == 3)
}

/// The table keeps 64 batches; a record of an older one has no receipt.
@Test func theTableIsBounded() throws {
    var table = ReceiptTable()
    try table.begin(AgentHello(logID: logID, size: 0))
    var expected: [UInt64?] = [nil]
    var random = SplitMix(seed: 9)
    var (sequence, index, starts): (UInt64, UInt64, [Int]) = (0, 0, [])
    for _ in 0..<200 {
        let count = 1 + random.next() % 9
        index += random.next() % 4
        starts.append(expected.count)
        for _ in 0..<count {
            expected.append(index)
            index += 1
        }
        sequence += count
        try table.add(batch(UInt32(count), sequence, index - 1), written: sequence)
    }
    for number in expected.indices {
        let isKept = number >= starts[200 - 64]
        #expect(table.index(of: UInt64(number)) == (isKept ? expected[number] : nil))
    }
}

@Test func acknowledgementSentences() {
    for (error, sentence) in [
        (.length(5), "a packet of 5 bytes, must be 32 first, then a multiple of 24 up to 1536"),
        (.ring(7, rings: 3), "ring 7 is acknowledged, must be below 3"),
        (.index(batch(2, 5, 4), size: 9), "index 4 is acknowledged for 2 records, must lie behind 9 entries"),
    ] as [(AcknowledgementError, String)] {
        #expect(error.sentence == sentence)
    }
}
