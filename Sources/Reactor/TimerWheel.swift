// Enters: keys and times. Leaves: the keys whose time has come.

/// Times at which somebody wants to be looked at, in ticks of 4 ms; one turn of the wheel is about 4 s.
///
/// Nothing is ever cancelled: whoever is looked at too early says when to look again. So a timer costs one append, and a
/// call that is answered in the turn it came in costs none. Times beyond a turn wait apart, and are put on the wheel when it
/// has turned: a thousand connections that sleep for minutes wake a shard once in two seconds, not a thousand times.
public struct TimerWheel {
    public static let tickNanoseconds: Int64 = 4_000_000
    private static let slots = 1024

    private struct Entry {
        var tick: Int64
        var key: UInt64
    }

    private var wheel: [[Entry]] = Array(repeating: [], count: slots)
    /// A bit for each slot that is not empty.
    private var occupied = InlineArray<16, UInt64>(repeating: 0)
    private var far: [Entry] = []
    /// When the far ones are looked through next.
    private var sortTick: Int64
    private var tick: Int64
    private var pending = 0

    public init(now: Int64) {
        tick = now / Self.tickNanoseconds
        sortTick = tick + Int64(Self.slots / 2)
    }

    public var isEmpty: Bool { pending == 0 }

    /// Asks to be told `key` at `time` or up to one tick later.
    public mutating func add(_ key: UInt64, at time: Int64) {
        // Rounded up, and not by an addition: a caller may name a time near the last that there is.
        let due = max(tick + 1, time / Self.tickNanoseconds + (time % Self.tickNanoseconds > 0 ? 1 : 0))
        pending += 1
        place(Entry(tick: due, key: key))
    }

    private mutating func place(_ entry: Entry) {
        // What is due before the far ones are looked through must be on the wheel.
        guard entry.tick < tick + Int64(Self.slots) else { return far.append(entry) }
        let slot = Int(entry.tick % Int64(Self.slots))
        wheel[slot].append(entry)
        occupied[slot / 64] |= 1 << UInt64(slot % 64)
    }

    /// Tells each key whose time has come.
    public mutating func advance(to now: Int64, _ due: (UInt64) -> Void) {
        let target = now / Self.tickNanoseconds
        guard target > tick else { return }
        // After a long sleep one turn of the wheel sees every slot.
        let first = max(tick + 1, target - Int64(Self.slots) + 1)
        tick = target
        guard pending > 0 else {
            // Or what is far after a long rest would seem overdue to be looked through.
            sortTick = tick + Int64(Self.slots / 2)
            return
        }
        for slot in first...target {
            let index = Int(slot % Int64(Self.slots))
            guard occupied[index / 64] & 1 << UInt64(index % 64) != 0 else { continue }
            occupied[index / 64] &= ~(1 << UInt64(index % 64))
            // All of a slot are due: it holds one tick's entries only.
            for entry in wheel[index] { due(entry.key) }
            pending -= wheel[index].count
            wheel[index].removeAll(keepingCapacity: wheel[index].count <= 16)
        }
        if tick >= sortTick { sortFar(due) }
    }

    private mutating func sortFar(_ due: (UInt64) -> Void) {
        sortTick = tick + Int64(Self.slots / 2)
        let entries = far
        far.removeAll(keepingCapacity: true)
        for entry in entries {
            if entry.tick <= tick {
                pending -= 1
                due(entry.key)
            } else {
                place(entry)
            }
        }
    }

    /// How long a poller may sleep: until the first slot with an entry, or until the far ones must be looked through; -1
    /// when nothing waits.
    public func sleepMilliseconds(now: Int64) -> Int32 {
        guard pending > 0 else { return -1 }
        var next = far.isEmpty ? Int64.max : sortTick
        if let slot = nextOccupied { next = min(next, slot) }
        let nanoseconds = next * Self.tickNanoseconds - now
        return Int32(max(0, (nanoseconds + 999_999) / 1_000_000))
    }

    /// The tick of the first slot after now that is not empty.
    private var nextOccupied: Int64? {
        let start = Int((tick + 1) % Int64(Self.slots))
        // The word in which we are is looked at twice: from here on, and up to here.
        for step in 0...16 {
            let word = (start / 64 + step) % 16
            var bits = occupied[word]
            if step == 0 { bits &= ~0 << UInt64(start % 64) }
            guard bits != 0 else { continue }
            let slot = word * 64 + bits.trailingZeroBitCount
            return tick + 1 + Int64((slot - start + Self.slots) % Self.slots)
        }
        return nil
    }
}
