// Enters: keys and times. Leaves: the keys whose time has come.

/// Times at which somebody wants to be looked at, in ticks of 4 ms; one turn of the wheel is about 4 s.
///
/// Nothing is ever cancelled: whoever is looked at too early says when to look again. So a timer costs one append, and a
/// call that is answered in the turn it came in costs none.
public struct TimerWheel {
    public static let tickNanoseconds: Int64 = 4_000_000
    private static let slots = 1024

    private struct Entry {
        var tick: Int64
        var key: UInt64
    }

    private var wheel: [[Entry]] = Array(repeating: [], count: slots)
    private var tick: Int64
    private var pending = 0

    public init(now: Int64) { tick = now / Self.tickNanoseconds }

    public var isEmpty: Bool { pending == 0 }

    /// Asks to be told `key` at `time` or up to one tick later.
    public mutating func add(_ key: UInt64, at time: Int64) {
        // Rounded up, and not by an addition: a caller may name a time near the last that there is.
        let due = max(tick + 1, time / Self.tickNanoseconds + (time % Self.tickNanoseconds > 0 ? 1 : 0))
        wheel[Int(due % Int64(Self.slots))].append(Entry(tick: due, key: key))
        pending += 1
    }

    /// Tells each key whose time has come.
    public mutating func advance(to now: Int64, _ due: (UInt64) -> Void) {
        let target = now / Self.tickNanoseconds
        guard target > tick else { return }
        // After a long sleep one turn of the wheel sees every slot.
        let first = max(tick + 1, target - Int64(Self.slots) + 1)
        tick = target
        guard pending > 0 else { return }
        for slot in first...target {
            let index = Int(slot % Int64(Self.slots))
            guard !wheel[index].isEmpty else { continue }
            var kept = 0
            for position in wheel[index].indices {
                let entry = wheel[index][position]
                if entry.tick <= target {
                    pending -= 1
                    due(entry.key)
                } else {
                    wheel[index][kept] = entry
                    kept += 1
                }
            }
            wheel[index].removeSubrange(kept...)
        }
    }

    /// How long a poller may sleep: until the first slot with an entry, at most one turn; -1 when nothing waits.
    public func sleepMilliseconds(now: Int64) -> Int32 {
        guard pending > 0 else { return -1 }
        for ahead in 1...Int64(Self.slots) {
            guard !wheel[Int((tick + ahead) % Int64(Self.slots))].isEmpty else { continue }
            let nanoseconds = (tick + ahead) * Self.tickNanoseconds - now
            return Int32(max(0, (nanoseconds + 999_999) / 1_000_000))
        }
        return -1
    }
}
