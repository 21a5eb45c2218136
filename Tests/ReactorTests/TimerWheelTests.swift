// Enters: keys and times, from a seed. Leaves: each key once, in its tick or the next, under virtual time.
import Memory
import TestSupport
import Testing

@testable import Reactor

private let tick = TimerWheel.tickNanoseconds

/// The same as a list that is searched from end to end.
private struct NaiveWheel {
    var waiting: [UInt64: Int64] = [:]

    /// Those that must be told now: a whole tick has passed since their time. `may`: those whose time has come.
    func due(at now: Int64) -> (must: Set<UInt64>, may: Set<UInt64>) {
        (
            Set(waiting.filter { $0.value + tick <= now }.keys), Set(waiting.filter { $0.value <= now }.keys)
        )
    }
}

@Test func againstAListUnderSeeds() {
    for seed in 1...20 as ClosedRange<UInt64> {
        var random = SplitMix(seed: seed)
        var now: Int64 = random.below(1_000_000_000_000)
        var wheel = TimerWheel(now: now)
        var naive = NaiveWheel()
        var nextKey: UInt64 = 0
        for step in 0..<600 {
            switch random.below(4) {
            case 0, 1:
                // From the past to two turns of the wheel ahead; some in hours.
                let spans: [Int64] = [tick, 100 * tick, 1024 * tick, 3000 * tick, 3_600_000_000_000]
                let time = now - tick + random.below(spans[random.below(5)])
                wheel.add(nextKey, at: time)
                // What is past is told in the tick after the one in which it was asked for.
                naive.waiting[nextKey] = max(time, now - now % tick)
                nextKey += 1
            case 2: now += random.below(3 * tick)
            default: now += random.below(step % 50 == 0 ? 5000 * tick : 40 * tick)
            }
            var told: [UInt64] = []
            wheel.advance(to: now) { told.append($0) }
            let (must, may) = naive.due(at: now)
            guard Set(told).count == told.count, must.isSubset(of: told), may.isSuperset(of: told) else {
                Issue.record("seed \(seed), step \(step): told \(told.count), must \(must.count), may \(may.count)")
                return
            }
            for key in told { naive.waiting[key] = nil }
            #expect(wheel.isEmpty == naive.waiting.isEmpty, "seed \(seed), step \(step)")
        }
        // At the end of time all are told.
        var rest = 0
        wheel.advance(to: now + 4_000_000_000_000) { _ in rest += 1 }
        #expect(rest == naive.waiting.count && wheel.isEmpty, "seed \(seed)")
    }
}

struct WheelRow: Sendable, CustomTestStringConvertible {
    var testDescription: String
    /// In nanoseconds.
    var start: Int64 = 0
    var at: Int64
    /// A time at which it must not be told yet, and one at which it must.
    var notYet: Int64
    var told: Int64
}

@Test(arguments: [
    WheelRow(testDescription: "on a tick", at: 3 * tick, notYet: 3 * tick - 1, told: 3 * tick),
    WheelRow(testDescription: "inside a tick", at: 3 * tick + 1, notYet: 4 * tick - 1, told: 4 * tick),
    WheelRow(testDescription: "now", start: 10 * tick, at: 10 * tick, notYet: 11 * tick - 1, told: 11 * tick),
    WheelRow(testDescription: "long ago", start: 10 * tick, at: 0, notYet: 11 * tick - 1, told: 11 * tick),
    WheelRow(testDescription: "a turn ahead", at: 1024 * tick, notYet: 1024 * tick - 1, told: 1024 * tick),
    WheelRow(testDescription: "the same slot a turn later", at: 1030 * tick, notYet: 6 * tick, told: 1030 * tick),
    WheelRow(testDescription: "ten turns ahead", at: 10_240 * tick, notYet: 10_239 * tick, told: 10_240 * tick),
    WheelRow(testDescription: "after a long sleep", at: 5 * tick, notYet: 0, told: 1_000_000 * tick),
    WheelRow(
        testDescription: "a slot behind, a turn later", start: 1000 * tick, at: 1500 * tick, notYet: 1499 * tick,
        told: 9000 * tick),
])
func toldInItsTick(row: WheelRow) {
    var wheel = TimerWheel(now: row.start)
    #expect(wheel.isEmpty)
    wheel.add(7, at: row.at)
    var told: [UInt64] = []
    wheel.advance(to: row.notYet) { told.append($0) }
    #expect(told.isEmpty && !wheel.isEmpty)
    wheel.advance(to: row.told) { told.append($0) }
    #expect(told == [7] && wheel.isEmpty)
    wheel.advance(to: row.told + 5000 * tick) { told.append($0) }
    #expect(told == [7])
}

@Test(arguments: [.max, .max - 1, .max - tick, .max / 2] as [Int64])
func timesNearTheEndOfTimeWait(time: Int64) {
    var wheel = TimerWheel(now: 5 * tick)
    wheel.add(1, at: time)
    wheel.add(2, at: 6 * tick)
    var told: [UInt64] = []
    wheel.advance(to: 5000 * tick) { told.append($0) }
    #expect(told == [2] && !wheel.isEmpty)
}

