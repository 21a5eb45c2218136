// Enters: bytes copied and referenced. Leaves: the same bytes in order, however little leaves at a time.
import Memory
import Testing

private func content(_ outbox: borrowing Outbox) -> [UInt8] {
    var bytes: [UInt8] = []
    outbox.forEachPiece { bytes += $0.array }
    return bytes
}

private func pieces(_ outbox: borrowing Outbox) -> Int {
    var count = 0
    outbox.forEachPiece { _ in count += 1 }
    return count
}

@Test func smallOnesMergeAndLargeOnesAreReferenced() throws {
    var arena = Arena(bytesMax: 1 << 20)
    var outbox = Outbox()
    for _ in 0..<100 { outbox.append(ByteView("0123456789")) }
    #expect(outbox.count == 1000 && pieces(outbox) == 1)
    outbox.reference(ByteView("small"))
    #expect(pieces(outbox) == 1)
    outbox.reference(try arena.copy(Array(repeating: 1, count: Outbox.referenceBytesMin)))
    #expect(pieces(outbox) == 2)
    outbox.append(ByteView("tail"))
    #expect(pieces(outbox) == 3 && outbox.count == 1009 + Outbox.referenceBytesMin)
    outbox.removeAll()
    #expect(outbox.isEmpty && pieces(outbox) == 0)
    outbox.shrink()
    outbox.append(ByteView("again"))
    #expect(content(outbox) == Array("again".utf8))
}

@Test func againstAnArray() throws {
    var arena = Arena(bytesMax: 1 << 20)
    let large = try arena.copy((0..<100_000).map { UInt8(truncatingIfNeeded: $0 * 31) })
    for seed in 1...10 as ClosedRange<UInt64> {
        var random = SplitMix(seed: seed)
        var outbox = Outbox()
        var model: [UInt8] = []
        for step in 0..<400 {
            let start = Int(random.next() % 1000)
            let view = large[start..<start + Int(random.next() % (step % 5 == 0 ? 90_000 : 3000))]
            switch random.next() % 5 {
            case 0:
                outbox.append(view)
                model += view.array
            case 1:
                outbox.reference(view)
                model += view.array
            case 2 where step % 50 == 0:
                outbox.consume(model.count)
                model = []
            default:
                let bytes = min(model.count, Int(random.next() % 60_000))
                outbox.consume(bytes)
                model.removeFirst(bytes)
            }
            guard outbox.count == model.count, content(outbox) == model else {
                Issue.record("seed \(seed), step \(step)")
                return
            }
        }
    }
}

/// A peer that is always a little behind: the pieces that are kept must stay few.
@Test func neverQuiteEmpty() {
    var outbox = Outbox()
    outbox.append(ByteView("x"))
    for round in 0..<20_000 {
        outbox.append(ByteView("0123456789012345678901234567890123456789012345678901234567890123"))
        outbox.consume(64)
        if round % 5000 == 0 { #expect(outbox.count == 1 && pieces(outbox) == 1) }
    }
    #expect(outbox.bytesReserved <= 2 * 65536)
    #expect(content(outbox) == Array("3".utf8))
}
