// Enters: sizes and bytes. Leaves: what an arena hands out, refuses at its bound, and keeps after `reset`.
import Memory
import TestSupport
import Testing

private func size(_ arena: inout Arena, _ bytes: Int) -> Result<Int, ArenaFull> {
    do throws(ArenaWriteError<Never>) {
        return .success(
            try arena.write(bytes) { span in
                while span.freeCapacity > 0 { span.append(UInt8(7)) }
            }.count)
    } catch {
        switch error {
        case .full(let full): return .failure(full)
        }
    }
}

@Test(arguments: [64, 100, 4096])
func theBoundIsExact(bytesMax: Int) {
    let full = Result<Int, ArenaFull>.failure(ArenaFull(bytesMax: bytesMax))
    for first in [1, 63, 64, bytesMax] where first <= bytesMax {
        var arena = Arena(firstChunkBytes: first, bytesMax: bytesMax)
        #expect(size(&arena, bytesMax + 1) == full)
        #expect(size(&arena, bytesMax) == .success(bytesMax))
        #expect(size(&arena, 1) == full)
        arena.reset()
        #expect(size(&arena, bytesMax) == .success(bytesMax))
        arena.reset()
        // In small pieces: what a chunk's end wastes may be missing, more than the bound never comes.
        var bytes = 0
        while case .success(let more) = size(&arena, 3) { bytes += more }
        #expect(bytes <= bytesMax && bytes > bytesMax / 2, "first \(first), \(bytes) bytes")
    }
}

@Test func nothingOverlapsAndAllStays() throws {
    var arena = Arena(firstChunkBytes: 64, bytesMax: 1 << 20)
    for _ in 0..<3 {
        var views: [ByteView] = []
        for index in 0..<200 {
            views.append(try arena.copy(Array(repeating: UInt8(index), count: index * 7 % 300)))
        }
        for index in 0..<200 {
            #expect(views[index].array == Array(repeating: UInt8(index), count: index * 7 % 300))
        }
        arena.reset()
    }
}

@Test(arguments: [1, 2, 4, 8, 16, 32, 64])
func alignment(alignment: Int) throws {
    var arena = Arena(firstChunkBytes: 128, bytesMax: 1 << 20)
    var source = Arena(bytesMax: 4096)
    let text = try source.copy("abc")
    for _ in 0..<100 {
        _ = try arena.copy("x")
        let view = try arena.copy(text, alignment: alignment)
        #expect(view.isAligned(to: alignment) && view == "abc")
    }
}

@Test func aLargeExchangeLeavesAnOrdinaryArena() {
    // The large one first, or behind an ordinary one: afterwards there is room for the bound again.
    for first in [10, 1 << 19] {
        var arena = Arena(firstChunkBytes: 1024, bytesMax: 1 << 20)
        for _ in 0..<3 {
            #expect(size(&arena, first) == .success(first))
            #expect(size(&arena, 1 << 18) == .success(1 << 18))
            arena.reset()
        }
        // All but the chunk that is kept.
        #expect(size(&arena, (1 << 20) - 1024) == .success((1 << 20) - 1024))
    }
}

private enum Stop: Error { case here }

@Test func aBodyThatThrowsTakesItsRoomAndNothingElse() throws {
    var arena = Arena(bytesMax: 4096)
    let before = try arena.copy("before")
    do throws(ArenaWriteError<Stop>) {
        _ = try arena.write(10) { (span: inout OutputRawSpan) throws(Stop) in
            span.append(UInt8(1))
            throw .here
        }
        Issue.record("no error")
    } catch {
        guard case .body(.here) = error else { return #expect(Bool(false)) }
    }
    #expect(before == "before")
    #expect(try arena.copy("after") == "after")
}

@Test func bytesUsed() throws {
    var arena = Arena(firstChunkBytes: 64, bytesMax: 4096)
    #expect(arena.bytesUsed == 0)
    #expect(size(&arena, 60) == .success(60))
    #expect(arena.bytesUsed == 60)
    // What the first chunk has left is lost to the next one.
    #expect(size(&arena, 200) == .success(200))
    #expect(arena.bytesUsed == 264)
    arena.reset()
    #expect(arena.bytesUsed == 0)
}

@Test func emptyTakesNothing() throws {
    var arena = Arena(bytesMax: 4096)
    #expect(try arena.copy("").isEmpty)
    #expect(try arena.copy([UInt8]()).isEmpty)
    #expect(size(&arena, 0) == .success(0))
    #expect(size(&arena, 4096) == .success(4096))
}

@Test func piecesJoined() throws {
    for seed in 1...50 as ClosedRange<UInt64> {
        var random = SplitMix(seed: seed)
        var source = Arena(bytesMax: 1 << 20)
        var arena = Arena(firstChunkBytes: 64, bytesMax: 1 << 20)
        var pieces: [ByteView] = []
        for _ in 0..<random.below(20) { pieces.append(try source.copy(random.bytes(random.below(50)))) }
        let all = pieces.flatMap(\.array)
        _ = try arena.copy("x")
        for alignment in [1, 8, 64] {
            let joined = try arena.join(all.count, alignment: alignment, pieces.count) { pieces[$0] }
            #expect(joined.array == all && joined.isAligned(to: alignment), "seed \(seed)")
            // What comes next lies behind it.
            let next = try arena.copy("next")
            #expect(joined.array == all && next == "next", "seed \(seed)")
        }
    }
}

@Test func joinedAtTheBound() throws {
    var arena = Arena(firstChunkBytes: 64, bytesMax: 100)
    let piece = ByteView("0123456789")
    #expect(throws: ArenaFull(bytesMax: 100)) { try arena.join(110, alignment: 1, 11) { _ in piece } }
    #expect(try arena.join(100, alignment: 1, 10) { _ in piece }.count == 100)
    #expect(throws: ArenaFull(bytesMax: 100)) { try arena.join(10, alignment: 1, 1) { _ in piece } }
    arena.reset()
    // Room for more than came: what is there is what counts.
    #expect(try arena.join(50, alignment: 1, 2) { _ in piece } == "01234567890123456789")
    arena.reset()
    #expect(try arena.join(0, alignment: 64, 0) { _ in piece }.isEmpty)
}

/// An arena that rests gives its first chunk back, and one that is in use does not.
@Test func aShrunkArena() throws {
    var arena = Arena(firstChunkBytes: 1024, bytesMax: 4096)
    arena.shrink()
    let view = try arena.copy("kept")
    arena.shrink()
    #expect(view == "kept" && arena.bytesUsed == 4)
    arena.reset()
    arena.shrink()
    #expect(arena.bytesUsed == 0)
    // All of the bound is there again, in one piece: nothing of the chunk is counted any more.
    #expect(size(&arena, 4096) == .success(4096))
    arena.reset()
    #expect(try arena.copy("again") == "again" && arena.bytesUsed == 5)
}
