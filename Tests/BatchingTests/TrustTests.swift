// Enters: what came of trials. Leaves: whether calls run together, and for how long that is believed.
import Testing

@testable import Batching

extension Trust {
    fileprivate func judgements(_ count: Int) -> [Verdict] { (0..<count).map { _ in judge() } }
}

@Test func aSignatureThatForbidsIt() {
    let trust = Trust(canBatch: false)
    #expect(!trust.canBatch)
    for _ in 0..<10 {
        trust.agreed(rowsDiffer: true)
        trust.prove()
        #expect(trust.judge() == .alone && !trust.canBatch)
    }
    #expect(!trust.disagreed(), "no news")
}

@Test func trustIsEarned() {
    let trust = Trust(canBatch: true)
    for trial in 0..<Trust.trials {
        // A trial whose outcome nobody tells is none.
        #expect(trust.canBatch && trust.judgements(3) == [.both, .both, .both], "trial \(trial)")
        trust.agreed(rowsDiffer: true)
    }
    #expect(trust.canBatch && trust.judgements(100).allSatisfy { $0 == .together })
}

/// Rows that are all the same agree in a model that mixes them up, too.
@Test func rowsThatAreTheSameProveNothing() {
    let trust = Trust(canBatch: true)
    for _ in 0..<100 { trust.agreed(rowsDiffer: false) }
    #expect(trust.judge() == .both)
    // Unless rows of our own, which differed, have proven it before.
    trust.prove()
    #expect(trust.judge() == .both)
    for _ in 0..<Trust.trials { trust.agreed(rowsDiffer: false) }
    #expect(trust.judge() == .together)
}

@Test func audits() {
    let trust = Trust(canBatch: true)
    for _ in 0..<Trust.trials { trust.agreed(rowsDiffer: true) }
    for round in 0..<3 {
        let judgements = trust.judgements(1024)
        #expect(judgements.dropLast().allSatisfy { $0 == .together }, "round \(round)")
        #expect(judgements.last == .both, "round \(round)")
        // An audit that agrees changes nothing.
        trust.agreed(rowsDiffer: true)
    }
    // One that does not is the end.
    _ = trust.judgements(1024)
    #expect(trust.disagreed())
    #expect(trust.judgements(3000).allSatisfy { $0 == .alone })
}

@Test(arguments: 0...(Trust.trials + 1))
func disagreementIsForEver(agreedBefore: Int) {
    let trust = Trust(canBatch: true)
    for _ in 0..<agreedBefore { trust.agreed(rowsDiffer: true) }
    #expect(trust.disagreed(), "news")
    #expect(!trust.disagreed(), "no news any more")
    for _ in 0..<100 {
        trust.agreed(rowsDiffer: true)
        trust.prove()
        #expect(trust.judge() == .alone && !trust.canBatch)
    }
}

/// Threads that agree while one disagrees: it is heard, whoever comes last.
@Test func disagreementIsNotOvertaken() async {
    for _ in 0..<200 {
        let trust = Trust(canBatch: true)
        var news = 0
        await withTaskGroup(of: Bool.self) { group in
            for thread in 0..<4 {
                group.addTask {
                    for _ in 0..<8 { trust.agreed(rowsDiffer: true) }
                    let isNews = thread % 2 == 0 && trust.disagreed()
                    for _ in 0..<8 { trust.agreed(rowsDiffer: true) }
                    return isNews
                }
            }
            for await isNews in group where isNews { news += 1 }
        }
        #expect(!trust.canBatch && trust.judge() == .alone && news == 1)
    }
}
