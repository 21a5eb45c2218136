// Enters: parcels from several threads. Leaves: all of them to one, each thread's in its order.
import Foundation
import Memory
import Synchronization
import Testing

private final class Letter: Parcel, @unchecked Sendable {
    let sender: Int
    let number: Int
    init(_ sender: Int, _ number: Int) { (self.sender, self.number) = (sender, number) }
}

/// What the one who takes has seen. Not a `Mutex`, whose futex the thread sanitizer does not see.
private final class Counters: Sendable {
    let puts = Atomic<Int>(0)
    let foundEmpty = Atomic<Int>(0)
    let gone = Atomic<Int>(0)
}

extension Mailbox {
    fileprivate func all() -> [Letter] {
        var letters: [Letter] = []
        take { if let letter = $0 as? Letter { letters.append(letter) } }
        return letters
    }
}

@Test func oldestFirstAndToldWhenItWasEmpty() {
    let mailbox = Mailbox()
    #expect(mailbox.all().isEmpty)
    for round in 0..<3 {
        for number in 0..<100 { #expect(mailbox.put(Letter(round, number)) == (number == 0)) }
        let letters = mailbox.all()
        #expect(letters.map(\.number) == Array(0..<100) && letters.allSatisfy { $0.sender == round })
        #expect(mailbox.all().isEmpty)
    }
}

/// A parcel that was taken may be put again, and put while others are being taken.
@Test func aParcelTravelsAgain() {
    let mailbox = Mailbox()
    let letters = (0..<5).map { Letter(0, $0) }
    for letter in letters { _ = mailbox.put(letter) }
    var taken = 0
    mailbox.take { parcel in
        taken += 1
        #expect(mailbox.put(parcel) == (taken == 1))
    }
    #expect(taken == 5)
    #expect(mailbox.all().map(\.number) == Array(0..<5))
}

@Test func whatNobodyTakesIsReleased() {
    weak var kept: Letter?
    do {
        let mailbox = Mailbox()
        let letter = Letter(1, 1)
        kept = letter
        _ = mailbox.put(letter)
        _ = mailbox.put(Letter(1, 2))
        #expect(kept != nil)
    }
    #expect(kept == nil)
}

/// Nothing is lost, each thread's parcels come in its order, and as often as somebody was told that it was empty, somebody
/// takes: no more, no less.
@Test func manyPutAndOneTakes() async {
    let (senders, each) = (4, 20_000)
    let mailbox = Mailbox()
    let counters = Counters()
    var next = [Int](repeating: 0, count: senders)
    var taken = 0
    var batches = 0
    for sender in 0..<senders {
        Thread.detachNewThread {
            for number in 0..<each {
                if mailbox.put(Letter(sender, number)) { counters.foundEmpty.add(1, ordering: .relaxed) }
                counters.puts.add(1, ordering: .releasing)
            }
            counters.gone.add(1, ordering: .releasing)
        }
    }
    var isOver = false
    while !isOver {
        isOver = counters.gone.load(ordering: .acquiring) == senders
        let letters = mailbox.all()
        if !letters.isEmpty { batches += 1 }
        for letter in letters {
            guard letter.number == next[letter.sender] else {
                Issue.record("letter \(letter.number) of sender \(letter.sender), \(next[letter.sender]) was due")
                return
            }
            next[letter.sender] += 1
            taken += 1
        }
        await Task.yield()
    }
    #expect(taken == senders * each && next == [Int](repeating: each, count: senders))
    #expect(counters.foundEmpty.load(ordering: .relaxed) == batches)
    #expect(counters.puts.load(ordering: .relaxed) == taken)
}

private final class Thing: Sendable {
    let number: Int
    let twice: Int
    init(_ number: Int) { (self.number, twice) = (number, 2 * number) }
}

@Test func whatWasStoredLastIsSeen() {
    let (one, two) = (Thing(1), Thing(2))
    let place = Publication(one)
    #expect(place.load(as: Thing.self).object === one)
    place.store(two)
    #expect(place.load(as: Thing.self).object === two)
    withExtendedLifetime((one, two)) {}
}

@Test func aPublicationKeepsNothing() {
    weak var first: Thing?
    let last = Thing(2)
    let place: Publication
    do {
        let thing = Thing(1)
        first = thing
        place = Publication(thing)
        place.store(last)
        withExtendedLifetime(thing) {}
    }
    #expect(first == nil)
    #expect(place.load(as: Thing.self).object === last)
}

/// While one thread stores, readers see one thing or the other, whole.
@Test func readersSeeWholeThings() async {
    let things = (1...1000).map { Thing($0) }
    let place = Publication(things[0])
    await withTaskGroup(of: Bool.self) { group in
        for _ in 0..<3 {
            group.addTask {
                var latest = 0
                while latest < 1000 {
                    let thing = place.load(as: Thing.self).object
                    guard thing.twice == 2 * thing.number, thing.number >= latest else { return false }
                    // Who stores may have no thread but ours.
                    if thing.number == latest { await Task.yield() }
                    latest = thing.number
                }
                return true
            }
        }
        group.addTask {
            for thing in things { place.store(thing) }
            return true
        }
        for await isWhole in group { #expect(isWhole) }
    }
    withExtendedLifetime(things) {}
}
