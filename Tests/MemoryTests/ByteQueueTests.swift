// Enters: bytes at the back. Leaves: the same bytes at the front, in order, in one piece.
import Memory
import TestSupport
import Testing

@Test func appendAndConsumeAgainstAnArray() {
    // A seed names a run.
    for seed in 1...20 as ClosedRange<UInt64> {
        var random = SplitMix(seed: seed)
        var queue = ByteQueue()
        var model: [UInt8] = []
        for step in 0..<2000 {
            let bytes = Int(random.next() % (step % 3 == 0 ? 700 : 40))
            if random.next() % 2 == 0 {
                let content = random.bytes(bytes)
                queue.append(content)
                model += content
            } else {
                let consumed = min(bytes, model.count)
                queue.consume(consumed)
                model.removeFirst(consumed)
            }
            guard queue.view.array == model, queue.count == model.count, queue.isEmpty == model.isEmpty else {
                Issue.record("seed \(seed), step \(step)")
                return
            }
        }
    }
}

@Test func aLongQueueThatMovesOnStaysInItsMemory() {
    var queue = ByteQueue()
    queue.append(Array(repeating: 1, count: 100_000))
    for _ in 0..<200_000 {
        queue.append(2)
        queue.consume(1)
    }
    #expect(queue.count == 100_000)
    #expect(queue.bytesReserved <= 400_000)
}

@Test func memoryIsKeptUntilShrink() {
    var queue = ByteQueue()
    queue.append(Array(repeating: 1, count: 5000))
    queue.shrink(above: 0)
    #expect(queue.count == 5000)
    queue.removeAll()
    #expect(queue.isEmpty && queue.bytesReserved >= 5000)
    queue.shrink(above: 100_000)
    #expect(queue.bytesReserved >= 5000)
    queue.shrink(above: 0)
    #expect(queue.bytesReserved == 0)
    queue.append(7)
    #expect(queue.view.array == [7])
}

@Test func reservedRoomIsNotMovedOutOf() {
    var queue = ByteQueue()
    queue.append(1)
    queue.reserve(10_000)
    let reserved = queue.bytesReserved
    queue.append(Array(repeating: 2, count: 10_000))
    #expect(queue.bytesReserved == reserved && queue.count == 10_001)
}

@Test func filledByADoor() {
    var queue = ByteQueue()
    for bytes in [0, 1, 300] {
        let filled = unsafe queue.fill(bytes) { room in
            for index in 0..<bytes { unsafe room[index] = 9 }
            return bytes
        }
        #expect(filled == bytes)
    }
    #expect(queue.view.array == Array(repeating: 9, count: 301))
}
