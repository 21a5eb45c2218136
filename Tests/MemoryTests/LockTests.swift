// Enters: a value, and threads that change it. Leaves: every change, one at a time.
import Glibc
import Memory
import Testing

private struct Trouble: Error, Equatable {
    let number: Int
}

private final class Thing: Sendable {}

/// Two numbers that are the same whenever nobody is between them.
private struct Pair: Sendable {
    var left = 0
    var right = 0
}

/// Nothing is lost, and nobody sees another's half-done change.
@Test func severalThreadsCount() async {
    let (threads, each) = (4, 20_000)
    let lock = Lock(Pair())
    await withTaskGroup(of: Int.self) { group in
        for _ in 0..<threads {
            group.addTask {
                var faults = 0
                for step in 0..<each {
                    let isWhole = lock.withLock { pair -> Bool in
                        let before = pair.left
                        pair.left += 1
                        // Now and then another thread gets the core in the middle.
                        if step % 500 == 0 { sched_yield() }
                        pair.right += 1
                        return pair.left == pair.right && pair.left == before + 1
                    }
                    if !isWhole { faults += 1 }
                }
                return faults
            }
        }
        for await faults in group { #expect(faults == 0) }
    }
    let pair = lock.withLock { $0 }
    #expect(pair.left == threads * each && pair.right == threads * each)
}

@Test func whatTheBodyGivesComesOut() {
    let lock = Lock([1, 2, 3])
    #expect(lock.withLock { $0.removeLast() } == 3)
    #expect(lock.withLock { $0 } == [1, 2])
}

/// An error leaves with its type, and the lock open.
@Test func anErrorUnlocks() {
    let lock = Lock(0)
    for number in 1...3 {
        do throws(Trouble) {
            try lock.withLock { (value) throws(Trouble) in
                value += 1
                throw Trouble(number: number)
            }
            Issue.record("no error")
        } catch {
            #expect(error.number == number)
        }
    }
    #expect(lock.withLock { $0 } == 3)
}

@Test func theValueGoesWithItsLock() {
    weak var thing: Thing?
    do {
        let made = Thing()
        thing = made
        let lock = Lock(made)
        #expect(lock.withLock { $0 === made })
    }
    #expect(thing == nil)
}