@Test(
    arguments: [
        (0, 1, 4), (0, tick, 4), (0, tick + 1, 8), (1, tick, 4), (tick - 1, 2 * tick, 5), (0, 100 * tick, 400),
        // A turn away and more: looked at when the wheel has turned by half.
        (0, 1023 * tick, 4092), (0, 1024 * tick, 2048), (0, 1025 * tick, 2048), (0, 100_000 * tick, 2048),
        (tick / 2, 9000 * tick, 2046),
    ] as [(Int64, Int64, Int32)])
func howLongAPollerMaySleep(now: Int64, time: Int64, milliseconds: Int32) {
    var wheel = TimerWheel(now: now)
    #expect(wheel.sleepMilliseconds(now: now) == -1)
    wheel.add(1, at: time)
    #expect(wheel.sleepMilliseconds(now: now) == milliseconds)
    // Who comes late does not sleep at all.
    #expect(wheel.sleepMilliseconds(now: 100_000 * tick) == 0)
}

/// Sleeping as it says never makes a key late, and always comes to an end.
@Test func sleepingAsToldMeetsEveryTime() {
    for seed in 1...20 as ClosedRange<UInt64> {
        var random = SplitMix(seed: seed)
        var now: Int64 = random.below(tick * 5)
        var wheel = TimerWheel(now: now)
        var times: [UInt64: Int64] = [:]
        for key in 0..<50 as Range<UInt64> {
            times[key] = now + random.below(4000 * tick)
            wheel.add(key, at: times[key]!)
        }
        var turns = 0
        while !wheel.isEmpty {
            now += Int64(wheel.sleepMilliseconds(now: now)) * 1_000_000
            var told: [UInt64] = []
            wheel.advance(to: now) { told.append($0) }
            // A millisecond is the finest that a poller sleeps.
            for key in told { #expect(times[key]! <= now && now < times[key]! + tick + 1_000_000, "seed \(seed)") }
            turns += 1
            if turns > 1000 { break }
        }
        #expect(turns <= 1000 && wheel.isEmpty, "seed \(seed)")
    }
}

/// Wherever the wheel stands, the nearest of those that wait is the one for which a poller wakes up.
@Test func everySlotWakesInItsTurn() {
    for start in stride(from: 0 as Int64, to: 2100, by: 419) {
        for ahead in 1...1023 as ClosedRange<Int64> {
            var wheel = TimerWheel(now: start * tick)
            wheel.add(1, at: (start + ahead) * tick)
            if wheel.sleepMilliseconds(now: start * tick) != 4 * Int32(ahead) {
                Issue.record("from \(start), \(ahead) ahead: \(wheel.sleepMilliseconds(now: start * tick)) ms")
                return
            }
            // One that comes before it, and one that comes after.
            wheel.add(2, at: (start + 1023) * tick)
            wheel.add(3, at: (start + (ahead + 1) / 2) * tick)
            #expect(wheel.sleepMilliseconds(now: start * tick) == 4 * Int32((ahead + 1) / 2))
        }
    }
}

/// Who sleeps for minutes costs a look every two seconds, however many they are; and comes in time all the same.
@Test func thousandsThatSleepForMinutes() {
    var random = SplitMix(seed: 11)
    var now: Int64 = 77 * tick
    var wheel = TimerWheel(now: now)
    var times: [UInt64: Int64] = [:]
    for key in 0..<1000 as Range<UInt64> {
        times[key] = now + 300_000_000_000 + random.below(120_000_000_000)
        wheel.add(key, at: times[key]!)
    }
    let (began, nearest) = (now, times.values.min()!)
    var wakeUps: Int64 = 0
    while now < nearest - 4_200_000_000, wakeUps < 10_000 {
        now += Int64(wheel.sleepMilliseconds(now: now)) * 1_000_000
        wheel.advance(to: now) { key in Issue.record("\(key) is early") }
        wakeUps += 1
    }
    #expect(wakeUps <= (now - began) / 2_000_000_000 + 1)
    // Two minutes, tick by tick, are thirty thousand.
    for _ in 0..<40_000 where !wheel.isEmpty {
        now += Int64(wheel.sleepMilliseconds(now: now)) * 1_000_000
        wheel.advance(to: now) { key in
            let time = times.removeValue(forKey: key)
            #expect(time.map { $0 <= now && now < $0 + tick + 1_000_000 } ?? false)
        }
    }
    #expect(times.isEmpty)
}

/// One that nobody advanced past what was asked for: a turn and more too late, all of it comes, and once.
@Test func farOnesAfterALongSleep() {
    for late in [0, 1, 511, 512, 513, 1023, 1024, 1025, 5000] as [Int64] {
        var wheel = TimerWheel(now: 0)
        for ahead in 1...64 as ClosedRange<Int64> { wheel.add(UInt64(ahead), at: ahead * 50 * tick) }
        var told: [UInt64] = []
        wheel.advance(to: (3200 + late) * tick) { told.append($0) }
        #expect(told.sorted() == Array(1...64) && wheel.isEmpty, "\(late) late")
    }
}

/// A wheel on which nothing was for long: what is far then is no reason to wake up at once.
@Test func farOnesAfterALongRest() {
    for rest in [1, 511, 512, 600, 2000, 100_000] as [Int64] {
        var wheel = TimerWheel(now: 0)
        wheel.advance(to: rest * tick) { _ in }
        wheel.add(1, at: (rest + 1250) * tick)
        let milliseconds = wheel.sleepMilliseconds(now: rest * tick)
        #expect(milliseconds > 0 && milliseconds <= 2048, "after \(rest) ticks")
    }
}
