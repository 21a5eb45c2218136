// Enters: things with priorities, from a seed. Leaves: the order in which their turns come.
import Memory
import Tensors
import TestSupport
import Testing

@testable import Batching

/// The same by the words of its description: for each that waits in front of its lane, how often it was passed over.
private struct NaiveLanes {
    var waiting: [(element: Int, priority: Priority, passes: Int)] = []

    private func front(_ priority: Priority) -> Int? { waiting.firstIndex { $0.priority == priority } }

    mutating func popFirst() -> Int? {
        let fronts = Priority.allCases.compactMap(front)
        let starved = fronts.last { waiting[$0].passes >= 8 }
        guard let next = starved ?? fronts.first else { return nil }
        let priority = waiting[next].priority
        for front in fronts where waiting[front].priority.rawValue > priority.rawValue { waiting[front].passes += 1 }
        return waiting.remove(at: next).element
    }
}

@Test func lanesAgainstAListUnderSeeds() {
    for seed in 1...50 as ClosedRange<UInt64> {
        var random = SplitMix(seed: seed)
        var lanes = Lanes<Int>()
        var naive = NaiveLanes()
        let more = 1 + random.below(4)
        for element in 0..<1500 {
            if random.below(5) < more {
                let priority = Priority.allCases[random.below(random.below(2) == 0 ? 1 : 3)]
                lanes.append(element, priority)
                naive.waiting.append((element, priority, 0))
            } else {
                let first = lanes.first
                let expected = naive.popFirst()
                guard first == expected, lanes.popFirst() == expected else {
                    Issue.record("seed \(seed), step \(element)")
                    return
                }
            }
            #expect(lanes.isEmpty == naive.waiting.isEmpty, "seed \(seed), step \(element)")
        }
        while let expected = naive.popFirst() { #expect(lanes.popFirst() == expected, "seed \(seed), the rest") }
        #expect(lanes.isEmpty && lanes.first == nil && lanes.popFirst() == nil, "seed \(seed)")
    }
}

@Test func firstComeFirstServedWithinALane() {
    for priority in Priority.allCases {
        var lanes = Lanes<Int>()
        for element in 0..<1000 { lanes.append(element, priority) }
        #expect((0..<1000).map { _ in lanes.popFirst() } == Array(0..<1000))
    }
}

/// A lane that never runs empty starves nobody: who is in front of a lower one is passed over at most eight times.
@Test(arguments: [Priority.normal, .low])
func nobodyStarves(priority: Priority) {
    var lanes = Lanes<Int>()
    lanes.append(-1, priority)
    lanes.append(-2, priority)
    var turns: [Int] = []
    for element in 0..<40 {
        lanes.append(element, .high)
        lanes.append(element + 1000, .high)
        turns.append(lanes.popFirst() ?? .min)
    }
    #expect(turns.firstIndex(of: -1) == 8 && turns.firstIndex(of: -2) == 17)
}

/// The lowest lane is passed over by both others, and its turn comes all the same.
@Test func theLowestOfThree() {
    var lanes = Lanes<Priority>()
    var sinceLow = 0
    for _ in 0..<1000 {
        for priority in Priority.allCases { lanes.append(priority, priority) }
        if lanes.popFirst() == .low { sinceLow = 0 } else { sinceLow += 1 }
        #expect(sinceLow <= 8)
    }
}
