// Enters: posts of several threads. Leaves: as many waits that end. Waits are bounded; only the one for a time lasts.
import Synchronization
import Testing

@testable import Reactor

@Test func postsAreCounted() {
    let semaphore = Semaphore()
    for _ in 0..<1000 { semaphore.post() }
    for _ in 0..<1000 { semaphore.wait(until: .max) }
    // None is left: this one ends by its time, and not before.
    let due = Clock.now() + 20_000_000
    semaphore.wait(until: due)
    #expect(Clock.now() >= due)
    // One is there: this one does not wait for its time, which is in the year after next.
    semaphore.post()
    semaphore.wait(until: Clock.now() + 1 << 56)
}

@Test(arguments: [0, -1, 1, 999_999_999] as [Int64])
func aTimeThatIsOverDoesNotWait(time: Int64) {
    let semaphore = Semaphore()
    semaphore.wait(until: max(0, time))
    // And takes nothing from who comes later.
    semaphore.post()
    semaphore.wait(until: .max)
}

/// Threads that wait for ever are woken by as many posts, from any thread.
@Test func eachPostWakesOne() throws {
    final class Crowd: Sendable {
        let semaphore = Semaphore()
        let awake = Atomic<Int>(0)
    }
    let crowd = Crowd()
    let sleepers = try (0..<4).map { number in
        try Thread.start("sleeper-\(number)") {
            for _ in 0..<500 {
                crowd.semaphore.wait(until: number % 2 == 0 ? .max : Clock.now() + 1 << 56)
                crowd.awake.add(1, ordering: .relaxed)
            }
        }
    }
    let wakers = try (0..<2).map { number in
        try Thread.start("waker-\(number)") { for _ in 0..<1000 { crowd.semaphore.post() } }
    }
    for thread in wakers + sleepers { thread.join() }
    #expect(crowd.awake.load(ordering: .relaxed) == 2000)
}
